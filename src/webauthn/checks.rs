//! What a response must be (WebAuthn Level 3 §7.1), with the reason for each refusal. The library
//! checks most of it once more, coarser, and then the keys and signatures.

use std::borrow::Cow;

use aws_lc_rs::digest;
use uuid::Uuid;
use webauthn_rs::prelude::WebauthnError;

use super::authenticator_data::{
    AttestationObject, AttestedCredential, AuthenticatorData, Flags, Malformed, PublicKey,
};
use super::client_data::ClientData;
use super::{Assertion, CredentialFault, Reason, Response};
use cedargate_core::{Authenticator, Bytes};

/// What a ceremony was begun with.
pub(super) struct Expected<'a> {
    pub(super) challenge: &'a Bytes,
    pub(super) rp_id: &'a str,
    /// The party's own, and the related ones.
    pub(super) origins: [&'a [String]; 2],
    /// Whether the user must be verified.
    pub(super) user_verification: bool,
}

/// What a registration says, once it is checked here; keys and signatures are not yet.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) aaguid: Uuid,
    pub(super) user_verified: bool,
    pub(super) backup_eligible: bool,
    pub(super) backed_up: bool,
    pub(super) sign_count: u32,
}

/// Checks a registration, in the order of §7.1.
pub(super) fn registration(
    expected: &Expected<'_>,
    response: &Response,
) -> Result<Facts, CredentialFault> {
    client_data(response.client_data(), "webauthn.create", expected)?;
    let object = AttestationObject::parse(response.attestation_object())
        .map_err(|wrong| malformed("attestation object", wrong))?;
    let data = AuthenticatorData::parse(object.authenticator_data)
        .map_err(|wrong| malformed("authenticator data", wrong))?;
    authenticator_data(&data, expected)?;
    let attested = data.attested.as_ref().ok_or_else(|| {
        fault(
            Reason::AuthenticatorData,
            "The authenticator data holds no credential: send what `navigator.credentials.create()` gave.",
        )
    })?;
    public_key(attested.key)?;
    statement(&object)?;
    if object.format != "none" && response.client_data().has_mark() {
        return Err(fault(
            Reason::Attestation,
            "An attestation statement over client data with a byte-order mark cannot be verified: send `clientDataJSON` as the browser gave it.",
        ));
    }
    credential_id(attested, response.credential_id())?;
    Ok(Facts {
        aaguid: attested.aaguid,
        user_verified: data.flags.user_verified(),
        backup_eligible: data.flags.backup_eligible(),
        backed_up: data.flags.backed_up(),
        sign_count: data.sign_count,
    })
}

/// What an assertion says, once it is checked here; its signature is not yet.
#[derive(Debug)]
pub(super) struct Asserted {
    pub(super) user_verified: bool,
    pub(super) backed_up: bool,
    pub(super) sign_count: u32,
}

/// Checks an assertion by this authenticator, in the order of §7.2. `handle` is its owner's.
pub(super) fn assertion(
    expected: &Expected<'_>,
    assertion: &Assertion,
    by: &Authenticator,
    handle: Option<Uuid>,
) -> Result<Asserted, CredentialFault> {
    let claimed = assertion.user_handle();
    if claimed.is_some_and(|claimed| handle.is_none_or(|own| claimed.0 != own.as_bytes())) {
        return Err(plain(Reason::UserHandle));
    }
    client_data(assertion.client_data(), "webauthn.get", expected)?;
    let data = AuthenticatorData::parse(assertion.authenticator_data())
        .map_err(|wrong| malformed("authenticator data", wrong))?;
    authenticator_data(&data, expected)?;
    // §6.1: what is made when an authenticator is used names no credential.
    if data.attested.is_some() {
        return Err(fault(
            Reason::AuthenticatorData,
            "The authenticator data holds a credential, as that of an enrolment does: send what `navigator.credentials.get()` gave.",
        ));
    }
    if data.flags.backup_eligible() != by.backup_eligible {
        return Err(fault(
            Reason::AuthenticatorData,
            "The authenticator says otherwise than when it was enrolled whether it may be synced, which never changes: enrol it anew.",
        ));
    }
    Ok(Asserted {
        user_verified: data.flags.user_verified(),
        backed_up: data.flags.backed_up(),
        sign_count: data.sign_count,
    })
}

