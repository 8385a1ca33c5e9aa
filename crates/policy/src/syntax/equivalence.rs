//! The comparison of two policies by their meaning.

use cedar_policy_core::ast::{Expr, ExprKind, UnaryOp};

use super::Syntax;

impl Syntax<'_> {
    /// Returns true if both policies have the same effect, scope and conditions. Places, annotations and
    /// double negations make no difference: `unless { !a }` is equivalent to `when { a }`.
    pub fn is_equivalent_to(self, other: Syntax<'_>) -> bool {
        let (one, other) = (self.0, other.0);
        one.effect() == other.effect()
            && one.principal_constraint() == other.principal_constraint()
            && one.action_constraint() == other.action_constraint()
            && one.resource_constraint() == other.resource_constraint()
            && match (one.non_scope_constraints(), other.non_scope_constraints()) {
                (Some(one), Some(other)) => are_equivalent(one, other),
                (one, other) => one == other,
            }
    }
}

fn are_equivalent(one: &Expr, other: &Expr) -> bool {
    let (one, other) = (
        without_double_negations(one),
        without_double_negations(other),
    );
    match (one.expr_kind(), other.expr_kind()) {
        (ExprKind::And { left, right }, ExprKind::And { left: l, right: r })
        | (ExprKind::Or { left, right }, ExprKind::Or { left: l, right: r }) => {
            are_equivalent(left, l) && are_equivalent(right, r)
        }
        _ => match (negated(one), negated(other)) {
            (Some(one), Some(other)) => are_equivalent(one, other),
            _ => one == other,
        },
    }
}

/// Removes pairs of `!` from the beginning of an expression.
fn without_double_negations(mut expression: &Expr) -> &Expr {
    while let Some(inner) = negated(expression).and_then(negated) {
        expression = inner;
    }
    expression
}

fn negated(expression: &Expr) -> Option<&Expr> {
    match expression.expr_kind() {
        ExprKind::UnaryApp {
            op: UnaryOp::Not,
            arg,
        } => Some(arg),
        _ => None,
    }
}
