//! JSON objects of tokens and key sets, without repeated members (RFC 7519 §4).

use serde_json::{Map, Value};

use cedargate_core::json;

/// Deeper than serde_json reads, so serde_json's own limit applies.
const MAX_DEPTH: usize = 128;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ObjectError {
    /// The bytes are not JSON, or not an object.
    NotAnObject,
    /// A member is repeated, at any depth.
    RepeatedMember,
}

/// Reads an object in which no member is repeated, at any depth.
pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, ObjectError> {
    match json::parse(bytes, MAX_DEPTH) {
        Ok(Value::Object(members)) => Ok(members),
        Err(error) if error.is_data() => Err(ObjectError::RepeatedMember),
        _ => Err(ObjectError::NotAnObject),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn repeated_member_is_refused_at_any_depth() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":[{"b":{"c":1,"c":2}}]}"#,
            r#"{"a":1,"\u0061":2}"#,
        ] {
            assert_eq!(
                object(text.as_bytes()),
                Err(ObjectError::RepeatedMember),
                "{text}"
            );
        }
        let accepted = r#"{"a":[{"b":1},{"b":1.5}],"c":{"b":null,"d":true,"e":-1,"f":"é"}}"#;
        assert_eq!(
            object(accepted.as_bytes()).map(Value::Object),
            Ok(
                json!({"a": [{"b": 1}, {"b": 1.5}], "c": {"b": null, "d": true, "e": -1, "f": "é"}})
            )
        );
    }

    #[test]
    fn bytes_that_are_not_an_object_are_refused() {
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
            assert_eq!(object(bytes), Err(ObjectError::NotAnObject));
        }
    }
}
