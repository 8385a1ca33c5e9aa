//! The store's contract as a small model, without time and failures.

use std::collections::{BTreeMap, BTreeSet};

use cedargate::store::{
    AuthenticateOutcome, BEGINS_LIMIT, CodeSet, CompleteOutcome, PENDING_PER_ACCOUNT,
    PENDING_PER_SESSION, ReplaceCodesOutcome, TRIES_LIMIT, TryCodeOutcome, Use,
};
use cedargate_core::{Authenticator, Bytes, UserId};
use proptest::sample::Index;
use uuid::Uuid;

/// The expected contents of the store.
#[derive(Default)]
pub(super) struct Model {
    users: BTreeMap<String, User>,
}

/// A session, by its number.
pub(super) type Session = u8;

#[derive(Default)]
pub(super) struct User {
    /// True if the user has a handle.
    pub(super) known: bool,
    pub(super) version: u64,
    pub(super) epoch: u64,
    /// The pending enrolments, oldest first.
    pub(super) pending: Vec<(Session, u8)>,
    /// The pending authentications, oldest first.
    pub(super) asked: Vec<(Session, u8)>,
    /// Every challenge that was begun.
    pub(super) seen: BTreeSet<u8>,
    pub(super) begins: BTreeMap<Session, u64>,
    pub(super) authenticators: Vec<Authenticator>,
    pub(super) codes: Codes,
    pub(super) replaced: Option<Bytes>,
    /// The number of wrong codes, and the salt of the set that they were tried against.
    pub(super) tries: BTreeMap<Session, (Bytes, u64)>,
    pub(super) last: Option<Attempt>,
}

/// The active set, with the hashes that are left.
#[derive(Default)]
pub(super) enum Codes {
    #[default]
    None,
    Backup(CodeSet),
    /// True after a reset.
    Recovery {
        set: CodeSet,
        is_expired: bool,
    },
}

/// A completion.
#[derive(Clone)]
pub(super) struct Attempt {
    pub(super) version: u64,
    pub(super) challenge: u8,
    pub(super) one: Authenticator,
    pub(super) set: Option<CodeSet>,
    pub(super) max: usize,
    pub(super) opened_by: Option<Bytes>,
}

/// The caller of a removal. An admin may bring a recovery code: its set, and true if it is expired.
pub(super) enum By {
    Owner,
    Admin(Option<(CodeSet, bool)>),
}

/// The outcome of a removal.
#[derive(Debug, PartialEq)]
pub(super) enum Removal {
    Removed {
        authenticator: Box<Authenticator>,
        with_code: bool,
    },
    Nothing,
    Stale,
}

/// The outcome of a begin.
#[derive(Debug, PartialEq)]
pub(super) enum Begin {
    Stored,
    Stale,
    TooMany,
}

impl Model {
    pub(super) fn user(&mut self, user: &UserId) -> &mut User {
        self.users.entry(user.subject.clone()).or_default()
    }

    pub(super) fn complete(&mut self, id: &UserId, attempt: &Attempt) -> CompleteOutcome {
        let one = &attempt.one;
        let held = |user: &User| {
            user.authenticators
                .iter()
                .any(|other| other.credential_id == one.credential_id)
        };
        let elsewhere = self
            .users
            .iter()
            .any(|(name, user)| *name != id.subject && held(user));
        let user = self.user(id);
        if user.authenticators.iter().any(|other| other.id == one.id) {
            let mine = attempt.set.as_ref().map(|set| &set.salt);
            return CompleteOutcome::Stored {
                codes_stored: mine.is_some() && mine == user.codes.salt(),
                remaining: user.codes.remaining(),
            };
        }
        if elsewhere {
            return CompleteOutcome::Exists;
        }
        if !user.pending.iter().any(|(_, it)| *it == attempt.challenge) {
            return CompleteOutcome::Gone;
        }
        if held(user) {
            return CompleteOutcome::Exists;
        }
        if user.authenticators.len() >= attempt.max {
            return CompleteOutcome::LimitReached;
        }
        if user.version != attempt.version {
            return CompleteOutcome::Stale;
        }
        user.store(attempt)
    }
}

