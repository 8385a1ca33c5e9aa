//! The store's contract in the fewest words: no time, no failures.

use std::collections::BTreeMap;

use cedargate::model::{Authenticator, Bytes, UserId};
use cedargate::store::{
    CodeSet, Committed, PENDING_LIMIT, Removed, Replaced, TRIES_LIMIT, Tried, Use, Used,
};
use proptest::sample::Index;
use uuid::Uuid;

/// What there should be.
#[derive(Default)]
pub(super) struct Model {
    users: BTreeMap<String, User>,
}

#[derive(Default)]
pub(super) struct User {
    /// Has a handle.
    pub(super) known: bool,
    pub(super) has_asked: bool,
    pub(super) version: u64,
    pub(super) epoch: u64,
    pub(super) pending: Vec<u8>,
    pub(super) asked: Vec<u8>,
    pub(super) authenticators: Vec<Authenticator>,
    /// Of the set, those that are left.
    pub(super) set: Option<CodeSet>,
    pub(super) tries: u64,
    pub(super) last: Option<(u64, u8, Authenticator, Option<CodeSet>)>,
}

impl Model {
    pub(super) fn user(&mut self, user: &UserId) -> &mut User {
        self.users.entry(user.subject.clone()).or_default()
    }

    pub(super) fn begin(&mut self, user: &UserId, version: u64, challenge: u8) -> bool {
        let user = self.user(user);
        if user.version != version {
            return false;
        }
        user.known = true;
        newest(&mut user.pending, challenge);
        true
    }

    pub(super) fn ask(&mut self, user: &UserId, version: u64, challenge: u8) -> bool {
        let user = self.user(user);
        if user.version == version {
            user.has_asked = true;
            newest(&mut user.asked, challenge);
        }
        user.version == version
    }

    pub(super) fn authenticate(&mut self, user: &UserId, challenge: u8, made: &Use) -> Used {
        let user = self.user(user);
        if !user.asked.contains(&challenge) {
            return Used::Gone;
        }
        user.asked.retain(|other| *other != challenge);
        let found = user.authenticators.iter_mut().find(|it| it.id == made.id);
        let Some(one) = found else {
            return Used::NoAuthenticator;
        };
        if (one.sign_count, made.sign_count) != (0, 0) && made.sign_count <= one.sign_count {
            return Used::CounterBack;
        }
        one.sign_count = made.sign_count;
        one.backed_up = made.backed_up;
        one.last_used_at = Some(made.at);
        Used::Stored
    }

    pub(super) fn remove(&mut self, user: &UserId, version: u64, id: Uuid) -> Removed {
        let user = self.user(user);
        let Some(at) = user.authenticators.iter().position(|it| it.id == id) else {
            return Removed::Nothing;
        };
        if user.version != version {
            return Removed::Stale;
        }
        user.version += 1;
        user.epoch += 1;
        let removed = user.authenticators.remove(at);
        if user.authenticators.is_empty() {
            user.set = None;
        }
        Removed::Removed(Box::new(removed))
    }

    pub(super) fn reset(&mut self, user: &UserId) -> usize {
        let user = self.user(user);
        let removed = user.authenticators.len();
        // Whoever was never known, or only asked for something, has no record.
        let is_recorded = user.known || user.has_asked;
        *user = User {
            known: user.known,
            has_asked: user.has_asked,
            version: user.version + u64::from(is_recorded),
            epoch: user.epoch + u64::from(is_recorded),
            last: user.last.take(),
            ..User::default()
        };
        removed
    }

    pub(super) fn replace(&mut self, user: &UserId, version: u64, set: &CodeSet) -> Replaced {
        let user = self.user(user);
        if user.version != version {
            return Replaced::Stale;
        }
        user.set = Some(set.clone());
        Replaced::Stored
    }

    pub(super) fn attempt(&mut self, user: &UserId, salt: &Bytes, hash: &Bytes) -> Option<Tried> {
        let user = self.user(user);
        let Some(set) = user.set.as_mut().filter(|set| set.salt == *salt) else {
            return Some(Tried::OtherSet);
        };
        if user.tries == TRIES_LIMIT {
            return None;
        }
        user.tries += 1;
        let Some(at) = set.hashes.iter().position(|it| it == hash) else {
            return Some(Tried::Wrong);
        };
        set.hashes.remove(at);
        user.tries = 0;
        let remaining = set.hashes.len();
        Some(Tried::Used { remaining })
    }

    pub(super) fn complete(
        &mut self,
        id: &UserId,
        version: u64,
        challenge: u8,
        one: &Authenticator,
        set: Option<&CodeSet>,
    ) -> Committed {
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
        let mine = set.map(|set| &set.salt);
        if user.authenticators.iter().any(|other| other.id == one.id) {
            return Committed::Stored {
                codes_stored: mine.is_some() && mine == user.set.as_ref().map(|set| &set.salt),
                remaining: user.codes(),
            };
        }
        if elsewhere {
            return Committed::Exists;
        }
        if !user.pending.contains(&challenge) {
            return Committed::Gone;
        }
        if held(user) {
            return Committed::Exists;
        }
        if user.version != version {
            return Committed::Stale;
        }
        user.pending.retain(|other| *other != challenge);
        user.authenticators.push(one.clone());
        user.version += 1;
        let codes_stored = set.is_some() && user.codes() == 0;
        if codes_stored {
            user.set = set.cloned();
        }
        Committed::Stored {
            codes_stored,
            remaining: user.codes(),
        }
    }

    pub(super) fn discard(&mut self, user: &UserId, challenge: u8) -> bool {
        let user = self.user(user);
        let before = user.pending.len() + user.asked.len();
        user.pending.retain(|other| *other != challenge);
        user.asked.retain(|other| *other != challenge);
        user.pending.len() + user.asked.len() < before
    }
}

impl User {
    pub(super) fn codes(&self) -> usize {
        self.set.as_ref().map_or(0, |set| set.hashes.len())
    }

    /// One of the authenticators; nobody's, where there is none.
    pub(super) fn pick(&self, which: &Index) -> Uuid {
        match self.authenticators.as_slice() {
            [] => Uuid::nil(),
            all => which.get(all).id,
        }
    }
}

/// Makes this the newest of those that are pending, of which the oldest goes.
fn newest(pending: &mut Vec<u8>, challenge: u8) {
    pending.retain(|other| *other != challenge);
    pending.push(challenge);
    let surplus = pending.len().saturating_sub(PENDING_LIMIT);
    pending.drain(..surplus);
}
