//! The top-level clauses of a policy's conditions.

use std::ops::Range;

use cedar_policy_core::ast::{Expr, ExprKind, UnaryOp};

use super::Syntax;
use super::expression::{are_written_apart, is_unless, range};

/// A top-level clause of a policy's conditions.
#[derive(Clone, Copy)]
pub struct Clause<'a> {
    pub(super) expression: &'a Expr,
    /// True for a clause of `unless`: the policy applies if the clause is false.
    pub unless: bool,
}

impl Clause<'_> {
    /// Returns the range of the clause in its file in bytes.
    pub fn span(self) -> Range<usize> {
        self.expression.source_loc().map_or(0..0, range)
    }
}

impl<'a> Syntax<'a> {
    /// Returns the top-level clauses of the conditions in the order of the text: the operands of `&&` in
    /// `when`, and the operands of `||` in `unless`.
    pub fn clauses(self) -> Vec<Clause<'a>> {
        let mut clauses = Vec::new();
        let mut open: Vec<_> = self.0.non_scope_constraints().into_iter().collect();
        while let Some(expression) = open.pop() {
            match expression.expr_kind() {
                ExprKind::And { left, right } if are_written_apart(left, right) => {
                    open.extend([&**right, &**left]);
                }
                ExprKind::UnaryApp {
                    op: UnaryOp::Not,
                    arg,
                } if is_unless(expression) => clauses.extend(clauses_of_unless(arg)),
                _ => clauses.push(Clause {
                    expression,
                    unless: false,
                }),
            }
        }
        clauses
    }
}

fn clauses_of_unless(condition: &Expr) -> Vec<Clause<'_>> {
    let mut clauses = Vec::new();
    let mut open = vec![condition];
    while let Some(expression) = open.pop() {
        match expression.expr_kind() {
            ExprKind::Or { left, right } => open.extend([&**right, &**left]),
            _ => clauses.push(Clause {
                expression,
                unless: true,
            }),
        }
    }
    clauses
}
