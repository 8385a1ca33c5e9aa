//! Required members of JSON objects.

use serde_json::{Map, Value};

use crate::RequestError;

pub(crate) fn member<'a>(
    object: &'a Map<String, Value>,
    name: &str,
) -> Result<&'a Value, RequestError> {
    object.get(name).ok_or_else(|| RequestError::missing(name))
}

pub(crate) fn string<'a>(
    object: &'a Map<String, Value>,
    name: &str,
) -> Result<&'a str, RequestError> {
    let text = member(object, name)?.as_str();
    text.ok_or_else(|| RequestError::invalid(name, " is not a string"))
}

/// Returns an object. `name` is the member's name, for the message.
pub(crate) fn object<'a>(
    value: &'a Value,
    name: &str,
) -> Result<&'a Map<String, Value>, RequestError> {
    let object = value.as_object();
    object.ok_or_else(|| RequestError::invalid(name, " is not a JSON object"))
}

/// Returns a list of strings. `name` is the member's name, for the message.
pub(crate) fn strings(value: &Value, name: &str) -> Result<Vec<String>, RequestError> {
    let texts = value.as_array().and_then(|items| {
        items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect()
    });
    texts.ok_or_else(|| RequestError::invalid(name, " is not a list of strings"))
}
