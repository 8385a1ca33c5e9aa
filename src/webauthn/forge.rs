//! A software authenticator and browser for tests. It makes good responses, and a test can change each
//! part of them.

mod assertion;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use minicbor::Encoder;
use serde_json::{Value, json};

use super::RegistrationResponse;
pub(super) use assertion::ForgedAssertion;
use cedargate_core::Bytes;

pub(super) const UP: u8 = 0x01;
pub(super) const UV: u8 = 0x04;
pub(super) const BE: u8 = 0x08;
pub(super) const BS: u8 = 0x10;
pub(super) const AT: u8 = 0x40;
pub(super) const ED: u8 = 0x80;

pub(super) const ORIGIN: &str = "https://app.example.com";
pub(super) const RP_ID: &str = "example.com";

/// The parts of a registration response.
pub(super) struct Forge {
    /// `clientDataJSON`, as text.
    pub(super) client_data: String,
    pub(super) rp_id: String,
    pub(super) flags: u8,
    pub(super) aaguid: [u8; 16],
    pub(super) credential_id: Vec<u8>,
    /// `rawId`, if it differs from the credential id.
    pub(super) raw_id: Option<Vec<u8>>,
    /// The COSE key, as CBOR.
    pub(super) key: Vec<u8>,
    /// The private key (PKCS#8).
    private: Vec<u8>,
    /// The bytes after the key.
    pub(super) after_key: Vec<u8>,
    pub(super) format: String,
    pub(super) statement: Statement,
    /// The bytes after the attestation object.
    pub(super) after_object: Vec<u8>,
}

/// An attestation statement.
pub(super) enum Statement {
    /// The CBOR of the statement.
    Raw(Vec<u8>),
    /// The key (PKCS#8) that signs the statement, and its chain of certificates (DER), which may be
    /// empty.
    Signed(Vec<u8>, Vec<Vec<u8>>),
}

pub(super) const EMPTY_MAP: [u8; 1] = [0xa0];

impl Forge {
    pub(super) fn new(challenge: &Bytes) -> Self {
        let private = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let private = private.to_pkcs8v1().unwrap().as_ref().to_vec();
        Self {
            client_data: client_data(challenge).to_string(),
            rp_id: RP_ID.into(),
            flags: UP | UV | AT,
            aaguid: [0; 16],
            credential_id: vec![7; 32],
            raw_id: None,
            key: ec_key(-7, 1, &private),
            private,
            after_key: Vec::new(),
            format: "none".into(),
            statement: Statement::Raw(EMPTY_MAP.into()),
            after_object: Vec::new(),
        }
    }

    /// Uses self attestation: the credential's own key signs.
    pub(super) fn sign_itself(&mut self) {
        self.format = "packed".into();
        self.statement = Statement::Signed(self.private.clone(), Vec::new());
    }

    /// Changes the algorithm and curve that the COSE key names.
    pub(super) fn relabel_key(&mut self, algorithm: i64, curve: i64) {
        self.key = ec_key(algorithm, curve, &self.private);
    }

    /// Changes members of `clientDataJSON`.
    pub(super) fn client(&mut self, members: Value) {
        self.client_data = merge(&self.client_data, &members);
    }

    fn authenticator_data(&self) -> Vec<u8> {
        let mut data = digest(&SHA256, self.rp_id.as_bytes()).as_ref().to_vec();
        data.push(self.flags);
        data.extend([0, 0, 0, 1]);
        if self.flags & AT != 0 {
            data.extend(self.attested());
        }
        data.extend(&self.after_key);
        data
    }

    fn statement(&self, data: &[u8]) -> Vec<u8> {
        let (key, chain) = match &self.statement {
            Statement::Raw(cbor) => return cbor.clone(),
            Statement::Signed(key, chain) => (key, chain),
        };
        let mut signed = data.to_vec();
        signed.extend(digest(&SHA256, self.client_data.as_bytes()).as_ref());
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key).unwrap();
        let signature = key.sign(&SystemRandom::new(), &signed).unwrap();
        let mut cbor = Encoder::new(Vec::new());
        cbor.map(if chain.is_empty() { 2 } else { 3 }).unwrap();
        cbor.str("alg").unwrap().i8(-7).unwrap();
        cbor.str("sig").unwrap().bytes(signature.as_ref()).unwrap();
        if !chain.is_empty() {
            cbor.str("x5c").unwrap().array(chain.len() as u64).unwrap();
            for certificate in chain {
                cbor.bytes(certificate).unwrap();
            }
        }
        cbor.into_writer()
    }

    fn object(&self) -> Vec<u8> {
        let data = self.authenticator_data();
        let mut cbor = Encoder::new(Vec::new());
        cbor.map(3).unwrap();
        cbor.str("fmt").unwrap().str(&self.format).unwrap();
        cbor.str("attStmt").unwrap();
        let mut bytes = cbor.into_writer();
        bytes.extend(self.statement(&data));
        let mut cbor = Encoder::new(bytes);
        cbor.str("authData").unwrap().bytes(&data).unwrap();
        let mut bytes = cbor.into_writer();
        bytes.extend(&self.after_object);
        bytes
    }

    /// Returns the result of `toJSON()`.
    pub(super) fn json(&self) -> Value {
        with_object(self, &self.object())
    }

    pub(super) fn response(&self) -> RegistrationResponse {
        RegistrationResponse::parse(&self.json()).unwrap()
    }
}

/// Returns the result of `toJSON()`, with these bytes as the attestation object.
pub(super) fn with_object(forge: &Forge, object: &[u8]) -> Value {
    let raw_id = Bytes(
        forge
            .raw_id
            .as_ref()
            .unwrap_or(&forge.credential_id)
            .clone(),
    );
    json!({
        "id": raw_id,
        "rawId": raw_id,
        "type": "public-key",
        "authenticatorAttachment": "cross-platform",
        "clientExtensionResults": { "credProps": { "rk": true } },
        "response": {
            "clientDataJSON": Bytes(forge.client_data.clone().into_bytes()),
            "attestationObject": Bytes(object.to_vec()),
            "transports": ["usb", "nfc"],
            "publicKeyAlgorithm": -7,
        },
    })
}

fn client_data(challenge: &Bytes) -> Value {
    json!({
        "type": "webauthn.create",
        "challenge": challenge,
        "origin": ORIGIN,
        "crossOrigin": false,
    })
}

/// Replaces members of a JSON object.
fn merge(json: &str, members: &Value) -> String {
    let mut changed: Value = serde_json::from_str(json).unwrap();
    for (name, value) in members.as_object().unwrap() {
        changed[name] = value.clone();
    }
    changed.to_string()
}

/// Encodes a COSE key that names this algorithm and curve.
fn ec_key(algorithm: i64, curve: i64, pkcs8: &[u8]) -> Vec<u8> {
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8).unwrap();
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    let mut cbor = Encoder::new(Vec::new());
    cbor.map(5).unwrap();
    cbor.i8(1).unwrap().i8(2).unwrap();
    cbor.i8(3).unwrap().i64(algorithm).unwrap();
    cbor.i8(-1).unwrap().i64(curve).unwrap();
    cbor.i8(-2).unwrap().bytes(x).unwrap();
    cbor.i8(-3).unwrap().bytes(y).unwrap();
    cbor.into_writer()
}
