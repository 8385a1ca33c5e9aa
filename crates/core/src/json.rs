//! A JSON parser that refuses repeated members and deep nesting.
//!
//! RFC 8259 §4 leaves open what a repeated member means: serde_json keeps the last value and other parsers
//! keep the first, so two parties could read different values from the same text (RFC 8725 §2.4).

use std::fmt;
use std::ops::Range;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Parses a JSON text in which no object repeats a member and whose arrays and objects are nested at most
/// `depth` levels deep. serde_json itself parses 127 levels.
///
/// # Errors
/// The text breaks one of these two rules (category `Data`), or is not JSON (category `Syntax` or `Eof`).
pub fn parse(bytes: &[u8], depth: usize) -> serde_json::Result<Value> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let strict = Strict {
        limit: depth,
        deeper: depth,
    };
    let value = strict.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Returns the range of bytes of a value that was borrowed from `text`.
pub fn span(text: &str, value: &RawValue) -> Range<usize> {
    let start = (value.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    start..start + value.get().len()
}

/// Returns the position of a parse error in `text`, in bytes.
pub fn place(text: &str, error: &serde_json::Error) -> usize {
    let lines = text.split_inclusive('\n');
    let before = lines.take(error.line().saturating_sub(1)).map(str::len);
    before.sum::<usize>() + error.column().saturating_sub(1)
}

#[derive(Clone, Copy)]
struct Strict {
    /// The number of levels that the whole text may have.
    limit: usize,
    /// The number of levels that are left below this one.
    deeper: usize,
}

impl Strict {
    fn inside<E: de::Error>(self) -> Result<Self, E> {
        match self.deeper.checked_sub(1) {
            Some(deeper) => Ok(Self { deeper, ..self }),
            None => Err(E::custom(format_args!(
                "arrays and objects are nested more than {} deep",
                self.limit
            ))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(inside)? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut values = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if values.contains_key(&name) {
                return Err(de::Error::custom(format_args!("{name:?} is repeated")));
            }
            values.insert(name, members.next_value_seed(inside)?);
        }
        Ok(values.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn broken_rule_is_a_data_error_and_malformed_json_is_not() {
        let category = |text: &str| parse(text.as_bytes(), 2).unwrap_err().classify();
        assert_eq!(category("[[[]]]"), serde_json::error::Category::Data);
        assert_eq!(
            category(r#"{"a":1,"\u0061":2}"#),
            serde_json::error::Category::Data
        );
        assert_eq!(category("[[1"), serde_json::error::Category::Eof);
        assert_eq!(category("[] 1"), serde_json::error::Category::Syntax);
        assert_eq!(
            category(&"[".repeat(100_000)),
            serde_json::error::Category::Data
        );
    }

    proptest! {
        #[test]
        fn accepted_text_parses_as_with_serde_json(text in r#"[\[\]{}",:0-9a-e\\ ]{0,24}"#) {
            let text = format!("{{\"k\":{text}}}");
            if let Ok(value) = parse(text.as_bytes(), 32) {
                prop_assert_eq!(value, serde_json::from_str::<Value>(&text).unwrap());
            }
        }

        #[test]
        fn repeated_member_is_refused_at_any_depth(depth in 0_usize..10, name in "[a-c\"é]{0,3}") {
            let name = json!(name);
            let inner = format!("{{{name}:1,\"z\":[],{name}:{{}}}}");
            let text = format!("{{\"o\":{}{inner}{}}}", "[".repeat(depth), "]".repeat(depth));
            let error = parse(text.as_bytes(), 32).unwrap_err();
            prop_assert!(error.to_string().contains("is repeated"));
        }
    }
}
