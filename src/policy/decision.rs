//! From Cedar's answer to a decision: its policies, notices, code, and what to step up to.

use std::collections::BTreeSet;

use cedar_policy::{
    AuthorizationError, Decision, Entities, PolicyId, PolicySet, Request, Response,
};

use crate::error::StepUp;
use crate::record::Effect;

use super::Bundle;
use super::annotations::Annotations;
use super::nesting;
use super::request;

/// The `acr` that our own step-up gives.
pub(super) const OWN_STEP_UP: &str = "phr";
/// Clients branch on it: it comes before any other policy's code.
pub(super) const TENANT_MISMATCH: &str = "tenant_mismatch";
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
    /// Decides on a request that the schema admits. `strong_acr` are the values that a sign-in at
    /// the caller's issuer can reach.
    pub(super) fn judge(
        &self,
        request: &Request,
        entities: &Entities,
        strong_acr: &[String],
    ) -> Judged {
        self.judge_by(&self.live, request, entities, strong_acr)
    }

    /// As [`Bundle::judge`], by these of its policies.
    pub(super) fn judge_by(
        &self,
        policies: &PolicySet,
        request: &Request,
        entities: &Entities,
        strong_acr: &[String],
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
            match self.step_up(policies, request, entities, &about, strong_acr) {
                Some(step_up) => Effect::StepUp(step_up),
                None => Effect::Deny(code(&about)),
            }
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

    /// What would turn this denial into an allow, if a sign-in would: of the `acr` values that the
    /// forbids ask for and the caller can get, those with which the same request, decided again, is
    /// allowed. So whoever does just what is asked gets in.
    fn step_up(
        &self,
        policies: &PolicySet,
        request: &Request,
        entities: &Entities,
        forbids: &[&Annotations],
        strong_acr: &[String],
    ) -> Option<StepUp> {
        let asked: Vec<_> = forbids
            .iter()
            .filter_map(|one| one.step_up.as_ref())
            .collect();
        let max_age = asked.iter().map(|one| one.max_age).min()?;
        let enrolled = request::enrolled(request.context()?);
        let acr_values: BTreeSet<_> = asked
            .iter()
            .map(|one| one.acr.as_str())
            .filter(|acr| {
                strong_acr.iter().any(|strong| strong == acr)
                    || (*acr == OWN_STEP_UP && enrolled.count > 0)
            })
            .filter(|acr| {
                self.allows_after(policies, request, entities, acr, max_age) == Some(true)
            })
            .collect();
        if acr_values.is_empty() {
            return None;
        }
        let steps_up_here = acr_values.contains(OWN_STEP_UP);
        Some(StepUp {
            acr_values: acr_values.into_iter().map(str::to_owned).collect(),
            max_age,
            method_types: if steps_up_here {
                enrolled.method_types
            } else {
                Vec::new()
            },
        })
    }

    /// Whether the request is allowed, without errors, after a sign-in with this `acr`. `None` when
    /// it cannot be asked.
    fn allows_after(
        &self,
        policies: &PolicySet,
        request: &Request,
        entities: &Entities,
        acr: &str,
        age: u64,
    ) -> Option<bool> {
        let context = request::after_sign_in(request.context()?, acr, age)?;
        let again = Request::new(
            request.principal()?.clone(),
            request.action()?.clone(),
            request.resource()?.clone(),
            context,
            Some(&self.vocabulary.schema),
        )
        .ok()?;
        let response = self.ask_cedar(policies, &again, entities);
        let clean = response.diagnostics().errors().next().is_none();
        Some(clean && response.decision() == Decision::Allow)
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
