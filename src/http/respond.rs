//! What became of a request, as it stands on the wire: the only table of statuses and codes.

use std::borrow::Cow;
use std::fmt::Write as _;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::error::{
    CredentialFault, Error, Framing, Recourse, Signal, StepUp, Throttled, TokenFault,
};
use crate::record::Record;

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
    /// [`Error::Internal`] when it cannot be written as JSON.
    pub(super) fn private(body: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_vec(body)
            .map_err(|cause| Error::Internal(format!("an answer is no JSON: {cause}")))?;
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

/// An error on the wire, but for the notices and what every answer has.
struct Wire {
    status: StatusCode,
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    details: Option<Map<String, Value>>,
    header: Option<(HeaderName, HeaderValue)>,
    /// For the log.
    cause: Option<String>,
}

impl Wire {
    fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            details: None,
            header: None,
            cause: None,
        }
    }

    fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details
            .get_or_insert_default()
            .insert(name.to_owned(), value.into());
        self
    }

    fn signal(self, signal: Option<Signal>) -> Self {
        match signal {
            Some(signal) => {
                let value = json!({"rpId": signal.rp_id, "credentialId": signal.credential_id});
                self.detail("signal", value)
            }
            None => self,
        }
    }

    fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }
}

/// Writes the answer, and notes it in the record. The notices of the decisions so far are on every
/// error, whatever it is: those that come before a decision find none.
pub fn respond(outcome: Result<Reply, Error>, record: &mut Record) -> Response<Full<Bytes>> {
    let mut response = match outcome {
        Ok(reply) => {
            let response = good(reply);
            record.answered(response.status().as_u16(), None, None);
            response
        }
        Err(error) => refusal(error, record),
    };
    let has_content = response.status() != StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    if has_content {
        headers.insert(CONTENT_TYPE, JSON);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(&record.event().request_id) {
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

fn refusal(error: Error, record: &mut Record) -> Response<Full<Bytes>> {
    let wire = wire(error, &record.event().request_id);
    record.answered(wire.status.as_u16(), Some(&wire.code), wire.cause);
    let body = json_bytes(&ErrorBody {
        code: &wire.code,
        message: wire.message,
        details: wire.details,
        notices: &record.event().notices,
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

fn wire(error: Error, request_id: &str) -> Wire {
    match error {
        Error::Invalid(fields) => {
            let message = "The request is malformed: details.fields names each rule it breaks.";
            Wire::new(StatusCode::BAD_REQUEST, "invalid_request", message)
                .detail("fields", json!(fields))
        }
        Error::Framing(framing) => framing_wire(framing),
        Error::Unauthenticated(fault) => unauthenticated(fault),
        Error::Refused { code, signal } => {
            let message = refused_message(&code);
            Wire::new(StatusCode::FORBIDDEN, code, message).signal(signal)
        }
        Error::StepUp(step_up) => step_up_required(step_up),
        Error::RecoveryRequired(left) => recovery_required(&left),
        Error::Policy => Wire::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "policy_error",
            "A policy failed while it was evaluated, so nothing was permitted. Tell the operator \
             the X-Request-ID of this answer.",
        ),
        Error::NotFound { message, signal } => {
            Wire::new(StatusCode::NOT_FOUND, "not_found", message).signal(signal)
        }
        Error::MethodNotAllowed { allow } => {
            let message = format!("This path does not have this method. It has: {allow}.");
            let wire = Wire::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                message,
            );
            match HeaderValue::from_str(&allow) {
                Ok(allow) => wire.header(ALLOW, allow),
                Err(_) => wire,
            }
        }
        Error::Credential { fault, signal } => {
            let CredentialFault { reason, message } = fault;
            Wire::new(StatusCode::BAD_REQUEST, "invalid_credential", message)
                .detail("reason", json!(reason))
                .signal(signal)
        }
        // The same for all three: which it is would tell who tries codes how far they are.
        Error::WrongCode => Wire::new(
            StatusCode::BAD_REQUEST,
            "invalid_credential",
            "This code does not work: it is mistyped, was used before, has expired, or is of an older \
             set. Try another one, or ask an administrator for a new recovery code.",
        )
        .detail("reason", "code"),
        Error::TooMany { what, retry_after } => {
            let seconds = retry_after.as_millis().div_ceil(1000).max(1);
            let what = match what {
                Throttled::Codes => "Too many wrong codes were tried in this session.",
                Throttled::Ceremonies => {
                    "This session started too many enrolments and step-ups."
                }
                Throttled::Hashing => "This session already waits for codes to be made or checked.",
            };
            let message = format!("{what} Try again in {seconds} seconds.");
            Wire::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message).header(
                RETRY_AFTER,
                HeaderValue::try_from(seconds.to_string()).unwrap_or(HeaderValue::from_static("900")),
            )
        }
        Error::CredentialExists => Wire::new(
            StatusCode::CONFLICT,
            "credential_exists",
            "This authenticator is already registered. Use it, or register another one.",
        ),
        Error::LimitReached { limit } => Wire::new(
            StatusCode::CONFLICT,
            "limit_reached",
            format!(
                "You have {limit} authenticators, as many as one account may have. Remove one that \
                 you no longer use with DELETE /v1/users/me/mfa/{{id}}, then add the new one."
            ),
        )
        .detail("limit", limit),
        Error::CodesReplaced => Wire::new(
            StatusCode::CONFLICT,
            "codes_replaced",
            "Another request made new backup codes in the meantime, and those work. Use them, or send \
             this request again to replace them too.",
        ),
        Error::NotImplemented(message) => {
            Wire::new(StatusCode::NOT_IMPLEMENTED, "not_implemented", message)
        }
        Error::Unavailable {
            outcome_unknown,
            cause,
        } => unavailable(outcome_unknown).cause(cause),
        Error::Internal(cause) => Wire::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something failed on our side. Tell the operator the request id in details.",
        )
        .detail("request_id", request_id)
        .cause(cause),
    }
}

fn recovery_required(left: &[Recourse]) -> Wire {
    let way = |one: &Recourse| match one {
        Recourse::BackupCode => "use one of your backup codes",
        Recourse::RecoveryCode => "use the recovery code that you were given",
        Recourse::Admin => "ask an administrator to reset your account",
    };
    let ways: Vec<_> = left.iter().map(way).collect();
    let message = format!(
        "You have no authenticator here that could confirm this. You can {}.",
        ways.join(", or ")
    );
    Wire::new(StatusCode::FORBIDDEN, "recovery_required", message).detail("remaining", json!(left))
}

fn framing_wire(framing: Framing) -> Wire {
    match framing {
        Framing::BodyTimeout => Wire::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "The body did not arrive in time. Send the request again.",
        ),
        Framing::BodyTooLarge(bytes) => Wire::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            format!("The body is larger than {bytes} bytes. Send a smaller one."),
        ),
        Framing::TargetTooLong(bytes) => Wire::new(
            StatusCode::URI_TOO_LONG,
            "uri_too_long",
            format!("The path and query are longer than {bytes} bytes. Send shorter ones."),
        ),
        Framing::MediaType => Wire::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "The body must be sent as Content-Type: application/json, without Content-Encoding.",
        ),
        Framing::HeadersTooLarge => Wire::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers_too_large",
            "The request has more than 100 headers or more than 64 KiB of them. Send fewer.",
        ),
    }
}

