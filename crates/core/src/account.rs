//! Authenticators, and the facts about an account that decisions are made on.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{Bytes, MethodType, Timestamp};

/// A WebAuthn credential record of a user (WebAuthn Level 3 §4), with the facts that policies read.
///
/// It is stored once the action `trustAuthenticator` is allowed. That action is decided on the record as
/// it would be stored.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Authenticator {
    /// The random `id` in the methods list. It is also the commit id that makes storing idempotent.
    pub id: Uuid,
    /// The method type that it was enrolled as.
    pub method_type: MethodType,
    /// The name that its owner gave it, or [`MethodType::noun`].
    pub device_name: String,
    /// The id of the relying party that it was enrolled at, such as `example.com`.
    pub rp_id: String,
    /// The credential id: 16 to 1023 bytes (WebAuthn Level 3 §4).
    pub credential_id: Bytes,
    /// The AAGUID, if attestation proved it with a chain to a root that is trusted for this model.
    pub proven_model: Option<Uuid>,
    /// The AAGUID in the authenticator data (WebAuthn Level 3 §6.5.1). Without attestation it proves
    /// nothing, because the client could have set it.
    pub claimed_model: Option<Uuid>,
    /// The transports that the client named, such as `usb`. They prove nothing.
    pub claimed_transports: Vec<String>,
    /// The UV flag at enrolment: the authenticator verified the user (WebAuthn Level 3 §6.1).
    pub user_verified: bool,
    /// The BE flag: the credential may be synced (WebAuthn Level 3 §6.1.3).
    pub backup_eligible: bool,
    /// The BS flag: the credential is synced now (WebAuthn Level 3 §6.1.3).
    pub backed_up: bool,
    /// The last signature counter (WebAuthn Level 3 §6.1.1). 0 for authenticators without one.
    #[serde(default)]
    pub sign_count: u32,
    /// The moment of enrolment.
    pub created_at: Timestamp,
    /// The moment of the last assertion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// True if it was enrolled under a strong sign-in at the issuer, with a recovery code, or in a session
    /// that another trusted authenticator confirmed. False for records of older releases.
    #[serde(default)]
    pub trusted: bool,
    /// The public key and the rest of the WebAuthn library's own record, as that library serialises it.
    pub credential: Value,
}

/// The facts about the caller's authenticators that policies read as `context.factors`. Backup codes do
/// not count as factors.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Factors {
    /// The number of stored authenticators, those of other relying parties included.
    pub count: usize,
    /// Their method types, sorted, each once.
    pub method_types: Vec<MethodType>,
    /// True if an administrator removed the last authenticator and none was stored since.
    pub reset: bool,
}

impl Factors {
    /// Returns the facts about these authenticators.
    pub fn of(authenticators: &[Authenticator], reset: bool) -> Self {
        let mut method_types: Vec<_> = authenticators
            .iter()
            .map(|record| record.method_type)
            .collect();
        method_types.sort_unstable();
        method_types.dedup();
        Self {
            count: authenticators.len(),
            method_types,
            reset,
        }
    }
}

/// The ways in which the caller can step up at this gateway now. Policies do not read them: they decide
/// which step-up a denial offers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Means {
    /// The authenticators that can confirm this session: those of this relying party that are not
    /// disabled.
    pub authenticators: Vec<Confirmer>,
    /// True if the account has an unused backup code.
    pub backup_code: bool,
    /// True if the account has a recovery code that has neither been used nor expired.
    pub recovery_code: bool,
}

/// An authenticator that can confirm a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Confirmer {
    /// The method type that it was enrolled as.
    pub method_type: MethodType,
    /// True if the confirmed session would be trusted.
    pub trusted: bool,
    /// The time since its enrolment, in seconds.
    pub age: u64,
}
