//! The oracle: accounts, tokens, and the right answers to a request. It follows the promises to users, not
//! the code of the gateway, and knows neither policies nor stores.

mod account;
mod acts;

use std::collections::BTreeMap;

use self::account::Begins;
use super::requests::{Act, Id, Outcome, Request, Session, Who, methods};

/// The largest number of authenticators of an account, as the gateways under test are configured.
pub(super) const MAX_AUTHENTICATORS: usize = 4;
const BEGINS: u32 = 60;

pub(super) use self::account::{Account, Proof, Token};

/// A right answer, and the state after it.
pub(super) type Right = (Outcome, Model);

/// A state that all accounts of a case may be in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Model {
    pub(super) accounts: Vec<Account>,
    pub(super) tokens: BTreeMap<Id, Token>,
    /// True if a strong sign-in at the issuer gives the `acr` that step-up rules require. It is then offered
    /// to callers without authenticators.
    pub(super) sign_in_steps_up: bool,
}

impl Model {
    pub(super) fn new(accounts: usize, sign_in_steps_up: bool) -> Self {
        Self {
            accounts: vec![Account::default(); accounts],
            tokens: BTreeMap::new(),
            sign_in_steps_up,
        }
    }

    /// True if more than a minute may have passed since this session began its first ceremony.
    pub(super) fn forget_begins(&mut self, who: Who, session: Session) {
        let unknown = Begins {
            low: 0,
            high: BEGINS,
        };
        self.accounts[who].begins.insert(session, unknown);
    }

    /// Returns the right answers to a request.
    pub(super) fn answers(&self, request: &Request) -> Vec<Right> {
        self.answers_as_seen(request, self)
    }

    /// Returns the right answers to a request that raced with the request which turned `before` into this
    /// state. If it was decided on `before`, it no longer finds what the other request removed, or it has its
    /// effect because that depends on no decision.
    pub(super) fn answers_after_race(&self, before: &Self, request: &Request) -> Vec<Right> {
        let mut right = self.answers(request);
        let late = self.answers_as_seen(request, before);
        let was_good = late.iter().any(|(outcome, _)| outcome.status == 200);
        let counts = |outcome: &Outcome| request.act.is_decided_once() || outcome.status >= 400;
        right.extend(late.into_iter().filter(|(outcome, _)| counts(outcome)));
        let who = before.tokens[&request.token].who;
        let set = |model: &Self| model.accounts[who].codes.as_ref().map(|it| it.set);
        if request.act == Act::Regenerate && was_good && set(self) != set(before) {
            right.push((Outcome::bad(409, "codes_replaced"), self.clone()));
        }
        right
    }

    pub(super) fn is_live(&self, token: &Token) -> bool {
        let account = &self.accounts[token.who];
        let active = account.codes.as_ref().map(|codes| codes.set);
        token.epoch.is_none_or(|epoch| epoch == account.epoch)
            && match token.proof {
                Proof::Code { set, .. } => active == Some(set),
                _ => true,
            }
    }

    /// Returns true for a retry of the enrolment that replaced the codes with which the session began.
    fn repeats(&self, token: &Token, act: &Act) -> bool {
        let account = &self.accounts[token.who];
        match (act, &token.proof) {
            (Act::Complete { key, .. }, Proof::Code { set, .. }) => {
                token.epoch == Some(account.epoch)
                    && account.has(*key)
                    && account.replaced == Some(*set)
            }
            _ => false,
        }
    }

    /// Returns the right answers to a request that changes `self` and is decided on `seen`.
    fn answers_as_seen(&self, request: &Request, seen: &Self) -> Vec<Right> {
        let token = &seen.tokens[&request.token];
        let account = &self.accounts[token.who];
        if !seen.is_live(token) && !seen.repeats(token, &request.act) {
            return self.stays(401, "unauthenticated");
        }
        match &request.act {
            Act::List => self.shows(token.who),
            Act::Begin => self.begin(request, token, seen),
            Act::Complete { pending, key } => self.complete(request, token, seen, *pending, *key),
            Act::BeginStepUp => {
                let allowed: Vec<_> = account.authenticators.iter().map(|it| it.key).collect();
                if allowed.is_empty() {
                    return self.stays(404, "not_found");
                }
                self.start(request, token, allowed, |account| &mut account.step_ups)
            }
            Act::StepUp {
                pending,
                key,
                count,
            } => self.step_up(request, token, *pending, *key, *count),
            Act::Code(tried) => self.code(request, token, *tried),
            Act::Regenerate => self.regenerate(request, token, seen),
            Act::Delete { key } => self.delete(token, seen, *key),
            Act::Rename { key } if account.has(*key) => vec![(Outcome::good(""), self.clone())],
            Act::Rename { .. } => self.stays(404, "not_found"),
            Act::AdminList { of } | Act::AdminDelete { of, .. } | Act::AdminReset { of } => {
                match self.refuses_to_administer(token, seen) {
                    Some(refusals) => refusals,
                    None => self.administer(request, *of),
                }
            }
        }
    }

    fn stays(&self, status: u16, code: &str) -> Vec<Right> {
        vec![(Outcome::bad(status, code), self.clone())]
    }

    fn shows(&self, who: Who) -> Vec<Right> {
        let account = &self.accounts[who];
        let keys = account.authenticators.iter().map(|it| it.key).collect();
        let shows = methods(keys, account.remaining());
        vec![(Outcome::good(shows), self.clone())]
    }

    /// Returns this state after a change of an account.
    fn with(&self, who: Who, change: impl FnOnce(&mut Account)) -> Self {
        let mut after = self.clone();
        change(&mut after.accounts[who]);
        after
    }

    /// Returns the answer to a caller who needs a stronger proof: a step-up if they can do one, otherwise the
    /// ways to recover that remain to a caller who lost all authenticators.
    fn asks_for_more(&self, token: &Token, seen: &Self, by_code: bool) -> Vec<Right> {
        let account = &seen.accounts[token.who];
        if !account.authenticators.is_empty() || self.sign_in_steps_up {
            self.stays(401, "step_up_required")
        } else if account.reset {
            vec![(
                Outcome::recovery_required(by_code && account.recovers()),
                self.clone(),
            )]
        } else {
            self.stays(403, "forbidden")
        }
    }
}
