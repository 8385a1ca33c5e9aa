//! The promises of the issue, each as a sentence about one request that was answered with 200 and the
//! state that it was carried out on. They are checked beside the oracle's predictions, so that a rule
//! of the oracle that is too generous does not hide a takeover.

use std::collections::BTreeMap;

use super::requests::{Act, Id, Request};
use super::rules::{MAX_AUTHENTICATORS, Model, Proof};

/// Returns the promise that is broken if this request is answered with 200 in this state.
pub(super) fn of_request(
    state: &Model,
    request: &Request,
    origins: &BTreeMap<Id, Proof>,
) -> Option<&'static str> {
    let token = &state.tokens[&request.token];
    let account = &state.accounts[token.who];
    if !state.is_live(token) {
        return Some("no dead token works");
    }
    let fresh_and_strong = matches!(
        token.proof,
        Proof::SignIn { fresh: true } | Proof::Key { fresh: true, .. }
    );
    let active = account.codes.as_ref().map(|codes| codes.set);
    let has_valid_code =
        matches!(token.proof, Proof::Code { set, fresh: true, .. } if Some(set) == active);
    let enrols = matches!(request.act, Act::Begin | Act::Complete { .. });
    let changes = enrols || matches!(request.act, Act::Regenerate | Act::Delete { .. });
    let has_factors = !account.authenticators.is_empty();
    if has_factors && changes && !fresh_and_strong && !(enrols && has_valid_code) {
        return Some(
            "no change of factors without a fresh strong proof or a valid code while factors exist",
        );
    }
    let is_recovery = matches!(token.proof, Proof::Code { recovery: true, .. });
    let signed_in_strongly = matches!(token.proof, Proof::SignIn { fresh: true });
    if account.reset && enrols && !(is_recovery && has_valid_code) && !signed_in_strongly {
        return Some(
            "after a reset only the holder of the recovery code or of a strong sign-in enrols",
        );
    }
    let administers = matches!(
        request.act,
        Act::AdminList { .. } | Act::AdminDelete { .. } | Act::AdminReset { .. }
    );
    if administers && !(token.admin && fresh_and_strong && goes_back(&token.proof, origins)) {
        return Some("nobody administers without a proof that goes back to more than a password");
    }
    None
}

/// Returns true if a chain of enrolments and step-ups begins with a strong sign-in or a recovery code.
/// A code confirms no session by itself; an authenticator that is enrolled with it does.
fn goes_back(proof: &Proof, origins: &BTreeMap<Id, Proof>) -> bool {
    match proof {
        Proof::Password | Proof::Code { .. } => false,
        Proof::SignIn { .. } => true,
        Proof::Key { key, .. } => origins.get(key).is_some_and(|origin| {
            matches!(origin, Proof::Code { recovery: true, .. }) || goes_back(origin, origins)
        }),
    }
}

/// Returns the promise that a state breaks.
pub(super) fn of_state(state: &Model) -> Option<&'static str> {
    state.accounts.iter().find_map(|account| {
        let enrolled = !account.authenticators.is_empty();
        let recovery = account.codes.as_ref().map(|codes| codes.recovery);
        if account.reset && (enrolled || recovery != Some(true)) {
            return Some("a reset lasts until an authenticator is stored");
        }
        if recovery == Some(true) && !account.reset {
            return Some("an enrolment ends the recovery code");
        }
        if recovery == Some(false) && !enrolled {
            return Some("backup codes go with the last authenticator");
        }
        (account.authenticators.len() > MAX_AUTHENTICATORS)
            .then_some("an account has as many authenticators as it may have, and no more")
    })
}

