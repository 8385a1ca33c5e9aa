//! Published registrations: some captured from real authenticators, some from the specification. They
//! are verified with their fixed challenges. `authentications` has the published authentications. The
//! variable `CEDARGATE_VECTORS` names the folder of the data.

mod authentications;

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Model, RegistrationResponse, RelyingParties, Settings, Tenants, Verified};
use crate::webauthn::CredentialFault;
use cedargate_core::{Bytes, MethodType};

#[derive(Deserialize)]
struct Case {
    id: Option<String>,
    name: String,
    ceremony: String,
    rp_id: String,
    origin: String,
    challenge: Bytes,
    user_verification: String,
    fmt: Option<String>,
    cose_alg: Option<i64>,
    flags: Option<Flags>,
    aaguid: Option<Uuid>,
    credential: Value,
    #[serde(default)]
    attestation_root_der: Option<String>,
    sign_count: Option<u32>,
    stored: Option<Stored>,
}

/// The values that a relying party has stored before an authentication.
#[derive(Deserialize)]
struct Stored {
    credential_id: Bytes,
    public_key_cose: Bytes,
    sign_count: u32,
    backup_eligible: Option<bool>,
}

#[derive(Deserialize)]
struct Flags {
    uv: bool,
    be: bool,
    bs: bool,
}

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
    #[serde(default)]
    contested: Vec<Case>,
}

impl Case {
    fn id(&self) -> &str {
        self.id.as_deref().unwrap_or("contested")
    }

    /// Checks that the verified values are those of the case.
    fn compare(&self, verified: &Verified) {
        let flags = self.flags.as_ref().unwrap();
        assert_eq!(verified.user_verified, flags.uv, "{}", self.id());
        assert_eq!(verified.backup_eligible, flags.be, "{}", self.id());
        assert_eq!(verified.backed_up, flags.bs, "{}", self.id());
        let claimed = self.aaguid.filter(|aaguid| !aaguid.is_nil());
        assert_eq!(verified.claimed_model, claimed, "{}", self.id());
        assert_eq!(verified.proven_model, None, "{}", self.id());
    }

    /// Returns the method type: cases that require user verification are passkeys.
    fn method_type(&self) -> MethodType {
        if self.user_verification == "required" {
            MethodType::Passkey
        } else {
            MethodType::Fido
        }
    }

    fn parties(&self, models: Vec<Model>) -> RelyingParties {
        // The first origin must be under the RP ID. If that of the case is not, it becomes a related
        // origin.
        let host = self.origin.split("://").nth(1).unwrap_or_default();
        let host = host.split(':').next().unwrap_or_default();
        let (origins, related_origins) =
            if host == self.rp_id || host.ends_with(&format!(".{}", self.rp_id)) {
                (vec![self.origin.clone()], vec![])
            } else {
                let own = format!("https://login.{}", self.rp_id);
                (vec![own], vec![self.origin.clone()])
            };
        RelyingParties::new(vec![Settings {
            id: self.rp_id.clone(),
            name: "Vectors".into(),
            origins,
            related_origins,
            tenants: Tenants::Any,
            method_types: MethodType::ALL.to_vec(),
            models,
        }])
        .unwrap()
    }

    fn finish(&self, method_type: MethodType, models: Vec<Model>) -> Outcome {
        let parties = self.parties(models);
        let response =
            RegistrationResponse::parse(&self.credential).map_err(|_| "shape".to_owned())?;
        parties
            .for_tenant(None)
            .unwrap()
            .finish(method_type, &self.challenge, &response)
            .map(Box::new)
            .map_err(|fault| word(&fault))
    }
}

fn word(fault: &CredentialFault) -> String {
    json!(fault.reason).as_str().unwrap().to_owned()
}

/// The verified values, or the word of the refusal: a reason, or `shape`.
type Outcome = Result<Box<Verified>, String>;

fn refusal(outcome: &Outcome) -> Option<&str> {
    outcome.as_ref().err().map(String::as_str)
}

fn registrations(file: &str) -> Vec<Case> {
    cases(file, "registration")
}

