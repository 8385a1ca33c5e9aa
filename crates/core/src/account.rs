//! What an account holds, as far as decisions know it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{Bytes, MethodType, Timestamp};

/// An authenticator, verified and, but for the moment before `trustAuthenticator`, enrolled.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Authenticator {
    /// The `id` in the methods list, random; also the commit id that makes its storing idempotent.
    pub id: Uuid,
    /// How it was enrolled.
    pub method_type: MethodType,
    /// The name its owner gave it, or what stands in for one.
    pub device_name: String,
    /// The relying party that it was enrolled at.
    pub rp_id: String,
    /// The credential id, 16 to 1023 bytes.
    pub credential_id: Bytes,
    /// The AAGUID, where attestation proved it up to a root trusted for that very model.
    pub proven_model: Option<Uuid>,
    /// The AAGUID in authenticator data: without proof the word of the caller's own browser.
    pub claimed_model: Option<Uuid>,
    /// What the browser says of the transports; proves nothing.
    pub claimed_transports: Vec<String>,
    /// Whether the user was verified (UV) when it was enrolled.
    pub user_verified: bool,
    /// The BE flag: may be synced.
    pub backup_eligible: bool,
    /// The BS flag: is synced now.
    pub backed_up: bool,
    /// The signature counter as it was last seen; 0 for authenticators that have none.
    #[serde(default)]
    pub sign_count: u32,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// When it was last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// Whether it was enrolled under a strong sign-in at the issuer, with a recovery code, or in a
    /// session that another trusted authenticator confirmed. Records of older releases are not.
    #[serde(default)]
    pub trusted: bool,
    /// The public key and what else the WebAuthn library needs for an assertion, in its own form.
    pub credential: Value,
}

/// What a decision may know of the caller's authenticators. Backup codes do not count.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Factors {
    /// How many are stored, usable at this relying party or not.
    pub count: usize,
    /// Of which types, each once, sorted.
    pub method_types: Vec<MethodType>,
    /// Whether an administrator left the account without any, and none was stored since.
    pub reset: bool,
}

impl Factors {
    /// The factors that these authenticators are.
    pub fn of(authenticators: &[Authenticator], reset: bool) -> Self {
        let mut method_types: Vec<_> = authenticators.iter().map(|one| one.method_type).collect();
        method_types.sort_unstable();
        method_types.dedup();
        Self {
            count: authenticators.len(),
            method_types,
            reset,
        }
    }
}

/// How the caller could prove more than their token does, here and now. Not a fact that policies
/// read: it tells which step-up can be offered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Means {
    /// The authenticators that can confirm this session: of this relying party, and not disabled.
    pub authenticators: Vec<Confirmer>,
    /// Whether a backup code works.
    pub backup_code: bool,
    /// Whether a recovery code works.
    pub recovery_code: bool,
}

/// An authenticator that can confirm a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Confirmer {
    /// How it was enrolled.
    pub method_type: MethodType,
    /// Whether the session would be trusted.
    pub trusted: bool,
    /// For how many seconds it has been enrolled.
    pub age: u64,
}