impl User {
    pub(super) fn begin(&mut self, version: u64, session: Session, challenge: u8) -> Begin {
        let outcome = self.count_begin(version, session, challenge);
        if outcome == Begin::Stored {
            self.known = true;
            add_newest(&mut self.pending, session, challenge);
        }
        outcome
    }

    pub(super) fn ask(&mut self, version: u64, session: Session, challenge: u8) -> Begin {
        let outcome = self.count_begin(version, session, challenge);
        if outcome == Begin::Stored {
            add_newest(&mut self.asked, session, challenge);
        }
        outcome
    }

    fn count_begin(&mut self, version: u64, session: Session, challenge: u8) -> Begin {
        if self.version != version {
            return Begin::Stale;
        }
        let begins = self.begins.entry(session).or_default();
        if *begins == BEGINS_LIMIT {
            return Begin::TooMany;
        }
        *begins += 1;
        self.seen.insert(challenge);
        Begin::Stored
    }

    pub(super) fn authenticate(&mut self, challenge: u8, made: &Use) -> AuthenticateOutcome {
        if !take(&mut self.asked, challenge) {
            return AuthenticateOutcome::Gone;
        }
        let found = self.authenticators.iter_mut().find(|it| it.id == made.id);
        let Some(one) = found else {
            return AuthenticateOutcome::NoAuthenticator;
        };
        if (one.sign_count, made.sign_count) != (0, 0) && made.sign_count <= one.sign_count {
            return AuthenticateOutcome::CounterBack;
        }
        one.sign_count = made.sign_count;
        one.backed_up = made.backed_up;
        one.last_used_at = Some(made.at);
        AuthenticateOutcome::Stored { epoch: self.epoch }
    }

    pub(super) fn discard(&mut self, challenge: u8) -> bool {
        let (enrolment, authentication) = (
            take(&mut self.pending, challenge),
            take(&mut self.asked, challenge),
        );
        enrolment || authentication
    }

    fn store(&mut self, attempt: &Attempt) -> CompleteOutcome {
        take(&mut self.pending, attempt.challenge);
        self.authenticators.push(attempt.one.clone());
        self.version += 1;
        let before = self.codes.salt().cloned();
        if matches!(self.codes, Codes::Recovery { .. }) {
            self.codes = Codes::None;
        }
        let mut codes_stored = false;
        if let (Some(set), 0) = (&attempt.set, self.codes.remaining()) {
            self.codes = Codes::Backup(set.clone());
            codes_stored = true;
        }
        if before.as_ref() != self.codes.salt() {
            let opened_by = attempt.opened_by.clone();
            self.replaced = opened_by.filter(|salt| before.as_ref() == Some(salt));
        }
        CompleteOutcome::Stored {
            codes_stored,
            remaining: self.codes.remaining(),
        }
    }

    pub(super) fn remove(&mut self, version: u64, id: Uuid, by: By) -> Removal {
        let Some(at) = self.authenticators.iter().position(|it| it.id == id) else {
            return Removal::Nothing;
        };
        let is_last = self.authenticators.len() == 1;
        if self.version != version || (is_last && matches!(by, By::Admin(None))) {
            return Removal::Stale;
        }
        self.version += 1;
        self.epoch += 1;
        let authenticator = Box::new(self.authenticators.remove(at));
        if is_last {
            self.codes = Codes::None;
            self.replaced = None;
        }
        let mut with_code = false;
        if let By::Admin(code) = by {
            self.pending.clear();
            self.asked.clear();
            if let (Some((set, is_expired)), true) = (code, is_last) {
                self.codes = Codes::Recovery { set, is_expired };
                with_code = true;
            }
        }
        Removal::Removed {
            authenticator,
            with_code,
        }
    }

    /// The removed authenticators, oldest first. `None` if there are authenticators that must stay.
    pub(super) fn reset(
        &mut self,
        set: CodeSet,
        is_expired: bool,
        even_if_enrolled: bool,
    ) -> Option<Vec<Authenticator>> {
        if !even_if_enrolled && !self.authenticators.is_empty() {
            return None;
        }
        let mut removed = std::mem::take(&mut self.authenticators);
        removed.sort_by_key(|one| one.created_at);
        self.version += 1;
        self.epoch += 1;
        self.pending.clear();
        self.asked.clear();
        self.codes = Codes::Recovery { set, is_expired };
        self.replaced = None;
        Some(removed)
    }