/// Reads the cases of a file for a ceremony. Returns none, and prints a line, if there is no data.
fn cases(file: &str, ceremony: &str) -> Vec<Case> {
    let Some(folder) = std::env::var_os("CEDARGATE_VECTORS") else {
        println!("CEDARGATE_VECTORS is not set: {file} was not run");
        return Vec::new();
    };
    let path = PathBuf::from(folder).join("webauthn").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let File { cases, contested } = serde_json::from_str(&text).unwrap();
    cases
        .into_iter()
        .chain(contested)
        .filter(|case| case.ceremony == ceremony)
        .collect()
}

/// Cases with a supported algorithm and format that webauthn-rs 0.6.2 refuses, with the reasons.
const REFUSED_BY_LIBRARY: [(&str, &str); 6] = [
    // An RSA key of 3488 bits. The library accepts 2048 bits only.
    ("PR-007", "public_key"),
    // An Android key description with empty authorisation lists. The library requires their members.
    ("PR-011", "attestation"),
    // Their certificates lack Basic Constraints, which §8.2.1 requires.
    ("PR-043", "attestation"),
    ("PR-046", "attestation"),
    ("PR-050", "attestation"),
    // `tokenBinding` is a string. In Levels 1 and 2 it is an object.
    ("PR-069", "client_data"),
];

/// Cases in Base64 with padding or of the standard alphabet, unlike the result of `toJSON()`.
const NOT_BASE64URL: [&str; 3] = ["PR-072", "PR-073", "PR-074"];

