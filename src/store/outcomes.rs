//! The outcomes of the store's steps.

use std::time::Duration;

use crate::model::{Authenticator, Timestamp};

/// The outcome of a use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Used {
    /// The pending authentication is gone, the use is stored.
    Stored {
        /// The epoch of the account in that moment.
        epoch: u64,
    },
    /// The pending authentication is not there any more: nothing was stored.
    Gone,
    /// The authenticator is not there any more; the pending authentication is used up.
    NoAuthenticator,
    /// The signature counter has not grown (WebAuthn Level 3 §7.2, step 22): nothing of the use was
    /// stored; the pending authentication is used up.
    CounterBack,
}

/// The outcome of a removal.
#[derive(Clone, Debug, PartialEq)]
pub enum Removed {
    /// It is gone. With the last authenticator the backup codes went too.
    Removed {
        /// As it was last used.
        authenticator: Box<Authenticator>,
        /// Until when the recovery code works, if it was stored.
        recovery_expires_at: Option<Timestamp>,
    },
    /// There was none.
    Nothing,
    /// The account is not what was decided on: nothing was removed.
    Stale,
}

/// The outcome of a reset.
#[derive(Clone, Debug, PartialEq)]
pub enum Reset {
    /// Authenticators, codes and pending ceremonies are gone, and the recovery code works.
    Done {
        /// What was removed, oldest first.
        removed: Vec<Authenticator>,
        /// Until when the recovery code works.
        expires_at: Timestamp,
    },
    /// There are authenticators, and it was not to remove any: nothing was changed.
    Enrolled,
}

/// The outcome of storing a new set of codes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Replaced {
    /// It is the only one that works.
    Stored,
    /// The account is not what was decided on: nothing was stored.
    Stale,
    /// Another set was stored since: nothing was stored.
    Superseded,
}

/// The outcome of trying a backup or recovery code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tried {
    /// It worked, and never will again.
    Used {
        /// How many backup codes work now.
        remaining: usize,
        /// The epoch of the account in that moment.
        epoch: u64,
    },
    /// It is none of the codes that work. Counted.
    Wrong,
    /// There were too many wrong ones in this session; nothing was tried.
    TooMany {
        /// When the next may be tried.
        retry_after: Duration,
    },
    /// The set is another than the one that was hashed for: nothing was tried.
    OtherSet,
}

/// The outcome of beginning a ceremony.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Begun {
    /// Stored, and kept until then by the store's clock.
    Stored {
        /// The deadline.
        expires_at: Timestamp,
    },
    /// The account is not what was decided on: nothing was stored.
    Stale,
    /// The session began too many: nothing was stored.
    TooMany {
        /// When it may begin the next.
        retry_after: Duration,
    },
}

/// The outcome of completing an enrolment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Committed {
    /// The pending enrolment is gone, the credential is stored. A reset and its recovery code are over.
    Stored {
        /// Whether the code set that came with it was stored too.
        codes_stored: bool,
        /// How many codes work now.
        remaining: usize,
    },
    /// The pending enrolment is not there any more: nothing was stored.
    Gone,
    /// That credential id is held at that relying party, by another user or by this one: nothing
    /// was stored, and the pending enrolment stands.
    Exists,
    /// The account has as many authenticators as it may have: nothing was stored, the pending
    /// enrolment stands.
    LimitReached,
    /// The account is not what was decided on: nothing was stored, the pending enrolment stands.
    Stale,
}
