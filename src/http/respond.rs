//! Writes replies and errors as responses. `respond/table` is the only table of statuses and codes.

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

/// The header with the id of a request. Callers may send it, and every answer has it.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The media type of every body except metrics.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// A successful answer. It may hold backup codes, so it has no `Debug` with which a log could print it.
#[derive(Clone)]
pub struct Reply(Kind);

#[derive(Clone)]
enum Kind {
    /// JSON for the caller alone, which no cache may store.
    Private(Bytes),
    /// JSON that is the same for every caller.
    Public(Bytes),
    NoContent,
}

impl Reply {
    /// Makes an answer for the caller alone, which no cache may store.
    ///
    /// # Errors
    /// The body cannot be serialized as JSON.
    pub(super) fn private(body: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_vec(body).map_err(|cause| {
            Error::internal(format!("an answer cannot be serialized as JSON: {cause}"))
        })?;
        Ok(Self(Kind::Private(body.into())))
    }

    /// Makes an answer that is the same for every caller whom the policies permit. The body is JSON.
    pub(super) fn public(body: Bytes) -> Self {
        Self(Kind::Public(body))
    }

    /// Makes an answer with the status 204.
    pub(super) fn no_content() -> Self {
        Self(Kind::NoContent)
    }
}

/// The body of every error answer.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "Error")]
pub(super) struct ErrorBody<'a> {
    /// A stable code for programs, such as `not_found` or `tenant_mismatch`.
    code: &'a str,
    /// A message for people that says what is wrong and what to do.
    message: Cow<'a, str>,
    /// Further data. The members depend on the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Map<String, Value>")]
    details: Option<Map<String, Value>>,
    /// The notices of the policies that determined the decision.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notices: &'a [String],
}

/// Writes the response and notes it in the event. An error contains the notices of all decisions on the
/// request so far.
pub fn respond(outcome: Result<Reply, Error>, event: &mut RequestEvent) -> Response<Full<Bytes>> {
    let mut response = match outcome {
        Ok(reply) => {
            let response = success(reply);
            event.answered(response.status().as_u16(), None, None);
            response
        }
        Err(error) => failure(error, event),
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

fn success(reply: Reply) -> Response<Full<Bytes>> {
    match reply.0 {
        Kind::Private(body) => {
            let mut response = Response::new(Full::new(body));
            no_store(&mut response);
            response
        }
        Kind::Public(body) => Response::new(Full::new(body)),
        Kind::NoContent => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
    }
}

fn failure(error: Error, event: &mut RequestEvent) -> Response<Full<Bytes>> {
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
    // Otherwise a cache may store a 404, 405, 414 or 501 (RFC 9110 §15.1).
    no_store(&mut response);
    if let Some((name, value)) = wire.header {
        response.headers_mut().insert(name, value);
    }
    response
}

/// Serializes a body of the gateway's own types. They hold only strings, numbers and lists, so this
/// cannot fail.
pub(super) fn json_bytes(body: &impl Serialize) -> Bytes {
    serde_json::to_vec(body).unwrap_or_default().into()
}

fn no_store(response: &mut Response<Full<Bytes>>) {
    let value = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, value);
}

#[cfg(test)]
mod tests;
