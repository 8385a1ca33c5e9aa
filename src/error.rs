//! What can go wrong with a request, in no transport's terms. `http::respond` alone maps it to the
//! wire, and what it shows there is safe to show: causes go to the log.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;

pub use cedargate_core::{Recourse, StepUp};

/// Why a request was not served.
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// The request itself is malformed.
    Invalid(Vec<Field>),
    /// The body, the target or the header is over a limit, or of a kind that is not read.
    Framing(Framing),
    /// No token, or a bad one.
    Unauthenticated(TokenFault),
    /// The policies refuse; the notices are in the record.
    Refused {
        /// The machine-readable code of the refusal.
        code: String,
        /// The credential that the browser may forget: only after `trustAuthenticator`.
        signal: Option<Signal>,
    },
    /// The policies would permit it after a fresher or stronger sign-in (RFC 9470).
    StepUp(StepUp),
    /// The policies would permit it after a step-up, and the caller has nothing to step up with.
    RecoveryRequired(Vec<Recourse>),
    /// A policy failed while it was evaluated, or the request does not fit the schema.
    Policy,
    /// What was asked for is not there, or is not the caller's.
    NotFound {
        /// What is not there, and what to do: a sentence for a person.
        message: &'static str,
        /// The credential that the browser may forget.
        signal: Option<Signal>,
    },
    /// The path is known, but not with this method.
    MethodNotAllowed {
        /// The methods that the path has, as the `Allow` header lists them.
        allow: String,
    },
    /// The authenticator's response does not verify.
    Credential {
        /// What is wrong with it.
        fault: CredentialFault,
        /// The credential that the browser may forget.
        signal: Option<Signal>,
    },
    /// A backup code that is wrong, used or malformed: which of them is not told.
    WrongCode,
    /// Too many of something in too short a time.
    TooMany {
        /// Too many of what.
        what: Throttled,
        /// When it may be tried again.
        retry_after: Duration,
    },
    /// That credential id is already registered.
    CredentialExists,
    /// The account has as many authenticators as it may have.
    LimitReached {
        /// How many.
        limit: usize,
    },
    /// Another request replaced the backup codes first.
    CodesReplaced,
    /// Not set up for this tenant or deployment: a sentence that says what is not.
    NotImplemented(&'static str),
    /// The store, or what else the request needs, did not answer in time.
    Unavailable {
        /// Whether a change may have been stored all the same.
        outcome_unknown: bool,
        /// For the log.
        cause: Cow<'static, str>,
    },
    /// Ours. For the log.
    Internal(String),
}

impl Error {
    /// One field of the request is wrong.
    pub fn field(field: impl Into<Cow<'static, str>>, rule: impl Into<Cow<'static, str>>) -> Self {
        Error::Invalid(vec![Field {
            field: field.into(),
            rule: rule.into(),
        }])
    }

    /// The store did not do what it was asked, and surely changed nothing.
    pub fn unavailable(cause: impl Into<Cow<'static, str>>) -> Self {
        Error::Unavailable {
            outcome_unknown: false,
            cause: cause.into(),
        }
    }

    /// The store was asked for a change, and whether it was made is not known.
    pub fn outcome_unknown(cause: impl Into<Cow<'static, str>>) -> Self {
        Error::Unavailable {
            outcome_unknown: true,
            cause: cause.into(),
        }
    }
}

/// What is wrong with one part of a request.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Field {
    /// Where: a header, a query member, or the path of a body's member, such as `credential.id`.
    pub field: Cow<'static, str>,
    /// The rule that it breaks, as a sentence for a person.
    pub rule: Cow<'static, str>,
}

/// A limit that the request is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// The body did not arrive in time.
    BodyTimeout,
    /// The body is larger than this many bytes.
    BodyTooLarge(usize),
    /// The target is longer than this many bytes.
    TargetTooLong(usize),
    /// The body is of another media type.
    MediaType,
    /// More headers, or more bytes of them, than are read.
    HeadersTooLarge,
}

/// Why a caller is not authenticated.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TokenFault {
    /// No bearer token was sent.
    Missing,
    /// One was sent and is bad: why, for the log and for a developer, without anything of the token.
    Invalid(&'static str),
}

impl From<TokenFault> for Error {
    fn from(fault: TokenFault) -> Self {
        Error::Unauthenticated(fault)
    }
}

/// What `PublicKeyCredential.signalUnknownCredential` takes (WebAuthn Level 3 §5.1.10.1), so that no
/// dead passkey stays in the user's list.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Signal {
    /// The relying party.
    #[serde(rename = "rpId")]
    pub rp_id: String,
    /// The credential id, base64url.
    #[serde(rename = "credentialId")]
    pub credential_id: String,
}

/// The kinds of requests that are throttled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Throttled {
    /// Wrong backup or recovery codes.
    Codes,
    /// Enrolments and step-ups that are begun.
    Ceremonies,
    /// New backup codes, while others of this session are being made.
    Hashing,
}

/// What is wrong with an authenticator's response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CredentialFault {
    /// The stable word in `details.reason`.
    pub reason: Reason,
    /// A sentence that a front-end developer can act on.
    pub message: Cow<'static, str>,
}

/// The stable words for what is wrong with an authenticator's response.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// An algorithm that was not offered.
    Algorithm,
    /// The credential is not one of the options' `allowCredentials`.
    AllowCredentials,
    /// The attestation statement.
    Attestation,
    /// Authenticator data: cut short, trailing bytes, repeated keys, flags that contradict.
    AuthenticatorData,
    /// The challenge is another one.
    Challenge,
    /// `clientDataJSON` is not what the specification says.
    ClientData,
    /// The signature counter has not grown.
    Counter,
    /// Made in a frame of another origin.
    CrossOrigin,
    /// The attestation format is not known, or not for registrations here.
    Format,
    /// The credential id: its length, or it is not the one in authenticator data.
    CredentialId,
    /// Another origin.
    Origin,
    /// The public key is malformed or does not fit its algorithm.
    PublicKey,
    /// The hash of the RP ID is another one.
    RpId,
    /// A signature does not verify.
    Signature,
    /// Another ceremony.
    Type,
    /// The user handle is another user's.
    UserHandle,
    /// Nobody touched the authenticator.
    UserPresence,
    /// The user was not verified.
    UserVerification,
}
