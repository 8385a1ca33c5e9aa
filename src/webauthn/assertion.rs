//! The response of a browser to the options of an authentication.

use serde_json::{Map, Value, json};

use super::MalformedMember;
use super::client_data::ClientData;
use super::response::Shape;
use cedargate_core::Bytes;

/// A well-formed `AuthenticationResponseJSON` (WebAuthn Level 3 §5.1). Its decoded bytes are not
/// checked, except that `clientDataJSON` holds a challenge.
#[derive(Clone, Debug)]
pub struct Assertion {
    credential_id: Bytes,
    response: Inner,
}

/// An `AuthenticatorAssertionResponseJSON`.
#[derive(Clone, Debug)]
struct Inner {
    client_data: ClientData,
    authenticator_data: Bytes,
    signature: Bytes,
    user_handle: Option<Bytes>,
}

impl Assertion {
    /// Parses the result of `PublicKeyCredential.toJSON()`. Unknown members are ignored.
    ///
    /// # Errors
    /// Returns all malformed members. Their paths begin with `credential`.
    pub fn parse(json: &Value) -> Result<Self, Vec<MalformedMember>> {
        let (credential_id, response) = Shape::read(json, inner)?;
        Ok(Self {
            credential_id,
            response,
        })
    }

    /// Returns the challenge in `clientDataJSON`.
    pub fn challenge(&self) -> &Bytes {
        &self.response.client_data.challenge
    }

    /// Returns the credential id (`rawId`).
    pub fn credential_id(&self) -> &Bytes {
        &self.credential_id
    }

    pub(super) fn client_data(&self) -> &ClientData {
        &self.response.client_data
    }

    pub(super) fn authenticator_data(&self) -> &[u8] {
        &self.response.authenticator_data.0
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.response.signature.0
    }

    pub(super) fn user_handle(&self) -> Option<&Bytes> {
        self.response.user_handle.as_ref()
    }

    /// Returns the assertion as the library parses it, without members that are not signed.
    pub(super) fn for_library(&self) -> Value {
        json!({
            "id": self.credential_id,
            "rawId": self.credential_id,
            "type": "public-key",
            "response": {
                "clientDataJSON": self.response.client_data.sent,
                "authenticatorData": self.response.authenticator_data,
                "signature": self.response.signature,
                "userHandle": self.response.user_handle,
            },
        })
    }
}

fn inner(shape: &mut Shape, response: &Map<String, Value>) -> Option<Inner> {
    let client_data = shape.client_data(response);
    let authenticator_data = shape.bytes(response, "credential.response.authenticatorData");
    let signature = shape.bytes(response, "credential.response.signature");
    let user_handle = match response.get("userHandle") {
        // A security key may return none (§6.3.3, step 12).
        None | Some(Value::Null) => Some(None),
        Some(_) => shape
            .bytes(response, "credential.response.userHandle")
            .map(Some),
    };
    Some(Inner {
        client_data: client_data?,
        authenticator_data: authenticator_data?,
        signature: signature?,
        user_handle: user_handle?,
    })
}
