//! Failures of ceremonies, and what is wrong with responses and settings.

use std::borrow::Cow;

use serde::Serialize;
use webauthn_rs::prelude::WebauthnError;

/// The reason why a ceremony failed.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// The authenticator's response does not verify.
    #[error(transparent)]
    Credential(#[from] CredentialFault),
    /// The library does not start the ceremony. No request can bring it about.
    #[error("{ceremony} does not start")]
    NotStarted {
        /// The ceremony.
        ceremony: &'static str,
        /// The cause.
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

/// The stable words for the faults of an authenticator's response.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The key is of an algorithm that was not offered.
    Algorithm,
    /// The credential is not one of the options' `allowCredentials`.
    AllowCredentials,
    /// The attestation statement does not verify.
    Attestation,
    /// The authenticator data is cut short, has trailing bytes or repeated keys, or flags that
    /// contradict each other.
    AuthenticatorData,
    /// The response answers another challenge.
    Challenge,
    /// `clientDataJSON` is not as the specification says.
    ClientData,
    /// The signature counter has not grown.
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
    /// The hash of the RP ID is another one.
    RpId,
    /// A signature does not verify.
    Signature,
    /// The response belongs to another ceremony.
    Type,
    /// The user handle is another user's.
    UserHandle,
    /// Nobody touched the authenticator.
    UserPresence,
    /// The authenticator did not verify the user.
    UserVerification,
}

/// A member of a response that breaks a rule of its shape.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{member} {rule}")]
pub struct MalformedMember {
    /// The path of the member, such as `credential.id`.
    pub member: &'static str,
    /// The rule that it breaks, as the end of a sentence.
    pub rule: &'static str,
}

/// A setting of a relying party that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{key}`: {message}")]
pub struct SettingsProblem {
    /// The index of the party in the settings.
    pub party: usize,
    /// The key of the setting.
    pub key: &'static str,
    /// A sentence that says what is wrong.
    pub message: String,
}
