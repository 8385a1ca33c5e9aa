//! The checks of responses (WebAuthn Level 3 §7.1 and §7.2), each with its own reason. The library
//! repeats most of them with fewer distinctions, and then verifies keys and signatures.

use std::borrow::Cow;

use aws_lc_rs::digest;
use uuid::Uuid;
use webauthn_rs::prelude::WebauthnError;

use super::authenticator_data::{
    AttestationObject, AttestedCredential, AuthenticatorData, Flags, Malformed, PublicKey,
};
use super::client_data::ClientData;
use super::{Assertion, CredentialFault, Reason, RegistrationResponse};
use cedargate_core::{Authenticator, Bytes};

/// The values that a response must match.
pub(super) struct Expected<'a> {
    pub(super) challenge: &'a Bytes,
    pub(super) rp_id: &'a str,
    /// The relying party's own origins and its related origins.
    pub(super) origins: [&'a [String]; 2],
    /// True if the flag UV must be set.
    pub(super) user_verification: bool,
}

/// The values of a registration that passed these checks. Its key and signatures are not verified yet.
#[derive(Debug)]
pub(super) struct UnverifiedRegistration {
    pub(super) aaguid: Uuid,
    pub(super) user_verified: bool,
    pub(super) backup_eligible: bool,
    pub(super) backed_up: bool,
    pub(super) sign_count: u32,
}

/// Checks a registration, in the order of §7.1, steps 7 to 25.
pub(super) fn registration(
    expected: &Expected<'_>,
    response: &RegistrationResponse,
) -> Result<UnverifiedRegistration, CredentialFault> {
    client_data(response.client_data(), "webauthn.create", expected)?;
    let object = AttestationObject::parse(response.attestation_object())
        .map_err(|wrong| malformed("attestation object", wrong))?;
    let data = AuthenticatorData::parse(object.authenticator_data)
        .map_err(|wrong| malformed("authenticator data", wrong))?;
    authenticator_data(&data, expected)?;
    let attested = data.attested.as_ref().ok_or_else(|| {
        fault(
            Reason::AuthenticatorData,
            "The authenticator data holds no credential: send what `navigator.credentials.create()` returned.",
        )
    })?;
    public_key(attested.key)?;
    statement(&object)?;
    if object.format != "none" && response.client_data().has_mark() {
        return Err(fault(
            Reason::Attestation,
            "An attestation statement over client data with a byte-order mark cannot be verified: send `clientDataJSON` as the browser returned it.",
        ));
    }
    credential_id(attested, response.credential_id())?;
    Ok(UnverifiedRegistration {
        aaguid: attested.aaguid,
        user_verified: data.flags.user_verified(),
        backup_eligible: data.flags.backup_eligible(),
        backed_up: data.flags.backed_up(),
        sign_count: data.sign_count,
    })
}

/// The values of an assertion that passed these checks. Its signature is not verified yet.
#[derive(Debug)]
pub(super) struct UnverifiedAssertion {
    pub(super) user_verified: bool,
    pub(super) backed_up: bool,
    pub(super) sign_count: u32,
}

/// Checks an assertion of this authenticator, in the order of §7.2, steps 6 to 19. `handle` is the user
/// handle of its owner.
pub(super) fn assertion(
    expected: &Expected<'_>,
    assertion: &Assertion,
    authenticator: &Authenticator,
    handle: Option<Uuid>,
) -> Result<UnverifiedAssertion, CredentialFault> {
    let claimed = assertion.user_handle();
    if claimed.is_some_and(|claimed| handle.is_none_or(|own| claimed.0 != own.as_bytes())) {
        return Err(default_fault(Reason::UserHandle));
    }
    client_data(assertion.client_data(), "webauthn.get", expected)?;
    let data = AuthenticatorData::parse(assertion.authenticator_data())
        .map_err(|wrong| malformed("authenticator data", wrong))?;
    authenticator_data(&data, expected)?;
    // §6.1: the authenticator data of an assertion has no attested credential data.
    if data.attested.is_some() {
        return Err(fault(
            Reason::AuthenticatorData,
            "The authenticator data holds a credential, which only an enrolment has: send what `navigator.credentials.get()` returned.",
        ));
    }
    // §7.2, step 19.
    if data.flags.backup_eligible() != authenticator.backup_eligible {
        return Err(fault(
            Reason::AuthenticatorData,
            "The authenticator's backup eligibility (BE) has changed since its enrolment, and must never change: enrol the authenticator again.",
        ));
    }
    Ok(UnverifiedAssertion {
        user_verified: data.flags.user_verified(),
        backed_up: data.flags.backed_up(),
        sign_count: data.sign_count,
    })
}

/// Checks the signature counter (§7.2, step 22): unless both values are zero, it must have increased.
pub(super) fn counter(shown: u32, stored: u32) -> Result<(), CredentialFault> {
    if (shown != 0 || stored != 0) && shown <= stored {
        return Err(counter_back());
    }
    Ok(())
}

