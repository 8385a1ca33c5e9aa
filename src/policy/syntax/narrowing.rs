//! The principals that a permit is for, where it says so in a way that nothing else in it can undo.

use cedar_policy_core::ast::{
    BinaryOp, EntityReference, EntityUID, Expr, ExprKind, Literal, PrincipalConstraint,
    PrincipalOrResourceConstraint as Constraint, Template, Var,
};

use super::is_variable;

/// Whom a permit is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::policy) enum Principals {
    /// The members of a group, or one user.
    Named,
    /// Whom each link of the template says.
    OfLink,
    /// Anybody else.
    Open,
}

/// Reads it from the head, and from the conjuncts of its `when` clauses. What stands under `!`, `if`, on
/// one side of `||` or in an `unless` clause need not hold, so it names nobody.
pub(super) fn principals(policy: &Template) -> Principals {
    let head = match PrincipalConstraint::as_inner(policy.principal_constraint()) {
        Constraint::Eq(named) | Constraint::In(named) | Constraint::IsIn(_, named) => match named {
            EntityReference::EUID(uid) => named_by(uid),
            EntityReference::Slot(_) => return Principals::OfLink,
        },
        Constraint::Any | Constraint::Is(_) => false,
    };
    let mut conditions = policy.non_scope_constraints().into_iter();
    if head || conditions.any(requires) {
        Principals::Named
    } else {
        Principals::Open
    }
}

/// Returns true for a group, of which the principal must be a member, and for a user, who must be the
/// principal. Tenants and issuers hold everybody in them.
fn named_by(uid: &EntityUID) -> bool {
    ["Gate::Group", "Gate::User"].contains(&uid.entity_type().to_string().as_str())
}

fn requires(condition: &Expr) -> bool {
    match condition.expr_kind() {
        ExprKind::And { left, right } => requires(left) || requires(right),
        ExprKind::Or { left, right } => requires(left) && requires(right),
        ExprKind::BinaryApp {
            op: BinaryOp::Eq,
            arg1,
            arg2,
        } => {
            let is_user = |one: &Expr, other: &Expr| {
                is_variable(one, Var::Principal) && literal(other).is_some_and(named_by)
            };
            is_user(arg1, arg2) || is_user(arg2, arg1)
        }
        ExprKind::BinaryApp {
            op: BinaryOp::In,
            arg1,
            arg2,
        } => is_variable(arg1, Var::Principal) && all_named(arg2),
        _ => false,
    }
}

/// A group or user, or a set of nothing else.
fn all_named(part: &Expr) -> bool {
    match part.expr_kind() {
        ExprKind::Set(items) => {
            let mut items = items.iter();
            items.all(|item| literal(item).is_some_and(named_by))
        }
        _ => literal(part).is_some_and(named_by),
    }
}

fn literal(part: &Expr) -> Option<&EntityUID> {
    match part.expr_kind() {
        ExprKind::Lit(Literal::EntityUID(uid)) => Some(uid),
        _ => None,
    }
}
