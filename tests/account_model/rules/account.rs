//! An account and a token in the model.

use std::collections::{BTreeMap, BTreeSet};

use super::super::requests::{Id, Session, Who};

const PENDING_PER_SESSION: usize = 8;
const PENDING_PER_ACCOUNT: usize = 64;

/// The proof behind a token's session.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::account_model) enum Proof {
    Password,
    /// A strong sign-in at the issuer.
    SignIn {
        fresh: bool,
    },
    /// A step-up with this authenticator.
    Key {
        key: Id,
        trusted: bool,
        fresh: bool,
    },
    /// A code of this set.
    Code {
        set: Id,
        recovery: bool,
        fresh: bool,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(in crate::account_model) struct Token {
    pub(in crate::account_model) who: Who,
    pub(in crate::account_model) session: Session,
    /// Names the group of administrators.
    pub(in crate::account_model) admin: bool,
    pub(in crate::account_model) proof: Proof,
    /// The epoch of the account when this step-up token was made.
    pub(in crate::account_model) epoch: Option<u64>,
}

impl Token {
    pub(super) fn is_strong(&self) -> bool {
        matches!(
            self.proof,
            Proof::SignIn { fresh: true } | Proof::Key { fresh: true, .. }
        )
    }

    pub(super) fn has_code(&self) -> bool {
        matches!(self.proof, Proof::Code { fresh: true, .. })
    }

    pub(super) fn is_trusted(&self) -> bool {
        matches!(
            self.proof,
            Proof::SignIn { .. } | Proof::Key { trusted: true, .. }
        )
    }

    pub(super) fn enrols_trusted(&self) -> bool {
        self.is_trusted() || matches!(self.proof, Proof::Code { recovery: true, .. })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(in crate::account_model) struct Authenticator {
    pub(in crate::account_model) key: Id,
    pub(in crate::account_model) trusted: bool,
    pub(super) counter: u32,
}

/// The codes that work: ten backup codes, or one recovery code.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::account_model) struct Codes {
    pub(in crate::account_model) set: Id,
    pub(in crate::account_model) recovery: bool,
    pub(in crate::account_model) left: BTreeSet<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pending {
    pub(super) id: Id,
    pub(super) session: Session,
    /// The authenticators that may answer this step-up.
    pub(super) allowed: Vec<Id>,
}

/// The bounds of the number of ceremonies that a session has begun in the last minute.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Begins {
    pub(super) low: u32,
    pub(super) high: u32,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::account_model) struct Account {
    pub(in crate::account_model) authenticators: Vec<Authenticator>,
    pub(in crate::account_model) codes: Option<Codes>,
    /// An administrator left it without authenticators, and none was enrolled since.
    pub(in crate::account_model) reset: bool,
    pub(super) epoch: u64,
    /// The set that the last enrolment replaced, where one of its codes opened that session.
    pub(super) replaced: Option<Id>,
    pub(super) enrolments: Vec<Pending>,
    pub(super) step_ups: Vec<Pending>,
    /// Wrong codes of a session at a set.
    pub(super) tries: BTreeMap<Session, (Id, u32)>,
    pub(super) begins: BTreeMap<Session, Begins>,
}

impl Account {
    pub(in crate::account_model) fn has(&self, key: Id) -> bool {
        self.authenticators.iter().any(|one| one.key == key)
    }

    /// This ceremony is pending.
    pub(in crate::account_model) fn is_pending(&self, ceremony: Id) -> bool {
        let mut all = self.enrolments.iter().chain(&self.step_ups);
        all.any(|one| one.id == ceremony)
    }

    pub(in crate::account_model) fn remaining(&self) -> usize {
        let backup = self.codes.as_ref().filter(|codes| !codes.recovery);
        backup.map_or(0, |codes| codes.left.len())
    }

    /// This code would be taken.
    pub(in crate::account_model) fn takes(&self, set: Id, at: usize) -> bool {
        let codes = self.codes.as_ref().filter(|codes| codes.set == set);
        codes.is_some_and(|codes| codes.left.contains(&at))
    }

    /// A recovery code waits to be used.
    pub(super) fn recovers(&self) -> bool {
        let recovery = self.codes.as_ref().filter(|codes| codes.recovery);
        recovery.is_some_and(|codes| !codes.left.is_empty())
    }

    pub(super) fn wrong_codes(&self, session: Session) -> u32 {
        let active = self.codes.as_ref().map(|codes| codes.set);
        let tries = self.tries.get(&session);
        tries.map_or(
            0,
            |(set, count)| if Some(*set) == active { *count } else { 0 },
        )
    }

    pub(super) fn ends(&mut self, key: Id) {
        self.authenticators.retain(|one| one.key != key);
        self.epoch += 1;
        if self.authenticators.is_empty() {
            self.codes = None;
            self.replaced = None;
        }
    }

    /// An administrator left it without authenticators, and got this recovery code.
    pub(super) fn is_reset(&mut self, set: Id) {
        self.reset = true;
        self.replaced = None;
        self.codes = Some(Codes {
            set,
            recovery: true,
            left: BTreeSet::from([0]),
        });
    }

    pub(super) fn clear_pending(&mut self) {
        self.enrolments.clear();
        self.step_ups.clear();
    }
}

pub(super) fn add(pending: &mut Vec<Pending>, one: Pending) {
    let session = one.session;
    pending.push(one);
    let of = |pending: &[Pending], session| {
        let own = pending.iter().filter(|one| one.session == session);
        own.count()
    };
    if of(pending, session) > PENDING_PER_SESSION {
        let oldest = pending.iter().position(|one| one.session == session);
        pending.remove(oldest.unwrap());
    }
    if pending.len() > PENDING_PER_ACCOUNT {
        let most = pending.iter().map(|one| of(pending, one.session)).max();
        let oldest = pending
            .iter()
            .position(|one| Some(of(pending, one.session)) == most);
        pending.remove(oldest.unwrap());
    }
}
