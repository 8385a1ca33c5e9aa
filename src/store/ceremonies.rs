//! Pending ceremonies, as they are stored.

use std::fmt;

use cedargate_core::{Bytes, MethodType, SessionKey};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A pending enrolment. Its challenge identifies it.
#[derive(Clone, Deserialize, PartialEq, Serialize)]
pub struct Enrolment {
    pub challenge: Bytes,
    pub method_type: MethodType,
    /// The relying party at which the enrolment was begun.
    pub rp_id: String,
    /// The session in which the enrolment was begun, for the limits of pending ceremonies. Another
    /// session may complete it.
    #[serde(default)]
    pub session_key: SessionKey,
}

impl fmt::Debug for Enrolment {
    /// Leaves out the challenge, so that it cannot get into a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrolment")
            .field("method_type", &self.method_type)
            .field("rp_id", &self.rp_id)
            .finish_non_exhaustive()
    }
}

/// A pending authentication. Its challenge identifies it.
#[derive(Clone, Deserialize, PartialEq, Serialize)]
pub struct Authentication {
    pub challenge: Bytes,
    /// The relying party at which the authentication was begun.
    pub rp_id: String,
    /// The session in which the authentication was begun. Only this session may complete it.
    pub session: String,
    /// The key of that session, for the limits of pending ceremonies.
    #[serde(default)]
    pub session_key: SessionKey,
    /// The authenticators that may complete the authentication.
    #[serde(default, rename = "state")]
    pub allow_credentials: AllowCredentials,
}

impl fmt::Debug for Authentication {
    /// Leaves out the challenge and the session, so that they cannot get into a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authentication")
            .field("rp_id", &self.rp_id)
            .finish_non_exhaustive()
    }
}

/// The authenticators that may complete a pending authentication. They are stored in an object of
/// their own because earlier releases stored the challenge and the user verification beside the ids.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct AllowCredentials {
    /// The [`Authenticator::id`](cedargate_core::Authenticator::id)s. A record without ids allows no
    /// authenticator.
    pub allowed: Vec<Uuid>,
}