/// §7.2, step 22: where either side counts, the counter must grow.
pub(super) fn counter(shown: u32, stored: u32) -> Result<(), CredentialFault> {
    if (shown != 0 || stored != 0) && shown <= stored {
        return Err(counter_back());
    }
    Ok(())
}

/// §7.2, step 5: the authenticator is not one of `allowCredentials`.
pub(super) fn not_allowed() -> CredentialFault {
    plain(Reason::AllowCredentials)
}

/// The signature counter has not grown.
pub(super) fn counter_back() -> CredentialFault {
    plain(Reason::Counter)
}

/// Checks what the browser says of the ceremony.
fn client_data(
    data: &ClientData,
    kind: &str,
    expected: &Expected<'_>,
) -> Result<(), CredentialFault> {
    let collected = data.collected.as_ref();
    let collected = collected.ok_or_else(|| plain(Reason::ClientData))?;
    if collected.kind != kind {
        return Err(fault(
            Reason::Type,
            format!("The response belongs to another ceremony: its `type` is not `{kind}`."),
        ));
    }
    if data.challenge != *expected.challenge {
        return Err(plain(Reason::Challenge));
    }
    if !expected
        .origins
        .iter()
        .any(|list| list.contains(&collected.origin))
    {
        return Err(origin(&collected.origin, expected));
    }
    if collected.cross_origin == Some(true) || collected.top_origin.is_some() {
        return Err(plain(Reason::CrossOrigin));
    }
    Ok(())
}

fn origin(got: &str, expected: &Expected<'_>) -> CredentialFault {
    let allowed: Vec<_> = expected
        .origins
        .iter()
        .flat_map(|list| list.iter())
        .map(|one| format!("`{one}`"))
        .collect();
    // Long enough for any host name and port.
    let got: String = got.chars().take(270).collect();
    fault(
        Reason::Origin,
        format!(
            "The response was made on a page of `{got}`, and this relying party accepts {}, byte for byte: run the ceremony there, or have the origin configured.",
            allowed.join(", ")
        ),
    )
}

/// Whom the authenticator made the credential for, and how.
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
        return Err(plain(Reason::UserPresence));
    }
    if user_verification && !flags.user_verified() {
        return Err(plain(Reason::UserVerification));
    }
    if flags.backed_up() && !flags.backup_eligible() {
        return Err(fault(
            Reason::AuthenticatorData,
            "The authenticator says that the credential is backed up, and that it never can be: this authenticator cannot be enrolled.",
        ));
    }
    Ok(())
}

/// The algorithm is one that was offered, and the key is of its type and curve (§5.8.5): the library
/// does not compare these.
fn public_key(key: PublicKey) -> Result<(), CredentialFault> {
    const EC2: Option<i64> = Some(2);
    const RSA: Option<i64> = Some(3);
    const P256: Option<i64> = Some(1);
    const P384: Option<i64> = Some(2);
    let fits = match key.algorithm {
        Some(-7) => key.key_type == EC2 && key.curve == P256,
        Some(-35) => key.key_type == EC2 && key.curve == P384,
        Some(-257) => key.key_type == RSA,
        Some(_) => return Err(plain(Reason::Algorithm)),
        None => false,
    };
    if fits {
        Ok(())
    } else {
        Err(plain(Reason::PublicKey))
    }
}

/// The formats of §8 that are verified. `tpm` is left out because the library cannot verify it,
/// `android-safetynet` because it is retired.
const FORMATS: [&str; 5] = ["none", "packed", "fido-u2f", "apple", "android-key"];

