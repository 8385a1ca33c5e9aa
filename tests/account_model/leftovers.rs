//! The end of a case: tokens, enrolments and codes that have ended are presented again and must be
//! refused, and unanswered ceremonies are answered and must complete, whatever other sessions did
//! in the meantime.

use super::case::Case;
use super::making::Actor;
use super::requests::{Id, NAMES, RETURN, STEPPED_UP, STOLEN, Session, Who};
use super::rules::Account;

/// The number of each kind that an account presents, from the latest.
const MOST: usize = 3;

impl Case<'_> {
    pub(super) async fn present_leftovers(&mut self) -> Result<(), String> {
        for who in 0..NAMES.len() {
            for session in [STEPPED_UP, STOLEN] {
                for token in self.dead_tokens(who, session) {
                    let list = self.list(token);
                    self.judge(&[list]).await?;
                }
            }
            let ended = self.ended_enrolments(who);
            let codes = self.ended_codes(who);
            if ended.is_empty() && codes.is_empty() {
                continue;
            }
            let owner = self.strong_owner(who, RETURN);
            for pending in ended {
                let complete = self.complete(owner, pending);
                self.judge(&[complete]).await?;
            }
            for at in codes {
                let code = self.try_held(owner.token, at);
                self.judge(&[code]).await?;
            }
        }
        Ok(())
    }

    /// Answers the oldest ceremonies that are pending.
    pub(super) async fn answer_pending(&mut self) -> Result<(), String> {
        for who in 0..NAMES.len() {
            let pending = self.pending.iter().filter(|one| {
                let is_there = |account: &Account| account.is_pending(one.id);
                one.who == who && !one.is_answered && self.is_everywhere(who, is_there)
            });
            let oldest = pending.take(MOST);
            let oldest: Vec<_> = oldest
                .map(|one| (one.id, one.session, one.method_type.is_some()))
                .collect();
            for (pending, session, enrols) in oldest {
                let request = if enrols {
                    let strong = self.strong_owner(who, session);
                    self.complete(strong, pending)
                } else {
                    let account = &self.state().accounts[who];
                    let mut keys = self.keys_in_hand(who, session).into_iter();
                    let Some(key) = keys.find(|key| account.has(*key)) else {
                        continue;
                    };
                    let weak = self.sign_in(who, session, false, false);
                    self.complete_step_up(weak, pending, key)
                };
                self.act(&[request]).await?;
            }
        }
        Ok(())
    }

    /// Returns an actor with a strong sign-in of the owner, who keeps the authenticators that are enrolled in
    /// this session.
    fn strong_owner(&mut self, who: Who, session: Session) -> Actor {
        Actor {
            who,
            session,
            token: self.sign_in(who, RETURN, true, false),
        }
    }

    /// Returns true if every possible state of the account has this.
    pub(super) fn is_everywhere(&self, who: Who, is_there: impl Fn(&Account) -> bool) -> bool {
        let mut states = self.states.iter();
        states.all(|state| is_there(&state.accounts[who]))
    }

    /// Returns true if no possible state of the account has anything of this kind.
    fn is_over(&self, who: Who, is_there: impl Fn(&Account) -> bool) -> bool {
        self.is_everywhere(who, |account| !is_there(account))
    }

    fn dead_tokens(&self, who: Who, session: Session) -> Vec<Id> {
        let is_dead = |id: &Id| {
            let mut states = self.states.iter();
            states.all(|state| !state.is_live(&state.tokens[id]))
        };
        let tokens = self.wallet(who, session).iter().copied();
        latest(tokens.filter(is_dead).collect())
    }

    /// Returns the enrolments that ended without an answer.
    fn ended_enrolments(&self, who: Who) -> Vec<Id> {
        let pending = self.pending.iter();
        let pending = pending.filter(|one| {
            one.who == who
                && one.method_type.is_some()
                && !one.is_answered
                && self.is_over(who, |account| account.is_pending(one.id))
        });
        latest(pending.map(|one| one.id).collect())
    }

    fn ended_codes(&self, who: Who) -> Vec<usize> {
        let codes = self.codes.iter().enumerate();
        let codes = codes.filter(|(_, code)| {
            code.who == who && self.is_over(who, |account| account.takes(code.set, code.at))
        });
        latest(codes.map(|(at, _)| at).collect())
    }
}

fn latest(all: Vec<usize>) -> Vec<usize> {
    all[all.len().saturating_sub(MOST)..].to_vec()
}
