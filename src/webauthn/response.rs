//! The response of a browser to the options of a registration.

use serde_json::{Map, Value, json};

use super::MalformedMember;
use super::client_data::ClientData;
use cedargate_core::Bytes;

/// A well-formed `RegistrationResponseJSON` (WebAuthn Level 3 §5.1). Its decoded bytes are not
/// checked, except that `clientDataJSON` holds a challenge.
#[derive(Clone, Debug)]
pub struct RegistrationResponse {
    credential_id: Bytes,
    attestation: Attestation,
}

/// An `AuthenticatorAttestationResponseJSON`.
#[derive(Clone, Debug)]
struct Attestation {
    client_data: ClientData,
    object: Bytes,
    transports: Vec<String>,
}

impl RegistrationResponse {
    /// Parses the result of `PublicKeyCredential.toJSON()`. Unknown members are ignored.
    ///
    /// # Errors
    /// Returns all malformed members. Their paths begin with `credential`.
    pub fn parse(json: &Value) -> Result<Self, Vec<MalformedMember>> {
        let (credential_id, attestation) = Shape::read(json, Shape::attestation)?;
        Ok(Self {
            credential_id,
            attestation,
        })
    }

    /// Returns the challenge in `clientDataJSON`.
    pub fn challenge(&self) -> &Bytes {
        &self.attestation.client_data.challenge
    }

    /// Returns the credential id (`rawId`).
    pub fn credential_id(&self) -> &Bytes {
        &self.credential_id
    }

    pub(super) fn client_data(&self) -> &ClientData {
        &self.attestation.client_data
    }

    pub(super) fn attestation_object(&self) -> &[u8] {
        &self.attestation.object.0
    }

    pub(super) fn transports(&self) -> &[String] {
        &self.attestation.transports
    }

    /// Returns the response as the library parses it, without members that are not signed (extensions,
    /// transports). A byte-order mark is left out, because the library does not parse it;
    /// `checks::registration` accepts one only if no statement signs the client data.
    pub(super) fn for_library(&self) -> Value {
        json!({
            "id": self.credential_id,
            "rawId": self.credential_id,
            "type": "public-key",
            "response": {
                "clientDataJSON": Bytes(self.client_data().text().to_vec()),
                "attestationObject": self.attestation.object,
            },
        })
    }
}

/// A parser of responses, with the malformed members found so far.
pub(super) struct Shape(Vec<MalformedMember>);

impl Shape {
    /// Parses a `PublicKeyCredential` (§5.1). Returns its raw id, and its response as `inner` parses it.
    pub(super) fn read<T>(
        json: &Value,
        inner: impl FnOnce(&mut Self, &Map<String, Value>) -> Option<T>,
    ) -> Result<(Bytes, T), Vec<MalformedMember>> {
        let mut shape = Shape(Vec::new());
        let Some(credential) = shape.object(json, "credential") else {
            return Err(shape.0);
        };
        let id = shape.bytes(credential, "credential.id");
        let raw_id = shape.bytes(credential, "credential.rawId");
        if let (Some(id), Some(raw_id)) = (&id, &raw_id)
            && id != raw_id
        {
            shape.wrong("credential.id", "must be the same as `rawId`");
        }
        let kind = shape.text(credential, "credential.type");
        if kind.is_some_and(|kind| kind != "public-key") {
            shape.wrong("credential.type", "must be `public-key`");
        }
        let response = credential.get("response").unwrap_or(&Value::Null);
        let response = shape.object(response, "credential.response");
        let response = response.and_then(|response| inner(&mut shape, response));
        match (raw_id, response) {
            (Some(raw_id), Some(response)) if shape.0.is_empty() => Ok((raw_id, response)),
            _ => Err(shape.0),
        }
    }

    fn wrong(&mut self, member: &'static str, rule: &'static str) {
        self.0.push(MalformedMember { member, rule });
    }

    fn object<'a>(
        &mut self,
        json: &'a Value,
        member: &'static str,
    ) -> Option<&'a Map<String, Value>> {
        let object = json.as_object();
        if object.is_none() {
            self.wrong(
                member,
                "must be an object, as `PublicKeyCredential.toJSON()` gives it",
            );
        }
        object
    }

    /// Returns the string at the last part of the member's path.
    fn text<'a>(
        &mut self,
        object: &'a Map<String, Value>,
        member: &'static str,
    ) -> Option<&'a str> {
        let name = member.rsplit('.').next().unwrap_or(member);
        match object.get(name) {
            Some(Value::String(text)) => return Some(text),
            Some(_) => self.wrong(member, "must be a string"),
            None => self.wrong(member, "is required"),
        }
        None
    }

    pub(super) fn bytes(
        &mut self,
        object: &Map<String, Value>,
        member: &'static str,
    ) -> Option<Bytes> {
        let text = self.text(object, member)?;
        let bytes = text.parse().ok();
        if bytes.is_none() {
            self.wrong(member, "must be bytes in base64url without padding");
        }
        bytes
    }

    pub(super) fn client_data(&mut self, response: &Map<String, Value>) -> Option<ClientData> {
        let sent = self.bytes(response, "credential.response.clientDataJSON")?;
        let client_data = ClientData::parse(sent);
        if client_data.is_none() {
            self.wrong(
                "credential.response.clientDataJSON",
                "must be the base64url of a JSON object with a `challenge`",
            );
        }
        client_data
    }

    fn attestation(&mut self, response: &Map<String, Value>) -> Option<Attestation> {
        let client_data = self.client_data(response);
        let object = self.bytes(response, "credential.response.attestationObject");
        let transports = self.transports(response.get("transports"));
        Some(Attestation {
            client_data: client_data?,
            object: object?,
            transports: transports?,
        })
    }

    /// Parses the result of `getTransports()` (§5.2.1), sorted and without repetitions. Older clients
    /// leave it out.
    fn transports(&mut self, json: Option<&Value>) -> Option<Vec<String>> {
        let transports = match json {
            None | Some(Value::Null) => Some(Vec::new()),
            Some(Value::Array(list)) if list.len() <= MAX_TRANSPORTS => {
                list.iter().map(transport).collect::<Option<Vec<_>>>()
            }
            Some(_) => None,
        };
        let Some(mut transports) = transports else {
            self.wrong(
                "credential.response.transports",
                "must be a list of at most 16 transports, each of 1 to 32 visible ASCII characters",
            );
            return None;
        };
        transports.sort_unstable();
        transports.dedup();
        Some(transports)
    }
}

