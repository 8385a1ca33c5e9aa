//! What a comparison saw, and what it would have to see, in words.

use cedar_policy::EntityUid;
use cedar_policy_core::ast::{
    BinaryOp, Expr, ExprKind, Literal, SlotEnv, UnaryOp, Value, ValueKind,
};

use super::super::request::NEVER;
use super::paths::{asked, path, paths};
use super::reader::Reader;
use super::values::written;

/// See [`Reader::need`].
pub(super) fn need(
    reader: &Reader<'_>,
    slots: &SlotEnv,
    part: &Expr,
    wanted: bool,
) -> Option<String> {
    Needs { reader, slots }.of(part, wanted)
}

struct Needs<'r, 'e> {
    reader: &'r Reader<'e>,
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

    /// Of two parts: `both` must be as wanted, or one of them.
    fn joined(&self, left: &Expr, right: &Expr, wanted: bool, both: bool) -> Option<String> {
        if !both {
            let alternatives = [self.of(left, wanted)?, self.of(right, wanted)?];
            return Some(alternatives.join(", or "));
        }
        // What stands right of a part that is wrong already is not reached, and may not be there.
        let left_is_right = self.is(left, wanted)?;
        if !left_is_right {
            let left = self.of(left, wanted)?;
            return Some(match self.is(right, wanted) {
                Some(false) => format!("{left}, and {}", self.of(right, wanted)?),
                _ => left,
            });
        }
        self.of(right, wanted)
    }

    fn is(&self, part: &Expr, wanted: bool) -> Option<bool> {
        let value = self.reader.truth(self.slots, part).ok()?;
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
            } => self.saw(arg, if wanted { "[]" } else { "≠ []" }),
            ExprKind::Is { expr, entity_type } => {
                self.saw(expr, &format!("{not}of type {entity_type}"))
            }
            ExprKind::Like { expr, pattern } => self.saw(expr, &format!("{not}like \"{pattern}\"")),
            ExprKind::HasAttr { .. } | ExprKind::ExtHasAttr { .. } => self.asked(part, wanted),
            ExprKind::GetAttr { .. } => self.saw(part, if wanted { "true" } else { "false" }),
            ExprKind::ExtensionFunctionApp { fn_name, args } => {
                let (subject, others) = args.split_first()?;
                let others: Option<Vec<_>> = others.iter().map(|one| self.value(one)).collect();
                let others = others?.join(", ");
                self.saw(
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

    /// To Cedar `a > b` is `!(a <= b)`, `a >= b` is `!(a < b)` and `a != b` is `!(a == b)`.
    fn ordered(&self, op: BinaryOp, left: &Expr, right: &Expr, wanted: bool) -> Option<String> {
        let turned = !reads(left);
        let sign = match (op, wanted, turned) {
            (BinaryOp::Eq, true, _) => "",
            (BinaryOp::Eq, false, _) => "≠ ",
            (BinaryOp::LessEq, true, false) | (BinaryOp::Less, false, true) => "≤ ",
            (BinaryOp::LessEq, false, false) | (BinaryOp::Less, true, true) => "> ",
            (BinaryOp::Less, true, false) | (BinaryOp::LessEq, false, true) => "< ",
            _ => "≥ ",
        };
        let (subject, other) = if turned { (right, left) } else { (left, right) };
        self.saw(subject, &format!("{sign}{}", self.value(other)?))
    }

    fn contained(&self, op: BinaryOp, set: &Expr, other: &Expr, wanted: bool) -> Option<String> {
        if reads(set) {
            let contain = match (op, wanted) {
                (BinaryOp::Contains, true) => "to contain",
                (BinaryOp::Contains, false) => "not to contain",
                (BinaryOp::ContainsAll, true) => "to contain all of",
                (BinaryOp::ContainsAll, false) => "not to contain all of",
                (_, true) => "to contain any of",
                (_, false) => "to contain none of",
            };
            return self.saw(set, &format!("{contain} {}", self.value(other)?));
        }
        let within = match (op, wanted) {
            (BinaryOp::Contains, true) => "one of",
            (BinaryOp::Contains, false) => "none of",
            (BinaryOp::ContainsAll, true) => "no more than",
            (BinaryOp::ContainsAll, false) => "more than",
            (_, true) => "to contain any of",
            (_, false) => "to contain none of",
        };
        self.saw(other, &format!("{within} {}", self.value(set)?))
    }

    /// Of what an entity is in, what is of the same types is said: the rest has nothing to do with it.
    fn within(&self, subject: &Expr, of: &Expr, wanted: bool) -> Option<String> {
        let value = self.reader.evaluate(self.slots, subject).ok()?;
        let uid = uids(&value).pop()?;
        let asked = uids(&self.reader.evaluate(self.slots, of).ok()?);
        let mut types: Vec<_> = asked
            .iter()
            .map(|one| one.type_name().to_string())
            .collect();
        types.sort_unstable();
        types.dedup();
        let above = self.reader.entities.ancestors(&uid);
        let above = above.into_iter().flatten().chain([&uid]);
        let mut seen: Vec<_> = above
            .filter(|one| types.contains(&one.type_name().to_string()))
            .map(ToString::to_string)
            .collect();
        seen.sort_unstable();
        let was = if seen.is_empty() {
            format!("in no {}", types.join(" or "))
        } else {
            format!("in {}", seen.join(", "))
        };
        let (not, of) = (not(wanted), self.value(of)?);
        Some(format!("{} was {was}, needed {not}in {of}", text(subject)?))
    }

    fn asked(&self, part: &Expr, wanted: bool) -> Option<String> {
        let asked = asked(part)?;
        let value = self.reader.evaluate(self.slots, &asked.part).ok();
        let was = value.map_or("absent".to_owned(), |value| written(&value));
        let needed = if wanted { "any value" } else { "absent" };
        Some(format!("{} was {was}, needed {needed}", asked.text))
    }

    fn saw(&self, subject: &Expr, needed: &str) -> Option<String> {
        if !reads(subject) {
            return None;
        }
        let value = self.reader.evaluate(self.slots, subject).ok()?;
        let mut was = written(&value);
        if was == NEVER {
            was.push_str(" (never)");
        }
        Some(format!("{} was {was}, needed {needed}", text(subject)?))
    }

    /// A value; and where it comes from, if that is the request too.
    fn value(&self, part: &Expr) -> Option<String> {
        let value = written(&self.reader.evaluate(self.slots, part).ok()?);
        Some(match text(part) {
            Some(text) if reads(part) => format!("{value} ({text})"),
            _ => value,
        })
    }
}

fn not(wanted: bool) -> &'static str {
    if wanted { "" } else { "not " }
}

fn reads(part: &Expr) -> bool {
    !paths(part).is_empty()
}

/// An expression as it is written. A policy's head has no place in its file, only a variable.
fn text(part: &Expr) -> Option<String> {
    path(part).or_else(|| Some(part.source_loc()?.snippet()?.to_owned()))
}

/// The entities that a value is or holds.
fn uids(value: &Value) -> Vec<EntityUid> {
    match value.value_kind() {
        ValueKind::Lit(Literal::EntityUID(uid)) => vec![EntityUid::from((**uid).clone())],
        ValueKind::Set(set) => set.iter().flat_map(uids).collect(),
        _ => Vec::new(),
    }
}
