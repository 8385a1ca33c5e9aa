//! The assertions of the authenticator of a [`Forge`].

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};

use super::{Forge, RP_ID, UP, UV, client_data, merge};
use crate::webauthn::Assertion;
use cedargate_core::Bytes;

/// The parts of an assertion.
pub(in crate::webauthn) struct ForgedAssertion {
    /// `clientDataJSON`, as text.
    pub(in crate::webauthn) client_data: String,
    pub(in crate::webauthn) rp_id: String,
    pub(in crate::webauthn) flags: u8,
    pub(in crate::webauthn) sign_count: u32,
    /// The bytes after the counter.
    pub(in crate::webauthn) after_counter: Vec<u8>,
    pub(in crate::webauthn) user_handle: Option<Bytes>,
    /// The bytes to sign in place of the right ones.
    pub(in crate::webauthn) signed: Option<Vec<u8>>,
    /// The signature in place of the right one.
    pub(in crate::webauthn) signature: Option<Vec<u8>>,
    credential_id: Vec<u8>,
    private: Vec<u8>,
}

impl Forge {
    /// Makes a good assertion with this credential.
    pub(in crate::webauthn) fn assertion(&self, challenge: &Bytes) -> ForgedAssertion {
        let mut data = client_data(challenge);
        data["type"] = json!("webauthn.get");
        ForgedAssertion {
            client_data: data.to_string(),
            rp_id: RP_ID.into(),
            flags: UP | UV,
            sign_count: 2,
            after_counter: Vec::new(),
            user_handle: None,
            signed: None,
            signature: None,
            credential_id: self.credential_id.clone(),
            private: self.private.clone(),
        }
    }

    /// Encodes attested credential data (§6.5.1).
    pub(in crate::webauthn) fn attested(&self) -> Vec<u8> {
        let length = u16::try_from(self.credential_id.len()).unwrap();
        [
            &self.aaguid[..],
            &length.to_be_bytes(),
            &self.credential_id,
            &self.key,
        ]
        .concat()
    }
}

impl ForgedAssertion {
    /// Changes members of `clientDataJSON`.
    pub(in crate::webauthn) fn client(&mut self, members: &Value) {
        self.client_data = merge(&self.client_data, members);
    }

    pub(in crate::webauthn) fn authenticator_data(&self) -> Vec<u8> {
        [
            digest(&SHA256, self.rp_id.as_bytes()).as_ref(),
            &[self.flags],
            &self.sign_count.to_be_bytes(),
            &self.after_counter,
        ]
        .concat()
    }

    fn sign(&self) -> Vec<u8> {
        let hash = digest(&SHA256, self.client_data.as_bytes());
        let all = [&self.authenticator_data(), hash.as_ref()].concat();
        let signed = self.signed.as_ref().unwrap_or(&all);
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &self.private).unwrap();
        let signature = key.sign(&SystemRandom::new(), signed).unwrap();
        signature.as_ref().to_vec()
    }

    /// Returns the result of `toJSON()`.
    pub(in crate::webauthn) fn json(&self) -> Value {
        let signature = self.signature.clone().unwrap_or_else(|| self.sign());
        self.with_data(&self.authenticator_data(), signature)
    }

    /// Returns the result of `toJSON()`, with these bytes as authenticator data and signature.
    pub(in crate::webauthn) fn with_data(&self, data: &[u8], signature: Vec<u8>) -> Value {
        let id = Bytes(self.credential_id.clone());
        let mut json = json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "authenticatorAttachment": "cross-platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": Bytes(self.client_data.clone().into_bytes()),
                "authenticatorData": Bytes(data.to_vec()),
                "signature": Bytes(signature),
            },
        });
        if let Some(handle) = &self.user_handle {
            json["response"]["userHandle"] = json!(handle);
        }
        json
    }

    pub(in crate::webauthn) fn response(&self) -> Assertion {
        Assertion::parse(&self.json()).unwrap()
    }
}
