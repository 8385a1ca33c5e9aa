//! Sets of backup codes, and recovery codes.

use std::time::Duration;

use cedargate_core::{Bytes, CodeKind, Timestamp};

/// The set that codes are tried against.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ActiveCodes {
    pub salt: CodeSalt,
    pub kind: CodeKind,
    /// The deadline of an unused recovery code, by the store's clock.
    pub expires_at: Option<Timestamp>,
}

/// The salt and the pepper id that a set of codes was hashed with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CodeSalt {
    /// A random salt. It also identifies the set.
    pub salt: Bytes,
    pub pepper_id: String,
}

/// A set of backup codes to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct CodeSet {
    /// A random salt. It also identifies the set.
    pub salt: Bytes,
    pub pepper_id: String,
    /// The hash of each code.
    pub hashes: Vec<Bytes>,
}

/// A recovery code to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct RecoveryCode {
    /// A set with one hash.
    pub set: CodeSet,
    /// The code works for this long, from the moment at which the store stores it.
    pub ttl: Duration,
}
