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

use cedar_policy::{Decision, PolicySet, Response};

use cedargate_core::Finding;

use super::decision::TENANT_MISMATCH;
use super::{AuthorizationRequest, Bundle, nesting, parallel, request};

use callers::CanaryCaller;
use findings::FailedCanary;
use requests::{Canary, Rule};

/// Decides all canary requests, and reports those that the policies permit or refuse for a wrong reason.
pub(super) fn check(bundle: &Bundle) -> Vec<Finding> {
    let callers = callers::of(bundle);
    match parallel::map(&callers, |caller| failed_canaries(bundle, caller)) {
        Ok(failed) => findings::of(bundle, failed.into_iter().flatten().collect()),
        Err(error) => {
            let message = format!("cannot start a thread to decide canary requests: {error}");
            vec![Finding::error("system", "", message)]
        }
    }
}

fn failed_canaries(bundle: &Bundle, caller: &CanaryCaller) -> Vec<FailedCanary> {
    let mut failed = Vec::new();
    requests::all(caller, &mut |canary| {
        canary.with_request(|request| {
            failed.extend(decide(bundle, &caller.policies, canary, request));
        });
    });
    failed
}

/// Decides a canary request by the policies that can apply to its caller. Returns `None` if it passes.
fn decide(
    bundle: &Bundle,
    policies: &PolicySet,
    canary: &Canary<'_>,
    request: &AuthorizationRequest<'_>,
) -> Option<FailedCanary> {
    let (principal, resource) = (request::principal(request), request::resource(request));
    // A request that does not fit the schema is refused.
    let built = request::build(request, &principal, &resource, &bundle.schema);
    let (request, entities) = built.ok()?;
    let response = nesting::with_stack_for_depth(bundle.depth, || {
        cedar_policy::Authorizer::new().is_authorized(&request, policies, &entities)
    });
    if bundle.passes(canary.rule, &response) {
        return None;
    }
    let reason = response.diagnostics().reason();
    let mut policies: Vec<_> = reason.map(ToString::to_string).collect();
    policies.sort_unstable();
    Some(FailedCanary {
        rule: canary.rule,
        request: canary.to_string(),
        allowed: response.decision() == Decision::Allow,
        policies,
    })
}

impl Bundle {
    fn passes(&self, rule: Rule, response: &Response) -> bool {
        let diagnostics = response.diagnostics();
        if diagnostics.errors().next().is_some() {
            // An evaluation error refuses.
            return true;
        }
        if response.decision() == Decision::Allow {
            return false;
        }
        let code = |id| self.annotations.get(id)?.code.as_deref();
        rule != Rule::OtherTenant
            // The request is denied by default.
            || diagnostics.reason().next().is_none()
            || diagnostics.reason().any(|id| code(id) == Some(TENANT_MISMATCH))
    }
}
