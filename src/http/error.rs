//! The error of an HTTP request: the gateway's, or one that only HTTP knows.

use std::borrow::Cow;

use crate::error::Error as GatewayError;

/// The reason why a request got an error. `http/respond` maps it to a status.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// The gateway did not serve the request.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The request exceeds a limit of the server, or has a form that the server does not read.
    #[error(transparent)]
    Framing(#[from] Framing),
    /// No route has this path.
    #[error("the path does not exist")]
    UnknownPath,
    /// The path exists, but not with this method.
    #[error("the path accepts only {allow}")]
    MethodNotAllowed {
        /// The methods of the path, as the `Allow` header lists them.
        allow: String,
    },
    /// The host of the request has no related origins.
    #[error("no related origins are published for this host")]
    NoRelatedOrigins,
    /// The request took longer than a request may.
    #[error("the request took longer than a request may")]
    TimedOut {
        /// True if a change may have been stored before the time was over.
        outcome_unknown: bool,
    },
}

impl Error {
    /// Makes the error for one malformed header or another part of the request.
    pub(super) fn field(
        field: impl Into<Cow<'static, str>>,
        rule: impl Into<Cow<'static, str>>,
    ) -> Self {
        GatewayError::field(field, rule).into()
    }

    /// Makes the error for a fault of the gateway. The cause is logged and not sent to the caller.
    pub(super) fn internal(cause: impl Into<Cow<'static, str>>) -> Self {
        GatewayError::Internal(cause.into()).into()
    }
}

/// A limit of the server that a request exceeds, or a form that the server does not read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Framing {
    /// The body did not arrive in time.
    #[error("the body did not arrive in time")]
    BodyTimeout,
    /// The body is larger than this many bytes.
    #[error("the body is larger than {0} bytes")]
    BodyTooLarge(usize),
    /// The target is longer than this many bytes.
    #[error("the target is longer than {0} bytes")]
    TargetTooLong(usize),
    /// The body is not uncompressed JSON.
    #[error("the body is not JSON")]
    MediaType,
    /// The headers are too many or too large.
    #[error("the headers are too many or too large")]
    HeadersTooLarge,
}
