//! The places in a policy's conditions where a small change, such as a mistake of the author, gives the
//! policy another meaning.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use cedar_policy::EntityUid;
use cedar_policy_core::ast::{Expr, ExprKind, Literal, UnaryOp};

use super::expression::{are_written_apart, call, entity, is_unless, range};
use super::{Syntax, duration_millis};

/// A place in a condition that can be mutated.
#[derive(Clone, Debug, PartialEq)]
pub struct MutationSite {
    /// The syntax at the place.
    pub kind: SiteKind,
    /// The range in the file in bytes.
    pub span: Range<usize>,
    /// The range of the smallest operand of `&&` or `||` around it, in bytes.
    pub operand: Range<usize>,
}

/// The syntax at a place that can be mutated.
#[derive(Clone, Debug, PartialEq)]
pub enum SiteKind {
    /// An operand of `&&` or `||`, or a whole condition.
    Operand {
        /// The value that makes the operand have no effect.
        neutral: bool,
    },
    /// The text between two arguments, with the operator.
    Operator {
        /// The argument on the right, if it is an entity literal.
        entity: Option<EntityUid>,
        /// True if one of the arguments is a value other than an entity.
        of_values: bool,
    },
    /// A whole number, without its sign.
    Number,
    /// `duration("…")`, in milliseconds.
    Duration(i64),
    /// `datetime("…")`.
    Datetime,
    /// `ip("…/…")`: the address, and the length of the prefix in bits.
    Network(IpAddr, u8),
    /// `[…, …]`, with the ranges of its members.
    Set(Vec<Range<usize>>),
}

impl Syntax<'_> {
    /// Returns the places in the conditions that can be mutated. An operand comes before the places within
    /// it, which are in the order of the text.
    pub fn mutation_sites(self) -> Vec<MutationSite> {
        let mut walk = SiteFinder {
            sites: Vec::new(),
            operand: 0..0,
        };
        if let Some(whole) = self.0.non_scope_constraints() {
            walk.joined(whole, true);
        }
        walk.sites
    }
}

struct SiteFinder {
    sites: Vec<MutationSite>,
    operand: Range<usize>,
}

impl SiteFinder {
    fn push(&mut self, kind: SiteKind, span: Range<usize>) {
        self.sites.push(MutationSite {
            kind,
            span,
            operand: self.operand.clone(),
        });
    }

    /// Visits an operand of `&&` if `neutral` is true, and of `||` otherwise.
    fn joined(&mut self, expression: &Expr, neutral: bool) {
        match (expression.expr_kind(), neutral) {
            (ExprKind::And { left, right }, true) | (ExprKind::Or { left, right }, false)
                if are_written_apart(left, right) =>
            {
                self.joined(left, neutral);
                self.joined(right, neutral);
            }
            (
                ExprKind::UnaryApp {
                    op: UnaryOp::Not,
                    arg,
                },
                _,
            ) if is_unless(expression) => self.joined(arg, false),
            _ => self.operand(expression, neutral),
        }
    }

    fn operand(&mut self, expression: &Expr, neutral: bool) {
        let Some(span) = expression.source_loc().map(range) else {
            return;
        };
        let around = std::mem::replace(&mut self.operand, span.clone());
        self.push(SiteKind::Operand { neutral }, span);
        self.within(expression);
        self.operand = around;
    }

    fn within(&mut self, expression: &Expr) {
        match expression.expr_kind() {
            ExprKind::And { left, right } if are_written_apart(left, right) => {
                self.joined(left, true);
                self.joined(right, true);
            }
            ExprKind::Or { left, right } => {
                self.joined(left, false);
                self.joined(right, false);
            }
            // Cedar parses `a is T in b` as `a is T && a in b`: both operands have `a`.
            ExprKind::And { right, .. } => self.within(right),
            ExprKind::BinaryApp { arg1, arg2, .. } => self.between(arg1, arg2),
            ExprKind::Lit(Literal::Long(_)) => self.at(expression, SiteKind::Number),
            ExprKind::Set(members) => self.set(expression, members),
            ExprKind::ExtensionFunctionApp { args, .. } => match extension(expression) {
                Some(kind) => self.at(expression, kind),
                None => args.iter().for_each(|argument| self.within(argument)),
            },
            ExprKind::If {
                test_expr,
                then_expr,
                else_expr,
            } => [test_expr, then_expr, else_expr]
                .iter()
                .for_each(|expression| self.within(expression)),
            ExprKind::UnaryApp { arg: inner, .. }
            | ExprKind::GetAttr { expr: inner, .. }
            | ExprKind::HasAttr { expr: inner, .. }
            | ExprKind::ExtHasAttr { expr: inner, .. }
            | ExprKind::Like { expr: inner, .. }
            | ExprKind::Is { expr: inner, .. } => self.within(inner),
            ExprKind::Record(members) => members.values().for_each(|member| self.within(member)),
            _ => {}
        }
    }

    fn at(&mut self, expression: &Expr, kind: SiteKind) {
        if let Some(span) = expression.source_loc().map(range) {
            self.push(kind, span);
        }
    }

    fn between(&mut self, left: &Arc<Expr>, right: &Arc<Expr>) {
        if let (Some(before), Some(after)) = (left.source_loc(), right.source_loc()) {
            let kind = SiteKind::Operator {
                entity: entity(right).map(|uid| uid.clone().into()),
                of_values: is_value(left) || is_value(right),
            };
            // The range is empty where Cedar has reversed the arguments.
            self.push(kind, before.end()..after.start().max(before.end()));
        }
        self.within(left);
        self.within(right);
    }

    fn set(&mut self, expression: &Expr, members: &[Expr]) {
        let spans = members.iter().map(|member| member.source_loc().map(range));
        if let Some(spans) = spans.collect::<Option<Vec<_>>>() {
            self.at(expression, SiteKind::Set(spans));
        }
        members.iter().for_each(|member| self.within(member));
    }
}

/// Returns true for a value that `==` accepts and `in` does not.
fn is_value(expression: &Expr) -> bool {
    match expression.expr_kind() {
        ExprKind::Lit(Literal::EntityUID(_)) => false,
        ExprKind::Lit(_)
        | ExprKind::Set(_)
        | ExprKind::Record(_)
        | ExprKind::ExtensionFunctionApp { .. } => true,
        _ => false,
    }
}

fn extension(expression: &Expr) -> Option<SiteKind> {
    if let Some(text) = call(expression, "duration") {
        return duration_millis(text).map(SiteKind::Duration);
    }
    if call(expression, "datetime").is_some() {
        return Some(SiteKind::Datetime);
    }
    let (address, length) = call(expression, "ip")?.split_once('/')?;
    Some(SiteKind::Network(
        address.parse().ok()?,
        length.parse().ok()?,
    ))
}