#[test]
fn published_registration_verifies_if_the_library_supports_it() {
    let cases = registrations("positive_registration.json");
    if cases.is_empty() {
        return;
    }
    let mut counts = BTreeMap::new();
    for case in &cases {
        let supported = matches!(case.cose_alg, Some(-7 | -35 | -257));
        let expected = if NOT_BASE64URL.contains(&case.id()) {
            Some("shape")
        } else if !supported {
            Some("algorithm")
        } else if case.fmt.as_deref() == Some("tpm") {
            Some("format")
        } else {
            let refused = REFUSED_BY_LIBRARY.iter().find(|(id, _)| *id == case.id());
            refused.map(|(_, reason)| *reason)
        };
        let outcome = case.finish(MethodType::Fido, vec![]);
        assert_eq!(refusal(&outcome), expected, "{} {}", case.id(), case.name);
        if let Ok(verified) = &outcome {
            case.compare(verified);
        }
        *counts.entry(expected.unwrap_or("verified")).or_insert(0) += 1;
    }
    let expected = [
        ("algorithm", 23),
        ("attestation", 4),
        ("client_data", 1),
        ("format", 13),
        ("public_key", 1),
        ("shape", 3),
        ("verified", 51),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
}

#[test]
fn published_registration_without_user_verification_is_refused_as_a_passkey() {
    for case in registrations("positive_registration.json") {
        let as_key = case.finish(MethodType::Fido, vec![]);
        let as_passkey = case.finish(MethodType::Passkey, vec![]);
        let verified = case.flags.as_ref().is_some_and(|flags| flags.uv);
        let expected = match refusal(&as_key) {
            Some("shape") => Some("shape"),
            reason if verified => reason,
            _ => Some("user_verification"),
        };
        assert_eq!(
            refusal(&as_passkey),
            expected,
            "{} {}",
            case.id(),
            case.name
        );
    }
}

#[test]
fn bad_published_registration_is_refused_with_its_reason() {
    let expected = [
        ("NU-001", Some("format")),
        ("NU-002", Some("format")),
        ("NU-003", Some("attestation")),
        ("NU-004", Some("format")),
        ("NU-005", Some("authenticator_data")),
        // Only its root is wrong, so it verifies and proves no model.
        ("NU-006", None),
        ("NU-007", Some("attestation")),
        // Its certificate names another model, but the format is checked first.
        ("NU-008", Some("format")),
        ("NU-011", Some("challenge")),
        ("NU-012", Some("origin")),
        ("NU-013", Some("rp_id")),
        ("NU-014", Some("user_verification")),
        ("NU-015", Some("user_verification")),
        ("NU-016", Some("user_verification")),
        ("NU-017", Some("user_verification")),
        ("NU-018", Some("user_verification")),
        ("NU-019", Some("user_verification")),
        ("PP-001", Some("cross_origin")),
        ("PP-002", Some("cross_origin")),
        // Its token binding is unknown, and Level 3 ignores token bindings.
        ("contested", None),
    ];
    let cases: Vec<_> = registrations("negative_upstream.json")
        .into_iter()
        .chain(registrations("policy_dependent.json"))
        .collect();
    let outcomes: Vec<_> = cases
        .iter()
        .map(|case| (case.id(), case.finish(case.method_type(), vec![])))
        .collect();
    let got: Vec<_> = outcomes
        .iter()
        .map(|(id, outcome)| (*id, refusal(outcome)))
        .collect();
    assert!(cases.is_empty() || got == expected, "{got:#?}");
}

/// The registrations of the specification come with their root.
#[test]
fn listed_root_proves_its_model_and_no_other() {
    for case in registrations("positive_registration.json") {
        let (Some(root), Some(aaguid), Some("packed"), Some(-7 | -35)) = (
            &case.attestation_root_der,
            case.aaguid,
            case.fmt.as_deref(),
            case.cose_alg,
        ) else {
            continue;
        };
        let listed = |aaguid| {
            vec![Model {
                aaguid,
                name: "Specification".into(),
                roots: pem(root),
            }]
        };
        let proven = |models| {
            let verified = case.finish(MethodType::Fido, models).unwrap();
            verified.proven_model
        };
        assert_eq!(proven(listed(aaguid)), Some(aaguid), "{}", case.id());
        assert_eq!(proven(listed(Uuid::from_u128(1))), None, "{}", case.id());
        assert_eq!(proven(vec![]), None, "{}", case.id());
    }
}

/// A chain of the formats `apple` and `fido-u2f` names no model, whatever root is listed for the AAGUID.
#[test]
fn format_other_than_packed_proves_no_model() {
    let mut formats = Vec::new();
    let cases = registrations("positive_registration.json");
    for case in &cases {
        let (Some(root), Some(aaguid), Some(format)) = (
            &case.attestation_root_der,
            case.aaguid.filter(|aaguid| !aaguid.is_nil()),
            case.fmt.as_deref().filter(|format| *format != "packed"),
        ) else {
            continue;
        };
        let listed = vec![Model {
            aaguid,
            name: "Specification".into(),
            roots: pem(root),
        }];
        if let Ok(verified) = case.finish(MethodType::Fido, listed) {
            assert_eq!(verified.claimed_model, Some(aaguid), "{}", case.id());
            assert_eq!(verified.proven_model, None, "{}", case.id());
            formats.push(format);
        }
    }
    assert!(
        cases.is_empty() || formats == ["apple", "fido-u2f"],
        "{formats:?}"
    );
}

fn pem(der: &str) -> Vec<u8> {
    let der: Bytes = der.parse().unwrap();
    let body = base64::engine::general_purpose::STANDARD.encode(der.0);
    let lines: Vec<_> = body
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    let body = lines.join("\n");
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n").into_bytes()
}

/// Changes single bits of published attestation objects.
#[test]
fn changed_bit_of_a_published_registration_proves_no_model() {
    for mut case in registrations("positive_registration.json") {
        let pointer = "/response/attestationObject";
        let object = case.credential.pointer(pointer).unwrap().as_str().unwrap();
        let Ok(object) = object.parse::<Bytes>() else {
            continue;
        };
        for at in (0..object.0.len()).step_by(31) {
            let mut changed = object.clone();
            changed.0[at] ^= 1 << (at % 8);
            *case.credential.pointer_mut(pointer).unwrap() = json!(changed);
            if let Ok(verified) = case.finish(MethodType::Fido, vec![]) {
                assert_eq!(verified.proven_model, None);
            }
        }
    }
}
