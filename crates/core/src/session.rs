//! The session behind a token: the sign-in, its confirmation, and the codes that were used in it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Bytes, Timestamp};

/// The session behind a token, read from the token's claims.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// The id that tells it from the user's other sessions: the token's `sid`, else its `jti`, else a hash
    /// of the token. A step-up completes only in the session in which it began.
    pub id: String,
    /// The key by which limits count attempts.
    pub key: SessionKey,
    /// The moment at which the token expires (`exp`, RFC 7519 §4.1.4).
    pub expires_at: Timestamp,
    /// The moment of the sign-in (`auth_time`, OpenID Connect Core §2).
    pub signed_in_at: Option<Timestamp>,
    /// The epoch of the account under which the gateway issued this step-up token. `None` for tokens of
    /// other issuers.
    pub epoch: Option<u64>,
    /// The authentication methods (`amr`, RFC 8176).
    pub amr: Vec<String>,
    /// The authentication context class (`acr`). Empty if the token has none.
    pub acr: String,
    /// The moment of the last sign-in with a strong `acr`.
    pub strong_at: Option<Timestamp>,
    /// The proof beyond a password.
    pub confirmation: Confirmation,
    /// The backup or recovery code that was used in this session.
    pub code: Option<CodeUse>,
}

impl Session {
    /// Returns true if a strong sign-in or a trusted authenticator confirmed this session. A code alone
    /// does not make a session trusted.
    pub fn trusted(&self) -> bool {
        match self.confirmation {
            Confirmation::Nothing => false,
            Confirmation::SignIn => true,
            Confirmation::Authenticator { trusted, .. } => trusted,
        }
    }

    /// Returns true if an authenticator that is enrolled in this session is trusted: the session is
    /// trusted, or a recovery code was used in it.
    pub fn enrols_trusted(&self) -> bool {
        let recovered = |code: &CodeUse| code.kind == CodeKind::Recovery;
        self.trusted() || self.code.as_ref().is_some_and(recovered)
    }
}

/// The key by which limits count attempts: a hash of the token's `sid`, else of its `auth_time`, else
/// empty for the account as a whole. Unlike [`Session::id`] it is the same for all tokens of one sign-in.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct SessionKey(String);

impl SessionKey {
    /// Returns the key for a `sid` claim.
    pub fn of_sid(sid: &str) -> Self {
        Self::digest(&format!("sid:{sid}"))
    }

    /// Returns the key for the sign-in at this moment.
    pub fn of_sign_in(at: Timestamp) -> Self {
        Self::digest(&format!("auth_time:{}", at.millis()))
    }

    /// Returns the key for all sessions whose tokens have neither a `sid` nor an `auth_time`.
    pub fn of_account() -> Self {
        Self::default()
    }

    /// Returns 22 characters of base64url, or the empty string for the account as a whole. Claims are
    /// hashed because they are not stored as they are.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn digest(text: &str) -> Self {
        Self(URL_SAFE_NO_PAD.encode(&Sha256::digest(text)[..16]))
    }
}

/// The proof beyond a password that confirmed a session.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Confirmation {
    /// No proof beyond a password.
    #[default]
    Nothing,
    /// A strong sign-in at the issuer.
    SignIn,
    /// An assertion of an authenticator that is enrolled at this gateway.
    Authenticator {
        /// The moment of its enrolment.
        enrolled_at: Timestamp,
        /// True if it was enrolled in a trusted session or with a recovery code.
        trusted: bool,
    },
}

/// A code that was used in a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CodeUse {
    /// The moment of its use.
    pub at: Timestamp,
    /// The set that the code belongs to. The token is refused once that set has been replaced.
    pub set: CodeSetId,
    /// Backup or recovery.
    pub kind: CodeKind,
}

/// The two kinds of code that stand in for an authenticator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CodeKind {
    /// One of the ten codes that a user keeps.
    Backup,
    /// The one code that an administrator hands over after a reset.
    Recovery,
}

/// The id of a set of codes in step-up tokens. A recovery code is a set of its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CodeSetId(String);

impl CodeSetId {
    /// Returns the id of the set with this salt: 22 characters of base64url.
    pub fn of(salt: &Bytes) -> Self {
        Self(URL_SAFE_NO_PAD.encode(&Sha256::digest(&salt.0)[..16]))
    }

    /// Returns the id that a step-up token names.
    pub fn named(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Returns the id as tokens spell it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
