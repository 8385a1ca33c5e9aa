//! Canary requests: requests that no sensible policy set permits. They are decided when policies are
//! loaded, so that a folder with a missing file, or a rule with a gap, is never in force.
//!
//! 1. A user with the header of another tenant is refused with `tenant_mismatch`, whatever the action is.
//! 2. A password alone does not enrol after a reset of the account.
//! 3. A password alone does not administer other users, whatever groups the caller is in.
//!
//! The callers are a user whom no policy names, and a user of each issuer, tenant and group that policies
//! name, because a permit or a gap often applies only to these.

mod callers;
mod findings;
mod requests;

use std::collections::HashSet;

use cedargate_core::Finding;

use super::decision::TENANT_MISMATCH;
use super::engine::Evaluation;
use super::{AuthorizationRequest, Bundle, nesting, parallel, request};

use callers::{CallerKey, CanaryCaller};
use findings::FailedCanary;
use requests::{Canary, Rule};

/// The callers whose canary requests a bundle refuses.
pub(super) type PassedCallers = HashSet<CallerKey>;

/// Decides all canary requests, except those of callers that have `passed` with the same policies. Returns
/// all callers who pass now.
///
/// # Errors
/// Returns findings about the requests that the policies permit or refuse for a wrong reason.
pub(super) fn check(
    bundle: &Bundle,
    passed: &PassedCallers,
) -> Result<PassedCallers, Vec<Finding>> {
    let mut callers = callers::of(bundle);
    let passing = callers.iter().map(|caller| caller.key).collect();
    callers.retain(|caller| !passed.contains(&caller.key));
    if callers.is_empty() {
        return Ok(passing);
    }
    match parallel::map(&callers, |caller| failed_canaries(bundle, caller)) {
        Ok(failed) if failed.iter().all(Vec::is_empty) => Ok(passing),
        Ok(failed) => Err(findings::of(bundle, failed.into_iter().flatten().collect())),
        Err(error) => {
            let message = format!("cannot start a thread to decide canary requests: {error}");
            Err(vec![Finding::error("system", "", message)])
        }
    }
}

fn failed_canaries(bundle: &Bundle, caller: &CanaryCaller) -> Vec<FailedCanary> {
    let mut failed = Vec::new();
    requests::all(caller, &mut |canary| {
        canary.with_request(|request| {
            failed.extend(decide(bundle, canary, request));
        });
    });
    failed
}

/// Decides a canary request. Returns `None` if it passes.
fn decide(
    bundle: &Bundle,
    canary: &Canary<'_>,
    request: &AuthorizationRequest<'_>,
) -> Option<FailedCanary> {
    let (principal, resource) = (request::principal(request), request::resource(request));
    // A request that does not fit the schema is refused.
    let built = request::build(request, &principal, &resource, &bundle.schema);
    let (request, entities) = built.ok()?;
    let evaluation =
        nesting::with_stack_for_depth(bundle.depth, || bundle.live.evaluate(&request, &entities));
    if bundle.passes(canary.rule, &evaluation) {
        return None;
    }
    Some(FailedCanary {
        rule: canary.rule,
        request: canary.to_string(),
        allowed: evaluation.allows,
        policies: evaluation
            .determining
            .iter()
            .map(ToString::to_string)
            .collect(),
    })
}

impl Bundle {
    fn passes(&self, rule: Rule, evaluation: &Evaluation) -> bool {
        if !evaluation.failed.is_empty() {
            // An evaluation error refuses.
            return true;
        }
        if evaluation.allows {
            return false;
        }
        let code = |id| self.annotations.get(id)?.code.as_deref();
        let mut determining = evaluation.determining.iter();
        rule != Rule::OtherTenant
            // The request is denied by default.
            || evaluation.determining.is_empty()
            || determining.any(|id| code(id) == Some(TENANT_MISMATCH))
    }
}