/// Returns the fault of an authenticator that is not in `allowCredentials` (§7.2, step 5).
pub(super) fn not_allowed() -> CredentialFault {
    default_fault(Reason::AllowCredentials)
}

/// Returns the fault of a signature counter that has not increased.
pub(super) fn counter_back() -> CredentialFault {
    default_fault(Reason::Counter)
}

/// Checks the client data (§7.1, steps 7 to 11; §7.2, steps 10 to 14).
fn client_data(
    data: &ClientData,
    kind: &str,
    expected: &Expected<'_>,
) -> Result<(), CredentialFault> {
    let collected = data.collected.as_ref();
    let collected = collected.ok_or_else(|| default_fault(Reason::ClientData))?;
    if collected.kind != kind {
        return Err(fault(
            Reason::Type,
            format!("The response belongs to another ceremony: its `type` is not `{kind}`."),
        ));
    }
    if data.challenge != *expected.challenge {
        return Err(default_fault(Reason::Challenge));
    }
    if !expected
        .origins
        .iter()
        .any(|list| list.contains(&collected.origin))
    {
        return Err(origin(&collected.origin, expected));
    }
    if collected.cross_origin == Some(true) || collected.top_origin.is_some() {
        return Err(default_fault(Reason::CrossOrigin));
    }
    Ok(())
}

fn origin(got: &str, expected: &Expected<'_>) -> CredentialFault {
    let allowed: Vec<_> = expected
        .origins
        .iter()
        .flat_map(|list| list.iter())
        .map(|origin| format!("`{origin}`"))
        .collect();
    // 270 characters are enough for the longest host name and a port.
    let got: String = got.chars().take(270).collect();
    fault(
        Reason::Origin,
        format!(
            "The response was made on a page of `{got}`, but this relying party accepts only {}, byte for byte: run the ceremony there, or have the origin configured.",
            allowed.join(", ")
        ),
    )
}

/// Checks the RP ID hash and the flags (§7.1, steps 14 to 17; §7.2, steps 15 to 18).
fn authenticator_data(
    data: &AuthenticatorData<'_>,
    expected: &Expected<'_>,
) -> Result<(), CredentialFault> {
    let hash = digest::digest(&digest::SHA256, expected.rp_id.as_bytes());
    if data.rp_id_hash != hash.as_ref() {
        return Err(fault(
            Reason::RpId,
            format!(
                "The credential was made for another RP ID than `{}`: pass the options to the browser unchanged.",
                expected.rp_id
            ),
        ));
    }
    flags(data.flags, expected.user_verification)
}

fn flags(flags: Flags, user_verification: bool) -> Result<(), CredentialFault> {
    if !flags.user_present() {
        return Err(default_fault(Reason::UserPresence));
    }
    if user_verification && !flags.user_verified() {
        return Err(default_fault(Reason::UserVerification));
    }
    if flags.backed_up() && !flags.backup_eligible() {
        return Err(fault(
            Reason::AuthenticatorData,
            "The authenticator reports a credential as backed up (BS) but not eligible for backup (BE): this authenticator cannot be used.",
        ));
    }
    Ok(())
}

/// Checks that the algorithm was offered (§7.1, step 20), and that the key has its type and curve
/// (§5.8.5), which the library does not compare.
fn public_key(key: PublicKey) -> Result<(), CredentialFault> {
    const EC2: Option<i64> = Some(2);
    const RSA: Option<i64> = Some(3);
    const P256: Option<i64> = Some(1);
    const P384: Option<i64> = Some(2);
    let fits = match key.algorithm {
        Some(-7) => key.key_type == EC2 && key.curve == P256,
        Some(-35) => key.key_type == EC2 && key.curve == P384,
        Some(-257) => key.key_type == RSA,
        Some(_) => return Err(default_fault(Reason::Algorithm)),
        None => false,
    };
    if fits {
        Ok(())
    } else {
        Err(default_fault(Reason::PublicKey))
    }
}

/// The attestation formats (§8) that are accepted. The library cannot verify `tpm`, and
/// `android-safetynet` is retired.
const FORMATS: [&str; 5] = ["none", "packed", "fido-u2f", "apple", "android-key"];

fn statement(object: &AttestationObject<'_>) -> Result<(), CredentialFault> {
    if !FORMATS.contains(&object.format) {
        return Err(default_fault(Reason::Format));
    }
    if object.format == "none" && !object.statement_is_empty {
        return Err(fault(
            Reason::Attestation,
            "The attestation format is `none`, but the attestation statement is not empty: send the browser's bytes unchanged.",
        ));
    }
    Ok(())
}

/// Checks the credential id: it has at least 16 bytes (§4) and at most 1023 (§7.1, step 25).
fn credential_id(attested: &AttestedCredential<'_>, raw_id: &Bytes) -> Result<(), CredentialFault> {
    if attested.id != raw_id.0 {
        return Err(fault(
            Reason::CredentialId,
            "`rawId` is not the credential id inside the authenticator data: send both as the browser returned them.",
        ));
    }
    if !(16..=1023).contains(&attested.id.len()) {
        return Err(fault(
            Reason::CredentialId,
            "The credential id is not 16 to 1023 bytes long: this authenticator cannot be enrolled.",
        ));
    }
    Ok(())
}

