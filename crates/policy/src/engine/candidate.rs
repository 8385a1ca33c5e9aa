//! A policy as the engine evaluates it.

use cedar_policy::{Policy, PolicyId};
use cedar_policy_core::ast::{self, Effect, Literal, ValueKind};
use cedar_policy_core::evaluator::Evaluator;

use crate::syntax::Reads;

/// A policy or link, ready to be evaluated.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) id: PolicyId,
    pub(super) forbids: bool,
    pub(super) policy: ast::Policy,
    /// The reads of the conditions.
    pub(super) reads: Reads,
}

impl Candidate {
    pub(super) fn new(policy: &Policy) -> Self {
        let ast: &ast::Policy = policy.as_ref();
        Self {
            id: policy.id().clone(),
            forbids: ast.effect() == Effect::Forbid,
            reads: ast
                .non_scope_constraints()
                .map(Reads::of)
                .unwrap_or_default(),
            policy: ast.clone(),
        }
    }

    /// Evaluates the conditions, for a request that the scope matches.
    ///
    /// # Errors
    /// Returns Cedar's message if the evaluation fails.
    pub(super) fn condition_holds(&self, evaluator: &Evaluator<'_>) -> Result<bool, String> {
        let Some(condition) = self.policy.non_scope_constraints() else {
            return Ok(true);
        };
        let value = evaluator.interpret(condition, self.policy.env());
        match value.map_err(|error| self.message(&error))?.value_kind() {
            ValueKind::Lit(Literal::Bool(holds)) => Ok(*holds),
            // Not a Boolean. Evaluating the whole policy gives Cedar's error for it.
            other => {
                let error = format!("{other} is neither true nor false");
                self.applies(evaluator)?;
                Err(self.message(&error))
            }
        }
    }

    /// Evaluates scope and conditions.
    ///
    /// # Errors
    /// Returns Cedar's message if the evaluation fails.
    pub(super) fn applies(&self, evaluator: &Evaluator<'_>) -> Result<bool, String> {
        let applies = evaluator.evaluate(&self.policy);
        applies.map_err(|error| self.message(&error))
    }

    /// Returns the message that Cedar's authorizer gives for a failed evaluation.
    fn message(&self, error: &impl std::fmt::Display) -> String {
        format!("error while evaluating policy `{}`: {error}", self.id)
    }
}
