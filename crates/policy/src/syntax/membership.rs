//! The entities that a policy's principal must be, or be in.

use cedar_policy::EntityUid;
use cedar_policy_core::ast::{
    BinaryOp, EntityReference, Expr, ExprKind, PrincipalConstraint, PrincipalOrResourceConstraint,
    Var,
};

use super::{Syntax, entity, is_variable};

/// What a policy requires of its principal.
#[derive(Clone, Debug, PartialEq)]
pub enum Required {
    /// That it is one of these, or in one of them.
    OneOf(Vec<EntityUid>),
    /// That it is what a link says, or in it.
    OfLink,
}

impl Required {
    /// Returns true if that picks out users by name or by membership in a group. A tenant and an issuer
    /// hold everybody who signs in there.
    pub fn names_users(&self) -> bool {
        match self {
            Required::OneOf(entities) => entities.iter().all(names_users),
            Required::OfLink => true,
        }
    }
}

/// Returns true for a group, of which the principal must be a member, and for a user.
pub(crate) fn names_users(entity: &EntityUid) -> bool {
    ["Gate::Group", "Gate::User"].contains(&entity.type_name().to_string().as_str())
}

impl Syntax<'_> {
    /// Returns true if the head or any conjunct of a `when` requires membership in a group, or one user;
    /// or if a link says whom.
    pub fn requires_named_users(self) -> bool {
        let by_head = self.required_by_head();
        let mut conditions = self.0.non_scope_constraints().into_iter();
        by_head.is_some_and(|required| required.names_users()) || conditions.any(requires_named)
    }

    fn required_by_head(self) -> Option<Required> {
        use PrincipalOrResourceConstraint::{Any, Eq, In, Is, IsIn};
        match PrincipalConstraint::as_inner(self.0.principal_constraint()) {
            Any | Is(_) => None,
            Eq(reference) | In(reference) | IsIn(_, reference) => Some(match reference {
                EntityReference::Slot(_) => Required::OfLink,
                EntityReference::EUID(uid) => {
                    Required::OneOf(vec![EntityUid::from(uid.as_ref().clone())])
                }
            }),
        }
    }

    /// Returns what the policy requires of its principal, by its head or by a conjunct of a `when`;
    /// `None` if it can apply to anybody. A policy that names several is known by one of them.
    pub fn required_principals(self) -> Option<Required> {
        self.required_by_head().or_else(|| {
            let mut conditions = self.0.non_scope_constraints().into_iter();
            conditions.find_map(required).map(Required::OneOf)
        })
    }
}

fn requires_named(condition: &Expr) -> bool {
    if let ExprKind::And { left, right } = condition.expr_kind() {
        return requires_named(left) || requires_named(right);
    }
    required(condition).is_some_and(|some| some.iter().all(names_users))
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

fn uid(part: &Expr) -> Option<EntityUid> {
    entity(part).map(|uid| EntityUid::from(uid.clone()))
}

/// One entity, or a set of them that is written out.
fn entities(part: &Expr) -> Option<Vec<EntityUid>> {
    match part.expr_kind() {
        ExprKind::Set(members) => members.iter().map(uid).collect(),
        _ => Some(vec![uid(part)?]),
    }
}
