//! Failures of authentication.

use super::IssuerKind;
use super::fetch::RootsError;
use super::keys::KeysError;

/// The reason why a request is not authenticated, or a step-up token not issued.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// The request has no bearer token.
    #[error("no access token was sent")]
    MissingToken,
    /// The request has a bearer token that is not accepted. The text is for the log and for the
    /// caller's developer, and holds nothing of the token.
    #[error("the access token is not accepted: {0}")]
    InvalidToken(&'static str),
    /// The token cannot be judged, because no keys of its issuer are known. The caller cannot help it.
    #[error("the keys of issuer {0} are not known")]
    UnknownKeys(IssuerKind),
    /// The gateway has no key to sign step-up tokens with.
    #[error("there is no key to sign with")]
    NoSigningKey,
    /// A step-up token cannot be signed.
    #[error("the token cannot be signed")]
    Signing(#[from] jsonwebtoken::errors::Error),
}

/// The reason why [`Authn::open`](super::Authn::open) fails.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The certificate of an issuer's server cannot be checked.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// The gateway's own keys for step-up tokens cannot be used.
    #[error("the keys that sign step-up tokens cannot be used")]
    StepUpKeys(#[from] KeysError),
}
