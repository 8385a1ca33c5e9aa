//! The operations of an enrolment, with their bodies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::gate::Operation;
use crate::mfa::body::{self, DeviceName, Unchecked};
use crate::store::Account;
use crate::webauthn::RegistrationResponse;
use cedargate_core::{Authenticator, Bytes, GateAction, Member, MethodType, Timestamp};
use cedargate_policy::Resource;

/// Starts an enrolment.
pub struct BeginRegistration {
    pub method_type: MethodType,
}

impl Operation for BeginRegistration {
    const ACTION: GateAction = GateAction::BeginWebauthnRegistration;

    fn method_type(&self) -> Option<MethodType> {
        Some(self.method_type)
    }

    fn resource<'a>(&'a self, member: &'a Member, _: &'a Account) -> Option<Resource<'a>> {
        Some(Resource::Account(&member.user.id))
    }
}

/// A started enrolment.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Begin {
    /// `PublicKeyCredentialCreationOptionsJSON`, for `parseCreationOptionsFromJSON`.
    #[schemars(with = "serde_json::Map<String, Value>")]
    pub options: Value,
    /// The method type that is being enrolled.
    pub method_type: MethodType,
    /// The time until which the enrolment can be completed.
    pub expires_at: Timestamp,
}

/// The body that finishes an enrolment.
#[derive(Deserialize, JsonSchema)]
pub struct CompleteBody {
    /// `RegistrationResponseJSON`, as `PublicKeyCredential.toJSON()` returns it.
    #[serde(default)]
    #[schemars(with = "Map<String, Value>")]
    credential: Unchecked<RegistrationResponse>,
    /// The name that the user gives to the authenticator. If it is blank, the authenticator is named after
    /// its model or its method type.
    #[serde(default)]
    #[schemars(with = "String", length(max = 100))]
    device_name: Unchecked<DeviceName>,
    /// The method type with which the enrolment was started.
    #[serde(default)]
    #[schemars(with = "MethodType")]
    method_type: Unchecked<MethodType>,
}

/// Finishes an enrolment.
pub struct CompleteRegistration {
    pub(super) response: RegistrationResponse,
    pub(super) device_name: String,
    pub(super) method_type: MethodType,
}

impl CompleteRegistration {
    /// Reads a [`CompleteBody`]. Unknown members are ignored.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every field that breaks a rule.
    pub fn parse(body: &Map<String, Value>) -> Result<Self, Error> {
        let body: CompleteBody = body::read(body)?;
        let mut faults = Vec::new();
        let device_name = body.device_name.required("device_name", &mut faults);
        let method_type = body.method_type.required("method_type", &mut faults);
        let response = body.credential.required("credential", &mut faults);
        match (response, device_name, method_type) {
            (Some(response), Some(DeviceName(device_name)), Some(method_type)) => Ok(Self {
                response,
                device_name,
                method_type,
            }),
            _ => Err(Error::Invalid(faults)),
        }
    }
}

impl Operation for CompleteRegistration {
    const ACTION: GateAction = GateAction::CompleteWebauthnRegistration;

    fn method_type(&self) -> Option<MethodType> {
        Some(self.method_type)
    }

    fn resource<'a>(&'a self, member: &'a Member, _: &'a Account) -> Option<Resource<'a>> {
        Some(Resource::Account(&member.user.id))
    }

    fn challenge(&self) -> Option<&Bytes> {
        Some(self.response.challenge())
    }

    fn is_repetition(&self, account: &Account) -> bool {
        // While the enrolment is pending, the request can complete it, so it repeats nothing.
        let credential_id = self.response.credential_id();
        let mut authenticators = account.authenticators.iter();
        account.pending.is_none()
            && authenticators.any(|authenticator| authenticator.credential_id == *credential_id)
    }
}

/// Stores a verified authenticator.
pub struct TrustAuthenticator {
    pub(super) authenticator: Authenticator,
    pub(super) challenge: Bytes,
}

impl Operation for TrustAuthenticator {
    const ACTION: GateAction = GateAction::TrustAuthenticator;

    fn method_type(&self) -> Option<MethodType> {
        Some(self.authenticator.method_type)
    }

    fn resource<'a>(&'a self, member: &'a Member, _: &'a Account) -> Option<Resource<'a>> {
        Some(Resource::Authenticator(
            &member.user.id,
            &self.authenticator,
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn fields(body: Value) -> Vec<(String, String)> {
        let Value::Object(body) = body else {
            panic!("not an object")
        };
        match CompleteRegistration::parse(&body) {
            Err(Error::Invalid(fields)) => fields
                .into_iter()
                .map(|it| (it.field.into_owned(), it.rule.into_owned()))
                .collect(),
            Err(other) => panic!("{other:?}"),
            Ok(_) => Vec::new(),
        }
    }

    fn named(field: &str, rule: &str) -> (String, String) {
        (field.to_owned(), rule.to_owned())
    }

    #[test]
    fn body_with_several_wrong_fields_is_refused_with_all_of_them() {
        let expected = [
            named("device_name", "is required"),
            named("method_type", "is required"),
            named("credential", "is required"),
        ];
        assert_eq!(fields(serde_json::json!({})), expected);
        let expected = [
            named("device_name", "must be a string"),
            named("method_type", MethodType::RULE),
            named("credential", "is required"),
        ];
        let body = serde_json::json!({"device_name": 1, "method_type": "totp"});
        assert_eq!(fields(body), expected);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            ".{0,120}".prop_map(Value::from),
            Just(json!("webauthn_fido")),
            Just(json!(["a"])),
            Just(json!({"id": "AA", "rawId": "AA", "type": "public-key", "response": {}})),
        ]
    }

    proptest! {
        #[test]
        fn any_body_is_read_or_refused_with_every_wrong_field(
            body in prop::collection::btree_map(
                "device_name|method_type|credential|.{0,4}", any_value(), 0..5
            )
        ) {
            let body: Map<String, Value> = body.into_iter().collect();
            let named = fields(Value::Object(body.clone()));
            let is_refused = |field: &str| named.iter().any(|(name, _)| name.starts_with(field));
            // None of the generated values is a complete credential.
            prop_assert!(is_refused("credential"));
            let name = body.get("device_name").and_then(Value::as_str);
            let is_valid = name.is_some_and(|it| it.chars().count() <= 100 && !it.contains(char::is_control));
            prop_assert_eq!(is_refused("device_name"), !is_valid);
            let is_type = body.get("method_type") == Some(&json!("webauthn_fido"));
            prop_assert_eq!(is_refused("method_type"), !is_type);
        }
    }
}
