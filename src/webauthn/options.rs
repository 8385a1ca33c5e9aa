//! The options that a browser passes to the authenticator.

use std::time::Duration;

use serde_json::{Value, json};
use webauthn_rs::prelude::CreationChallengeResponse;

use cedargate_core::{Authenticator, Bytes, MethodType};

/// The values that the options of a registration depend on, beside those of the library.
pub(super) struct RegistrationOptions<'a> {
    pub(super) method_type: MethodType,
    pub(super) enrolled: &'a [Authenticator],
    pub(super) timeout: Duration,
    /// True if models are configured, so that an attestation statement can prove one.
    pub(super) attestation: bool,
}

/// Builds `PublicKeyCredentialCreationOptionsJSON` (§5.1.8). Relying party, user, challenge and
/// algorithms are those of the library. No member is `null`.
pub(super) fn creation(
    library: &CreationChallengeResponse,
    request: &RegistrationOptions<'_>,
) -> Value {
    let library = &library.public_key;
    let mut options = json!({
        "rp": library.rp,
        "user": library.user,
        "challenge": Bytes(library.challenge.clone()),
        "pubKeyCredParams": library.pub_key_cred_params,
        "timeout": milliseconds(request.timeout),
        // Authenticators of both types, so that the browser reports one that is already enrolled.
        "excludeCredentials": descriptors(request.enrolled.iter()),
    });
    let members = match request.method_type {
        MethodType::Passkey => passkey(),
        MethodType::Fido => security_key(request.attestation),
    };
    if let (Value::Object(options), Value::Object(members)) = (&mut options, members) {
        options.extend(members);
    }
    options
}

/// The values that the options of an authentication depend on.
pub(super) struct AssertionOptions<'a> {
    pub(super) rp_id: &'a str,
    pub(super) challenge: &'a Bytes,
    pub(super) allowed: &'a [&'a Authenticator],
    pub(super) user_verification: bool,
    pub(super) timeout: Duration,
}

/// Builds `PublicKeyCredentialRequestOptionsJSON` (§5.1.9).
pub(super) fn request(request: &AssertionOptions<'_>) -> Value {
    json!({
        "challenge": request.challenge,
        "timeout": milliseconds(request.timeout),
        "rpId": request.rp_id,
        "allowCredentials": descriptors(request.allowed.iter().copied()),
        "userVerification": if request.user_verification { "required" } else { "preferred" },
    })
}

/// Converts a timeout to the `unsigned long` (32 bits) of the specification.
fn milliseconds(timeout: Duration) -> u32 {
    u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX)
}

/// Requests no attestation statement: it proves nothing about a synced credential, and the library
/// cannot verify several formats of platform authenticators.
fn passkey() -> Value {
    json!({
        "authenticatorSelection": {
            "residentKey": "required",
            // For clients of WebAuthn Level 1 (§5.4.4).
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

/// Leaves `credentialProtectionPolicy` out: with user verification `preferred`, Chrome refuses it
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
        .map(|authenticator| {
            let mut descriptor = json!({ "type": "public-key", "id": authenticator.credential_id });
            if !authenticator.claimed_transports.is_empty() {
                descriptor["transports"] = json!(authenticator.claimed_transports);
            }
            descriptor
        })
        .collect()
}
