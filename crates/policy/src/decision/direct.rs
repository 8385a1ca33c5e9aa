//! Decides most requests from the facts that policies read, without building the whole request.

use cedar_policy_core::ast;

use cedargate_core::{Decision, Effect};

use crate::engine::Engine;
use crate::request::{self, RequestKind};
use crate::{AuthorizationRequest, Bundle, nesting};

use super::{code, notices};

impl Bundle {
    /// Decides a request from those of its facts that policies read.
    ///
    /// Returns `None` if the decision needs the whole request: it may not conform to the schema, a policy
    /// failed, a step-up could be offered, or shadow policies would decide otherwise.
    pub(super) fn decide_directly(&self, request: &AuthorizationRequest<'_>) -> Option<Decision> {
        let memory = &self.schema.memory;
        if !memory.conforms(&RequestKind::of(request)) {
            return None;
        }
        let action = self.schema.actions.get(&request::action(request))?;
        let action: &ast::Entity = action.as_ref();
        let mut reads = self.live.reads();
        if let Some(with_shadow) = &self.with_shadow {
            reads |= with_shadow.reads();
        }
        let partial = request::build_partial(request, action, reads, &self.schema).ok()?;
        let evaluate = |engine: &Engine| {
            let entities = partial.entities.get();
            engine.evaluate_parts(&partial.request, entities, Some(action))
        };
        let evaluation = nesting::with_stack_for_depth(self.depth, || {
            let evaluation = evaluate(&self.live);
            let shadow = self.with_shadow.as_ref().map(evaluate);
            let is_same = shadow.is_none_or(|shadow| {
                let both_allow = evaluation.allows && shadow.allows && shadow.failed.is_empty();
                both_allow || shadow == evaluation
            });
            is_same.then_some(evaluation)
        })?;
        if !evaluation.failed.is_empty() {
            return None;
        }
        let annotations = evaluation.determining.iter();
        let annotations: Vec<_> = annotations
            .filter_map(|id| self.annotations.get(id))
            .collect();
        let effect = if evaluation.allows {
            Effect::Allow
        } else if annotations.iter().any(|one| one.step_up.is_some()) {
            return None;
        } else {
            Effect::Deny(code(&annotations))
        };
        let policies = evaluation.determining.iter();
        Some(Decision {
            effect,
            notices: notices(&annotations),
            policies: policies.map(ToString::to_string).collect(),
            errors: Vec::new(),
            failed: Vec::new(),
            shadow: None,
        })
    }
}
