//! Serves the page of `dev` and its three helper routes, in front of the gateway.
//!
//! A page of another site must not get a token here. So the `Host` must be one of this machine's own
//! names, which stops DNS rebinding, and a request that names its origin must come from this page.

mod assets;
mod why;

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::assets::{Asset, PAGE};
pub(super) use self::why::Explain;
use super::issuer::{self, SignIn};
use super::records::Records;
use super::{RP_ID, parse_age, seconds_before};
use crate::authn::signing::SigningKey;
use cedargate_core::{Tenant, Timestamp};

/// Lets the page load and run only its own files, forbids turning text into HTML or scripts, and forbids
/// frames.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The lifetime of a token of the page, which asks for a new one before each step.
const TTL: Duration = Duration::from_secs(10 * 60);
const BODY_LIMIT: usize = 64 * 1024;

/// The page and its helper routes.
pub(super) struct Page {
    key: Arc<SigningKey>,
    records: Arc<Records>,
    explain: Explain,
    /// The accepted `Host` values, such as `localhost:8080`.
    hosts: [String; 3],
}

/// The body of a request for a token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRequest {
    user: String,
    tenant: Tenant,
    #[serde(default)]
    groups: Vec<String>,
    acr: Option<String>,
    auth_time: Option<AuthTime>,
    #[serde(default)]
    claims: Map<String, Value>,
}

/// Seconds since the epoch, as in the claim, or an age, as `cedargate token` takes it.
#[derive(Deserialize)]
#[serde(untagged)]
enum AuthTime {
    Seconds(i64),
    Age(String),
}

#[derive(Serialize)]
struct Token {
    token: String,
}

/// The refusal of a request to the page, with a sentence for a person.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refusal {
    fn forbidden(message: &str) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            code: "forbidden",
            message: message.to_owned(),
        }
    }

    fn invalid(message: String) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: "invalid_request",
            message,
        }
    }
}

type Answer = Response<Full<Bytes>>;

impl Page {
    /// Returns the page at this port, which signs tokens with `key`.
    pub(super) fn new(
        key: Arc<SigningKey>,
        records: Arc<Records>,
        explain: Explain,
        port: u16,
    ) -> Self {
        let hosts = [RP_ID, "127.0.0.1", "[::1]"].map(|host| format!("{host}:{port}"));
        Self {
            key,
            records,
            explain,
            hosts,
        }
    }

