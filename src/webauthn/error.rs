//! Errors of ceremonies, and problems of responses and settings.

use std::borrow::Cow;

use serde::Serialize;
use webauthn_rs::prelude::WebauthnError;

/// An error of a ceremony.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// The authenticator's response does not verify.
    #[error(transparent)]
    Credential(#[from] CredentialFault),
    /// The library does not start the ceremony. No request can cause this.
    #[error("{ceremony} cannot be started")]
    NotStarted {
        ceremony: &'static str,
        source: WebauthnError,
    },
}

/// A fault of an authenticator's response.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct CredentialFault {
    /// The stable word in `details.reason`.
    pub reason: Reason,
    /// A sentence that a front-end developer can act on.
    pub message: Cow<'static, str>,
}

/// The reason for which a response is refused, as a stable word of the API.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The key is of an algorithm that was not offered.
    Algorithm,
    /// The credential is not one of the options' `allowCredentials`.
    AllowCredentials,
    /// The attestation statement does not verify.
    Attestation,
    /// The authenticator data is truncated, has trailing bytes or repeated keys, or flags that
    /// contradict each other.
    AuthenticatorData,
    /// The response answers another challenge.
    Challenge,
    /// `clientDataJSON` lacks, repeats or malforms a member.
    ClientData,
    /// The signature counter has not increased.
    Counter,
    /// The ceremony ran in a frame of another origin.
    CrossOrigin,
    /// The attestation format is not known, or not accepted here.
    Format,
    /// The credential id has a wrong length, or is not the one in the authenticator data.
    CredentialId,
    /// The origin is not one of the relying party's.
    Origin,
    /// The public key is malformed, or does not fit its algorithm.
    PublicKey,
    /// The hash of the RP ID does not match.
    RpId,
    /// A signature does not verify.
    Signature,
    /// The response belongs to another ceremony.
    Type,
    /// The user handle is another user's.
    UserHandle,
    /// The flag UP is not set.
    UserPresence,
    /// User verification is required, and the flag UV is not set.
    UserVerification,
}

/// A malformed member of a response.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{member} {rule}")]
pub struct MalformedMember {
    /// The path of the member, such as `credential.id`.
    pub member: &'static str,
    /// The rule that it breaks, as the end of a sentence about the member.
    pub rule: &'static str,
}

/// A setting of a relying party that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{key}`: {message}")]
pub struct SettingsProblem {
    /// The index of the party in the settings.
    pub party: usize,
    pub key: &'static str,
    pub message: String,
}
