//! The attributes that conditions read.

use std::ops::BitOrAssign;

use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, UnaryOp, Var};

use super::paths::paths;
use crate::shape::Leaves;

use super::expression::{attribute, call, is_variable, located};
use super::{Located, Syntax, duration_millis};

/// The parts of a request that conditions read, beside principal and resource.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reads {
    /// The leaves of the context.
    pub(crate) context: Leaves,
    /// True if the conditions read the action. The scope does not count.
    pub(crate) action: bool,
}

impl Reads {
    /// Returns the reads of a condition.
    pub(crate) fn of(condition: &Expr) -> Self {
        let mut reads = Self::default();
        for path in paths(condition) {
            match path.text.split(['.', '[']).next() {
                Some("context") => reads.context.add_read(&path.text),
                Some("action") => reads.action = true,
                _ => {}
            }
        }
        reads
    }
}

impl BitOrAssign for Reads {
    fn bitor_assign(&mut self, other: Self) {
        self.context |= other.context;
        self.action |= other.action;
    }
}

impl<'a> Syntax<'a> {
    /// Returns the first place where the conditions read a member of the context, such as
    /// `["session", "amr"]`.
    pub fn context_read(self, path: &[&str]) -> Option<Located<()>> {
        let is_it = |expression: &Expr| {
            let mut outwards = path.iter().rev();
            let root = outwards.try_fold(expression, |inner, name| attribute(inner, name));
            root.is_some_and(|root| is_variable(root, Var::Context))
        };
        self.expressions()
            .find(|expression| is_it(expression))
            .map(|expression| located(expression, ()))
    }

    /// Returns the claims whose `has` must be true for a part of the conditions to hold. The `has` in
    /// `unless { … has … && … }` must not be true, so its claim is not among them.
    pub fn required_claims(self) -> Vec<Located<&'a str>> {
        let mut required: Vec<Located<&str>> = Vec::new();
        let whole = self.0.non_scope_constraints();
        let mut open: Vec<_> = whole.into_iter().map(|whole| (whole, true)).collect();
        while let Some((expression, holds)) = open.pop() {
            match expression.expr_kind() {
                ExprKind::And { left, right } | ExprKind::Or { left, right } => {
                    open.extend([(&**right, holds), (&**left, holds)]);
                }
                ExprKind::UnaryApp {
                    op: UnaryOp::Not,
                    arg,
                } => open.push((&**arg, !holds)),
                _ => {
                    if let Some(name) = tested_claim(expression).filter(|_| holds)
                        && !required.iter().any(|claim| claim.item == name)
                    {
                        required.push(located(expression, name));
                    }
                }
            }
        }
        required
    }

    /// Returns the ages of the last strong sign-in, in milliseconds, up to which the policy may not
    /// match: those of `context.session.sinceStrong <= duration("…")` where it keeps the policy from
    /// matching, and of `>` where it makes the policy match. (Cedar parses `a > b` as `!(a <= b)`, and
    /// `unless` as `!`.)
    pub fn sign_in_age_limits(self) -> Vec<i64> {
        let mut ages = Vec::new();
        let whole = self.0.non_scope_constraints();
        let mut open: Vec<_> = whole.into_iter().map(|whole| (whole, true)).collect();
        while let Some((expression, holds)) = open.pop() {
            match expression.expr_kind() {
                ExprKind::And { left, right } | ExprKind::Or { left, right } => {
                    open.extend([(&**left, holds), (&**right, holds)]);
                }
                ExprKind::UnaryApp {
                    op: UnaryOp::Not,
                    arg,
                } => open.push((&**arg, !holds)),
                ExprKind::If {
                    then_expr,
                    else_expr,
                    ..
                } => open.extend([(&**then_expr, holds), (&**else_expr, holds)]),
                _ if !holds => ages.extend(since_strong_limit(expression)),
                _ => {}
            }
        }
        ages
    }
}

/// Returns the claim that a `has` tests for.
fn tested_claim(expression: &Expr) -> Option<&str> {
    match expression.expr_kind() {
        ExprKind::HasAttr { expr, attr } => attribute(expr, "claims").map(|_| attr.as_str()),
        ExprKind::ExtHasAttr { expr, attrs } => {
            let mut names = attrs.iter().map(AsRef::as_ref);
            let of_claims = attribute(expr, "claims").is_some() || names.next() == Some("claims");
            names.next().filter(|_| of_claims)
        }
        _ => None,
    }
}

/// Returns the milliseconds of `context.session.sinceStrong <= duration("…")`.
fn since_strong_limit(expression: &Expr) -> Option<i64> {
    let ExprKind::BinaryApp {
        op: BinaryOp::LessEq,
        arg1,
        arg2,
    } = expression.expr_kind()
    else {
        return None;
    };
    let session = attribute(arg1, "sinceStrong")?;
    let context = attribute(session, "session")?;
    is_variable(context, Var::Context).then_some(())?;
    duration_millis(call(arg2, "duration")?)
}
