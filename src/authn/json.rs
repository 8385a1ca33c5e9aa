//! JSON objects of tokens and key sets, without repeated members (RFC 7519 §4).

use serde_json::{Map, Value};

use crate::model::json;

/// More than serde_json itself reads: no depth is refused here but by it.
const DEPTH: usize = 128;

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
    match json::parse(bytes, DEPTH) {
        Ok(Value::Object(members)) => Ok(members),
        Err(error) if error.is_data() => Err(Fault::Repeated),
        _ => Err(Fault::NoObject),
    }
}

#[cfg(test)]
mod tests {
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
}
