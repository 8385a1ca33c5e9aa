//! The places of a policy's conditions where a slip of the hand means something else.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use cedar_policy::EntityUid;
use cedar_policy_core::ast::{Expr, ExprKind, Literal, UnaryOp};

use super::{Syntax, call, duration_millis, entity, is_unless, range};

/// A place in a condition, and the smallest operand of `&&` or `||` that it is in. In bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    pub what: Slip,
    pub span: Range<usize>,
    pub operand: Range<usize>,
}

/// What can be got wrong in a place.
#[derive(Clone, Debug, PartialEq)]
pub enum Slip {
    /// What `&&` or `||` joins, or all of a condition; without effect where it has this value.
    Operand { neutral: bool },
    /// What stands between two arguments, an operator among it.
    Operator {
        /// The argument on the right, if it is an entity.
        entity: Option<EntityUid>,
        /// One of the arguments is a value that is no entity.
        of_values: bool,
    },
    /// A whole number, without its sign.
    Number,
    /// `duration("…")`, in milliseconds.
    Duration(i64),
    /// `datetime("…")`.
    Moment,
    /// `ip("…/…")`: the address, and the length of the prefix.
    Network(IpAddr, u8),
    /// `[…, …]`, and its members.
    Set(Vec<Range<usize>>),
}

impl Syntax<'_> {
    /// The places of its conditions, from the outside in; in each operand from left to right.
    pub fn sites(self) -> Vec<Site> {
        let mut walk = Walk {
            sites: Vec::new(),
            operand: 0..0,
        };
        if let Some(whole) = self.0.non_scope_constraints() {
            walk.joined(whole, true);
        }
        walk.sites
    }
}

/// `a is T in b` is two operands to Cedar, and none to who writes it: each has the place of the whole.
pub(super) fn is_written(left: &Expr, right: &Expr) -> bool {
    left.source_loc() != right.source_loc()
}

struct Walk {
    sites: Vec<Site>,
    operand: Range<usize>,
}

impl Walk {
    fn found(&mut self, what: Slip, span: Range<usize>) {
        self.sites.push(Site {
            what,
            span,
            operand: self.operand.clone(),
        });
    }

    /// Something that `&&` joins to the rest, if `neutral`, or `||`.
    fn joined(&mut self, part: &Expr, neutral: bool) {
        match (part.expr_kind(), neutral) {
            (ExprKind::And { left, right }, true) | (ExprKind::Or { left, right }, false)
                if is_written(left, right) =>
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
            ) if is_unless(part) => self.joined(arg, false),
            _ => self.operand(part, neutral),
        }
    }

    fn operand(&mut self, part: &Expr, neutral: bool) {
        let Some(span) = part.source_loc().map(range) else {
            return;
        };
        let around = std::mem::replace(&mut self.operand, span.clone());
        self.found(Slip::Operand { neutral }, span);
        self.within(part);
        self.operand = around;
    }

    fn within(&mut self, part: &Expr) {
        match part.expr_kind() {
            ExprKind::And { left, right } if is_written(left, right) => {
                self.joined(left, true);
                self.joined(right, true);
            }
            ExprKind::Or { left, right } => {
                self.joined(left, false);
                self.joined(right, false);
            }
            // `is … in`: what is asked stands in both.
            ExprKind::And { right, .. } => self.within(right),
            ExprKind::BinaryApp { arg1, arg2, .. } => self.between(arg1, arg2),
            ExprKind::Lit(Literal::Long(_)) => self.at(part, Slip::Number),
            ExprKind::Set(members) => self.set(part, members),
            ExprKind::ExtensionFunctionApp { args, .. } => match extension(part) {
                Some(slip) => self.at(part, slip),
                None => args.iter().for_each(|argument| self.within(argument)),
            },
            ExprKind::If {
                test_expr,
                then_expr,
                else_expr,
            } => [test_expr, then_expr, else_expr]
                .iter()
                .for_each(|part| self.within(part)),
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

    fn at(&mut self, part: &Expr, what: Slip) {
        if let Some(span) = part.source_loc().map(range) {
            self.found(what, span);
        }
    }

    fn between(&mut self, left: &Arc<Expr>, right: &Arc<Expr>) {
        if let (Some(before), Some(after)) = (left.source_loc(), right.source_loc()) {
            let slip = Slip::Operator {
                entity: entity(right).map(|uid| uid.clone().into()),
                of_values: is_value(left) || is_value(right),
            };
            // Empty where Cedar has put the arguments in another order.
            self.found(slip, before.end()..after.start().max(before.end()));
        }
        self.within(left);
        self.within(right);
    }

    fn set(&mut self, part: &Expr, members: &[Expr]) {
        let spans = members.iter().map(|one| one.source_loc().map(range));
        if let Some(spans) = spans.collect::<Option<Vec<_>>>() {
            self.at(part, Slip::Set(spans));
        }
        members.iter().for_each(|member| self.within(member));
    }
}

/// What `==` may compare and `in` may not.
fn is_value(part: &Expr) -> bool {
    match part.expr_kind() {
        ExprKind::Lit(Literal::EntityUID(_)) => false,
        ExprKind::Lit(_)
        | ExprKind::Set(_)
        | ExprKind::Record(_)
        | ExprKind::ExtensionFunctionApp { .. } => true,
        _ => false,
    }
}

fn extension(part: &Expr) -> Option<Slip> {
    if let Some(text) = call(part, "duration") {
        return duration_millis(text).map(Slip::Duration);
    }
    if call(part, "datetime").is_some() {
        return Some(Slip::Moment);
    }
    let (address, length) = call(part, "ip")?.split_once('/')?;
    Some(Slip::Network(address.parse().ok()?, length.parse().ok()?))
}
