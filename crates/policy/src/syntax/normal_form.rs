//! A normal form of conditions that does not depend on the order of operands, for comparisons.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, Literal, UnaryOp};

use super::Syntax;

/// The normal form of a condition. Operands have no order and no repetitions.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum NormalForm {
    /// An expression without `&&`, `||` and `!` at its top.
    Part {
        /// The expression as Cedar prints it, with sorted operands of `==` and members of sets.
        text: String,
        /// The value that the expression must have.
        holds: bool,
    },
    /// The conjunction of these. It is always true if there are none.
    All(BTreeSet<NormalForm>),
    /// The disjunction of these. It is never true if there are none.
    Any(BTreeSet<NormalForm>),
}

/// The greatest number of parts of conditions that are compared. The time grows with their product.
const MOST_PARTS: usize = 64;

impl NormalForm {
    /// Returns true if every request that meets this condition meets the other one. Returns false if that
    /// is unknown.
    pub fn implies(&self, other: &Self) -> bool {
        self == other
            || (self.parts() <= MOST_PARTS && other.parts() <= MOST_PARTS && self.leads_to(other))
    }

    fn leads_to(&self, other: &Self) -> bool {
        match (self, other) {
            _ if self == other => true,
            (_, NormalForm::All(all)) => all.iter().all(|one| self.leads_to(one)),
            (NormalForm::Any(any), _) => any.iter().all(|one| one.leads_to(other)),
            (NormalForm::All(all), _) if all.iter().any(|one| one.leads_to(other)) => true,
            (_, NormalForm::Any(any)) => any.iter().any(|one| self.leads_to(one)),
            _ => false,
        }
    }

    /// Returns the parts without `&&`, `||` and `!`.
    pub fn all_parts(&self) -> Vec<&NormalForm> {
        match self {
            NormalForm::Part { .. } => vec![self],
            NormalForm::All(parts) | NormalForm::Any(parts) => {
                parts.iter().flat_map(Self::all_parts).collect()
            }
        }
    }

    /// Returns true if the condition, or a part of it, is written so that it is never true.
    pub fn has_never(&self) -> bool {
        match self {
            NormalForm::Part { .. } => false,
            NormalForm::All(parts) => parts.iter().any(Self::has_never),
            NormalForm::Any(parts) => parts.is_empty() || parts.iter().any(Self::has_never),
        }
    }

    fn parts(&self) -> usize {
        match self {
            NormalForm::Part { .. } => 1,
            NormalForm::All(parts) | NormalForm::Any(parts) => parts.iter().map(Self::parts).sum(),
        }
    }

    /// Makes the normal form of the condition that `part` is equal to `holds`.
    fn of(part: &Expr, holds: bool) -> Self {
        match part.expr_kind() {
            ExprKind::UnaryApp {
                op: UnaryOp::Not,
                arg,
            } => Self::of(arg, !holds),
            ExprKind::And { left, right } => Self::joined(left, right, holds, holds),
            ExprKind::Or { left, right } => Self::joined(left, right, !holds, holds),
            ExprKind::Lit(Literal::Bool(truth)) if *truth == holds => {
                NormalForm::All(BTreeSet::new())
            }
            ExprKind::Lit(Literal::Bool(_)) => NormalForm::Any(BTreeSet::new()),
            _ => NormalForm::Part {
                text: text(part),
                holds,
            },
        }
    }

    fn joined(left: &Expr, right: &Expr, all: bool, holds: bool) -> Self {
        let mut parts = BTreeSet::new();
        for side in [left, right] {
            match (Self::of(side, holds), all) {
                (NormalForm::All(more), true) | (NormalForm::Any(more), false) => {
                    parts.extend(more)
                }
                (part, _) => drop(parts.insert(part)),
            }
        }
        match parts.pop_first() {
            Some(only) if parts.is_empty() => only,
            first => {
                parts.extend(first);
                if all {
                    NormalForm::All(parts)
                } else {
                    NormalForm::Any(parts)
                }
            }
        }
    }
}

/// Formats an expression with sorted operands of `==` and sorted members of sets.
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
    /// Returns true if both policies are identical except for their places and the layout of the text.
    pub fn is_identical_to(self, other: Self) -> bool {
        let conditions = [self, other].map(|one| one.0.non_scope_constraints());
        let annotations = |one: Self| -> BTreeMap<String, String> {
            let annotations = one.annotations().map(|annotation| annotation.item);
            annotations
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

    /// Returns the normal form of the conditions.
    pub fn normal_form(self) -> NormalForm {
        let whole = self.0.non_scope_constraints();
        whole.map_or(NormalForm::All(BTreeSet::new()), |whole| {
            NormalForm::of(whole, true)
        })
    }

    /// Returns true if the evaluation can fail although the policy is valid: integer arithmetic and
    /// arithmetic with times can overflow.
    pub fn may_err(self) -> bool {
        self.expressions().any(|part| match part.expr_kind() {
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