/// These tests take each request as answered with 200, whatever the oracle predicts.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::account_model::requests::{PASSWORD, STEPPED_UP, Tried, Who};
    use crate::account_model::rules::Token;

    const USER: Who = 0;
    const ADMIN: Who = 1;

    /// A state, with the proof under which each authenticator was enrolled.
    struct World {
        state: Model,
        origins: BTreeMap<Id, Proof>,
        next: Id,
    }

    impl World {
        fn new() -> Self {
            Self {
                state: Model::new(2, true),
                origins: BTreeMap::new(),
                next: 1,
            }
        }

        fn id(&mut self) -> Id {
            self.next += 1;
            self.next
        }

        fn sign_in(&mut self, who: Who, proof: Proof) -> Id {
            let id = self.id();
            let token = Token {
                who,
                session: if proof == Proof::Password {
                    PASSWORD
                } else {
                    STEPPED_UP
                },
                admin: who == ADMIN,
                proof,
                epoch: None,
            };
            self.state.tokens.insert(id, token);
            id
        }

        fn request(&mut self, token: Id, act: Act) -> Request {
            Request {
                id: self.id(),
                token,
                act,
                method: "POST",
                path: String::new(),
                body: None,
                about: String::new(),
            }
        }

        /// Applies the effect that the oracle predicts.
        fn done(&mut self, token: Id, act: Act) -> Id {
            let request = self.request(token, act);
            let right = self.state.answers(&request).into_iter();
            let good = right.into_iter().find(|(outcome, _)| outcome.status == 200);
            self.state = good
                .unwrap_or_else(|| panic!("refused: {:?}", request.act))
                .1;
            request.id
        }

        fn enrol(&mut self, token: Id) -> Id {
            let pending = self.done(token, Act::Begin);
            let key = self.id();
            self.done(token, Act::Complete { pending, key });
            let proof = self.state.tokens[&token].proof.clone();
            self.origins.insert(key, proof);
            key
        }

        fn step_up(&mut self, token: Id, key: Id) -> Id {
            let pending = self.done(token, Act::BeginStepUp);
            let count = u32::try_from(self.next).unwrap();
            self.done(
                token,
                Act::StepUp {
                    pending,
                    key,
                    count,
                },
            )
        }

        /// Returns the promise that this request breaks if it is answered with 200.
        fn breaks(&mut self, token: Id, act: Act) -> Option<&'static str> {
            let request = self.request(token, act);
            of_request(&self.state, &request, &self.origins)
        }
    }

    #[test]
    fn password_that_changes_the_factors_of_an_enrolled_account_breaks_a_promise() {
        let mut world = World::new();
        let weak = world.sign_in(USER, Proof::Password);
        assert_eq!(world.breaks(weak, Act::Begin), None, "a first enrolment");
        let key = world.enrol(weak);
        let old = world.sign_in(USER, Proof::SignIn { fresh: false });
        for token in [weak, old] {
            for act in [Act::Begin, Act::Regenerate, Act::Delete { key }] {
                let broken = world.breaks(token, act);
                assert!(broken.is_some_and(|it| it.contains("while factors exist")));
            }
        }
        let strong = world.step_up(weak, key);
        assert_eq!(world.breaks(strong, Act::Delete { key }), None);
    }

    #[test]
    fn enrolment_of_a_reset_account_with_a_password_breaks_a_promise() {
        let mut world = World::new();
        let admin = world.sign_in(ADMIN, Proof::SignIn { fresh: true });
        let set = world.done(admin, Act::AdminReset { of: USER });
        let weak = world.sign_in(USER, Proof::Password);
        let broken = world.breaks(weak, Act::Begin);
        assert!(broken.is_some_and(|it| it.contains("after a reset")));
        let tried = Tried::Shown { set, at: 0 };
        let recovered = world.done(weak, Act::Code(tried));
        assert_eq!(world.breaks(recovered, Act::Begin), None);
        world.enrol(recovered);
        let broken = world.breaks(recovered, Act::Begin);
        assert_eq!(broken, Some("no dead token works"), "its code is over");
    }

    #[test]
    fn administration_with_a_key_that_a_password_enrolled_breaks_a_promise() {
        let mut world = World::new();
        let weak = world.sign_in(ADMIN, Proof::Password);
        let first = world.enrol(weak);
        let strong = world.step_up(weak, first);
        let second = world.enrol(strong);
        let by_second = world.step_up(weak, second);
        for token in [weak, strong, by_second] {
            let broken = world.breaks(token, Act::AdminReset { of: USER });
            assert!(broken.is_some_and(|it| it.starts_with("nobody administers")));
        }
        let signed_in = world.sign_in(ADMIN, Proof::SignIn { fresh: true });
        let third = world.enrol(signed_in);
        let by_third = world.step_up(weak, third);
        assert_eq!(world.breaks(by_third, Act::AdminReset { of: USER }), None);
        world.done(by_third, Act::Delete { key: first });
        let broken = world.breaks(by_third, Act::List);
        assert_eq!(broken, Some("no dead token works"));
    }
}