fn malformed(what: &str, Malformed(why): Malformed) -> CredentialFault {
    fault(
        Reason::AuthenticatorData,
        format!("The {what} cannot be read: {why}. Send the browser's bytes unchanged."),
    )
}

fn fault(reason: Reason, message: impl Into<Cow<'static, str>>) -> CredentialFault {
    CredentialFault {
        reason,
        message: message.into(),
    }
}

/// Returns the fault for a reason, with its default message.
fn default_fault(reason: Reason) -> CredentialFault {
    let message = match reason {
        Reason::Algorithm => {
            "The key has an algorithm that was not offered: pass `pubKeyCredParams` to the browser unchanged."
        }
        Reason::AllowCredentials => {
            "The authenticator is not one of `allowCredentials`: pass the options to the browser unchanged, or begin again without `method_type` to allow every enrolled authenticator."
        }
        Reason::Attestation => {
            "The attestation statement does not verify: begin again, and if it persists, use another authenticator."
        }
        Reason::AuthenticatorData => {
            "The authenticator data cannot be read: send the browser's bytes unchanged."
        }
        Reason::Challenge => {
            "The response answers another challenge: send the response to the options of this ceremony."
        }
        Reason::ClientData => {
            "`clientDataJSON` is malformed (it needs `type`, `challenge` and `origin`, each exactly once): send the browser's bytes unchanged."
        }
        Reason::CrossOrigin => {
            "The ceremony ran inside a frame of another origin: run it in a top-level page."
        }
        Reason::Format => {
            "Attestation of this format cannot be verified here: pass `attestation` to the browser unchanged."
        }
        Reason::CredentialId => {
            "The credential id is not that of the authenticator: send the browser's bytes unchanged."
        }
        Reason::Origin => "The page's origin is not one that this relying party accepts.",
        Reason::PublicKey => {
            "The public key is malformed, or does not have the type and curve of its algorithm: this authenticator cannot be enrolled."
        }
        Reason::RpId => {
            "The credential was made for another RP ID: pass the options to the browser unchanged."
        }
        Reason::Signature => "A signature does not verify: send the browser's bytes unchanged.",
        Reason::Type => {
            "The response belongs to another ceremony: send what `navigator.credentials.create()` returned to enrol, and what `.get()` returned to step up."
        }
        Reason::Counter => {
            "The authenticator's signature counter has not increased, so there may be a copy of the authenticator: use another one, and remove this one."
        }
        Reason::UserHandle => {
            "The authenticator answered for another user: choose the account that you are signed in with."
        }
        Reason::UserPresence => {
            "The user did not confirm at the authenticator: begin again and ask the user to touch it."
        }
        Reason::UserVerification => {
            "The authenticator did not verify the user: begin again with one that asks for a PIN or a biometric."
        }
    };
    fault(reason, message)
}

/// Converts an error of the library.
pub(super) fn library_fault(error: &WebauthnError) -> CredentialFault {
    use WebauthnError as E;
    default_fault(match error {
        E::InvalidClientDataType => Reason::Type,
        E::MismatchedChallenge => Reason::Challenge,
        E::InvalidRPOrigin => Reason::Origin,
        E::CredentialCrossOrigin => Reason::CrossOrigin,
        E::InvalidRPIDHash => Reason::RpId,
        E::UserNotPresent => Reason::UserPresence,
        E::UserNotVerified => Reason::UserVerification,
        // Also the library's error for an excluded credential, but its state excludes none.
        E::CredentialAlteredAlgFromRequest => Reason::Algorithm,
        E::AttestationNotSupported => Reason::Format,
        E::ParseJSONFailure(_) | E::ParseBase64Failure(_) => Reason::ClientData,
        E::ParseCBORFailure(_)
        | E::ParseNOMFailure
        | E::ParseInsufficientBytesAvailable
        | E::MissingAttestationCredentialData
        | E::InvalidExtensions
        | E::AuthenticatorDataMissingExtension
        | E::CredentialMayNotBeHardwareBound => Reason::AuthenticatorData,
        E::COSEKeyInvalidCBORValue
        | E::COSEKeyInvalidType
        | E::COSEKeyEDUnsupported
        | E::COSEKeyECDSAXYInvalid
        | E::COSEKeyRSANEInvalid
        | E::COSEKeyECDSAInvalidCurve
        | E::COSEKeyEDDSAXInvalid
        | E::COSEKeyEDDSAInvalidCurve
        | E::COSEKeyInvalidAlgorithm
        | E::CredentialInsecureCryptography
        | E::EcdsaPointInvalid
        | E::RsaParametersInvalid => Reason::PublicKey,
        E::AttestationStatementSigInvalid | E::AuthenticationFailure | E::SignatureInvalid => {
            Reason::Signature
        }
        E::CredentialPossibleCompromise => Reason::Counter,
        _ => Reason::Attestation,
    })
}
