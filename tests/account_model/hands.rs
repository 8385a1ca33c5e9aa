//! The possessions of an actor, and the choice of one by a random number.

use proptest::sample::Index;

use super::case::Case;
use super::requests::{Id, Session, Who, is_stolen};

impl Case<'_> {
    /// Returns one of the latest ceremonies without an answer, if there is one.
    pub(super) fn pick_pending(
        &self,
        who: Who,
        session: Session,
        enrols: bool,
        pick: &Index,
    ) -> Option<Id> {
        let held = self.pending.iter().filter(|one| {
            one.who == who
                && is_stolen(one.session) == is_stolen(session)
                && one.method_type.is_some() == enrols
        });
        let (answered, open): (Vec<_>, Vec<_>) = held.partition(|one| one.is_answered);
        let pool = if open.is_empty() { answered } else { open };
        let pool: Vec<_> = pool.iter().map(|one| one.id).collect();
        choose(&pool[pool.len().saturating_sub(4)..], pick)
    }

    pub(super) fn keys_in_hand(&self, who: Who, session: Session) -> Vec<Id> {
        let held = self.keys.iter();
        let held = held.filter(|(_, it)| it.who == who && it.is_stolen == is_stolen(session));
        held.map(|(key, _)| *key).collect()
    }

    /// Returns the places of the codes that the actor knows and that still work.
    pub(super) fn codes_in_hand(&self, who: Who, session: Session, working: bool) -> Vec<usize> {
        let account = &self.state().accounts[who];
        let codes = self.codes.iter().enumerate().filter(|(_, code)| {
            let known = if is_stolen(session) {
                code.thief_knows
            } else {
                code.owner_knows
            };
            code.who == who && known && (!working || account.takes(code.set, code.at))
        });
        codes.map(|(at, _)| at).collect()
    }

    /// Returns an authenticator, mostly an enrolled one and otherwise a former one.
    pub(super) fn pick_enrolled(&self, who: Who, pick: &Index) -> Option<(Id, String)> {
        let account = &self.state().accounts[who];
        let seen = self.enrolled.iter().filter(|(owner, ..)| *owner == who);
        let (mut pool, gone): (Vec<_>, Vec<_>) = seen
            .map(|(_, key, id)| (*key, id.clone()))
            .partition(|(key, _)| account.has(*key));
        pool.extend(gone.last().cloned());
        choose(&pool, pick)
    }
}

pub(super) fn choose<T: Clone>(of: &[T], pick: &Index) -> Option<T> {
    (!of.is_empty()).then(|| of[pick.index(of.len())].clone())
}
