//! The evaluation of parts of policies for one request.

use cedar_policy::{Entities, Policy, Request};
use cedar_policy_core::ast::{self, Expr, Literal, SlotEnv, Value, ValueKind};
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;

use super::Clause;

/// The result of the scope of a policy for a request: true for each constraint that matches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ScopeMatch {
    pub principal: bool,
    pub action: bool,
    pub resource: bool,
}

/// A constraint of a policy's scope.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ScopeConstraint {
    Principal,
    Action,
    Resource,
}

/// A part of a policy that is true or false for a request.
#[derive(Clone, Copy)]
pub(crate) enum PolicyPart<'a> {
    Scope(ScopeConstraint),
    Clause(Clause<'a>),
}

/// Evaluates parts of policies for one request.
pub(crate) struct PartEvaluator<'e> {
    evaluator: Evaluator<'e>,
    pub(super) entities: &'e Entities,
}

impl<'e> PartEvaluator<'e> {
    pub(crate) fn of(request: &Request, entities: &'e Entities) -> Self {
        let request: &ast::Request = request.as_ref();
        let extensions = Extensions::all_available();
        Self {
            evaluator: Evaluator::new(request.clone(), entities.as_ref(), extensions),
            entities,
        }
    }

    /// Returns which constraints of a policy's scope match.
    pub(crate) fn scope(&self, policy: &Policy) -> ScopeMatch {
        let matches = |constraint| self.part(policy, PolicyPart::Scope(constraint)) == Ok(true);
        ScopeMatch {
            principal: matches(ScopeConstraint::Principal),
            action: matches(ScopeConstraint::Action),
            resource: matches(ScopeConstraint::Resource),
        }
    }

    /// Returns true if a policy's scope matches.
    pub(crate) fn is_in_scope(&self, policy: &Policy) -> bool {
        // The action tells most policies apart.
        let constraints = [
            ScopeConstraint::Action,
            ScopeConstraint::Principal,
            ScopeConstraint::Resource,
        ];
        let mut parts = constraints.into_iter().map(PolicyPart::Scope);
        parts.all(|part| self.part(policy, part) == Ok(true))
    }

    /// Evaluates a clause.
    ///
    /// # Errors
    /// Returns Cedar's message if the evaluation fails, or a message if the value is not a Boolean.
    pub(crate) fn clause(&self, policy: &Policy, clause: Clause<'_>) -> Result<bool, String> {
        self.part(policy, PolicyPart::Clause(clause))
    }

    fn part(&self, policy: &Policy, part: PolicyPart<'_>) -> Result<bool, String> {
        let policy: &ast::Policy = policy.as_ref();
        self.boolean(policy.env(), &part.expression(policy))
    }

    pub(super) fn boolean(&self, slots: &SlotEnv, expression: &Expr) -> Result<bool, String> {
        match self.value(slots, expression)?.value_kind() {
            ValueKind::Lit(Literal::Bool(value)) => Ok(*value),
            other => Err(format!("{other} is neither true nor false")),
        }
    }

    pub(super) fn value(&self, slots: &SlotEnv, expression: &Expr) -> Result<Value, String> {
        let value = self.evaluator.interpret(expression, slots);
        value.map_err(|error| error.to_string())
    }
}

impl ScopeConstraint {
    pub(crate) const ALL: [ScopeConstraint; 3] = [
        ScopeConstraint::Principal,
        ScopeConstraint::Action,
        ScopeConstraint::Resource,
    ];

    /// Returns the constraint in Cedar's syntax, such as `principal in ?principal`.
    pub(crate) fn text(self, policy: &Policy) -> String {
        let policy: &ast::Policy = policy.as_ref();
        let template = policy.template();
        match self {
            ScopeConstraint::Principal => template.principal_constraint().to_string(),
            ScopeConstraint::Action => template.action_constraint().to_string(),
            ScopeConstraint::Resource => template.resource_constraint().to_string(),
        }
    }
}

impl PolicyPart<'_> {
    pub(super) fn expression(self, policy: &ast::Policy) -> Expr {
        let template = policy.template();
        match self {
            PolicyPart::Scope(ScopeConstraint::Principal) => {
                template.principal_constraint().as_expr()
            }
            PolicyPart::Scope(ScopeConstraint::Action) => template.action_constraint().as_expr(),
            PolicyPart::Scope(ScopeConstraint::Resource) => {
                template.resource_constraint().as_expr()
            }
            PolicyPart::Clause(clause) => clause.expression.clone(),
        }
    }
}
