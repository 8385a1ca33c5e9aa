//! The entities that a policy requires its principal to equal or to be in.

use cedar_policy::EntityUid;
use cedar_policy_core::ast::{
    BinaryOp, EntityReference, Expr, ExprKind, PrincipalConstraint, PrincipalOrResourceConstraint,
    Var,
};

use super::Syntax;
use super::expression::{entity, is_variable};

/// The requirement of a policy for its principal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RequiredPrincipal {
    /// The principal must equal one of these entities or be in one of them.
    OneOf(Vec<EntityUid>),
    /// The principal must equal the entity that a link binds to `?principal`, or be in it.
    OfLink,
}

impl RequiredPrincipal {
    /// Returns true if the requirement selects users by name or by membership in a group. Tenants and issuers
    /// do not count, because they contain all users who sign in there.
    fn names_users(&self) -> bool {
        match self {
            RequiredPrincipal::OneOf(entities) => entities.iter().all(names_users),
            RequiredPrincipal::OfLink => true,
        }
    }
}

/// Returns true for a group and for a user.
pub(crate) fn names_users(entity: &EntityUid) -> bool {
    ["Gate::Group", "Gate::User"].contains(&entity.type_name().to_string().as_str())
}

impl Syntax<'_> {
    /// Returns true if the scope or any conjunct of a `when` requires membership in a group or one user, or
    /// if the scope has `?principal`.
    pub fn requires_named_users(self) -> bool {
        let by_scope = self.required_by_scope();
        let mut conditions = self.0.non_scope_constraints().into_iter();
        by_scope.is_some_and(|required| required.names_users()) || conditions.any(requires_named)
    }

    fn required_by_scope(self) -> Option<RequiredPrincipal> {
        use PrincipalOrResourceConstraint::{Any, Eq, In, Is, IsIn};
        match PrincipalConstraint::as_inner(self.0.principal_constraint()) {
            Any | Is(_) => None,
            Eq(reference) | In(reference) | IsIn(_, reference) => Some(match reference {
                EntityReference::Slot(_) => RequiredPrincipal::OfLink,
                EntityReference::EUID(uid) => {
                    RequiredPrincipal::OneOf(vec![EntityUid::from(uid.as_ref().clone())])
                }
            }),
        }
    }

    /// Returns the requirement of the scope or, if it has none, of the first conjunct of a `when` that has
    /// one. Returns `None` if the policy can apply to every principal.
    pub(crate) fn required_principals(self) -> Option<RequiredPrincipal> {
        self.required_by_scope().or_else(|| {
            let mut conditions = self.0.non_scope_constraints().into_iter();
            conditions.find_map(required).map(RequiredPrincipal::OneOf)
        })
    }
}

fn requires_named(condition: &Expr) -> bool {
    if let ExprKind::And { left, right } = condition.expr_kind() {
        return requires_named(left) || requires_named(right);
    }
    required(condition).is_some_and(|entities| entities.iter().all(names_users))
}

fn required(condition: &Expr) -> Option<Vec<EntityUid>> {
    match condition.expr_kind() {
        ExprKind::And { left, right } => required(left).or_else(|| required(right)),
        ExprKind::Or { left, right } => Some([required(left)?, required(right)?].concat()),
        ExprKind::BinaryApp { op, arg1, arg2 } => match op {
            BinaryOp::In if is_variable(arg1, Var::Principal) => entities(arg2),
            BinaryOp::Eq if is_variable(arg1, Var::Principal) => Some(vec![uid(arg2)?]),
            BinaryOp::Eq if is_variable(arg2, Var::Principal) => Some(vec![uid(arg1)?]),
            _ => None,
        },
        _ => None,
    }
}

fn uid(expression: &Expr) -> Option<EntityUid> {
    entity(expression).map(|uid| EntityUid::from(uid.clone()))
}

/// Returns the entity of a literal, or the members of a set of literals.
fn entities(expression: &Expr) -> Option<Vec<EntityUid>> {
    match expression.expr_kind() {
        ExprKind::Set(members) => members.iter().map(uid).collect(),
        _ => Some(vec![uid(expression)?]),
    }
}
