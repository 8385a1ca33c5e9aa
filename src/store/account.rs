//! The account of a user, as steps read it.

use std::time::Duration;

use cedargate_core::{Authenticator, Bytes, Factors};
use uuid::Uuid;

use super::{ActiveCodes, Authentication, Enrolment};

/// The account of one user. A user without a record has the default account.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// The version of the authenticators. Each enrolment, removal and reset raises it; 0 for a user
    /// who never had one of these.
    pub version: u64,
    /// The WebAuthn user handle, once an enrolment was begun.
    pub handle: Option<Uuid>,
    /// The authenticators, oldest first.
    pub authenticators: Vec<Authenticator>,
    /// The epoch of step-ups. Each removal of an authenticator and each reset raises it, and so ends
    /// the step-ups of an earlier epoch.
    pub epoch: u64,
    /// True after an administrator left the account without authenticators, until the next enrolment.
    pub reset: bool,
    /// The number of backup codes that work. A recovery code is not counted.
    pub codes_remaining: usize,
    /// The set that codes are tried against: the recovery code if there is one, else the backup
    /// codes. An account never has both.
    pub codes: Option<ActiveCodes>,
    /// The salt of the previous set, if a code of that set opened the session whose enrolment replaced
    /// or ended the set: the session's token stays good for a repetition of that enrolment. Every
    /// other change of the active set clears the salt, and nothing else does.
    pub replaced_salt: Option<Bytes>,
    /// The time until the session that was read for may try the next code, if it tried too many
    /// wrong ones.
    pub codes_retry_after: Option<Duration>,
    /// The pending enrolment with the challenge that was read for, if it has not expired.
    pub pending: Option<Enrolment>,
    /// The pending authentication with the challenge that was read for, if it has not expired.
    pub authentication: Option<Authentication>,
}

impl Account {
    /// Returns the facts about the authenticators that policies may use.
    pub fn factors(&self) -> Factors {
        Factors::of(&self.authenticators, self.reset)
    }

    /// Returns true if one of the authenticators has this credential id at this relying party.
    pub fn holds(&self, rp_id: &str, credential_id: &Bytes) -> bool {
        holds(&self.authenticators, rp_id, credential_id)
    }
}

pub(super) fn holds(authenticators: &[Authenticator], rp_id: &str, credential_id: &Bytes) -> bool {
    authenticators.iter().any(|authenticator| {
        authenticator.rp_id == rp_id && authenticator.credential_id == *credential_id
    })
}

/// Sorts authenticators in the order of [`Account::authenticators`], the same on both backends.
pub(super) fn oldest_first(authenticators: &mut [Authenticator]) {
    authenticators.sort_by_key(|authenticator| (authenticator.created_at, authenticator.id));
}
