//! Software authenticators. [`Attestation`] is our own, so that a test can change each byte of a
//! response; [`soft_passkey`] and [`soft_key`] are those of webauthn-authenticator-rs.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use serde_json::{Value, json};
use webauthn_authenticator_rs::AuthenticatorBackendHashedClientData;
use webauthn_authenticator_rs::prelude::CreationChallengeResponse;
use webauthn_authenticator_rs::softpasskey::SoftPasskey;
use webauthn_authenticator_rs::softtoken::SoftToken;

use super::base64url;

pub const USER_PRESENT: u8 = 0b0000_0001;
pub const USER_VERIFIED: u8 = 0b0000_0100;
pub const BACKUP_ELIGIBLE: u8 = 0b0000_1000;
pub const BACKED_UP: u8 = 0b0001_0000;
const ATTESTED: u8 = 0b0100_0000;

/// The response of an authenticator and its browser to creation options. A test can change each
/// part.
#[derive(Clone)]
pub struct Attestation {
    pub client_data: Value,
    pub rp_id: String,
    pub flags: u8,
    pub aaguid: [u8; 16],
    pub credential_id: Vec<u8>,
    /// A COSE algorithm: -7 or -8.
    pub algorithm: i64,
    /// The COSE curve that the key claims; 1 is right for -7.
    pub curve: i8,
    /// The public key, uncompressed (SEC 1 §2.3.3). `None` makes a fresh one.
    pub point: Option<Vec<u8>>,
    /// An attestation statement format.
    pub format: String,
    /// The signature of an attestation statement. `None` leaves the statement empty.
    pub signature: Option<Vec<u8>>,
    /// The vendor that signs a `packed` statement instead of `signature`.
    pub vendor: Option<Arc<Vendor>>,
    pub transports: Vec<String>,
}

impl Attestation {
    /// The right response to `options`, with a fresh key.
    pub fn to(options: &Value, origin: &str) -> Self {
        let mut credential_id = vec![0; 32];
        rand::fill(&mut credential_id).unwrap();
        Self {
            client_data: client_data(options, origin),
            rp_id: options["rp"]["id"].as_str().unwrap().to_owned(),
            flags: USER_PRESENT | USER_VERIFIED,
            aaguid: [0; 16],
            credential_id,
            algorithm: -7,
            curve: 1,
            point: None,
            format: "none".into(),
            signature: None,
            vendor: None,
            transports: vec!["internal".into(), "hybrid".into()],
        }
    }

    /// `PublicKeyCredential.toJSON()` of it.
    pub fn credential(&self) -> Value {
        let client_data = serde_json::to_vec(&self.client_data).unwrap();
        let id = base64url::encode(&self.credential_id);
        json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": base64url::encode(client_data),
                "attestationObject": base64url::encode(self.object()),
                "transports": self.transports,
            }
        })
    }

    fn object(&self) -> Vec<u8> {
        let data = self.authenticator_data();
        let mut object = minicbor::Encoder::new(Vec::new());
        object.map(3).unwrap();
        object.str("fmt").unwrap().str(&self.format).unwrap();
        object.str("attStmt").unwrap();
        let vendor = self.vendor.as_deref();
        let signature = match vendor {
            Some(vendor) => Some(vendor.sign(&data, &self.client_data)),
            None => self.signature.clone(),
        };
        let members = u64::from(signature.is_some()) * 2 + u64::from(vendor.is_some());
        object.map(members).unwrap();
        if let Some(signature) = signature {
            object.str("alg").unwrap().i64(self.algorithm).unwrap();
            object.str("sig").unwrap().bytes(&signature).unwrap();
        }
        if let Some(vendor) = vendor {
            object.str("x5c").unwrap().array(1).unwrap();
            object.bytes(&vendor.certificate).unwrap();
        }
        object.str("authData").unwrap().bytes(&data).unwrap();
        object.into_writer()
    }

    fn authenticator_data(&self) -> Vec<u8> {
        let mut data = digest(&SHA256, self.rp_id.as_bytes()).as_ref().to_vec();
        data.push(self.flags | ATTESTED);
        data.extend([0; 4]);
        data.extend(self.aaguid);
        data.extend(
            u16::try_from(self.credential_id.len())
                .unwrap()
                .to_be_bytes(),
        );
        data.extend(&self.credential_id);
        data.extend(cose_key(self.algorithm, self.curve, self.point.clone()));
        data
    }
}

