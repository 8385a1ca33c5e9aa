//! Whether a condition asks for principals of some kind, rather than letting all of them through.

use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, Literal, UnaryOp, Var};

use super::is_variable;

/// Whether this condition, which must hold, or must not, picks out some principals by what they
/// are. To leave out a few of them, as by `unless { principal in … }`, is not to pick out.
pub(super) fn narrows(part: &Expr, holds: bool) -> bool {
    let both = |left: &Expr, right: &Expr| narrows(left, holds) && narrows(right, holds);
    let either = |left: &Expr, right: &Expr| narrows(left, holds) || narrows(right, holds);
    match part.expr_kind() {
        ExprKind::UnaryApp {
            op: UnaryOp::Not,
            arg,
        } => narrows(arg, !holds),
        ExprKind::And { left, right } if holds => either(left, right),
        ExprKind::And { left, right } => both(left, right),
        ExprKind::Or { left, right } if holds => both(left, right),
        ExprKind::Or { left, right } => either(left, right),
        ExprKind::If {
            test_expr,
            then_expr,
            else_expr,
        } => both(then_expr, else_expr) || (narrows(test_expr, true) && narrows(else_expr, holds)),
        // what can never be so lets nobody through
        ExprKind::Lit(Literal::Bool(value)) => *value != holds,
        ExprKind::BinaryApp {
            op: BinaryOp::Eq,
            arg1,
            arg2,
        } if arg1.eq_shape(arg2) => false,
        // `>` is written as the negation of `<=`
        ExprKind::BinaryApp {
            op: BinaryOp::Less | BinaryOp::LessEq,
            ..
        } => asks(part),
        _ => holds && asks(part),
    }
}

/// Whether it reads more of `principal` than its type and which attributes it has.
fn asks(part: &Expr) -> bool {
    let mentions = part
        .subexpressions()
        .filter(|part| is_variable(part, Var::Principal));
    let of_its_kind = part.subexpressions().filter(|part| match part.expr_kind() {
        ExprKind::Is { expr, .. }
        | ExprKind::HasAttr { expr, .. }
        | ExprKind::ExtHasAttr { expr, .. } => is_variable(expr, Var::Principal),
        _ => false,
    });
    mentions.count() > of_its_kind.count()
}
