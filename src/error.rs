//! The gateway's error: the reason why a request was not served, in no transport's terms. It composes
//! the errors of the parts. `http` alone maps it to statuses, headers and sentences; what is for the log
//! only stays in the log.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

pub use cedargate_core::{Recourse, StepUp};

use crate::event::StepError;
use crate::{authn, store, webauthn};

/// The reason why a request was not served.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// The request is malformed: every field of it that breaks a rule.
    #[error("the request is malformed: {}", Listed(.0))]
    Invalid(Vec<Field>),
    /// The caller is not authenticated, or a token cannot be judged or issued.
    #[error(transparent)]
    Authn(#[from] authn::Error),
    /// The policies refuse. Their notices are in the record.
    #[error("the policies refuse it ({code})")]
    Refused {
        /// The machine-readable code of the refusal.
        code: String,
    },
    /// The policies would permit it after a fresher or stronger sign-in (RFC 9470).
    #[error("a fresher or stronger sign-in is needed")]
    StepUp(StepUp),
    /// The policies would permit it after a step-up, and the caller has no authenticator to step up
    /// with.
    #[error("a step-up is needed, and the caller has no authenticator for one")]
    RecoveryRequired(Vec<Recourse>),
    /// A policy failed while it was evaluated, or the request does not fit the schema.
    #[error("a policy failed while it was evaluated")]
    Policy,
    /// Something that the request needs does not exist, or is not the caller's.
    #[error("there is no {0}")]
    NotFound(Missing),
    /// The authenticator's response does not verify, or a ceremony does not start.
    #[error(transparent)]
    Webauthn(#[from] webauthn::Error),
    /// A backup or recovery code is wrong, used or malformed. The caller is not told which.
    #[error("a backup or recovery code does not work")]
    WrongCode,
    /// The session did too much in too short a time.
    #[error("{what}")]
    TooMany {
        /// The limit that was reached.
        what: Throttled,
        /// The session may try again after this time.
        retry_after: Duration,
    },
    /// The credential id is already registered.
    #[error("the authenticator is already registered")]
    CredentialExists,
    /// The account has as many authenticators as it may have.
    #[error("the account has {limit} authenticators, as many as it may have")]
    LimitReached {
        /// The number of authenticators that an account may have.
        limit: usize,
    },
    /// Another request replaced the backup codes first.
    #[error("another request replaced the backup codes first")]
    CodesReplaced,
    /// A feature is not set up for this tenant or deployment.
    #[error("{0} not set up")]
    NotSetUp(Feature),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The account changed again and again while the request was decided.
    #[error("the account changed faster than it could be decided on")]
    Contended,
    /// A fault of the gateway. The text is for the log.
    #[error("{0}")]
    Internal(Cow<'static, str>),
    /// The request failed, and the browser may forget the credential that it sent.
    #[error("{error}")]
    ForgetCredential {
        /// The failure.
        error: Box<Error>,
        /// The credential.
        signal: Signal,
    },
}

impl Error {
    /// Makes the error for one malformed field.
    pub fn field(field: impl Into<Cow<'static, str>>, rule: impl Into<Cow<'static, str>>) -> Self {
        Error::Invalid(vec![Field {
            field: field.into(),
            rule: rule.into(),
        }])
    }

    /// Adds the credential that the browser may forget.
    #[must_use]
    pub fn forgetting(self, signal: Signal) -> Self {
        Error::ForgetCredential {
            error: Box::new(self),
            signal,
        }
    }
}

impl From<webauthn::CredentialFault> for Error {
    fn from(fault: webauthn::CredentialFault) -> Self {
        webauthn::Error::from(fault).into()
    }
}

impl StepError for Error {
    fn outcome_is_unknown(&self) -> bool {
        matches!(self, Error::Store(error) if error.outcome_is_unknown())
    }
}

/// Writes an error with all its causes, each after a colon.
pub fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// A part of a request that breaks a rule.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Field {
    /// The name of the part; for a member of a body its path, such as `credential.id`.
    pub field: Cow<'static, str>,
    /// The rule that it breaks, as the end of a sentence.
    pub rule: Cow<'static, str>,
}

impl From<webauthn::MalformedMember> for Field {
    fn from(malformed: webauthn::MalformedMember) -> Self {
        Self {
            field: malformed.member.into(),
            rule: malformed.rule.into(),
        }
    }
}

struct Listed<'a>(&'a [Field]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Field { field, rule }) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{field} {rule}")?;
        }
        Ok(())
    }
}

/// Something that a request needs and that does not exist, or is not the caller's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Missing {
    /// The authenticator that the request names.
    #[error("such authenticator")]
    Authenticator,
    /// Any authenticator of the caller that could answer a step-up.
    #[error("authenticator that fits")]
    FittingAuthenticator,
    /// Any authenticator of the caller, which backup codes are the replacement for.
    #[error("authenticator that backup codes could stand in for")]
    AuthenticatorForCodes,
    /// The pending enrolment that the response completes.
    #[error("pending enrolment for this credential")]
    PendingEnrolment,
    /// The pending step-up that the response completes.
    #[error("pending step-up for this response")]
    PendingStepUp,
    /// The user that the request names: their issuer is not configured.
    #[error("such user: no issuer of this name is configured")]
    User,
}

/// A feature that can be left out of a configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Feature {
    /// WebAuthn for the caller's tenant.
    #[error("WebAuthn is")]
    Webauthn,
    /// The method type for the caller's tenant.
    #[error("the method type is")]
    MethodType,
    /// Step-ups for the deployment.
    #[error("step-ups are")]
    StepUps,
}

/// The argument of `PublicKeyCredential.signalUnknownCredential` (WebAuthn Level 3 §5.1.10.1), which
/// removes a dead passkey from the user's list.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Signal {
    /// The relying party.
    #[serde(rename = "rpId")]
    pub rp_id: String,
    /// The credential id, base64url.
    #[serde(rename = "credentialId")]
    pub credential_id: String,
}

/// The limits on what one session may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Throttled {
    /// The session tried too many wrong codes.
    #[error("too many wrong codes were tried in this session")]
    Codes,
    /// The session began too many enrolments and step-ups.
    #[error("this session started too many enrolments and step-ups")]
    Ceremonies,
    /// The session already waits for codes to be hashed.
    #[error("this session already waits for codes to be made or checked")]
    Hashing,
}
