//! What an expression reads of a request.

use cedar_policy_core::ast::{Expr, ExprKind, SlotEnv};

use super::reader::Reader;
use super::values::{is_identifier, written};

/// Something that a policy reads of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Observed {
    /// Such as `context.session.sinceStrong`.
    pub path: String,
    /// As Cedar writes it, but for the constructors of addresses, times and durations: `5m`. `None`
    /// where the request has no such member.
    pub value: Option<String>,
}

/// A variable, or an attribute of one.
pub(super) struct Path {
    pub text: String,
    pub part: Expr,
}

pub(super) fn observed(reader: &Reader<'_>, slots: &SlotEnv, part: &Expr) -> Vec<Observed> {
    let mut observed: Vec<Observed> = Vec::new();
    for path in paths(part) {
        if !observed.iter().any(|one| one.path == path.text) {
            observed.push(Observed {
                value: reader
                    .evaluate(slots, &path.part)
                    .ok()
                    .map(|value| written(&value)),
                path: path.text,
            });
        }
    }
    observed
}

/// The longest paths that an expression reads, in the order of its text.
pub(super) fn paths(part: &Expr) -> Vec<Path> {
    let mut paths = Vec::new();
    let mut open = vec![part];
    while let Some(part) = open.pop() {
        match path(part) {
            Some(text) => paths.push(Path {
                text,
                part: part.clone(),
            }),
            None => match asked(part) {
                Some(asked) => paths.push(asked),
                None => open.extend(children(part).into_iter().rev()),
            },
        }
    }
    paths
}

/// `context.session.acr`, if that is what it is.
pub(super) fn path(part: &Expr) -> Option<String> {
    match part.expr_kind() {
        ExprKind::Var(variable) => Some(variable.to_string()),
        ExprKind::GetAttr { expr, attr } => Some(member(&path(expr)?, attr)),
        _ => None,
    }
}

/// The path that a `has` asks for.
pub(super) fn asked(part: &Expr) -> Option<Path> {
    let (of, names): (_, Vec<_>) = match part.expr_kind() {
        ExprKind::HasAttr { expr, attr } => (expr, vec![attr]),
        ExprKind::ExtHasAttr { expr, attrs } => (expr, attrs.iter().collect()),
        _ => return None,
    };
    let whole = Path {
        text: path(of)?,
        part: (**of).clone(),
    };
    Some(names.into_iter().fold(whole, |path, name| Path {
        text: member(&path.text, name),
        part: Expr::get_attr(path.part, name.clone()),
    }))
}

fn member(of: &str, name: &str) -> String {
    if is_identifier(name) {
        format!("{of}.{name}")
    } else {
        format!("{of}[{name:?}]")
    }
}

fn children(part: &Expr) -> Vec<&Expr> {
    match part.expr_kind() {
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
