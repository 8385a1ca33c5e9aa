//! One GET of a JWKS, with limits on its time and size.

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
use crate::authn::keys::{KeysError, MAX_BYTES};

/// The longest time that a fetch may take, from connecting to the last byte of the answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The body of an answer, and the time for which it is fresh.
#[derive(Debug, Eq, PartialEq)]
pub(in crate::authn) struct Document {
    pub(super) body: Bytes,
    /// The freshness that the issuer states (RFC 9111 §5.2.2).
    pub(super) max_age: Option<Duration>,
}

/// A source of key documents. The tests have another one.
pub(in crate::authn) trait Source: Sync {
    fn fetch(&self) -> impl Future<Output = Result<Document, FetchError>> + Send;
}

/// The reason why a fetch gave no keys. The same reason always has the same message, because a message
/// that has not changed is not logged again.
#[derive(Debug, thiserror::Error)]
pub(in crate::authn) enum FetchError {
    /// The request cannot be made, or its connection failed. The message is that of the innermost
    /// error: the outer ones only wrap it.
    #[error("{}", first_cause(&**.0))]
    Connection(Box<dyn StdError + Send + Sync>),
    #[error("the answer was not complete within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    #[error("the answer is {0}, and redirects are not followed: configure the URL they lead to")]
    Redirect(StatusCode),
    #[error("the answer is {0}")]
    Status(StatusCode),
    #[error("the answer is larger than {} KiB", MAX_BYTES / 1024)]
    TooLarge,
    /// The document is not a usable JWKS.
    #[error(transparent)]
    Keys(#[from] KeysError),
}

/// The reason why the HTTPS client for issuers' keys cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The system's root certificates cannot be read.
    #[error(
        "the server of {url} cannot be verified: the system's root certificates cannot be read"
    )]
    NoRoots {
        url: JwksUrl,
        source: std::io::Error,
    },
    /// The TLS library refuses its settings.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// Fetches documents over HTTP or HTTPS.
pub(in crate::authn) struct Download {
    url: JwksUrl,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    timeout: Duration,
}

impl Download {
    /// Makes a client that trusts the system's root certificates.
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
        Ok(Self::with(url, builder.with_no_client_auth(), TIMEOUT))
    }

    fn with(url: &JwksUrl, tls: ClientConfig, timeout: Duration) -> Self {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            // The next fetch is minutes away, and servers close idle connections earlier.
            .pool_max_idle_per_host(0)
            .build(connector);
        Self {
            url: url.clone(),
            client,
            timeout,
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
        match timeout(self.timeout, self.get()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(FetchError::Timeout(self.timeout)),
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
    let body = Limited::new(response.into_body(), MAX_BYTES)
        .collect()
        .await;
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

/// Returns the time for which an answer is fresh: its `max-age`, or zero for `no-cache` and `no-store`.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL);
    let mut age = None;
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
                age = seconds.ok().map(Duration::from_secs).or(age);
            }
            _ => {}
        }
    }
    age
}

#[cfg(test)]
mod tests;
