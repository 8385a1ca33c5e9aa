//! From Cedar's answer to a decision: its policies, notices, code, and what to step up to.

mod step_up;

use cedar_policy::{
    AuthorizationError, Decision, Entities, PolicyId, PolicySet, Request, Response,
};

use cedargate_core::Effect;

use super::Bundle;
use super::annotations::Annotations;
use super::means::StepUps;
use super::nesting;

pub(super) use step_up::{Denied, Offer};

/// The `acr` that our own step-up gives.
pub(super) const OWN_STEP_UP: &str = "phr";
/// Clients branch on it: it comes before any other policy's code.
pub const TENANT_MISMATCH: &str = "tenant_mismatch";
const FORBIDDEN: &str = "forbidden";

/// What the policies say to one Cedar request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Judged {
    pub(super) effect: Effect,
    pub(super) policies: Vec<String>,
    pub(super) notices: Vec<String>,
    pub(super) errors: Vec<String>,
    /// The policies that failed, in no order.
    pub(super) failed: Vec<PolicyId>,
}

impl Judged {
    /// Nothing could be asked.
    pub(super) fn failed(why: String) -> Self {
        Self {
            effect: Effect::Failed,
            policies: Vec::new(),
            notices: Vec::new(),
            errors: vec![why],
            failed: Vec::new(),
        }
    }
}

impl Bundle {
    /// Decides on a request that the schema admits. `step_ups` are the proofs that the caller could
    /// add to their token.
    pub(super) fn judge(
        &self,
        request: &Request,
        entities: &Entities,
        step_ups: StepUps<'_>,
    ) -> Judged {
        self.judge_by(&self.live, request, entities, step_ups)
    }

    /// As [`Bundle::judge`], by these of its policies.
    pub(super) fn judge_by(
        &self,
        policies: &PolicySet,
        request: &Request,
        entities: &Entities,
        step_ups: StepUps<'_>,
    ) -> Judged {
        let response = self.ask_cedar(policies, request, entities);
        let diagnostics = response.diagnostics();
        // Cedar's reasons and errors come in no order.
        let mut determining: Vec<_> = diagnostics.reason().collect();
        determining.sort_by_key(|id| AsRef::<str>::as_ref(*id));
        let mut errors: Vec<_> = diagnostics.errors().map(ToString::to_string).collect();
        errors.sort_unstable();
        let failed = diagnostics
            .errors()
            .map(|AuthorizationError::PolicyEvaluationError(error)| error.policy_id().clone())
            .collect();
        let about: Vec<_> = determining
            .iter()
            .filter_map(|id| self.annotations.get(id))
            .collect();
        let effect = if !errors.is_empty() {
            // Cedar skips a policy that errs, a forbid too: so its answer says nothing.
            Effect::Failed
        } else if response.decision() == Decision::Allow {
            Effect::Allow
        } else {
            let denied = Denied {
                policies,
                request,
                entities,
            };
            self.lifted(denied, &about, step_ups)
                .unwrap_or_else(|| Effect::Deny(code(&about)))
        };
        Judged {
            effect,
            policies: determining.into_iter().map(PolicyId::to_string).collect(),
            notices: notices(&about),
            errors,
            failed,
        }
    }

    fn ask_cedar(&self, policies: &PolicySet, request: &Request, entities: &Entities) -> Response {
        nesting::with_room_for(self.depth, || {
            self.authorizer.is_authorized(request, policies, entities)
        })
    }
}

/// The code of a denial by these policies, which are sorted by id.
fn code(forbids: &[&Annotations]) -> String {
    let codes = || forbids.iter().filter_map(|one| one.code.as_deref());
    let fixed = codes().find(|code| *code == TENANT_MISMATCH);
    fixed
        .or_else(|| codes().next())
        .unwrap_or(FORBIDDEN)
        .to_owned()
}

/// The notices of these policies, in their order, each text once.
fn notices(about: &[&Annotations]) -> Vec<String> {
    let mut notices: Vec<String> = Vec::new();
    for notice in about.iter().filter_map(|one| one.notice.as_ref()) {
        if !notices.contains(notice) {
            notices.push(notice.clone());
        }
    }
    notices
}
