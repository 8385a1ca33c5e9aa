//! The bodies of requests. Each has one type, which gives its schema in the API description and parses it.
//!
//! An error lists every wrong member of a body, but serde stops at the first one. So deserialising an
//! [`Unchecked`] never fails: it keeps the JSON value, which is checked afterwards.

use std::marker::PhantomData;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::error::{Error, Field};
use crate::webauthn::{Assertion, MalformedMember, RegistrationResponse};
use cedargate_core::MethodType;

/// The longest `device_name`, in Unicode scalar values.
const DEVICE_NAME_CHARACTERS: usize = 100;

/// Reads a body. Unknown members are ignored.
pub(super) fn read<'a, T: Deserialize<'a>>(body: &'a Map<String, Value>) -> Result<T, Error> {
    T::deserialize(body).map_err(|error| Error::field("body", error.to_string()))
}

/// The JSON of a member of a body that should be a `T`.
pub(super) struct Unchecked<T> {
    /// `None` if the member was left out.
    sent: Option<Value>,
    value: PhantomData<fn() -> T>,
}

impl<T> Unchecked<T> {
    /// Returns true if the member was left out. The schemas of optional members name this function.
    pub(super) fn is_left_out(&self) -> bool {
        self.sent.is_none()
    }
}

impl<T> Default for Unchecked<T> {
    fn default() -> Self {
        Self {
            sent: None,
            value: PhantomData,
        }
    }
}

impl<'de, T> Deserialize<'de> for Unchecked<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let sent = Some(Value::deserialize(deserializer)?);
        let value = PhantomData;
        Ok(Self { sent, value })
    }
}

impl<T: FromJson> Unchecked<T> {
    /// Returns the value. If it is wrong or was left out, adds the rules that it breaks to `faults`.
    pub(super) fn required(self, name: &'static str, faults: &mut Vec<Field>) -> Option<T> {
        let value = match &self.sent {
            Some(sent) => T::from_json(name, sent),
            None => Err(wrong(name, "is required")),
        };
        value.map_err(|broken| faults.extend(broken)).ok()
    }

    /// Returns the value of the only member of a body.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is wrong or was left out.
    pub(super) fn only(self, name: &'static str) -> Result<T, Error> {
        let mut faults = Vec::new();
        self.required(name, &mut faults)
            .ok_or(Error::Invalid(faults))
    }

    /// Returns the value, or `None` if it was left out.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is wrong.
    pub(super) fn optional(self, name: &'static str) -> Result<Option<T>, Error> {
        let value = self.sent.map(|sent| T::from_json(name, &sent));
        value.transpose().map_err(Error::Invalid)
    }
}

/// The types that a member of a body can have.
pub(super) trait FromJson: Sized {
    /// Parses the member with this name, or returns the rules that it breaks.
    fn from_json(name: &'static str, sent: &Value) -> Result<Self, Vec<Field>>;
}

fn wrong(name: &'static str, rule: &'static str) -> Vec<Field> {
    let (field, rule) = (name.into(), rule.into());
    vec![Field { field, rule }]
}

fn fields(malformed: Vec<MalformedMember>) -> Vec<Field> {
    malformed.into_iter().map(Field::from).collect()
}

impl FromJson for String {
    fn from_json(name: &'static str, sent: &Value) -> Result<Self, Vec<Field>> {
        let text = sent.as_str();
        text.map(str::to_owned)
            .ok_or_else(|| wrong(name, "must be a string"))
    }
}

impl FromJson for MethodType {
    fn from_json(name: &'static str, sent: &Value) -> Result<Self, Vec<Field>> {
        let named = sent.as_str().and_then(|text| text.parse().ok());
        named.ok_or_else(|| wrong(name, MethodType::RULE))
    }
}

/// The name that a user gives to an authenticator.
#[derive(Debug, PartialEq)]
pub(super) struct DeviceName(pub(super) String);

impl FromJson for DeviceName {
    fn from_json(name: &'static str, sent: &Value) -> Result<Self, Vec<Field>> {
        let text = String::from_json(name, sent)?;
        if text.chars().count() > DEVICE_NAME_CHARACTERS {
            Err(wrong(name, "must be at most 100 characters"))
        } else if text.chars().any(char::is_control) {
            Err(wrong(name, "must not hold control characters"))
        } else {
            Ok(Self(text))
        }
    }
}

/// The faults name the members inside. Their names begin with `credential`.
impl FromJson for RegistrationResponse {
    fn from_json(_: &'static str, sent: &Value) -> Result<Self, Vec<Field>> {
        RegistrationResponse::parse(sent).map_err(fields)
    }
}

/// The faults are those of a [`RegistrationResponse`].
impl FromJson for Assertion {
    fn from_json(_: &'static str, sent: &Value) -> Result<Self, Vec<Field>> {
        Assertion::parse(sent).map_err(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_name_over_100_characters_or_with_a_control_character_is_refused() {
        let parse = |name: &str| DeviceName::from_json("device_name", &Value::from(name));
        let refused = |rule| Err(wrong("device_name", rule));
        let long = "\u{1f511}".repeat(100);
        assert_eq!(parse(&long), Ok(DeviceName(long.clone())));
        let longer = parse(&format!("{long}x"));
        assert_eq!(longer, refused("must be at most 100 characters"));
        for control in ["a\u{0}", "a\nb", "\u{7f}", "\u{85}"] {
            let rule = "must not hold control characters";
            assert_eq!(parse(control), refused(rule), "{control:?}");
        }
        let unusual = " \u{a0}\u{200d}";
        assert_eq!(parse(unusual), Ok(DeviceName(unusual.to_owned())));
    }
}