fn refused_message(code: &str) -> &'static str {
    match code {
        "tenant_mismatch" => {
            "X-Tenant-ID is not the tenant of your token. Send the tenant that the token is for."
        }
        _ => "The policies do not permit this. Notices, where there are any, say why.",
    }
}

/// RFC 6750 §3.1: no error code for a request without a token.
fn unauthenticated(fault: TokenFault) -> Wire {
    let wire = |message: Cow<'static, str>| {
        Wire::new(StatusCode::UNAUTHORIZED, "unauthenticated", message)
    };
    match fault {
        TokenFault::Missing => wire("Send an access token: Authorization: Bearer <token>.".into())
            .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        TokenFault::Invalid(why) => {
            let mut challenge = Challenge::new("invalid_token");
            challenge.parameter("error_description", why);
            wire(format!("The access token is not accepted: {why}. Get a new one.").into())
                .header(WWW_AUTHENTICATE, challenge.value())
                .cause(why)
        }
    }
}

/// RFC 9470 §3.
fn step_up_required(step_up: StepUp) -> Wire {
    let StepUp {
        acr_values,
        max_age,
        method_types,
    } = step_up;
    let mut challenge = Challenge::new("insufficient_user_authentication");
    challenge.parameter(
        "error_description",
        "a fresher or stronger sign-in is needed",
    );
    challenge.parameter("acr_values", &acr_values.join(" "));
    challenge.parameter("max_age", &max_age.to_string());
    let message = if method_types.is_empty() {
        "A fresher or stronger sign-in is needed. Sign in again with one of details.acr_values, at \
         most details.max_age seconds ago, and repeat the request."
    } else {
        "A fresher or stronger sign-in is needed. Confirm with one of your authenticators (POST \
         /v1/users/me/mfa/webauthn/authenticate) and repeat the request with the token that this \
         gives; or sign in again with one of details.acr_values, at most details.max_age seconds ago."
    };
    Wire::new(StatusCode::UNAUTHORIZED, "step_up_required", message)
        .detail("acr_values", acr_values)
        .detail("max_age", max_age)
        .detail("method_types", json!(method_types))
        .header(WWW_AUTHENTICATE, challenge.value())
}

fn unavailable(outcome_unknown: bool) -> Wire {
    let message = if outcome_unknown {
        "The service did not answer in time, and the change may have been made. Look before you \
         repeat it."
    } else {
        "The service cannot do this right now. Send the same request again in a second."
    };
    let wire = Wire::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
        .header(RETRY_AFTER, HeaderValue::from_static("1"));
    if outcome_unknown {
        wire.detail("outcome", "unknown")
    } else {
        wire
    }
}

/// A `WWW-Authenticate` challenge of the scheme `Bearer`.
struct Challenge(String);

impl Challenge {
    fn new(error: &str) -> Self {
        Self(format!("Bearer error=\"{error}\""))
    }

    /// RFC 6750 §3 leaves out `"` and `\`, and what is not printable ASCII cannot stand in a header.
    fn parameter(&mut self, name: &str, value: &str) {
        let value = value.replace(
            |c: char| !matches!(c, ' '..='~') || matches!(c, '"' | '\\'),
            "'",
        );
        let _ = write!(self.0, ", {name}=\"{value}\"");
    }

    fn value(self) -> HeaderValue {
        HeaderValue::try_from(self.0).unwrap_or(HeaderValue::from_static("Bearer"))
    }
}

#[cfg(test)]
mod tests;
