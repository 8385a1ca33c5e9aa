//! The attributes of a request that an expression reads.

use cedar_policy::Policy;
use cedar_policy_core::ast::{self, Expr, ExprKind};

use super::evaluator::{PartEvaluator, PolicyPart};
use super::values::{is_identifier, written};

/// An attribute or variable of a request, with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ObservedValue {
    /// The path, such as `context.session.sinceStrong`.
    pub path: String,
    /// The value in Cedar's syntax, but without the constructors of addresses, times and durations: `5m`.
    /// `None` if the request has no such attribute.
    pub value: Option<String>,
}

/// The path of a variable, or of an attribute of one, with its expression.
pub(super) struct AttributePath {
    pub text: String,
    pub expression: Expr,
}

impl PartEvaluator<'_> {
    /// Returns the values that a part of a policy reads from the request. Each path is there once, in the
    /// order of the text.
    pub(crate) fn observed(&self, policy: &Policy, part: PolicyPart<'_>) -> Vec<ObservedValue> {
        let policy: &ast::Policy = policy.as_ref();
        let mut observed: Vec<ObservedValue> = Vec::new();
        for path in paths(&part.expression(policy)) {
            if !observed.iter().any(|one| one.path == path.text) {
                let value = self.value(policy.env(), &path.expression);
                observed.push(ObservedValue {
                    value: value.ok().map(|value| written(&value)),
                    path: path.text,
                });
            }
        }
        observed
    }
}

/// Returns the longest paths that an expression reads, in the order of its text.
pub(super) fn paths(expression: &Expr) -> Vec<AttributePath> {
    let mut paths = Vec::new();
    let mut open = vec![expression];
    while let Some(expression) = open.pop() {
        match path(expression) {
            Some(text) => paths.push(AttributePath {
                text,
                expression: expression.clone(),
            }),
            None => match tested_path(expression) {
                Some(path) => paths.push(path),
                None => open.extend(children(expression).into_iter().rev()),
            },
        }
    }
    paths
}

/// Returns the path of a variable or an attribute, such as `context.session.acr`.
pub(super) fn path(expression: &Expr) -> Option<String> {
    match expression.expr_kind() {
        ExprKind::Var(variable) => Some(variable.to_string()),
        ExprKind::GetAttr { expr, attr } => Some(attribute_path(&path(expr)?, attr)),
        _ => None,
    }
}

/// Returns the path that a `has` tests for.
pub(super) fn tested_path(expression: &Expr) -> Option<AttributePath> {
    let (tested, names): (_, Vec<_>) = match expression.expr_kind() {
        ExprKind::HasAttr { expr, attr } => (expr, vec![attr]),
        ExprKind::ExtHasAttr { expr, attrs } => (expr, attrs.iter().collect()),
        _ => return None,
    };
    let root = AttributePath {
        text: path(tested)?,
        expression: (**tested).clone(),
    };
    Some(names.into_iter().fold(root, |path, name| AttributePath {
        text: attribute_path(&path.text, name),
        expression: Expr::get_attr(path.expression, name.clone()),
    }))
}

fn attribute_path(owner: &str, name: &str) -> String {
    if is_identifier(name) {
        format!("{owner}.{name}")
    } else {
        format!("{owner}[{name:?}]")
    }
}

fn children(expression: &Expr) -> Vec<&Expr> {
    match expression.expr_kind() {
        ExprKind::Lit(_) | ExprKind::Var(_) | ExprKind::Slot(_) | ExprKind::Unknown(_) => {
            Vec::new()
        }
        ExprKind::If {
            test_expr,
            then_expr,
            else_expr,
        } => vec![test_expr, then_expr, else_expr],
        ExprKind::And { left, right } | ExprKind::Or { left, right } => vec![left, right],
        ExprKind::UnaryApp { arg, .. } => vec![arg],
        ExprKind::BinaryApp { arg1, arg2, .. } => vec![arg1, arg2],
        ExprKind::GetAttr { expr, .. }
        | ExprKind::HasAttr { expr, .. }
        | ExprKind::ExtHasAttr { expr, .. }
        | ExprKind::Like { expr, .. }
        | ExprKind::Is { expr, .. } => vec![expr],
        ExprKind::ExtensionFunctionApp { args, .. } => args.iter().collect(),
        ExprKind::Set(items) => items.iter().collect(),
        ExprKind::Record(members) => members.values().collect(),
    }
}
