//! The outcomes of the store's steps. Each is named after its step.

use std::time::Duration;

use cedargate_core::{Authenticator, Timestamp};

/// The outcome of [`Store::begin`](super::Store::begin) and of
/// [`Store::begin_authentication`](super::Store::begin_authentication).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BeginOutcome {
    /// The ceremony is stored.
    Stored {
        /// The deadline, by the store's clock.
        expires_at: Timestamp,
    },
    /// The account has changed since the decision: nothing was stored.
    Stale,
    /// The session began too many ceremonies: nothing was stored.
    TooMany {
        /// The session may begin the next one after this time.
        retry_after: Duration,
    },
}

/// The outcome of [`Store::complete`](super::Store::complete).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CompleteOutcome {
    /// The credential is stored and the pending enrolment is removed. A reset and its recovery code
    /// have ended.
    Stored {
        /// True if the code set of the completion was stored too.
        codes_stored: bool,
        /// The number of backup codes that work now.
        remaining: usize,
    },
    /// The pending enrolment no longer exists: nothing was stored.
    Gone,
    /// The credential id is already registered at that relying party, by this user or another one:
    /// nothing was stored, and the pending enrolment remains.
    Exists,
    /// The account has the maximum number of authenticators: nothing was stored, and the pending
    /// enrolment remains.
    LimitReached,
    /// The account has changed since the decision: nothing was stored, and the pending enrolment
    /// remains.
    Stale,
}

/// The outcome of [`Store::authenticate`](super::Store::authenticate).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AuthenticateOutcome {
    /// The use is stored, and the pending authentication is removed.
    Stored {
        /// The epoch of the account at that moment.
        epoch: u64,
    },
    /// The pending authentication no longer exists: nothing was stored.
    Gone,
    /// The authenticator no longer exists. The pending authentication is used up.
    NoAuthenticator,
    /// The signature counter has not grown (WebAuthn Level 3 §7.2, step 22): nothing of the use was
    /// stored. The pending authentication is used up.
    CounterBack,
}

/// The outcome of [`Store::remove`](super::Store::remove).
#[derive(Clone, Debug, PartialEq)]
pub enum RemoveOutcome {
    /// The authenticator is removed, and with the last one the backup codes too.
    Removed {
        /// The authenticator, with the values of its last use.
        authenticator: Box<Authenticator>,
        /// The deadline of the recovery code, if one was stored.
        recovery_expires_at: Option<Timestamp>,
    },
    /// The account has no such authenticator.
    Nothing,
    /// The account has changed since the decision: nothing was removed.
    Stale,
}

/// The outcome of [`Store::reset`](super::Store::reset).
#[derive(Clone, Debug, PartialEq)]
pub enum ResetOutcome {
    /// Authenticators, codes and pending ceremonies are removed, and the recovery code works.
    Done {
        /// The removed authenticators, oldest first.
        removed: Vec<Authenticator>,
        /// The deadline of the recovery code.
        expires_at: Timestamp,
    },
    /// The account has authenticators, and the reset was not allowed to remove any: nothing was
    /// changed.
    Enrolled,
}

/// The outcome of [`Store::replace_codes`](super::Store::replace_codes).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReplaceCodesOutcome {
    /// The new set is the only one that works.
    Stored,
    /// The account has changed since the decision: nothing was stored.
    Stale,
    /// Another set was stored in the meantime: nothing was stored.
    Superseded,
}

/// The outcome of [`Store::try_code`](super::Store::try_code).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TryCodeOutcome {
    /// The code worked, and is used up.
    Used {
        /// The number of backup codes that work now.
        remaining: usize,
        /// The epoch of the account at that moment.
        epoch: u64,
    },
    /// No code that works has this hash. The attempt is counted.
    Wrong,
    /// The session tried too many wrong codes: the code was not compared.
    TooMany {
        /// The session may try the next code after this time.
        retry_after: Duration,
    },
    /// Another set is active than the one that the hash was made for: the code was not compared.
    OtherSet,
}
