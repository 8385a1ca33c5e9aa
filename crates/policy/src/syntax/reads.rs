//! What conditions read.

use cedar_policy_core::ast::{Expr, ExprKind, UnaryOp, Var};

use super::{Found, Syntax, attribute, found, is_variable};

impl<'a> Syntax<'a> {
    /// Where it reads a member of the context, such as `["session", "amr"]`.
    pub fn reads(self, path: &[&str]) -> Option<Found<()>> {
        let is_it = |part: &Expr| {
            let mut above = path.iter().rev();
            let of = above.try_fold(part, |part, name| attribute(part, name));
            of.is_some_and(|of| is_variable(of, Var::Context))
        };
        self.parts()
            .find(|part| is_it(part))
            .map(|part| found(part, ()))
    }

    /// The claims without which a part of its conditions cannot bring it about: those of a `has` that
    /// has to be true. `unless { … has … && … }` asks for none.
    pub fn needed_claims(self) -> Vec<Found<&'a str>> {
        let mut needed: Vec<Found<&str>> = Vec::new();
        let whole = self.0.non_scope_constraints();
        let mut open: Vec<_> = whole.into_iter().map(|whole| (whole, true)).collect();
        while let Some((part, holds)) = open.pop() {
            match part.expr_kind() {
                ExprKind::And { left, right } | ExprKind::Or { left, right } => {
                    open.extend([(&**right, holds), (&**left, holds)]);
                }
                ExprKind::UnaryApp {
                    op: UnaryOp::Not,
                    arg,
                } => open.push((&**arg, !holds)),
                _ => {
                    if let Some(name) = claim(part).filter(|_| holds)
                        && !needed.iter().any(|one| one.what == name)
                    {
                        needed.push(found(part, name));
                    }
                }
            }
        }
        needed
    }
}

/// The claim that a `has` asks for.
fn claim(part: &Expr) -> Option<&str> {
    match part.expr_kind() {
        ExprKind::HasAttr { expr, attr } => attribute(expr, "claims").map(|_| attr.as_str()),
        ExprKind::ExtHasAttr { expr, attrs } => {
            let mut names = attrs.iter().map(AsRef::as_ref);
            let of_claims = attribute(expr, "claims").is_some() || names.next() == Some("claims");
            names.next().filter(|_| of_claims)
        }
        _ => None,
    }
}
