//! Makes decisions from Cedar's responses: effect, determining policies, notices and errors.

mod shadow;
mod step_up;

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::{
    AuthorizationError, Decision as CedarDecision, Entities, PolicyId, PolicySet, Request, Response,
};

use cedargate_core::{Decision, Effect};

use crate::annotations::Annotations;
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
        match PreparedRequest::new(self, request) {
            Ok(prepared) => self.decide_with_shadow(&prepared),
            Err(error) => Decision::failed(error.to_string()),
        }
    }

    /// Decides a request like [`Bundle::decide`], and also returns the input of the decision for the
    /// decision log.
    pub fn decide_with_input(
        &self,
        request: &AuthorizationRequest<'_>,
    ) -> (Decision, Arc<DecisionInput>) {
        let prepared = PreparedRequest::new(self, request);
        let decision = match &prepared {
            Ok(prepared) => self.decide_with_shadow(prepared),
            Err(error) => Decision::failed(error.to_string()),
        };
        let input = DecisionInput::new(request, prepared.ok(), &self.schema);
        (decision, Arc::new(input))
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

    /// Decides a request with a part of this bundle's policies.
    pub(crate) fn evaluate_with(
        &self,
        policies: &PolicySet,
        request: &PreparedRequest,
    ) -> Decision {
        let response = self.is_authorized(policies, &request.cedar_request, &request.entities);
        let diagnostics = response.diagnostics();
        // Cedar returns reasons and errors in no particular order.
        let mut determining: Vec<_> = diagnostics.reason().collect();
        determining.sort_by_key(|id| AsRef::<str>::as_ref(*id));
        let mut errors: Vec<_> = diagnostics.errors().map(ToString::to_string).collect();
        errors.sort_unstable();
        let failed: BTreeSet<_> = diagnostics
            .errors()
            .map(|AuthorizationError::PolicyEvaluationError(error)| error.policy_id().to_string())
            .collect();
        let annotations: Vec<_> = determining
            .iter()
            .filter_map(|id| self.annotations.get(id))
            .collect();
        let effect = if !errors.is_empty() {
            // Cedar skips a policy that fails, even a forbid, so its allow could be wrong.
            Effect::Failed
        } else if response.decision() == CedarDecision::Allow {
            Effect::Allow
        } else {
            let denied = Denied { policies, request };
            self.step_up_effect(denied, &annotations)
                .unwrap_or_else(|| Effect::Deny(code(&annotations)))
        };
        Decision {
            effect,
            policies: determining.into_iter().map(PolicyId::to_string).collect(),
            notices: notices(&annotations),
            errors,
            failed: failed.into_iter().collect(),
            shadow: None,
        }
    }

    fn is_authorized(
        &self,
        policies: &PolicySet,
        request: &Request,
        entities: &Entities,
    ) -> Response {
        nesting::with_stack_for_depth(self.depth, || {
            self.authorizer.is_authorized(request, policies, entities)
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
