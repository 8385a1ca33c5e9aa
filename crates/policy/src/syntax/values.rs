//! Values and durations as text. Addresses, times and durations are written without the constructors of
//! Cedar's syntax.

use std::fmt::Write as _;

use cedar_policy::{Context, Entities, EntityUid, EvalResult, Expression, Request};
use cedar_policy_core::ast::{Expr, RestrictedExpr, Value, ValueKind};

use super::expression::call;

/// Formats a value, such as `"text"`, `Gate::Tenant::"…"`, `[1, 2]`, `{a: 1}`, `5m`, `203.0.113.7`.
pub(super) fn written(value: &Value) -> String {
    match value.value_kind() {
        ValueKind::Lit(literal) => literal.to_string(),
        ValueKind::Set(set) => {
            let items: Vec<_> = set.iter().map(written).collect();
            format!("[{}]", items.join(", "))
        }
        ValueKind::Record(members) => {
            let members: Vec<_> = members
                .iter()
                .map(|(name, value)| format!("{}: {}", key(name), written(value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        ValueKind::ExtensionValue(value) => extension(RestrictedExpr::from((**value).clone())),
    }
}

fn key(name: &str) -> String {
    if is_identifier(name) {
        name.to_owned()
    } else {
        format!("{name:?}")
    }
}

/// Returns true if a name can be written after a dot.
pub(super) fn is_identifier(name: &str) -> bool {
    let mut letters = name.chars();
    letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn extension(value: RestrictedExpr) -> String {
    let value: Expr = value.into();
    if let Some(text) = call(&value, "duration") {
        return duration_millis(text).map_or_else(|| text.to_owned(), millis_text);
    }
    let mut constructors = ["ip", "datetime", "decimal"].into_iter();
    let text = constructors.find_map(|name| call(&value, name));
    text.map_or_else(|| value.to_string(), str::to_owned)
}

/// Formats seconds as a Cedar duration, such as `1h6m40s`.
pub(crate) fn duration(seconds: u64) -> String {
    let millis = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| seconds.checked_mul(1000));
    millis_text(millis.unwrap_or(i64::MAX))
}

/// Formats milliseconds as a Cedar duration.
fn millis_text(millis: i64) -> String {
    const UNITS: [(&str, u64); 5] = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ];
    let mut text = String::new();
    if millis < 0 {
        text.push('-');
    }
    let mut rest = millis.unsigned_abs();
    for (unit, length) in UNITS {
        if rest >= length {
            let _ = write!(text, "{}{unit}", rest / length);
            rest %= length;
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

/// Parses a Cedar duration into milliseconds, with Cedar's own parser.
pub fn duration_millis(text: &str) -> Option<i64> {
    // The text becomes part of an expression, so only the characters of durations are allowed.
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        .then_some(())?;
    let expression: Expression = format!("duration(\"{text}\").toMilliseconds()")
        .parse()
        .ok()?;
    // Cedar evaluates expressions only with a request; this expression does not read it.
    let anonymous: EntityUid = "Gate::Anonymous::\"anonymous\"".parse().ok()?;
    let context = Context::empty();
    let request = Request::new(
        anonymous.clone(),
        anonymous.clone(),
        anonymous,
        context,
        None,
    );
    match cedar_policy::eval_expression(&request.ok()?, &Entities::empty(), &expression) {
        Ok(EvalResult::Long(millis)) => Some(millis),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_is_formatted_with_its_nonzero_units() {
        for (millis, text) in [
            (0, "0s"),
            (4_000_000, "1h6m40s"),
            (300_000, "5m"),
            (86_400_001, "1d1ms"),
            (-1_500, "-1s500ms"),
            (36_500 * 86_400_000, "36500d"),
        ] {
            assert_eq!(millis_text(millis), text);
            assert_eq!(duration_millis(text), Some(millis), "{text}");
        }
    }
}