fn statement(object: &AttestationObject<'_>) -> Result<(), CredentialFault> {
    if !FORMATS.contains(&object.format) {
        return Err(plain(Reason::Format));
    }
    if object.format == "none" && !object.statement_is_empty {
        return Err(fault(
            Reason::Attestation,
            "The attestation format is `none`, and yet there is a statement: send the browser's bytes unchanged.",
        ));
    }
    Ok(())
}

/// §7.1 has the upper bound; §4 asks at least 16 bytes of credential ids.
fn credential_id(attested: &AttestedCredential<'_>, raw_id: &Bytes) -> Result<(), CredentialFault> {
    if attested.id != raw_id.0 {
        return Err(fault(
            Reason::CredentialId,
            "`rawId` is not the credential id inside the authenticator data: send both as the browser gave them.",
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

/// A fault about which no more is to be said than its reason tells.
fn plain(reason: Reason) -> CredentialFault {
    let message = match reason {
        Reason::Algorithm => {
            "The key is of an algorithm that was not offered: pass `pubKeyCredParams` to the browser unchanged."
        }
        Reason::AllowCredentials => {
            "The authenticator is not one of `allowCredentials`: pass the options to the browser unchanged, or begin again without `method_type` to use any authenticator that you have."
        }
        Reason::Attestation => {
            "The attestation statement does not verify: begin again, and if it persists, use another authenticator."
        }
        Reason::AuthenticatorData => {
            "The authenticator data cannot be read: send the browser's bytes unchanged."
        }
        Reason::Challenge => {
            "The response answers another challenge: complete with the response to the options that began it."
        }
        Reason::ClientData => {
            "`clientDataJSON` is not what WebAuthn says (`type`, `challenge` and `origin`, each once): send the browser's bytes unchanged."
        }
        Reason::CrossOrigin => {
            "The ceremony ran inside a frame of another origin: run it in a top-level page."
        }
        Reason::Format => {
            "Attestation of this format cannot be verified here: pass `attestation` to the browser unchanged."
        }
        Reason::CredentialId => {
            "The credential id is not the authenticator's: send the browser's bytes unchanged."
        }
        Reason::Origin => "The page's origin is not one that this relying party accepts.",
        Reason::PublicKey => {
            "The public key is malformed, or is not of its algorithm's type and curve: this authenticator cannot be enrolled."
        }
        Reason::RpId => {
            "The credential was made for another RP ID: pass the options to the browser unchanged."
        }
        Reason::Signature => "A signature does not verify: send the browser's bytes unchanged.",
        Reason::Type => {
            "The response belongs to another ceremony: send what `navigator.credentials.create()` gave to enrol, what `.get()` gave to step up."
        }
        Reason::Counter => {
            "The authenticator's signature counter has not grown, as if there were a copy of it: use another authenticator, and remove this one."
        }
        Reason::UserHandle => {
            "The authenticator answered for another user: choose the account that you are signed in with."
        }
        Reason::UserPresence => {
            "Nobody confirmed at the authenticator: begin again and ask the user to touch it."
        }
        Reason::UserVerification => {
            "The authenticator did not verify the user: begin again with one that asks for a PIN or a biometric."
        }
    };
    fault(reason, message)
}

/// The fault that an error of the library's stands for.
pub(super) fn fault_of(error: &WebauthnError) -> CredentialFault {
    use WebauthnError as E;
    plain(match error {
        E::InvalidClientDataType => Reason::Type,
        E::MismatchedChallenge => Reason::Challenge,
        E::InvalidRPOrigin => Reason::Origin,
        E::CredentialCrossOrigin => Reason::CrossOrigin,
        E::InvalidRPIDHash => Reason::RpId,
        E::UserNotPresent => Reason::UserPresence,
        E::UserNotVerified => Reason::UserVerification,
        // Also the error for an excluded credential: none is excluded here.
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
