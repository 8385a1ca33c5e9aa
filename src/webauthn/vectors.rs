//! Registrations captured from real authenticators and published with the specification, verified
//! with their fixed challenges; `authentications` has what they make when they are used. The data is read in place: `CEDARGATE_VECTORS` names its folder.

mod authentications;

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Model, RelyingParties, Response, Settings, Tenants, Verified};
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

/// What a relying party has of the authenticator before it is used.
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

    /// The facts are those that the case names.
    fn compare(&self, verified: &Verified) {
        let flags = self.flags.as_ref().unwrap();
        assert_eq!(verified.user_verified, flags.uv, "{}", self.id());
        assert_eq!(verified.backup_eligible, flags.be, "{}", self.id());
        assert_eq!(verified.backed_up, flags.bs, "{}", self.id());
        let claimed = self.aaguid.filter(|aaguid| !aaguid.is_nil());
        assert_eq!(verified.claimed_model, claimed, "{}", self.id());
        assert_eq!(verified.proven_model, None, "{}", self.id());
    }

    /// As the case says: those that require user verification are passkeys.
    fn method_type(&self) -> MethodType {
        if self.user_verification == "required" {
            MethodType::Passkey
        } else {
            MethodType::Fido
        }
    }

    fn parties(&self, models: Vec<Model>) -> RelyingParties {
        // Where the case wants an origin refused, or has one that is not under the RP ID, another
        // one takes the first place, which must lie there.
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
        let response = Response::parse(&self.credential).map_err(|_| "shape".to_owned())?;
        parties
            .of(None)
            .unwrap()
            .finish(method_type, &self.challenge, &response)
            .map(Box::new)
            .map_err(|fault| word(&fault))
    }
}

fn word(fault: &CredentialFault) -> String {
    json!(fault.reason).as_str().unwrap().to_owned()
}

/// The facts, or the word for why not: a reason, or `shape`.
type Outcome = Result<Box<Verified>, String>;

fn refusal(outcome: &Outcome) -> Option<&str> {
    outcome.as_ref().err().map(String::as_str)
}

fn registrations(file: &str) -> Vec<Case> {
    cases(file, "registration")
}

/// The cases of a file and a ceremony, or none and a word about it where there is no data.
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

/// Supported by algorithm and format, and yet not verified by webauthn-rs 0.6.2.
const BEYOND_THE_LIBRARY: [(&str, &str); 6] = [
    // An RSA key of 3488 bits; the library takes 2048 only.
    ("PR-007", "public_key"),
    // An Android key description with empty authorisation lists; the library asks for their members.
    ("PR-011", "attestation"),
    // Their certificates lack Basic Constraints, which §8.2.1 demands.
    ("PR-043", "attestation"),
    ("PR-046", "attestation"),
    ("PR-050", "attestation"),
    // `tokenBinding` is a string, where Level 1 and 2 say an object.
    ("PR-069", "client_data"),
];

/// Base64 with padding or of the standard alphabet: not what `toJSON()` gives.
const NOT_BASE64URL: [&str; 3] = ["PR-072", "PR-073", "PR-074"];

#[test]
fn every_registration_that_the_library_supports_verifies() {
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
            let beyond = BEYOND_THE_LIBRARY.iter().find(|(id, _)| *id == case.id());
            beyond.map(|(_, reason)| *reason)
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
fn as_passkeys_those_without_user_verification_are_refused_for_it() {
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
fn each_bad_registration_is_refused_for_its_own_reason() {
    let expected = [
        ("NU-001", Some("format")),
        ("NU-002", Some("format")),
        ("NU-003", Some("attestation")),
        ("NU-004", Some("format")),
        ("NU-005", Some("authenticator_data")),
        // Only its root condemns it: verified, and no model proven.
        ("NU-006", None),
        ("NU-007", Some("attestation")),
        // Its certificate names another model, but the format comes first.
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
        // Its token binding is unheard of, and means nothing since Level 3.
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

/// Those of the specification come with their root.
#[test]
fn a_listed_root_proves_its_model_and_no_other() {
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

/// A chain of Apple's or of U2F says nothing of a model, whatever root is listed for its AAGUID.
#[test]
fn no_other_format_than_packed_proves_a_model() {
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

/// Real statements with a bit that is wrong, each with all that follows from it.
#[test]
fn no_changed_bit_of_a_real_response_is_too_much() {
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