const MAX_TRANSPORTS: usize = 16;

fn transport(json: &Value) -> Option<String> {
    let text = json.as_str()?;
    let good = (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    good.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webauthn::forge::Forge;

    fn good() -> Value {
        Forge::new(&Bytes(vec![1; 32])).json()
    }

    fn wrong(json: &Value) -> Vec<(String, String)> {
        let fields = RegistrationResponse::parse(json).unwrap_err();
        fields
            .into_iter()
            .map(|field| (field.member.to_owned(), field.rule.to_owned()))
            .collect()
    }

    fn encoded(text: &str) -> Value {
        json!(Bytes(text.as_bytes().to_vec()))
    }

    #[test]
    fn result_of_to_json_is_parsed() {
        let response = RegistrationResponse::parse(&good()).unwrap();
        assert_eq!(response.challenge(), &Bytes(vec![1; 32]));
        assert_eq!(response.credential_id(), &Bytes(vec![7; 32]));
        assert_eq!(response.transports(), ["nfc", "usb"]);
    }

    #[test]
    fn malformed_member_is_refused_with_its_rule() {
        let base64 = "must be bytes in base64url without padding";
        let challenge = "must be the base64url of a JSON object with a `challenge`";
        let transports =
            "must be a list of at most 16 transports, each of 1 to 32 visible ASCII characters";
        let object = "must be an object, as `PublicKeyCredential.toJSON()` gives it";
        for (member, value, rule) in [
            ("id", json!("BBBB"), "must be the same as `rawId`"),
            ("id", json!("a="), base64),
            ("id", json!(7), "must be a string"),
            ("rawId", json!("a+/b"), base64),
            ("rawId", json!(null), "must be a string"),
            ("type", json!("password"), "must be `public-key`"),
            ("type", json!([]), "must be a string"),
            ("response", json!("x"), object),
            ("response.clientDataJSON", json!("{}"), base64),
            ("response.clientDataJSON", encoded("not JSON"), challenge),
            ("response.clientDataJSON", encoded("[]"), challenge),
            ("response.clientDataJSON", encoded("{}"), challenge),
            (
                "response.clientDataJSON",
                encoded(r#"{"challenge":7}"#),
                challenge,
            ),
            (
                "response.clientDataJSON",
                encoded(r#"{"challenge":"a="}"#),
                challenge,
            ),
            ("response.attestationObject", json!("AA=="), base64),
            ("response.attestationObject", json!({}), "must be a string"),
            ("response.transports", json!("usb"), transports),
            ("response.transports", json!(["usb", 7]), transports),
            ("response.transports", json!([""]), transports),
            ("response.transports", json!(["a b"]), transports),
            ("response.transports", json!(["a".repeat(33)]), transports),
            ("response.transports", json!(vec!["usb"; 17]), transports),
        ] {
            let mut json = good();
            let pointer = format!("/{}", member.replace('.', "/"));
            *json.pointer_mut(&pointer).unwrap() = value.clone();
            let expected = [(format!("credential.{member}"), rule.to_owned())];
            assert_eq!(wrong(&json), expected, "{member} {value}");
        }
        assert_eq!(wrong(&json!([])), [("credential".into(), object.into())]);
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let required = |member: &str| (format!("credential.{member}"), "is required".to_owned());
        let object = "must be an object, as `PublicKeyCredential.toJSON()` gives it";
        assert_eq!(
            wrong(&json!({})),
            [
                required("id"),
                required("rawId"),
                required("type"),
                ("credential.response".into(), object.into()),
            ]
        );
        assert_eq!(
            wrong(
                &json!({ "id": "AA", "rawId": "AA", "type": "x", "response": { "transports": 1 } })
            )
            .iter()
            .map(|(field, _)| field.as_str())
            .collect::<Vec<_>>(),
            [
                "credential.type",
                "credential.response.clientDataJSON",
                "credential.response.attestationObject",
                "credential.response.transports",
            ]
        );
    }

    #[test]
    fn absent_transports_are_an_empty_list() {
        for absent in [json!(null), json!([])] {
            let mut json = good();
            json["response"]["transports"] = absent;
            assert!(
                RegistrationResponse::parse(&json)
                    .unwrap()
                    .transports()
                    .is_empty()
            );
        }
        let mut json = good();
        json["response"]
            .as_object_mut()
            .unwrap()
            .remove("transports");
        assert!(
            RegistrationResponse::parse(&json)
                .unwrap()
                .transports()
                .is_empty()
        );
    }
}
