//! Values as people read them: as Cedar writes them, but for the constructors of addresses, times and
//! durations.

use std::fmt::Write as _;

use cedar_policy_core::ast::{Expr, RestrictedExpr, Value, ValueKind};

use super::{call, duration_millis};

/// A value: `"text"`, `Gate::Tenant::"…"`, `[1, 2]`, `{a: 1}`, `5m`, `203.0.113.7`.
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

/// Whether a name can stand behind a dot.
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
        return duration_millis(text).map_or_else(|| text.to_owned(), duration);
    }
    let mut constructors = ["ip", "datetime", "decimal"].into_iter();
    let text = constructors.find_map(|name| call(&value, name));
    text.map_or_else(|| value.to_string(), str::to_owned)
}

/// Milliseconds as a Cedar duration: `1h6m40s`.
pub(super) fn duration(millis: i64) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_written_in_the_units_that_it_has() {
        for (millis, text) in [
            (0, "0s"),
            (4_000_000, "1h6m40s"),
            (300_000, "5m"),
            (86_400_001, "1d1ms"),
            (-1_500, "-1s500ms"),
            (36_500 * 86_400_000, "36500d"),
        ] {
            assert_eq!(duration(millis), text);
            assert_eq!(duration_millis(text), Some(millis), "{text}");
        }
    }
}