    /// Answers a request for the page or one of its helper routes.
    ///
    /// # Errors
    /// Returns every other request, unread.
    pub(super) async fn answer<B>(
        &self,
        request: Request<B>,
        now: Timestamp,
    ) -> Result<Answer, Request<B>>
    where
        B: Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let outcome = match (request.method(), request.uri().path()) {
            (&Method::GET, "/") => self.page(&request),
            (&Method::GET, "/dev/records") => self.recent(&request),
            (&Method::GET, "/dev/why") => self.why(&request),
            (&Method::POST, "/dev/token") => self.token(request, now).await,
            (&Method::GET, path) => match Asset::at(path) {
                Some(asset) => self.asset(&request, asset),
                None => return Err(request),
            },
            _ => return Err(request),
        };
        Ok(outcome.unwrap_or_else(|refusal| refuse(&refusal)))
    }

    fn page<B>(&self, request: &Request<B>) -> Result<Answer, Refusal> {
        let host = self.check_host(request)?;
        let own = &self.hosts[0];
        if host != own {
            // Browsers run ceremonies only at the relying party's own name.
            let mut answer = respond(StatusCode::TEMPORARY_REDIRECT, "text/plain", Bytes::new());
            let location = HeaderValue::from_str(&format!("http://{own}/"))
                .map_err(|error| Refusal::invalid(error.to_string()))?;
            answer.headers_mut().insert(header::LOCATION, location);
            return Ok(answer);
        }
        Ok(respond(
            StatusCode::OK,
            "text/html; charset=utf-8",
            Bytes::from_static(PAGE.as_bytes()),
        ))
    }

    fn asset<B>(&self, request: &Request<B>, asset: &Asset) -> Result<Answer, Refusal> {
        self.check_host(request)?;
        let text = Bytes::from_static(asset.text.as_bytes());
        Ok(respond(StatusCode::OK, asset.media_type, text))
    }

    fn recent<B>(&self, request: &Request<B>) -> Result<Answer, Refusal> {
        self.check_caller(request)?;
        let json = self.records.json().map_err(|error| internal(&error))?;
        Ok(respond(StatusCode::OK, JSON, json.into()))
    }

    async fn token<B>(&self, request: Request<B>, now: Timestamp) -> Result<Answer, Refusal>
    where
        B: Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.check_caller(&request)?;
        if !is_json(request.headers()) {
            return Err(Refusal {
                status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
                code: "unsupported_media_type",
                message: "Send application/json.".to_owned(),
            });
        }
        let body = read(request.into_body()).await?;
        let wanted: TokenRequest = serde_json::from_slice(&body).map_err(|error| {
            Refusal::invalid(format!(
                "Send {{\"user\", \"tenant\", \"groups\"?, \"acr\"?, \"auth_time\"?, \"claims\"?}}: {error}."
            ))
        })?;
        let token = issuer::token(&self.key, &sign_in(wanted, now)?, now)
            .map_err(|error| internal(&error))?;
        let json = serde_json::to_vec(&Token { token }).map_err(|error| internal(&error))?;
        Ok(respond(StatusCode::OK, JSON, json.into()))
    }

    /// Returns the `Host`, or refuses the request if it is not one of this machine's own names.
    fn check_host<'a, B>(&self, request: &'a Request<B>) -> Result<&'a str, Refusal> {
        let named = match request.uri().authority() {
            Some(authority) => Some(authority.as_str()),
            None => text(request.headers(), &header::HOST),
        };
        named
            .filter(|host| self.hosts.iter().any(|own| own == host))
            .ok_or_else(|| {
                Refusal::forbidden(&format!(
                    "The page of dev is at http://{}/ only.",
                    self.hosts[0]
                ))
            })
    }

    /// Refuses requests that come from another page. Browsers name the origin of a request in
    /// `Sec-Fetch-Site`, and for a POST in `Origin`; other clients, such as curl, send neither.
    fn check_caller<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        self.check_host(request)?;
        let headers = request.headers();
        let site_is_own = headers
            .get("sec-fetch-site")
            .is_none_or(|site| site == "same-origin" || site == "none");
        let origin_is_own = headers.get(header::ORIGIN).is_none_or(|origin| {
            let origin = origin.to_str().unwrap_or_default();
            let host = origin.strip_prefix("http://").unwrap_or_default();
            self.hosts.iter().any(|own| own == host)
        });
        if site_is_own && origin_is_own {
            Ok(())
        } else {
            Err(Refusal::forbidden(
                "Only the page of dev may send this request.",
            ))
        }
    }
}

fn sign_in(wanted: TokenRequest, now: Timestamp) -> Result<SignIn, Refusal> {
    if wanted.user.is_empty() {
        return Err(Refusal::invalid("The user is empty: name one.".to_owned()));
    }
    let auth_time = match wanted.auth_time {
        None => None,
        Some(AuthTime::Seconds(seconds)) => Some(seconds),
        Some(AuthTime::Age(age)) => {
            let age = parse_age(&age)
                .map_err(|sentence| Refusal::invalid(format!("auth_time: {sentence}.")))?;
            Some(seconds_before(now, age))
        }
    };
    Ok(SignIn {
        groups: wanted.groups,
        acr: wanted.acr,
        auth_time,
        claims: wanted.claims,
        ..SignIn::with_password(wanted.user, wanted.tenant, TTL)
    })
}

async fn read<B>(body: B) -> Result<Bytes, Refusal>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            code: "payload_too_large",
            message: format!("Send at most {BODY_LIMIT} bytes."),
        }),
        Err(_) => Err(Refusal::invalid(
            "The body ended early: send it again.".to_owned(),
        )),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = text(headers, &header::CONTENT_TYPE).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn internal(error: &impl ToString) -> Refusal {
    Refusal {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        code: "internal",
        message: error.to_string(),
    }
}

const JSON: &str = "application/json; charset=utf-8";

/// An error body, with the shape that errors of the API have.
#[derive(Serialize)]
struct ErrorBody<'a> {
    code: &'a str,
    message: &'a str,
}

fn refuse(refusal: &Refusal) -> Answer {
    let body = serde_json::to_vec(&ErrorBody {
        code: refusal.code,
        message: &refusal.message,
    });
    respond(refusal.status, JSON, body.unwrap_or_default().into())
}

fn respond(status: StatusCode, media_type: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in headers {
        answer
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    answer
}

#[cfg(test)]
mod tests;
