//! What a browser is asked to make.

use std::time::Duration;

use serde_json::{Value, json};
use webauthn_rs::prelude::CreationChallengeResponse;

use cedargate_core::{Authenticator, Bytes, MethodType};

/// What the options depend on beside the person.
pub(super) struct Request<'a> {
    pub(super) method_type: MethodType,
    pub(super) enrolled: &'a [Authenticator],
    pub(super) timeout: Duration,
    /// Whether a statement could prove something.
    pub(super) attestation: bool,
}

/// `PublicKeyCredentialCreationOptionsJSON` (§5.1.8). Relying party, user, challenge and algorithms
/// are the library's; the rest is ours, and no member is ever `null`.
pub(super) fn creation(made: &CreationChallengeResponse, request: &Request<'_>) -> Value {
    let made = &made.public_key;
    let mut options = json!({
        "rp": made.rp,
        "user": made.user,
        "challenge": Bytes(made.challenge.clone()),
        "pubKeyCredParams": made.pub_key_cred_params,
        "timeout": milliseconds(request.timeout),
        // Of both types, so that a browser says at once that an authenticator is enrolled already.
        "excludeCredentials": descriptors(request.enrolled.iter()),
    });
    let ours = match request.method_type {
        MethodType::Passkey => passkey(),
        MethodType::Fido => security_key(request.attestation),
    };
    if let (Value::Object(options), Value::Object(ours)) = (&mut options, ours) {
        options.extend(ours);
    }
    options
}

/// An assertion that is asked for.
pub(super) struct Assertion<'a> {
    pub(super) rp_id: &'a str,
    pub(super) challenge: &'a Bytes,
    pub(super) allowed: &'a [&'a Authenticator],
    pub(super) user_verification: bool,
    pub(super) timeout: Duration,
}

/// `PublicKeyCredentialRequestOptionsJSON` (§5.1.9).
pub(super) fn request(asked: &Assertion<'_>) -> Value {
    json!({
        "challenge": asked.challenge,
        "timeout": milliseconds(asked.timeout),
        "rpId": asked.rp_id,
        "allowCredentials": descriptors(asked.allowed.iter().copied()),
        "userVerification": if asked.user_verification { "required" } else { "preferred" },
    })
}

/// A `timeout` of options, which has 32 bits in the specification.
fn milliseconds(timeout: Duration) -> u32 {
    u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX)
}

/// A passkey's statement is never asked for: it proves nothing about a credential that is synced,
/// and several formats of platforms cannot be verified.
fn passkey() -> Value {
    json!({
        "authenticatorSelection": {
            "residentKey": "required",
            // What Level 1 clients read (§5.4.4).
            "requireResidentKey": true,
            "userVerification": "required",
        },
        "hints": ["client-device", "hybrid"],
        "attestation": "none",
        "extensions": {
            "credProps": true,
            "credentialProtectionPolicy": "userVerificationRequired",
            "enforceCredentialProtectionPolicy": false,
        },
    })
}

/// No `credentialProtectionPolicy`: with user verification `preferred`, Chrome refuses the ceremony
/// (`NotSupportedError`).
fn security_key(attestation: bool) -> Value {
    json!({
        "authenticatorSelection": {
            "authenticatorAttachment": "cross-platform",
            "residentKey": "discouraged",
            "requireResidentKey": false,
            "userVerification": "preferred",
        },
        "hints": ["security-key"],
        "attestation": if attestation { "direct" } else { "none" },
    })
}

fn descriptors<'a>(authenticators: impl Iterator<Item = &'a Authenticator>) -> Vec<Value> {
    authenticators
        .map(|one| {
            let mut descriptor = json!({ "type": "public-key", "id": one.credential_id });
            if !one.claimed_transports.is_empty() {
                descriptor["transports"] = json!(one.claimed_transports);
            }
            descriptor
        })
        .collect()
}
