//! Sentences about the value that a comparison read and the value that it needs.

use cedar_policy::{EntityUid, Policy};
use cedar_policy_core::ast::{
    self, BinaryOp, Expr, ExprKind, Literal, SlotEnv, UnaryOp, Value, ValueKind,
};

use super::evaluator::{PartEvaluator, PolicyPart};
use super::paths::{path, paths, tested_path};
use super::values::written;
use crate::values::NEVER;

impl PartEvaluator<'_> {
    /// Describes the value that a part of a policy read and the value that would make the part equal to
    /// `wanted`, such as `context.session.sinceStrong was 1h6m40s, needed ≤ 5m`. Returns `None` if the
    /// part is not a comparison or cannot be evaluated.
    pub(crate) fn need(
        &self,
        policy: &Policy,
        part: PolicyPart<'_>,
        wanted: bool,
    ) -> Option<String> {
        let policy: &ast::Policy = policy.as_ref();
        let needs = Needs {
            evaluator: self,
            slots: policy.env(),
        };
        needs.of(&part.expression(policy), wanted)
    }
}

struct Needs<'r, 'e> {
    evaluator: &'r PartEvaluator<'e>,
    slots: &'r SlotEnv,
}

impl Needs<'_, '_> {
    fn of(&self, part: &Expr, wanted: bool) -> Option<String> {
        match part.expr_kind() {
            ExprKind::UnaryApp {
                op: UnaryOp::Not,
                arg,
            } => self.of(arg, !wanted),
            ExprKind::And { left, right } => self.joined(left, right, wanted, wanted),
            ExprKind::Or { left, right } => self.joined(left, right, wanted, !wanted),
            _ => self.comparison(part, wanted),
        }
    }

    /// Describes the needs of two operands, of which both must be equal to `wanted` or one of them.
    fn joined(&self, left: &Expr, right: &Expr, wanted: bool, both: bool) -> Option<String> {
        if !both {
            let alternatives = [self.of(left, wanted)?, self.of(right, wanted)?];
            return Some(alternatives.join(", or "));
        }
        // The right operand is not evaluated if the left one decides, and may not have a value then.
        let left_is_met = self.is(left, wanted)?;
        if !left_is_met {
            let left = self.of(left, wanted)?;
            return Some(match self.is(right, wanted) {
                Some(false) => format!("{left}, and {}", self.of(right, wanted)?),
                _ => left,
            });
        }
        self.of(right, wanted)
    }

    fn is(&self, part: &Expr, wanted: bool) -> Option<bool> {
        let value = self.evaluator.boolean(self.slots, part).ok()?;
        Some(value == wanted)
    }

    fn comparison(&self, part: &Expr, wanted: bool) -> Option<String> {
        let not = not(wanted);
        match part.expr_kind() {
            ExprKind::BinaryApp { op, arg1, arg2 } => match op {
                BinaryOp::Eq | BinaryOp::Less | BinaryOp::LessEq => {
                    self.ordered(*op, arg1, arg2, wanted)
                }
                BinaryOp::In => self.within(arg1, arg2, wanted),
                BinaryOp::Contains | BinaryOp::ContainsAll | BinaryOp::ContainsAny => {
                    self.contained(*op, arg1, arg2, wanted)
                }
                _ => None,
            },
            ExprKind::UnaryApp {
                op: UnaryOp::IsEmpty,
                arg,
            } => self.sentence(arg, if wanted { "[]" } else { "≠ []" }),
            ExprKind::Is { expr, entity_type } => {
                self.sentence(expr, &format!("{not}of type {entity_type}"))
            }
            ExprKind::Like { expr, pattern } => {
                self.sentence(expr, &format!("{not}like \"{pattern}\""))
            }
            ExprKind::HasAttr { .. } | ExprKind::ExtHasAttr { .. } => self.presence(part, wanted),
            ExprKind::GetAttr { .. } => self.sentence(part, if wanted { "true" } else { "false" }),
            ExprKind::ExtensionFunctionApp { fn_name, args } => {
                let (subject, others) = args.split_first()?;
                let others: Option<Vec<_>> = others.iter().map(|one| self.value(one)).collect();
                let others = others?.join(", ");
                self.sentence(
                    subject,
                    &match fn_name.to_string().as_str() {
                        "isInRange" => format!("{not}in {others}"),
                        name => format!("{not}{name}({others})"),
                    },
                )
            }
            _ => None,
        }
    }

