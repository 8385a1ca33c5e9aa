//! What is asked for when an authenticator is enrolled, and the answer that starts it.

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

/// To start an enrolment.
pub struct BeginRegistration {
    /// What is to be enrolled.
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
    /// What is being enrolled.
    pub method_type: MethodType,
    /// Until when it can be completed.
    pub expires_at: Timestamp,
}

/// The body that finishes an enrolment.
#[derive(Deserialize, JsonSchema)]
pub struct CompleteBody {
    /// `RegistrationResponseJSON`: what `PublicKeyCredential.toJSON()` gives.
    #[serde(default)]
    #[schemars(with = "Map<String, Value>")]
    credential: Unchecked<RegistrationResponse>,
    /// What the user calls the authenticator; blank: its model or its kind.
    #[serde(default)]
    #[schemars(with = "String", length(max = 100))]
    device_name: Unchecked<DeviceName>,
    /// What is being enrolled: as it was begun.
    #[serde(default)]
    #[schemars(with = "MethodType")]
    method_type: Unchecked<MethodType>,
}

/// To finish an enrolment.
pub struct CompleteRegistration {
    pub(super) response: RegistrationResponse,
    pub(super) device_name: String,
    pub(super) method_type: MethodType,
}

impl CompleteRegistration {
    /// Reads a [`CompleteBody`]. Members that it does not have are ignored.
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
        // While an enrolment is pending, the request could complete it.
        let mut held = account.authenticators.iter();
        account.pending.is_none()
            && held.any(|one| one.credential_id == *self.response.credential_id())
    }
}

/// To keep an authenticator whose ceremony verified.
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
    fn every_wrong_field_is_named_at_once() {
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
        fn any_body_is_read_or_every_field_that_is_wrong_is_named(
            body in prop::collection::btree_map(
                "device_name|method_type|credential|.{0,4}", any_value(), 0..5
            )
        ) {
            let body: Map<String, Value> = body.into_iter().collect();
            let named = fields(Value::Object(body.clone()));
            let about = |field: &str| named.iter().any(|(name, _)| name.starts_with(field));
            // none of these values is a whole credential
            prop_assert!(about("credential"));
            let name = body.get("device_name").and_then(Value::as_str);
            let good = name.is_some_and(|it| it.chars().count() <= 100 && !it.contains(char::is_control));
            prop_assert_eq!(about("device_name"), !good);
            let is_type = body.get("method_type") == Some(&json!("webauthn_fido"));
            prop_assert_eq!(about("method_type"), !is_type);
        }
    }
}
