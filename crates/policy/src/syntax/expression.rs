//! Helpers for Cedar's expressions.

use std::ops::Range;

use cedar_policy_core::ast::{self, Expr, ExprKind, Literal, Var};
use cedar_policy_core::parser::Loc;

use super::Located;

/// Returns the range of a location in bytes.
pub(super) fn range(loc: &Loc) -> Range<usize> {
    loc.start()..loc.end()
}

/// Gives an item the place of an expression.
pub(super) fn located<T>(expression: &Expr, item: T) -> Located<T> {
    let span = expression.source_loc().map(range);
    Located { item, span }
}

pub(super) fn is_variable(expression: &Expr, variable: Var) -> bool {
    matches!(expression.expr_kind(), ExprKind::Var(named) if *named == variable)
}

/// Returns the entity of an entity literal.
pub(super) fn entity(expression: &Expr) -> Option<&ast::EntityUID> {
    match expression.expr_kind() {
        ExprKind::Lit(Literal::EntityUID(uid)) => Some(uid),
        _ => None,
    }
}

/// Returns the expression whose attribute `name` is read.
pub(super) fn attribute<'a>(expression: &'a Expr, name: &str) -> Option<&'a Expr> {
    match expression.expr_kind() {
        ExprKind::GetAttr { expr, attr } if attr == name => Some(expr),
        _ => None,
    }
}

/// Returns the text of a call `name("text")`.
pub(super) fn call<'a>(expression: &'a Expr, name: &str) -> Option<&'a str> {
    let ExprKind::ExtensionFunctionApp { fn_name, args } = expression.expr_kind() else {
        return None;
    };
    match args.first()?.expr_kind() {
        ExprKind::Lit(Literal::String(text)) if fn_name.to_string() == name => Some(text),
        _ => None,
    }
}

/// Returns true for the `!` that Cedar makes of `unless { … }`. Its place is that of the word.
pub(super) fn is_unless(expression: &Expr) -> bool {
    let text = expression.source_loc().and_then(Loc::snippet);
    text.is_some_and(|text| text.starts_with("unless"))
}

/// Returns false for the two operands that Cedar makes of `a is T in b`, which have the same place.
pub(super) fn are_written_apart(left: &Expr, right: &Expr) -> bool {
    left.source_loc() != right.source_loc()
}
