//! Parts of policies, evaluated for one request.

use cedar_policy::{Entities, Policy, Request};
use cedar_policy_core::ast::{self, Expr, Literal, SlotEnv, Value, ValueKind};
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;

use super::{Clause, Observed};

/// The parts of a policy's head, as a request finds them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Scope {
    pub principal: bool,
    pub action: bool,
    pub resource: bool,
}

/// A part of a policy's head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Head {
    Principal,
    Action,
    Resource,
}

/// A part of a policy that is true or false for a request.
#[derive(Clone, Copy)]
pub(crate) enum Part<'a> {
    Head(Head),
    Clause(Clause<'a>),
}

/// Evaluates parts of policies for one request.
pub(crate) struct Reader<'e> {
    evaluator: Evaluator<'e>,
    pub entities: &'e Entities,
}

impl<'e> Reader<'e> {
    pub(crate) fn of(request: &Request, entities: &'e Entities) -> Self {
        let request: &ast::Request = request.as_ref();
        let extensions = Extensions::all_available();
        Self {
            evaluator: Evaluator::new(request.clone(), entities.as_ref(), extensions),
            entities,
        }
    }

    /// Which parts of a policy's head match.
    pub(crate) fn scope(&self, policy: &Policy) -> Scope {
        let matches = |head| self.truth_of(policy, Part::Head(head)) == Ok(true);
        Scope {
            principal: matches(Head::Principal),
            action: matches(Head::Action),
            resource: matches(Head::Resource),
        }
    }

    /// What a clause evaluates to, or why it does not.
    pub(crate) fn value(&self, policy: &Policy, clause: Clause<'_>) -> Result<bool, String> {
        self.truth_of(policy, Part::Clause(clause))
    }

    /// What a part reads of the request, each once, in the order of its text.
    pub(crate) fn observed(&self, policy: &Policy, part: Part<'_>) -> Vec<Observed> {
        let policy: &ast::Policy = policy.as_ref();
        super::paths::observed(self, policy.env(), &expression(policy, part))
    }

    /// What a part saw, and what it would have to see to be `wanted`: such as
    /// `context.session.sinceStrong was 1h6m40s, needed ≤ 5m`. `None` where it is no comparison, or
    /// cannot be evaluated.
    pub(crate) fn need(&self, policy: &Policy, part: Part<'_>, wanted: bool) -> Option<String> {
        let policy: &ast::Policy = policy.as_ref();
        super::needs::need(self, policy.env(), &expression(policy, part), wanted)
    }

    fn truth_of(&self, policy: &Policy, part: Part<'_>) -> Result<bool, String> {
        let policy: &ast::Policy = policy.as_ref();
        self.truth(policy.env(), &expression(policy, part))
    }

    pub(crate) fn truth(&self, slots: &SlotEnv, part: &Expr) -> Result<bool, String> {
        match self.evaluate(slots, part)?.value_kind() {
            ValueKind::Lit(Literal::Bool(truth)) => Ok(*truth),
            other => Err(format!("{other} is neither true nor false")),
        }
    }

    pub(crate) fn evaluate(&self, slots: &SlotEnv, part: &Expr) -> Result<Value, String> {
        let value = self.evaluator.interpret(part, slots);
        value.map_err(|error| error.to_string())
    }
}

impl Head {
    pub(crate) const ALL: [Head; 3] = [Head::Principal, Head::Action, Head::Resource];

    /// It as Cedar writes it: `principal in ?principal`.
    pub(crate) fn text(self, policy: &Policy) -> String {
        let policy: &ast::Policy = policy.as_ref();
        let template = policy.template();
        match self {
            Head::Principal => template.principal_constraint().to_string(),
            Head::Action => template.action_constraint().to_string(),
            Head::Resource => template.resource_constraint().to_string(),
        }
    }
}

fn expression(policy: &ast::Policy, part: Part<'_>) -> Expr {
    let template = policy.template();
    match part {
        Part::Head(Head::Principal) => template.principal_constraint().as_expr(),
        Part::Head(Head::Action) => template.action_constraint().as_expr(),
        Part::Head(Head::Resource) => template.resource_constraint().as_expr(),
        Part::Clause(clause) => clause.part.clone(),
    }
}
