//! Failures of authentication.

use super::fetch::RootsError;
use super::issuer::IssuerKind;
use super::keys::KeysError;

/// The reason why a request is not authenticated, or a step-up token is not issued.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    #[error("no access token was sent")]
    MissingToken,
    /// The bearer token is not accepted. The text is for the log and for the developer of the client;
    /// it contains nothing of the token.
    #[error("the access token is not accepted: {0}")]
    InvalidToken(&'static str),
    /// The token cannot be verified, because no keys of its issuer are known. The client cannot
    /// change that.
    #[error("the keys of {} are not known", description(.0))]
    UnknownKeys(IssuerKind),
    /// The gateway has no key to sign step-up tokens with.
    #[error("there is no key to sign with")]
    NoSigningKey,
    #[error("the token cannot be signed")]
    Signing(#[from] jsonwebtoken::errors::Error),
}

/// The reason why a token is not accepted, whatever the keys of its issuer are. The text contains
/// nothing of the token.
#[derive(Clone, Copy, Debug)]
pub(super) struct InvalidToken(pub(super) &'static str);

/// Refuses a token with this reason.
pub(super) fn invalid<T>(why: &'static str) -> Result<T, InvalidToken> {
    Err(InvalidToken(why))
}

impl From<InvalidToken> for Error {
    fn from(InvalidToken(why): InvalidToken) -> Self {
        Error::InvalidToken(why)
    }
}

/// The reason why [`Authn::open`](super::Authn::open) fails.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// The gateway's own keys for step-up tokens cannot be used.
    #[error("the keys that sign step-up tokens cannot be used")]
    StepUpKeys(#[from] KeysError),
}

fn description(issuer: &IssuerKind) -> String {
    match issuer {
        IssuerKind::SignIn(name) => format!("issuer {name}"),
        IssuerKind::StepUp => "the step-up issuer".to_owned(),
    }
}