    pub(super) fn replace(
        &mut self,
        version: u64,
        old: Option<&Bytes>,
        set: &CodeSet,
    ) -> ReplaceCodesOutcome {
        if self.version != version || self.authenticators.is_empty() {
            return ReplaceCodesOutcome::Stale;
        }
        if self.codes.salt() != old {
            return ReplaceCodesOutcome::Superseded;
        }
        self.codes = Codes::Backup(set.clone());
        self.replaced = None;
        ReplaceCodesOutcome::Stored
    }

    /// `None` after too many wrong codes.
    pub(super) fn attempt(
        &mut self,
        session: Session,
        salt: &Bytes,
        hash: &Bytes,
    ) -> Option<TryCodeOutcome> {
        if self.codes.salt() != Some(salt) {
            return Some(TryCodeOutcome::OtherSet);
        }
        if self.is_shut(session) {
            return None;
        }
        if !self.codes.use_up(hash) {
            let tries = self.tries.remove(&session);
            let tries = tries.filter(|(of, _)| of == salt);
            let count = tries.map_or(1, |(_, count)| count + 1);
            self.tries.insert(session, (salt.clone(), count));
            return Some(TryCodeOutcome::Wrong);
        }
        self.tries.remove(&session);
        Some(TryCodeOutcome::Used {
            remaining: self.codes.remaining(),
            epoch: self.epoch,
        })
    }

    pub(super) fn is_shut(&self, session: Session) -> bool {
        let tries = self.tries.get(&session);
        tries.is_some_and(|(of, count)| Some(of) == self.codes.salt() && *count >= TRIES_LIMIT)
    }

    /// One of the authenticators. If there is none, an id that nobody has.
    pub(super) fn pick(&self, which: &Index) -> Uuid {
        match self.authenticators.as_slice() {
            [] => Uuid::nil(),
            all => which.get(all).id,
        }
    }
}

impl Codes {
    pub(super) fn set(&self) -> Option<&CodeSet> {
        match self {
            Codes::None => None,
            Codes::Backup(set) | Codes::Recovery { set, .. } => Some(set),
        }
    }

    pub(super) fn salt(&self) -> Option<&Bytes> {
        self.set().map(|set| &set.salt)
    }

    /// The number of backup codes that work.
    pub(super) fn remaining(&self) -> usize {
        match self {
            Codes::Backup(set) => set.hashes.len(),
            Codes::None | Codes::Recovery { .. } => 0,
        }
    }

    fn use_up(&mut self, hash: &Bytes) -> bool {
        let hashes = match self {
            Codes::Backup(set) => &mut set.hashes,
            Codes::Recovery {
                set,
                is_expired: false,
            } => &mut set.hashes,
            Codes::None | Codes::Recovery { .. } => return false,
        };
        let found = hashes.iter().position(|it| it == hash);
        found.map(|at| hashes.remove(at)).is_some()
    }
}

fn take(pending: &mut Vec<(Session, u8)>, challenge: u8) -> bool {
    let before = pending.len();
    pending.retain(|(_, other)| *other != challenge);
    pending.len() < before
}

/// Adds a ceremony. Over a limit it drops an older one: of the same session, or of the session with
/// the most.
fn add_newest(pending: &mut Vec<(Session, u8)>, session: Session, challenge: u8) {
    take(pending, challenge);
    pending.push((session, challenge));
    let count = |pending: &[(Session, u8)], of| pending.iter().filter(|(it, _)| *it == of).count();
    let loser = if count(pending, session) > PENDING_PER_SESSION {
        pending.iter().position(|(of, _)| *of == session)
    } else if pending.len() > PENDING_PER_ACCOUNT {
        let most = pending.iter().map(|(of, _)| count(pending, *of)).max();
        let has_most = |(of, _): &(Session, u8)| Some(count(pending, *of)) == most;
        pending.iter().position(has_most)
    } else {
        None
    };
    loser.map(|at| pending.remove(at));
}
