//! Conditions in one form whatever the order in which they are written, so that two can be compared.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, Literal, UnaryOp};

use super::Syntax;

/// A condition. Parts that are joined have no order, and each is there once.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Normal {
    /// A part that is not looked into, as Cedar prints it.
    Part { text: String, holds: bool },
    /// All of these; none of them: always.
    All(BTreeSet<Normal>),
    /// One of these; none of them: never.
    Any(BTreeSet<Normal>),
}

/// More parts are not compared with each other, as it takes too long.
const MOST_PARTS: usize = 64;

impl Normal {
    /// Whether whatever meets this condition meets the other one. `false` when it cannot be told.
    pub fn implies(&self, other: &Self) -> bool {
        self == other
            || (self.parts() <= MOST_PARTS && other.parts() <= MOST_PARTS && self.leads_to(other))
    }

    fn leads_to(&self, other: &Self) -> bool {
        match (self, other) {
            _ if self == other => true,
            (_, Normal::All(all)) => all.iter().all(|one| self.leads_to(one)),
            (Normal::Any(any), _) => any.iter().all(|one| one.leads_to(other)),
            (Normal::All(all), _) if all.iter().any(|one| one.leads_to(other)) => true,
            (_, Normal::Any(any)) => any.iter().any(|one| self.leads_to(one)),
            _ => false,
        }
    }

    fn parts(&self) -> usize {
        match self {
            Normal::Part { .. } => 1,
            Normal::All(parts) | Normal::Any(parts) => parts.iter().map(Self::parts).sum(),
        }
    }

    /// `holds`: whether the expression is to be true, or false.
    fn of(part: &Expr, holds: bool) -> Self {
        match part.expr_kind() {
            ExprKind::UnaryApp {
                op: UnaryOp::Not,
                arg,
            } => Self::of(arg, !holds),
            ExprKind::And { left, right } => Self::joined(left, right, holds, holds),
            ExprKind::Or { left, right } => Self::joined(left, right, !holds, holds),
            ExprKind::Lit(Literal::Bool(truth)) if *truth == holds => Normal::All(BTreeSet::new()),
            ExprKind::Lit(Literal::Bool(_)) => Normal::Any(BTreeSet::new()),
            _ => Normal::Part {
                text: text(part),
                holds,
            },
        }
    }

    fn joined(left: &Expr, right: &Expr, all: bool, holds: bool) -> Self {
        let mut parts = BTreeSet::new();
        for side in [left, right] {
            match (Self::of(side, holds), all) {
                (Normal::All(more), true) | (Normal::Any(more), false) => parts.extend(more),
                (part, _) => drop(parts.insert(part)),
            }
        }
        match parts.pop_first() {
            Some(only) if parts.is_empty() => only,
            first => {
                parts.extend(first);
                if all {
                    Normal::All(parts)
                } else {
                    Normal::Any(parts)
                }
            }
        }
    }
}

/// The sides of `==` and the members of a set have no order either.
fn text(part: &Expr) -> String {
    match part.expr_kind() {
        ExprKind::BinaryApp {
            op: BinaryOp::Eq,
            arg1,
            arg2,
        } => {
            let mut sides = [text(arg1), text(arg2)];
            sides.sort_unstable();
            format!("({}) == ({})", sides[0], sides[1])
        }
        ExprKind::BinaryApp { op, arg1, arg2 } => {
            format!("({}) {op:?} ({})", text(arg1), text(arg2))
        }
        ExprKind::Set(members) => {
            let members: BTreeSet<_> = members.iter().map(text).collect();
            format!("{members:?}")
        }
        _ => part.to_string(),
    }
}

impl Syntax<'_> {
    /// Whether the other one says the same, part by part.
    pub fn is_same(self, other: Self) -> bool {
        let conditions = [self, other].map(|one| one.0.non_scope_constraints());
        let annotations = |one: Self| -> BTreeMap<String, String> {
            let found = one.annotations().map(|found| found.what);
            found
                .map(|one| (one.name.to_owned(), one.value.to_owned()))
                .collect()
        };
        self.0.effect() == other.0.effect()
            && self.0.principal_constraint() == other.0.principal_constraint()
            && self.0.action_constraint() == other.0.action_constraint()
            && self.0.resource_constraint() == other.0.resource_constraint()
            && annotations(self) == annotations(other)
            && match conditions {
                [Some(one), Some(other)] => one.eq_shape(other),
                [one, other] => one.is_none() && other.is_none(),
            }
    }

    /// Its conditions.
    pub fn condition(self) -> Normal {
        let whole = self.0.non_scope_constraints();
        whole.map_or(Normal::All(BTreeSet::new()), |whole| {
            Normal::of(whole, true)
        })
    }

    /// Whether it may err although it is valid: sums, and times that are moved, can leave their range.
    pub fn may_err(self) -> bool {
        self.parts().any(|part| match part.expr_kind() {
            ExprKind::UnaryApp { op, .. } => *op == UnaryOp::Neg,
            ExprKind::BinaryApp { op, .. } => {
                matches!(op, BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul)
            }
            ExprKind::ExtensionFunctionApp { fn_name, .. } => {
                matches!(
                    fn_name.to_string().as_str(),
                    "offset" | "durationSince" | "toDate"
                )
            }
            _ => false,
        })
    }
}
