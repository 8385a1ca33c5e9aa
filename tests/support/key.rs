//! A software authenticator that keeps its key: it is enrolled and then used. A test can change
//! every part of its responses.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::authenticator::{Attestation, USER_PRESENT, USER_VERIFIED};
use super::base64url;
use super::client::{AUTHENTICATE, AUTHENTICATE_COMPLETE, Answer, Client};

/// An authenticator with one credential.
pub struct Key {
    pair: EcdsaKeyPair,
    pub credential_id: Vec<u8>,
    pub rp_id: String,
    /// The user handle. `None` for an authenticator that does not return it.
    pub user_handle: Option<String>,
    /// The signature counter of the next assertion.
    pub sign_count: u32,
    /// The flags UP, UV, BE and BS of its responses.
    pub flags: u8,
    origin: String,
}

impl Key {
    /// Enrols a new authenticator as this method type, on a page of `origin`. Returns the gateway's
    /// answer too.
    pub async fn enrol(client: &Client, method_type: &str, origin: &str) -> (Self, Answer) {
        Self::enrol_with(client, method_type, origin, USER_PRESENT | USER_VERIFIED).await
    }

    /// Enrols a new authenticator, which must succeed.
    pub async fn enrolled(client: &Client, method_type: &str, origin: &str) -> Self {
        let (key, answer) = Self::enrol(client, method_type, origin).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        key
    }

    pub async fn enrol_with(
        client: &Client,
        method_type: &str,
        origin: &str,
        flags: u8,
    ) -> (Self, Answer) {
        let options = client.begin(method_type).await;
        let key = Self::for_options(&options, origin, flags);
        let answer = client
            .complete(method_type, &key.attestation(&options).credential())
            .await;
        (key, answer)
    }

    /// A new authenticator for these creation options.
    pub fn for_options(options: &Value, origin: &str, flags: u8) -> Self {
        let mut credential_id = vec![0; 32];
        rand::fill(&mut credential_id).unwrap();
        Self {
            pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            credential_id,
            rp_id: options["rp"]["id"].as_str().unwrap().to_owned(),
            user_handle: options["user"]["id"].as_str().map(str::to_owned),
            sign_count: 1,
            flags,
            origin: origin.to_owned(),
        }
    }

    /// The response to creation options.
    pub fn attestation(&self, options: &Value) -> Attestation {
        let point = self.pair.public_key().as_ref();
        let mut attestation = Attestation::to(options, &self.origin);
        attestation.credential_id.clone_from(&self.credential_id);
        attestation.flags = self.flags;
        attestation.point = Some(point.to_vec());
        attestation
    }

    /// The response to request options, before it is signed.
    pub fn assertion(&self, options: &Value) -> Assertion {
        Assertion {
            client_data: json!({
                "type": "webauthn.get",
                "challenge": options["challenge"],
                "origin": self.origin,
                "crossOrigin": false,
            }),
            before_client_data: b"",
            rp_id: self.rp_id.clone(),
            flags: self.flags,
            sign_count: self.sign_count,
            credential_id: self.credential_id.clone(),
            user_handle: self.user_handle.clone(),
        }
    }

    /// The signed response to request options.
    pub fn answer(&self, options: &Value) -> Value {
        self.sign(&self.assertion(options))
    }

    /// `PublicKeyCredential.toJSON()` of an assertion, signed.
    pub fn sign(&self, assertion: &Assertion) -> Value {
        let json = serde_json::to_vec(&assertion.client_data).unwrap();
        let client_data = [assertion.before_client_data, &json].concat();
        let mut data = digest(&SHA256, assertion.rp_id.as_bytes())
            .as_ref()
            .to_vec();
        data.push(assertion.flags);
        data.extend(assertion.sign_count.to_be_bytes());
        let mut signed = data.clone();
        signed.extend(digest(&SHA256, &client_data).as_ref());
        let signature = self.pair.sign(&SystemRandom::new(), &signed).unwrap();
        let id = base64url::encode(&assertion.credential_id);
        json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": base64url::encode(client_data),
                "authenticatorData": base64url::encode(data),
                "signature": base64url::encode(signature),
                "userHandle": assertion.user_handle,
            }
        })
    }

    /// Steps up and returns the gateway's answer.
    pub async fn step_up(&mut self, client: &Client) -> Answer {
        let options = begin(client).await;
        let credential = self.answer(&options);
        self.sign_count += 1;
        complete(client, &credential).await
    }

    /// Steps up and returns the token.
    pub async fn token(&mut self, client: &Client) -> String {
        let answer = self.step_up(client).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["access_token"].as_str().unwrap().to_owned()
    }
}

/// An assertion before it is signed.
#[derive(Clone)]
pub struct Assertion {
    pub client_data: Value,
    /// Bytes before `clientDataJSON`, signed with it.
    pub before_client_data: &'static [u8],
    pub rp_id: String,
    pub flags: u8,
    pub sign_count: u32,
    pub credential_id: Vec<u8>,
    pub user_handle: Option<String>,
}

/// Starts a step-up and returns its request options.
pub async fn begin(client: &Client) -> Value {
    let answer = client.post(AUTHENTICATE, &json!({})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["options"].clone()
}

pub async fn complete(client: &Client, credential: &Value) -> Answer {
    client
        .post(AUTHENTICATE_COMPLETE, &json!({ "credential": credential }))
        .await
}
