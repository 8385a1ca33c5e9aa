//! Bodies of requests. One type of each is both the schema in the API description and what is parsed.
//!
//! Every wrong member of a body is named, and serde stops at the first one. So deserialising an
//! [`Unchecked`] never fails: it keeps what was sent, and its value is checked afterwards.

use std::marker::PhantomData;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::error::{Error, Field};
use crate::webauthn::{Assertion, MalformedMember, RegistrationResponse};
use cedargate_core::MethodType;

/// The longest `device_name`, in Unicode scalar values.
const DEVICE_NAME_CHARACTERS: usize = 100;

/// Reads a body. Members that its type does not have are ignored.
pub(super) fn read<'a, T: Deserialize<'a>>(body: &'a Map<String, Value>) -> Result<T, Error> {
    T::deserialize(body).map_err(|error| Error::field("body", error.to_string()))
}

/// A member of a body that is to be a `T`, as it was sent.
pub(super) struct Unchecked<T> {
    /// `None` if it was left out.
    sent: Option<Value>,
    value: PhantomData<fn() -> T>,
}

impl<T> Unchecked<T> {
    /// Returns true if the member was left out. The schema of a member that may be names this function.
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
    /// Returns the value. Adds to `faults` what is wrong with it, or that it was left out.
    pub(super) fn required(self, name: &'static str, faults: &mut Vec<Field>) -> Option<T> {
        let value = match &self.sent {
            Some(sent) => T::from_json(name, sent),
            None => Err(wrong(name, "is required")),
        };
        value.map_err(|found| faults.extend(found)).ok()
    }

    /// As [`Self::required`], for a body that has no other member.
    pub(super) fn only(self, name: &'static str) -> Result<T, Error> {
        let mut faults = Vec::new();
        self.required(name, &mut faults)
            .ok_or(Error::Invalid(faults))
    }

    /// Returns the value, or `None` if it was left out.
    pub(super) fn optional(self, name: &'static str) -> Result<Option<T>, Error> {
        let value = self.sent.map(|sent| T::from_json(name, &sent));
        value.transpose().map_err(Error::Invalid)
    }
}

/// A type that a member of a body can be.
pub(super) trait FromJson: Sized {
    /// Checks the member of this name.
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

/// Its faults name the members inside, and begin with `credential`.
impl FromJson for RegistrationResponse {
    fn from_json(_: &'static str, sent: &Value) -> Result<Self, Vec<Field>> {
        RegistrationResponse::parse(sent).map_err(fields)
    }
}

/// As that of [`RegistrationResponse`].
impl FromJson for Assertion {
    fn from_json(_: &'static str, sent: &Value) -> Result<Self, Vec<Field>> {
        Assertion::parse(sent).map_err(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_name_is_a_hundred_scalar_values_without_controls() {
        let of = |name: &str| DeviceName::from_json("device_name", &Value::from(name));
        let refused = |rule| Err(wrong("device_name", rule));
        let long = "\u{1f511}".repeat(100);
        assert_eq!(of(&long), Ok(DeviceName(long.clone())));
        let longer = of(&format!("{long}x"));
        assert_eq!(longer, refused("must be at most 100 characters"));
        for control in ["a\u{0}", "a\nb", "\u{7f}", "\u{85}"] {
            let rule = "must not hold control characters";
            assert_eq!(of(control), refused(rule), "{control:?}");
        }
        let odd = " \u{a0}\u{200d}";
        assert_eq!(of(odd), Ok(DeviceName(odd.to_owned())));
    }
}
