//! The sign-in behind a token: what confirmed it, which code was used in it, and what its limits count for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Bytes, Timestamp};

/// The sign-in behind a presented token, as the token tells of it.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// What tells it from the user's other sessions: the token's `sid`, else its `jti`, else a hash
    /// of it. A step-up that was begun under one session completes only under it.
    pub id: String,
    /// The session that limits count for.
    pub key: SessionKey,
    /// When the token expires.
    pub expires_at: Timestamp,
    /// When the user signed in, by the token's `auth_time`.
    pub signed_in_at: Option<Timestamp>,
    /// The epoch of the account that a step-up token of our own was issued under.
    pub epoch: Option<u64>,
    /// Authentication methods (RFC 8176).
    pub amr: Vec<String>,
    /// Authentication context class; empty when the token has none.
    pub acr: String,
    /// When the user last signed in with an `acr` that counts as strong.
    pub strong_at: Option<Timestamp>,
    /// The proof beyond a password, if there is one.
    pub confirmation: Confirmation,
    /// The backup or recovery code that was used in this session, if one was.
    pub code: Option<CodeUse>,
}

impl Session {
    /// Returns true if the proof behind this session goes back to something stronger than a
    /// password. A code alone does not make a session trusted.
    pub fn trusted(&self) -> bool {
        match self.confirmation {
            Confirmation::Nothing => false,
            Confirmation::SignIn => true,
            Confirmation::Authenticator { trusted, .. } => trusted,
        }
    }

    /// Returns true if an authenticator that is enrolled in this session is to be trusted: the session
    /// is, or a recovery code opened it.
    pub fn enrols_trusted(&self) -> bool {
        let recovered = |code: &CodeUse| code.kind == CodeKind::Recovery;
        self.trusted() || self.code.as_ref().is_some_and(recovered)
    }
}

/// The session that limits count for: the token's `sid`, else its `auth_time`, else the account as a
/// whole. Unlike [`Session::id`] it does not change with each token of one sign-in.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct SessionKey(String);

impl SessionKey {
    /// The session that a `sid` claim names.
    pub fn of_sid(sid: &str) -> Self {
        Self::digest(&format!("sid:{sid}"))
    }

    /// The session that began with this sign-in.
    pub fn of_sign_in(at: Timestamp) -> Self {
        Self::digest(&format!("auth_time:{}", at.millis()))
    }

    /// All sessions of an account whose tokens name neither.
    pub fn of_account() -> Self {
        Self::default()
    }

    /// 22 characters of base64url, or none for the account as a whole: what a token says is not
    /// stored as it is.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn digest(text: &str) -> Self {
        Self(URL_SAFE_NO_PAD.encode(&Sha256::digest(text)[..16]))
    }
}

/// What confirmed a session beyond a password.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Confirmation {
    /// Nothing did.
    #[default]
    Nothing,
    /// A strong sign-in at the issuer.
    SignIn,
    /// An authenticator that is enrolled here.
    Authenticator {
        /// When it was enrolled.
        enrolled_at: Timestamp,
        /// Whether it was enrolled in a trusted session or with a recovery code.
        trusted: bool,
    },
}

/// A code that was used in a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CodeUse {
    /// When.
    pub at: Timestamp,
    /// The set that it is of: the token is refused once that set is gone.
    pub set: CodeSetId,
    /// What it is.
    pub kind: CodeKind,
}

/// The two kinds of code that stand in for an authenticator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CodeKind {
    /// One of the ten that a user keeps.
    Backup,
    /// The one that an admin hands over after a reset.
    Recovery,
}

/// Names a set of codes in tokens. A recovery code is a set of its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CodeSetId(String);

impl CodeSetId {
    /// The id of the set with this salt.
    pub fn of(salt: &Bytes) -> Self {
        Self(URL_SAFE_NO_PAD.encode(&Sha256::digest(&salt.0)[..16]))
    }

    /// The id that a token of our own names.
    pub fn named(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The spelling in tokens.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
