//! Changes to accounts, for the audit stream.

use cedargate_core::{Authenticator, MethodType, UserId};
use serde::{Serialize, Serializer};
use uuid::Uuid;

/// A change to a user's authenticators or codes. SP 800-63B-4 asks to notify the user of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AccountChange {
    pub kind: AccountChangeKind,
    /// The owner of the account: `<issuer>|<tenant>|<sub>`.
    pub account: String,
    /// The `id` of the authenticator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authenticator: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method_type: Option<MethodType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
    /// `unknown` if the store may or may not have made the change: the client hung up, or the store
    /// did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
}

/// The kinds of [`AccountChange`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AccountChangeKind {
    Enrolled,
    /// An authenticator was used for a step-up.
    Used,
    Renamed,
    Deleted,
    /// The signature counter of an authenticator did not grow, so the authenticator may have been
    /// cloned.
    CounterBack,
    CodeUsed,
    /// A wrong backup or recovery code was tried.
    CodeWrong,
    /// A code was not checked, because the session had tried too many wrong ones.
    CodesThrottled,
    CodesRegenerated,
    /// An administrator removed all authenticators and codes. There may have been none.
    Reset,
    RecoveryCodeMade,
    RecoveryCodeUsed,
}

impl AccountChangeKind {
    /// Returns the name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            AccountChangeKind::Enrolled => "enrolled",
            AccountChangeKind::Used => "used",
            AccountChangeKind::Renamed => "renamed",
            AccountChangeKind::Deleted => "deleted",
            AccountChangeKind::CounterBack => "counter_back",
            AccountChangeKind::CodeUsed => "code_used",
            AccountChangeKind::CodeWrong => "code_wrong",
            AccountChangeKind::CodesThrottled => "codes_throttled",
            AccountChangeKind::CodesRegenerated => "codes_regenerated",
            AccountChangeKind::Reset => "reset",
            AccountChangeKind::RecoveryCodeMade => "recovery_code_made",
            AccountChangeKind::RecoveryCodeUsed => "recovery_code_used",
        }
    }
}

impl Serialize for AccountChangeKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl AccountChange {
    /// A change to an account as a whole.
    pub fn of_account(kind: AccountChangeKind, account: &UserId) -> Self {
        Self {
            kind,
            account: account.to_string(),
            authenticator: None,
            method_type: None,
            device_name: None,
            outcome: None,
        }
    }

    /// A change to one authenticator of an account.
    pub fn of_authenticator(
        kind: AccountChangeKind,
        account: &UserId,
        authenticator: &Authenticator,
    ) -> Self {
        Self {
            authenticator: Some(authenticator.id),
            method_type: Some(authenticator.method_type),
            device_name: Some(authenticator.device_name.clone()),
            ..Self::of_account(kind, account)
        }
    }
}
