//! The right answers to each kind of request.

use super::super::requests::{Act, Id, Outcome, Request, Tried, Who, issued};
use super::account::{Account, Authenticator, Begins, Codes, Pending, Proof, Token, add};
use super::{BEGINS, MAX_AUTHENTICATORS, Model, Right};

/// The number of codes in a set.
const CODES: usize = 10;
/// The number of wrong codes that a session may try.
const WRONG_CODES: u32 = 10;

impl Model {
    /// A first enrolment is free, unless an administrator's act made it the first.
    fn may_enrol(&self, token: &Token) -> bool {
        let account = &self.accounts[token.who];
        let is_first = account.authenticators.is_empty() && !account.reset;
        is_first || token.is_strong() || token.has_code()
    }

    pub(super) fn begin(&self, request: &Request, token: &Token, seen: &Self) -> Vec<Right> {
        if !seen.may_enrol(token) {
            return self.asks_for_more(token, seen, true);
        }
        if self.accounts[token.who].authenticators.len() >= MAX_AUTHENTICATORS {
            return self.stays(409, "limit_reached");
        }
        self.start(request, token, Vec::new(), |account| {
            &mut account.enrolments
        })
    }

    /// Begins a ceremony, if the session has not begun too many.
    pub(super) fn start(
        &self,
        request: &Request,
        token: &Token,
        allowed: Vec<Id>,
        list: impl Fn(&mut Account) -> &mut Vec<Pending>,
    ) -> Vec<Right> {
        let session = token.session;
        let begins = self.accounts[token.who].begins.get(&session);
        let Begins { low, high } = begins.copied().unwrap_or_default();
        let mut right = Vec::new();
        if low < BEGINS {
            let after = self.with(token.who, |account| {
                let count = Begins {
                    low: low + 1,
                    high: (high + 1).min(BEGINS),
                };
                account.begins.insert(session, count);
                let one = Pending {
                    id: request.id,
                    session,
                    allowed,
                };
                add(list(account), one);
            });
            right.push((Outcome::good(""), after));
        }
        if high >= BEGINS {
            right.extend(self.stays(429, "rate_limited"));
        }
        right
    }

    pub(super) fn complete(
        &self,
        request: &Request,
        token: &Token,
        seen: &Self,
        pending: Id,
        key: Id,
    ) -> Vec<Right> {
        if !seen.may_enrol(token) {
            return self.asks_for_more(token, seen, true);
        }
        let account = &self.accounts[token.who];
        if account.has(key) {
            let after = self.with(token.who, |account| {
                account.enrolments.retain(|one| one.id != pending);
            });
            return vec![(Outcome::bad(409, "credential_exists"), after)];
        }
        if !account.enrolments.iter().any(|one| one.id == pending) {
            return self.stays(404, "not_found");
        }
        if account.authenticators.len() >= MAX_AUTHENTICATORS {
            return self.stays(409, "limit_reached");
        }
        let new_codes = account.remaining() == 0;
        let after = self.with(token.who, |account| {
            account.enrolments.retain(|one| one.id != pending);
            account.authenticators.push(Authenticator {
                key,
                trusted: token.enrols_trusted(),
                counter: 0,
            });
            account.reset = false;
            if new_codes {
                let opened_by = |codes: &Codes| match token.proof {
                    Proof::Code { set, .. } => set == codes.set,
                    _ => false,
                };
                let old = account.codes.take().filter(opened_by);
                account.replaced = old.map(|codes| codes.set);
                account.codes = Some(Codes {
                    set: request.id,
                    recovery: false,
                    left: (0..CODES).collect(),
                });
            }
        });
        let codes = if new_codes { CODES } else { 0 };
        let remaining = after.accounts[token.who].remaining();
        vec![(Outcome::good(issued(codes, remaining as u64)), after)]
    }

    pub(super) fn step_up(
        &self,
        request: &Request,
        token: &Token,
        pending: Id,
        key: Id,
        count: u32,
    ) -> Vec<Right> {
        let account = &self.accounts[token.who];
        let mut authenticators = account.authenticators.iter();
        let Some(one) = authenticators.find(|one| one.key == key) else {
            return self.stays(404, "not_found");
        };
        let mut begun = account.step_ups.iter();
        let begun = begun.find(|it| it.id == pending && it.session == token.session);
        let Some(begun) = begun else {
            return self.stays(404, "not_found");
        };
        let used_up = self.with(token.who, |account| {
            account.step_ups.retain(|it| it.id != pending);
        });
        if !begun.allowed.contains(&key) || count <= one.counter {
            return vec![(Outcome::bad(400, "invalid_credential"), used_up)];
        }
        let proof = Proof::Key {
            key,
            trusted: one.trusted,
            fresh: true,
        };
        let mut after = used_up.with(token.who, |account| {
            let mut authenticators = account.authenticators.iter_mut();
            let used = authenticators.find(|one| one.key == key);
            used.unwrap().counter = count;
        });
        after.mint(request.id, token, proof);
        vec![(Outcome::good(""), after)]
    }

