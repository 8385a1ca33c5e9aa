//! The gateway's error, which wraps the errors of `authn`, `webauthn` and `store`.
//!
//! It does not depend on HTTP: only `http` maps it to statuses, headers and messages for clients. The
//! `Display` texts here are for the log.

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
    /// The request is malformed. Lists every field that breaks a rule.
    #[error("the request is malformed: {}", Listed(.0))]
    Invalid(Vec<Field>),
    /// The caller is not authenticated, or a token cannot be verified or issued.
    #[error(transparent)]
    Authn(#[from] authn::Error),
    /// The policies refuse the request. Their notices are in the request event.
    #[error("the policies refuse the request ({code})")]
    Refused {
        /// The machine-readable code of the refusal.
        code: String,
    },
    /// The policies would permit the request after a fresher or stronger sign-in (RFC 9470).
    #[error("a fresher or stronger sign-in is needed")]
    StepUp(StepUp),
    /// The policies would permit the request after a step-up, but the caller has no authenticator to
    /// step up with.
    #[error("a step-up is needed, and the caller has no authenticator for one")]
    RecoveryRequired(Vec<Recourse>),
    /// A policy failed while it was evaluated, or the request does not fit the schema.
    #[error("a policy failed while it was evaluated")]
    Policy,
    #[error("there is no {0}")]
    NotFound(Missing),
    /// The response of the authenticator does not verify, or a ceremony cannot be started.
    #[error(transparent)]
    Webauthn(#[from] webauthn::Error),
    /// A backup or recovery code is wrong, used or malformed. The answer does not say which, because that
    /// would help to guess codes.
    #[error("a backup or recovery code does not work")]
    WrongCode,
    #[error("{what}")]
    TooMany {
        /// The limit that was reached.
        what: Throttled,
        /// The time after which the session may try again.
        retry_after: Duration,
    },
    /// The credential id is already registered.
    #[error("the authenticator is already registered")]
    CredentialExists,
    /// The account has the maximum number of authenticators.
    #[error("the account has {limit} authenticators, which is the maximum")]
    LimitReached { limit: usize },
    #[error("another request replaced the backup codes first")]
    CodesReplaced,
    /// A feature is not set up for this tenant or deployment.
    #[error("{0} not set up")]
    NotSetUp(Feature),
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The account changed after each of the decisions on the request.
    #[error("the account changed after every decision on the request")]
    Contended,
    /// A bug or a failure in the gateway itself.
    #[error("{0}")]
    Internal(Cow<'static, str>),
    /// The request failed, and the browser can delete the credential that it sent, because it is of no
    /// use.
    #[error("{error}")]
    ForgetCredential { error: Box<Error>, signal: Signal },
}

impl Error {
    /// Makes the error for one malformed field.
    pub fn field(field: impl Into<Cow<'static, str>>, rule: impl Into<Cow<'static, str>>) -> Self {
        Error::Invalid(vec![Field {
            field: field.into(),
            rule: rule.into(),
        }])
    }

    /// Adds the credential that the browser can delete.
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

/// Returns the text of an error and of all its causes, separated by colons.
pub fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// A field of a request that breaks a rule.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Field {
    /// The name of the field, or its path in the body, such as `credential.id`.
    pub field: Cow<'static, str>,
    /// The rule, as the end of a sentence that begins with the name.
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

/// The things that a request needs and that can be missing. They complete the sentence "there is no …".
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Missing {
    /// The authenticator that the request names does not exist, or is not the caller's.
    #[error("such authenticator")]
    Authenticator,
    /// The caller has no authenticator that can be used for the step-up.
    #[error("authenticator for this step-up")]
    FittingAuthenticator,
    /// The caller has no authenticator, so there is nothing that backup codes could replace.
    #[error("authenticator that backup codes could replace")]
    AuthenticatorForCodes,
    /// No pending enrolment has the challenge of the response.
    #[error("pending enrolment for this credential")]
    PendingEnrolment,
    /// No pending step-up has the challenge of the response.
    #[error("pending step-up for this response")]
    PendingStepUp,
    /// The issuer of the user that the request names is not configured.
    #[error("such user, because no issuer of this name is configured")]
    User,
}

/// The features that a configuration can leave out. They complete the sentence "… not set up".
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
/// removes a passkey that no longer works from the user's list.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Signal {
    /// The id of the relying party.
    #[serde(rename = "rpId")]
    pub rp_id: String,
    /// The credential id, base64url.
    #[serde(rename = "credentialId")]
    pub credential_id: String,
}

/// The limits that a session can reach. They are sentences.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Throttled {
    #[error("too many wrong codes were tried in this session")]
    Codes,
    #[error("this session started too many enrolments and step-ups")]
    Ceremonies,
    #[error("another request of this session is still waiting for codes to be made or checked")]
    Hashing,
}
