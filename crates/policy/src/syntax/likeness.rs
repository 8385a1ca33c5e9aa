//! Whether two policies say the same.

use cedar_policy_core::ast::{Expr, ExprKind, UnaryOp};

use super::Syntax;

impl Syntax<'_> {
    /// Whether it says what another one does, wherever they stand, whatever is annotated, and however
    /// often a condition is negated twice. (`unless { !a }` is `when { a }`.)
    pub fn says_as(self, other: Syntax<'_>) -> bool {
        let (one, other) = (self.0, other.0);
        one.effect() == other.effect()
            && one.principal_constraint() == other.principal_constraint()
            && one.action_constraint() == other.action_constraint()
            && one.resource_constraint() == other.resource_constraint()
            && match (one.non_scope_constraints(), other.non_scope_constraints()) {
                (Some(one), Some(other)) => alike(one, other),
                (one, other) => one == other,
            }
    }
}

fn alike(one: &Expr, other: &Expr) -> bool {
    let (one, other) = (without_pairs(one), without_pairs(other));
    match (one.expr_kind(), other.expr_kind()) {
        (ExprKind::And { left, right }, ExprKind::And { left: l, right: r })
        | (ExprKind::Or { left, right }, ExprKind::Or { left: l, right: r }) => {
            alike(left, l) && alike(right, r)
        }
        _ => match (negated(one), negated(other)) {
            (Some(one), Some(other)) => alike(one, other),
            _ => one == other,
        },
    }
}

/// What stands behind an even number of `!`.
fn without_pairs(mut part: &Expr) -> &Expr {
    while let Some(inner) = negated(part).and_then(negated) {
        part = inner;
    }
    part
}

fn negated(part: &Expr) -> Option<&Expr> {
    match part.expr_kind() {
        ExprKind::UnaryApp {
            op: UnaryOp::Not,
            arg,
        } => Some(arg),
        _ => None,
    }
}
