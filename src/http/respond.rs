//! Answers: how a reply or an error is written. `respond/table` is the only table of statuses and codes.

mod table;

use std::borrow::Cow;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::error::Error;
use crate::event::RequestEvent;
use table::Wire;

/// The header that carries the id of a request, both ways.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The media type of every body but metrics.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// A good answer. It may hold backup codes: no `Debug`, so that no log can.
#[derive(Clone)]
pub struct Reply(Kind);

#[derive(Clone)]
enum Kind {
    /// JSON that no cache keeps.
    Private(Bytes),
    /// JSON that is the same for everybody.
    Public(Bytes),
    /// No content.
    Nothing,
}

impl Reply {
    /// For the caller alone: no cache keeps it.
    ///
    /// # Errors
    /// The body cannot be written as JSON.
    pub(super) fn private(body: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_vec(body)
            .map_err(|cause| Error::internal(format!("an answer is no JSON: {cause}")))?;
        Ok(Self(Kind::Private(body.into())))
    }

    /// The same for everybody whom the policies let read it: already JSON.
    pub(super) fn public(body: Bytes) -> Self {
        Self(Kind::Public(body))
    }

    /// A yes, and nothing more to say.
    pub(super) fn nothing() -> Self {
        Self(Kind::Nothing)
    }
}

/// The body of every error.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "Error")]
pub(super) struct ErrorBody<'a> {
    /// Machine-readable and stable, such as `not_found` or `tenant_mismatch`.
    code: &'a str,
    /// For a person: what is wrong, and what to do.
    message: Cow<'a, str>,
    /// More about it; its members depend on the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Map<String, Value>")]
    details: Option<Map<String, Value>>,
    /// The notices of the policies that determined the decision.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notices: &'a [String],
}

/// Writes the answer, and notes it in the event. The notices of the decisions so far are on every
/// error, whatever it is: those that come before a decision find none.
pub fn respond(outcome: Result<Reply, Error>, event: &mut RequestEvent) -> Response<Full<Bytes>> {
    let mut response = match outcome {
        Ok(reply) => {
            let response = good(reply);
            event.answered(response.status().as_u16(), None, None);
            response
        }
        Err(error) => refusal(error, event),
    };
    let has_content = response.status() != StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    if has_content {
        headers.insert(CONTENT_TYPE, JSON);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(&event.event().request_id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

fn good(reply: Reply) -> Response<Full<Bytes>> {
    match reply.0 {
        Kind::Private(body) => {
            let mut response = Response::new(Full::new(body));
            no_store(&mut response);
            response
        }
        Kind::Public(body) => Response::new(Full::new(body)),
        Kind::Nothing => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
    }
}

fn refusal(error: Error, event: &mut RequestEvent) -> Response<Full<Bytes>> {
    let wire = Wire::of(error, &event.event().request_id);
    event.answered(wire.status.as_u16(), Some(&wire.code), wire.cause);
    let body = json_bytes(&ErrorBody {
        code: &wire.code,
        message: wire.message,
        details: wire.details,
        notices: &event.event().notices,
    });
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = wire.status;
    // Without it a cache may keep a 404, 405, 414 or 501 (RFC 9110 §15.1).
    no_store(&mut response);
    if let Some((name, value)) = wire.header {
        response.headers_mut().insert(name, value);
    }
    response
}

/// A small answer of the gateway's own: strings, numbers and lists, which cannot fail to be JSON.
pub(super) fn json_bytes(body: &impl Serialize) -> Bytes {
    serde_json::to_vec(body).unwrap_or_default().into()
}

fn no_store(response: &mut Response<Full<Bytes>>) {
    let value = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, value);
}

#[cfg(test)]
mod tests;