    /// A step-up token in the place of the one that was presented.
    fn mint(&mut self, id: Id, presented: &Token, proof: Proof) {
        let epoch = Some(self.accounts[presented.who].epoch);
        let token = Token {
            proof,
            epoch,
            ..presented.clone()
        };
        self.tokens.insert(id, token);
    }

    pub(super) fn code(&self, request: &Request, token: &Token, tried: Tried) -> Vec<Right> {
        let (who, session) = (token.who, token.session);
        let account = &self.accounts[who];
        let wrong = account.wrong_codes(session);
        if wrong >= WRONG_CODES {
            return self.stays(429, "rate_limited");
        }
        let right = match tried {
            Tried::Shown { set, at } => account.takes(set, at).then_some(at),
            Tried::Wrong | Tried::Malformed => None,
        };
        let codes = account.codes.as_ref();
        let Some((codes, at)) = codes.zip(right) else {
            let after = self.with(who, |account| {
                if let (Some(codes), true) = (&account.codes, tried != Tried::Malformed) {
                    account.tries.insert(session, (codes.set, wrong + 1));
                }
            });
            return vec![(Outcome::bad(400, "invalid_credential"), after)];
        };
        let proof = Proof::Code {
            set: codes.set,
            recovery: codes.recovery,
            fresh: true,
        };
        let mut after = self.with(who, |account| {
            account.tries.remove(&session);
            if let Some(codes) = &mut account.codes {
                codes.left.remove(&at);
            }
        });
        after.mint(request.id, token, proof);
        let remaining = after.accounts[who].remaining();
        vec![(Outcome::good(format!("{remaining} remaining")), after)]
    }

    pub(super) fn regenerate(&self, request: &Request, token: &Token, seen: &Self) -> Vec<Right> {
        if !token.is_strong() {
            return self.asks_for_more(token, seen, false);
        }
        if self.accounts[token.who].authenticators.is_empty() {
            return self.stays(404, "not_found");
        }
        let after = self.with(token.who, |account| {
            account.replaced = None;
            account.codes = Some(Codes {
                set: request.id,
                recovery: false,
                left: (0..CODES).collect(),
            });
        });
        vec![(Outcome::good(issued(CODES, CODES as u64)), after)]
    }

    pub(super) fn delete(&self, token: &Token, seen: &Self, key: Id) -> Vec<Right> {
        if !self.accounts[token.who].has(key) {
            return self.stays(404, "not_found");
        }
        if !token.is_strong() {
            return self.asks_for_more(token, seen, false);
        }
        let after = self.with(token.who, |account| account.ends(key));
        vec![(Outcome::good("no recovery code"), after)]
    }

    /// The reason that a session may not administer. `None` if it may.
    pub(super) fn refuses_to_administer(&self, token: &Token, seen: &Self) -> Option<Vec<Right>> {
        let is_trusted = token.is_trusted();
        if token.admin && token.is_strong() && is_trusted {
            return None;
        }
        let account = &seen.accounts[token.who];
        let mut authenticators = account.authenticators.iter();
        let can = self.sign_in_steps_up || authenticators.any(|one| one.trusted);
        Some(if token.admin && !token.is_strong() && can {
            self.stays(401, "step_up_required")
        } else if token.admin && account.reset {
            vec![(Outcome::recovery_required(false), self.clone())]
        } else if is_trusted {
            self.stays(403, "forbidden")
        } else {
            self.stays(403, "untrusted_session")
        })
    }

    pub(super) fn administer(&self, request: &Request, of: Who) -> Vec<Right> {
        match request.act {
            Act::AdminDelete { key, .. } if !self.accounts[of].has(key) => {
                self.stays(404, "not_found")
            }
            Act::AdminDelete { key, .. } => {
                let after = self.with(of, |account| {
                    account.ends(key);
                    account.clear_pending();
                    if account.authenticators.is_empty() {
                        account.is_reset(request.id);
                    }
                });
                let shows = match after.accounts[of].reset {
                    true => "recovery code",
                    false => "no recovery code",
                };
                vec![(Outcome::good(shows), after)]
            }
            Act::AdminReset { .. } => {
                let removed = self.accounts[of].authenticators.len();
                let after = self.with(of, |account| {
                    account.authenticators.clear();
                    account.epoch += 1;
                    account.clear_pending();
                    account.is_reset(request.id);
                });
                let shows = format!("removed {removed}, recovery code");
                vec![(Outcome::good(shows), after)]
            }
            _ => self.shows(of),
        }
    }
}
