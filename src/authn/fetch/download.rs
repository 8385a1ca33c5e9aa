//! One GET of a JWKS, with a limit on everything.

use std::error::Error as StdError;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CACHE_CONTROL, USER_AGENT};
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use super::jwks_url::JwksUrl;
use crate::authn::keys::{KeysError, LARGEST};

/// How long a fetch takes at most: to connect, to ask, and to read the answer.
const TIME: Duration = Duration::from_secs(5);

/// What was answered.
#[derive(Debug, Eq, PartialEq)]
pub(in crate::authn) struct Document {
    pub(super) body: Bytes,
    /// How long the issuer calls it fresh, if it says so (RFC 9111 §5.2.2).
    pub(super) max_age: Option<Duration>,
}

/// Where documents come from.
pub(in crate::authn) trait Source: Sync {
    /// Fetches it once.
    fn fetch(&self) -> impl Future<Output = Result<Document, FetchError>> + Send;
}

/// The reason why a document was not fetched, or is not of use. The message stays the same as long as
/// the reason does, so that it is logged once.
#[derive(Debug, thiserror::Error)]
pub(in crate::authn) enum FetchError {
    /// The request cannot be made, or its connection failed. The outer errors only wrap the first.
    #[error("{}", first_cause(&**.0))]
    Connection(Box<dyn StdError + Send + Sync>),
    /// The whole answer did not arrive in time.
    #[error("there was no whole answer within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    #[error("the answer is {0}, and redirects are not followed: configure the URL they lead to")]
    Redirect(StatusCode),
    #[error("the answer is {0}")]
    Status(StatusCode),
    #[error("the answer is larger than {} KiB", LARGEST / 1024)]
    TooLarge,
    /// The document is not a JWKS of use.
    #[error(transparent)]
    Keys(#[from] KeysError),
}

/// The reason why the certificate of an issuer's server cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The system's root certificates cannot be read.
    #[error("{url} cannot be trusted, for want of root certificates")]
    NoRoots {
        /// The URL of the keys.
        url: JwksUrl,
        /// The cause.
        source: std::io::Error,
    },
    /// The TLS library does not take its settings.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// Fetches over HTTP or HTTPS.
pub(in crate::authn) struct Download {
    url: JwksUrl,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    time: Duration,
}

impl Download {
    /// Fetches from this URL, and trusts the system's root certificates.
    pub(super) fn new(url: &JwksUrl) -> Result<Self, RootsError> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let builder = ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()?;
        let builder = if url.is_https() {
            builder
                .with_native_roots()
                .map_err(|source| RootsError::NoRoots {
                    url: url.clone(),
                    source,
                })?
        } else {
            builder.with_root_certificates(RootCertStore::empty())
        };
        Ok(Self::with(url, builder.with_no_client_auth(), TIME))
    }

    fn with(url: &JwksUrl, tls: ClientConfig, time: Duration) -> Self {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            // The next fetch is minutes away: a connection kept for it would be a dead one.
            .pool_max_idle_per_host(0)
            .build(connector);
        Self {
            url: url.clone(),
            client,
            time,
        }
    }

    async fn get(&self) -> Result<Document, FetchError> {
        let request = Request::get(self.url.uri())
            .header(ACCEPT, "application/jwk-set+json, application/json")
            .header(USER_AGENT, concat!("cedargate/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())
            .map_err(|error| FetchError::Connection(error.into()))?;
        let response = self.client.request(request).await;
        read(response.map_err(|error| FetchError::Connection(error.into()))?).await
    }
}

impl Source for Download {
    async fn fetch(&self) -> Result<Document, FetchError> {
        match timeout(self.time, self.get()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(FetchError::Timeout(self.time)),
        }
    }
}

async fn read<B>(response: Response<B>) -> Result<Document, FetchError>
where
    B: hyper::body::Body<Data = Bytes, Error: StdError + Send + Sync + 'static>,
{
    let status = response.status();
    if status.is_redirection() {
        return Err(FetchError::Redirect(status));
    }
    if status != StatusCode::OK {
        return Err(FetchError::Status(status));
    }
    let max_age = max_age(response.headers());
    let body = Limited::new(response.into_body(), LARGEST).collect().await;
    let body = body.map_err(|error| {
        if error.is::<LengthLimitError>() {
            FetchError::TooLarge
        } else {
            FetchError::Connection(error)
        }
    })?;
    Ok(Document {
        body: body.to_bytes(),
        max_age,
    })
}

/// Returns the text of the innermost error.
fn first_cause(error: &(dyn StdError + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// How long an answer is fresh: `max-age`, nothing at all for `no-cache` and `no-store`.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL);
    let mut found = None;
    for directive in values
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
    {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match &*name.trim().to_ascii_lowercase() {
            "no-cache" | "no-store" => return Some(Duration::ZERO),
            "max-age" => {
                let seconds = value.trim().trim_matches('"').parse();
                found = seconds.ok().map(Duration::from_secs).or(found);
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests;