    /// Describes an equation or inequation. Cedar parses `a > b` as `!(a <= b)`, `a >= b` as
    /// `!(a < b)` and `a != b` as `!(a == b)`.
    fn ordered(&self, op: BinaryOp, left: &Expr, right: &Expr, wanted: bool) -> Option<String> {
        let is_reversed = !reads_request(left);
        let sign = match (op, wanted, is_reversed) {
            (BinaryOp::Eq, true, _) => "",
            (BinaryOp::Eq, false, _) => "≠ ",
            (BinaryOp::LessEq, true, false) | (BinaryOp::Less, false, true) => "≤ ",
            (BinaryOp::LessEq, false, false) | (BinaryOp::Less, true, true) => "> ",
            (BinaryOp::Less, true, false) | (BinaryOp::LessEq, false, true) => "< ",
            _ => "≥ ",
        };
        let (subject, other) = if is_reversed {
            (right, left)
        } else {
            (left, right)
        };
        self.sentence(subject, &format!("{sign}{}", self.value(other)?))
    }

    fn contained(&self, op: BinaryOp, set: &Expr, other: &Expr, wanted: bool) -> Option<String> {
        if reads_request(set) {
            let contain = match (op, wanted) {
                (BinaryOp::Contains, true) => "to contain",
                (BinaryOp::Contains, false) => "not to contain",
                (BinaryOp::ContainsAll, true) => "to contain all of",
                (BinaryOp::ContainsAll, false) => "not to contain all of",
                (_, true) => "to contain any of",
                (_, false) => "to contain none of",
            };
            return self.sentence(set, &format!("{contain} {}", self.value(other)?));
        }
        let within = match (op, wanted) {
            (BinaryOp::Contains, true) => "one of",
            (BinaryOp::Contains, false) => "none of",
            (BinaryOp::ContainsAll, true) => "no more than",
            (BinaryOp::ContainsAll, false) => "more than",
            (_, true) => "to contain any of",
            (_, false) => "to contain none of",
        };
        self.sentence(other, &format!("{within} {}", self.value(set)?))
    }

    /// Describes `in`. Lists only the ancestors whose type appears in the comparison.
    fn within(&self, subject: &Expr, of: &Expr, wanted: bool) -> Option<String> {
        let value = self.evaluator.value(self.slots, subject).ok()?;
        let uid = uids(&value).pop()?;
        let targets = uids(&self.evaluator.value(self.slots, of).ok()?);
        let mut types: Vec<_> = targets
            .iter()
            .map(|one| one.type_name().to_string())
            .collect();
        types.sort_unstable();
        types.dedup();
        let above = self.evaluator.entities.ancestors(&uid);
        let above = above.into_iter().flatten().chain([&uid]);
        let mut ancestors: Vec<_> = above
            .filter(|one| types.contains(&one.type_name().to_string()))
            .map(ToString::to_string)
            .collect();
        ancestors.sort_unstable();
        let was = if ancestors.is_empty() {
            format!("in no {}", types.join(" or "))
        } else {
            format!("in {}", ancestors.join(", "))
        };
        let (not, of) = (not(wanted), self.value(of)?);
        Some(format!("{} was {was}, needed {not}in {of}", text(subject)?))
    }

    fn presence(&self, part: &Expr, wanted: bool) -> Option<String> {
        let tested = tested_path(part)?;
        let value = self.evaluator.value(self.slots, &tested.expression).ok();
        let was = value.map_or("absent".to_owned(), |value| written(&value));
        let needed = if wanted { "any value" } else { "absent" };
        Some(format!("{} was {was}, needed {needed}", tested.text))
    }

    fn sentence(&self, subject: &Expr, needed: &str) -> Option<String> {
        if !reads_request(subject) {
            return None;
        }
        let value = self.evaluator.value(self.slots, subject).ok()?;
        let mut was = written(&value);
        if was == NEVER {
            was.push_str(" (never)");
        }
        Some(format!("{} was {was}, needed {needed}", text(subject)?))
    }

    /// Formats the value of an expression, followed by the expression if it reads the request.
    fn value(&self, part: &Expr) -> Option<String> {
        let value = written(&self.evaluator.value(self.slots, part).ok()?);
        Some(match text(part) {
            Some(text) if reads_request(part) => format!("{value} ({text})"),
            _ => value,
        })
    }
}

fn not(wanted: bool) -> &'static str {
    if wanted { "" } else { "not " }
}

fn reads_request(part: &Expr) -> bool {
    !paths(part).is_empty()
}

/// Returns the text of an expression. The scope's expressions have no place in the file; their variable is
/// the text.
fn text(part: &Expr) -> Option<String> {
    path(part).or_else(|| Some(part.source_loc()?.snippet()?.to_owned()))
}

/// Returns the entity that a value is, or the entities in a set.
fn uids(value: &Value) -> Vec<EntityUid> {
    match value.value_kind() {
        ValueKind::Lit(Literal::EntityUID(uid)) => vec![EntityUid::from((**uid).clone())],
        ValueKind::Set(set) => set.iter().flat_map(uids).collect(),
        _ => Vec::new(),
    }
}
