//! Canary requests: requests that no sensible policies permit. They are decided when policies are
//! loaded, so that a folder of which a part is missing, or a rule with a hole in it, is never in force.
//!
//! 1. A user with the header of another tenant is refused with `tenant_mismatch`, whatever they ask.
//! 2. With a password alone nobody enrols after a reset of their account.
//! 3. With a password alone nobody administers, whatever groups they are in.
//!
//! The callers are a user of whom no policy knows, and a user of each issuer, tenant and group that
//! policies name: a permit, or a hole, is often for these only.

mod asked;
mod callers;
mod finding;

use cedar_policy::{Decision, PolicySet, Response};

use cedargate_core::Finding;

use super::decision::TENANT_MISMATCH;
use super::{Bundle, Question, nesting, parallel, request};

use asked::{Canary, Rule};
use callers::Caller;

/// Reports the canary requests that the policies permit, or refuse for another reason than they must.
pub(super) fn permitted(bundle: &Bundle) -> Vec<Finding> {
    let callers = callers::of(bundle);
    match parallel::map(&callers, |caller| caught(bundle, caller)) {
        Ok(caught) => finding::of(bundle, caught.into_iter().flatten().collect()),
        Err(error) => {
            let message = format!("no thread to decide canary requests on: {error}");
            vec![Finding::error("system", "", message)]
        }
    }
}

/// A canary request that came out wrong.
pub(super) struct Caught {
    rule: Rule,
    /// What was asked, in words.
    request: String,
    allowed: bool,
    /// The determining policies, sorted.
    policies: Vec<String>,
}

fn caught(bundle: &Bundle, caller: &Caller) -> Vec<Caught> {
    let mut caught = Vec::new();
    asked::all(caller, &mut |canary| {
        canary.ask(|question| caught.extend(decided(bundle, &caller.policies, canary, question)));
    });
    caught
}

/// Decides on one, by the policies that can apply to its caller.
fn decided(
    bundle: &Bundle,
    policies: &PolicySet,
    canary: &Canary<'_>,
    question: &Question<'_>,
) -> Option<Caught> {
    let (principal, resource) = (request::principal(question), request::resource(question));
    // What the schema does not admit is refused.
    let built = request::build(question, &principal, &resource, &bundle.schema);
    let (request, entities) = built.ok()?;
    let response = nesting::with_room_for(bundle.depth, || {
        bundle
            .authorizer
            .is_authorized(&request, policies, &entities)
    });
    if bundle.is_right(canary.rule, &response) {
        return None;
    }
    let reason = response.diagnostics().reason();
    let mut policies: Vec<_> = reason.map(ToString::to_string).collect();
    policies.sort_unstable();
    Some(Caught {
        rule: canary.rule,
        request: canary.to_string(),
        allowed: response.decision() == Decision::Allow,
        policies,
    })
}

impl Bundle {
    fn is_right(&self, rule: Rule, response: &Response) -> bool {
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
            // Nothing permits it, and nothing forbids it either.
            || diagnostics.reason().next().is_none()
            || diagnostics.reason().any(|id| code(id) == Some(TENANT_MISMATCH))
    }
}