/// A vendor of authenticators, with an attestation certificate under its root.
pub struct Vendor {
    /// The root certificate, as PEM.
    pub root: String,
    certificate: Vec<u8>,
    key: EcdsaKeyPair,
}

impl Vendor {
    pub fn new() -> Self {
        let mut root = CertificateParams::new(Vec::new()).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        root.distinguished_name.push(DnType::CommonName, "Vendor");
        let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
        // WebAuthn Level 3 §8.2.1 requires these of attestation certificates.
        let mut attestation = CertificateParams::new(Vec::new()).unwrap();
        for (kind, value) in [
            (DnType::CountryName, "AA"),
            (DnType::OrganizationName, "Vendor"),
            (DnType::OrganizationalUnitName, "Authenticator Attestation"),
            (DnType::CommonName, "Key"),
        ] {
            attestation.distinguished_name.push(kind, value);
        }
        attestation.is_ca = IsCa::ExplicitNoCa;
        attestation.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().unwrap();
        let certificate = attestation.signed_by(&key, &root).unwrap();
        let key = key.serialize_der();
        Self {
            root: root.pem(),
            certificate: certificate.der().to_vec(),
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key).unwrap(),
        }
    }

    fn sign(&self, authenticator_data: &[u8], client_data: &Value) -> Vec<u8> {
        let client_data = serde_json::to_vec(client_data).unwrap();
        let mut signed = authenticator_data.to_vec();
        signed.extend(digest(&SHA256, &client_data).as_ref());
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        signature.as_ref().to_vec()
    }
}

fn cose_key(algorithm: i64, curve: i8, point: Option<Vec<u8>>) -> Vec<u8> {
    let mut key = minicbor::Encoder::new(Vec::new());
    if algorithm == -8 {
        let public = Ed25519KeyPair::generate()
            .unwrap()
            .public_key()
            .as_ref()
            .to_vec();
        key.map(4)
            .unwrap()
            .i8(1)
            .unwrap()
            .i8(1)
            .unwrap()
            .i8(3)
            .unwrap()
            .i64(-8)
            .unwrap();
        key.i8(-1)
            .unwrap()
            .i8(6)
            .unwrap()
            .i8(-2)
            .unwrap()
            .bytes(&public)
            .unwrap();
    } else {
        let point = point.unwrap_or_else(|| {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
            pair.public_key().as_ref().to_vec()
        });
        key.map(5)
            .unwrap()
            .i8(1)
            .unwrap()
            .i8(2)
            .unwrap()
            .i8(3)
            .unwrap()
            .i64(algorithm)
            .unwrap();
        key.i8(-1).unwrap().i8(curve).unwrap();
        key.i8(-2).unwrap().bytes(&point[1..33]).unwrap();
        key.i8(-3).unwrap().bytes(&point[33..]).unwrap();
    }
    key.into_writer()
}

/// A passkey of webauthn-authenticator-rs, user-verified.
pub fn soft_passkey(options: &Value, origin: &str) -> Value {
    register(&mut SoftPasskey::new(true), options, origin)
}

/// A security key of webauthn-authenticator-rs.
pub fn soft_key(options: &Value, origin: &str) -> Value {
    register(&mut SoftToken::new(true).unwrap().0, options, origin)
}

/// Makes the client data here: the library appends a slash to the origin, which no browser does.
fn register(
    authenticator: &mut impl AuthenticatorBackendHashedClientData,
    options: &Value,
    origin: &str,
) -> Value {
    let client_data = serde_json::to_vec(&client_data(options, origin)).unwrap();
    let mut options = json!({ "publicKey": options });
    // The library's authenticators make no discoverable credentials and refuse to be asked for one.
    options["publicKey"]["authenticatorSelection"]["requireResidentKey"] = json!(false);
    let options: CreationChallengeResponse = serde_json::from_value(options).unwrap();
    let hash = digest(&SHA256, &client_data).as_ref().to_vec();
    let mut credential = authenticator
        .perform_register(hash, options.public_key, 60_000)
        .unwrap();
    credential.response.client_data_json = client_data;
    json!(credential)
}

fn client_data(options: &Value, origin: &str) -> Value {
    json!({
        "type": "webauthn.create",
        "challenge": options["challenge"],
        "origin": origin,
        "crossOrigin": false,
    })
}
