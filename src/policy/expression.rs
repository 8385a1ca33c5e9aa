//! Reading conditions: Cedar's syntax tree with the places of its nodes. cedar-policy-core promises
//! no stable interface, so what the rules ask of an expression is asked here.

use std::net::IpAddr;

use cedar_policy::{Context, Entities, EntityUid, EvalResult, Expression, Request};
use cedar_policy_core::ast::{
    self, BinaryOp, Expr, ExprKind, Literal, PrincipalConstraint, ResourceConstraint, Template, Var,
};
use cedar_policy_core::parser::Loc;

/// All parts of a policy's conditions, the conditions themselves first.
pub(super) fn parts(template: &Template) -> impl Iterator<Item = &Expr> {
    template
        .non_scope_constraints()
        .into_iter()
        .flat_map(Expr::subexpressions)
}

/// Every entity that a policy names, in its head and in its conditions, with its place.
pub(super) fn entities(template: &Template) -> Vec<(ast::EntityUID, Option<Loc>)> {
    let principal = PrincipalConstraint::as_inner(template.principal_constraint());
    let resource = ResourceConstraint::as_inner(template.resource_constraint());
    let head = [principal.get_euid(), resource.get_euid()]
        .into_iter()
        .flatten();
    let mut named: Vec<_> = head
        .map(|uid| (uid.as_ref().clone(), uid.loc().cloned()))
        .collect();
    named.extend(parts(template).filter_map(|part| match part.expr_kind() {
        ExprKind::Lit(Literal::EntityUID(uid)) => {
            Some((uid.as_ref().clone(), part.source_loc().cloned()))
        }
        _ => None,
    }));
    named
}

/// The names that a `has` asks for.
pub(super) fn asked_names(part: &Expr) -> Vec<&str> {
    match part.expr_kind() {
        ExprKind::HasAttr { attr, .. } => vec![attr.as_str()],
        ExprKind::ExtHasAttr { attrs, .. } => attrs.iter().map(AsRef::as_ref).collect(),
        _ => Vec::new(),
    }
}

/// Whether the conditions ask something of `principal` beyond its type and the attributes that
/// every principal has.
pub(super) fn asks_principal(template: &Template) -> bool {
    let is_principal = |part: &Expr| matches!(part.expr_kind(), ExprKind::Var(Var::Principal));
    let mentions = parts(template).filter(|part| is_principal(part)).count();
    let of_its_kind = parts(template)
        .filter(|part| match part.expr_kind() {
            ExprKind::Is { expr, .. }
            | ExprKind::HasAttr { expr, .. }
            | ExprKind::ExtHasAttr { expr, .. } => is_principal(expr),
            _ => false,
        })
        .count();
    mentions > of_its_kind
}

/// The duration, in milliseconds, that `context.session.sinceStrong <= duration("…")` compares
/// with. `>` is the same in Cedar's tree, negated.
pub(super) fn since_strong_limit(part: &Expr) -> Option<i64> {
    let ExprKind::BinaryApp {
        op: BinaryOp::LessEq,
        arg1,
        arg2,
    } = part.expr_kind()
    else {
        return None;
    };
    let session = attribute(arg1, "sinceStrong")?;
    let context = attribute(session, "session")?;
    matches!(context.expr_kind(), ExprKind::Var(Var::Context)).then_some(())?;
    duration_millis(call(arg2, "duration")?)
}

fn attribute<'a>(expr: &'a Expr, name: &str) -> Option<&'a Expr> {
    match expr.expr_kind() {
        ExprKind::GetAttr { expr, attr } if attr == name => Some(expr),
        _ => None,
    }
}

/// The literal in `name("…")`.
fn call<'a>(expr: &'a Expr, name: &str) -> Option<&'a str> {
    let ExprKind::ExtensionFunctionApp { fn_name, args } = expr.expr_kind() else {
        return None;
    };
    match args.first()?.expr_kind() {
        ExprKind::Lit(Literal::String(text)) if fn_name.to_string() == name => Some(text),
        _ => None,
    }
}

/// A Cedar duration in milliseconds, as Cedar reads it.
pub(super) fn duration_millis(text: &str) -> Option<i64> {
    // The text becomes part of an expression: nothing but what durations are written with.
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        .then_some(())?;
    let expression: Expression = format!("duration(\"{text}\").toMilliseconds()")
        .parse()
        .ok()?;
    // Cedar evaluates nothing without a request; this expression asks nothing of it.
    let nobody: EntityUid = "Gate::Anonymous::\"anonymous\"".parse().ok()?;
    let context = Context::empty();
    let request = Request::new(nobody.clone(), nobody.clone(), nobody, context, None).ok()?;
    match cedar_policy::eval_expression(&request, &Entities::empty(), &expression) {
        Ok(EvalResult::Long(millis)) => Some(millis),
        _ => None,
    }
}

/// The address, and the length of its prefix if it has one, in `ip("…")`.
pub(super) fn ip(part: &Expr) -> Option<(IpAddr, Option<u8>)> {
    let text = call(part, "ip")?;
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse().ok()?)),
        None => (text, None),
    };
    Some((address.parse().ok()?, prefix))
}

/// What is compared for equality here: both sides of `==` and `!=`, and the members of a set, which
/// are compared one by one.
pub(super) fn compared(part: &Expr) -> Vec<&Expr> {
    match part.expr_kind() {
        ExprKind::BinaryApp {
            op: BinaryOp::Eq,
            arg1,
            arg2,
        } => vec![arg1, arg2],
        ExprKind::Set(members) => members.iter().collect(),
        _ => Vec::new(),
    }
}
