//! Makes decisions from what policies evaluate to: effect, determining policies, notices and errors.

mod direct;
mod shadow;
mod step_up;

use std::sync::Arc;

use cedar_policy::{Entities, PolicyId, Request};

use cedargate_core::{Decision, Effect};

use crate::annotations::Annotations;
use crate::engine::{Engine, Evaluation};
use crate::request::RequestKind;
use crate::{AuthorizationRequest, Bundle, DecisionInput, PreparedRequest, nesting};

pub(crate) use step_up::{Denied, Offer};

/// The code that takes precedence over the code of any other policy, because clients branch on it.
pub const TENANT_MISMATCH: &str = "tenant_mismatch";
const FORBIDDEN: &str = "forbidden";

impl Bundle {
    /// Decides an authorization request.
    ///
    /// An evaluation error, or a request that does not conform to the schema, gives [`Effect::Failed`],
    /// which is never an allow.
    ///
    /// [`Effect::Failed`]: cedargate_core::Effect::Failed
    pub fn decide(&self, request: &AuthorizationRequest<'_>) -> Decision {
        let decision = self
            .decide_directly(request)
            .unwrap_or_else(|| self.decide_fully(request));
        #[cfg(test)]
        for again in [
            Some(self.decide_fully(request)),
            self.decide_directly(request),
        ] {
            assert!(again.is_none_or(|again| again == decision));
        }
        decision
    }

    /// Decides a request like [`Bundle::decide`], and also returns the input of the decision for the
    /// decision log.
    pub fn decide_with_input(
        &self,
        request: &AuthorizationRequest<'_>,
    ) -> (Decision, Arc<DecisionInput>) {
        let input = DecisionInput::new(request, &self.schema);
        (self.decide(request), Arc::new(input))
    }

    /// Decides a request with all of its facts.
    fn decide_fully(&self, request: &AuthorizationRequest<'_>) -> Decision {
        match PreparedRequest::new(self, request) {
            Ok(prepared) => {
                self.schema.memory.remember(RequestKind::of(request));
                self.decide_with_shadow(&prepared)
            }
            Err(error) => Decision::failed(error.to_string()),
        }
    }

    /// Decides a prepared request, such as one from a test case. Shadow policies are not evaluated.
    pub fn evaluate(&self, request: &PreparedRequest) -> Decision {
        self.evaluate_with(&self.live, request)
    }

    fn decide_with_shadow(&self, request: &PreparedRequest) -> Decision {
        let mut decision = self.evaluate(request);
        decision.shadow = self.shadow(request, &decision).map(Box::new);
        decision
    }

    /// Decides a request with the policies of this bundle that `engine` has.
    pub(crate) fn evaluate_with(&self, engine: &Engine, request: &PreparedRequest) -> Decision {
        let evaluation = self.evaluation(engine, &request.cedar_request, &request.entities);
        let determining = evaluation.determining.iter();
        let annotations: Vec<_> = determining
            .clone()
            .filter_map(|id| self.annotations.get(id))
            .collect();
        let effect = if !evaluation.failed.is_empty() {
            // Cedar skips a policy that fails, even a forbid, so its allow could be wrong.
            Effect::Failed
        } else if evaluation.allows {
            Effect::Allow
        } else {
            let denied = Denied { engine, request };
            self.step_up_effect(denied, &annotations)
                .unwrap_or_else(|| Effect::Deny(code(&annotations)))
        };
        let failed = evaluation.failed.iter().map(|(id, _)| id.to_string());
        let failed = failed.collect();
        let errors = evaluation.failed.into_iter().map(|(_, error)| error);
        let mut errors: Vec<_> = errors.collect();
        errors.sort_unstable();
        Decision {
            effect,
            policies: determining.map(PolicyId::to_string).collect(),
            notices: notices(&annotations),
            errors,
            failed,
            shadow: None,
        }
    }

    fn evaluation(&self, engine: &Engine, request: &Request, entities: &Entities) -> Evaluation {
        nesting::with_stack_for_depth(self.depth, || {
            let evaluation = engine.evaluate(request, entities);
            #[cfg(test)]
            assert_eq!(evaluation, engine.evaluate_all(request, entities));
            evaluation
        })
    }
}

/// Returns the code of a denial by these forbids, which are sorted by id.
fn code(forbids: &[&Annotations]) -> String {
    let codes = || forbids.iter().filter_map(|forbid| forbid.code.as_deref());
    let fixed = codes().find(|code| *code == TENANT_MISMATCH);
    fixed
        .or_else(|| codes().next())
        .unwrap_or(FORBIDDEN)
        .to_owned()
}

/// Returns the notices of these policies in their order, each text once.
fn notices(determining: &[&Annotations]) -> Vec<String> {
    let mut notices: Vec<String> = Vec::new();
    for notice in determining
        .iter()
        .filter_map(|policy| policy.notice.as_ref())
    {
        if !notices.contains(notice) {
            notices.push(notice.clone());
        }
    }
    notices
}
