//! JSON without repeated members. serde_json keeps the last of them, other readers the first: what
//! one party checked would not be what another one reads (RFC 8725 §2.4, RFC 7519 §4).

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Why bytes are not a JSON object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// They are not JSON, or not an object.
    NoObject,
    /// A member is there twice, at any depth.
    Repeated,
}

/// Reads an object in which no member is repeated, at any depth.
pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, Fault> {
    match serde_json::from_slice::<Unique>(bytes) {
        Ok(Unique(Value::Object(members))) => Ok(members),
        Ok(_) => Err(Fault::NoObject),
        // The visitor takes every kind of value: its only complaint is a repeated member.
        Err(error) if error.is_data() => Err(Fault::Repeated),
        Err(_) => Err(Fault::NoObject),
    }
}

struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Unique)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
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
        let mut list = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Unique(value))) = members.next_entry::<String, _>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member is repeated"));
            }
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_repeated_member_is_refused_at_any_depth() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":[{"b":{"c":1,"c":2}}]}"#,
            r#"{"a":1,"\u0061":2}"#,
        ] {
            assert_eq!(object(text.as_bytes()), Err(Fault::Repeated), "{text}");
        }
        let fine = r#"{"a":[{"b":1},{"b":1.5}],"c":{"b":null,"d":true,"e":-1,"f":"é"}}"#;
        assert_eq!(
            object(fine.as_bytes()).map(Value::Object),
            Ok(
                json!({"a": [{"b": 1}, {"b": 1.5}], "c": {"b": null, "d": true, "e": -1, "f": "é"}})
            )
        );
    }

    #[test]
    fn what_is_not_an_object_is_refused() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for bytes in [
            b"".as_slice(),
            b"[]",
            b"1",
            b"null",
            b"{} {}",
            b"{\"a\":1e999}",
            b"{\"a\":\"\xff\"}",
            deep.as_bytes(),
        ] {
            assert_eq!(object(bytes), Err(Fault::NoObject));
        }
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_json_reads(numbers in prop::collection::btree_map(".{0,8}", any::<f64>(), 0..8)) {
            let text = serde_json::to_vec(&numbers).unwrap();
            let expected: Value = serde_json::from_slice(&text).unwrap();
            prop_assert_eq!(object(&text).map(Value::Object), Ok(expected));
        }
    }
}
