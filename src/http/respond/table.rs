//! The table of statuses, codes and messages.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::{Map, Value, json};

use crate::error::{
    Error as GatewayError, Feature, Missing, Recourse, Signal, StepUp, Throttled, with_causes,
};
use crate::http::error::{Error, Framing};
use crate::store::Error as StoreError;
use crate::{authn, webauthn};

/// An error as it is sent, without the notices and the headers that every answer has.
pub(super) struct Wire {
    pub(super) status: StatusCode,
    pub(super) code: Cow<'static, str>,
    pub(super) message: Cow<'static, str>,
    pub(super) details: Option<Map<String, Value>>,
    pub(super) header: Option<(HeaderName, HeaderValue)>,
    /// The cause for the log, which is not sent.
    pub(super) cause: Option<String>,
}

impl Wire {
    pub(super) fn of(error: Error, request_id: &str) -> Self {
        match error {
            Error::Gateway(error) => gateway(error, request_id),
            Error::Framing(framing) => framing_wire(framing),
            Error::UnknownPath => not_found(
                "There is no such path. GET /v1/openapi.json lists the paths of this API.",
            ),
            Error::NoRelatedOrigins => {
                not_found("No related origins are published for the host of this request.")
            }
            Error::MethodNotAllowed { allow } => method_not_allowed(&allow),
            Error::TimedOut { outcome_unknown } => {
                unavailable(outcome_unknown).cause(Error::TimedOut { outcome_unknown }.to_string())
            }
        }
    }

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

    fn signal(self, signal: &Signal) -> Self {
        self.detail("signal", json!(signal))
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

fn gateway(error: GatewayError, request_id: &str) -> Wire {
    match error {
        GatewayError::Invalid(fields) => {
            let message = "The request is malformed: details.fields names each rule it breaks.";
            Wire::new(StatusCode::BAD_REQUEST, "invalid_request", message)
                .detail("fields", json!(fields))
        }
        GatewayError::Authn(error) => authn_wire(&error, request_id),
        GatewayError::Refused { code } => {
            let message = refused_message(&code);
            Wire::new(StatusCode::FORBIDDEN, code, message)
        }
        GatewayError::StepUp(step_up) => step_up_required(step_up),
        GatewayError::RecoveryRequired(left) => recovery_required(&left),
        GatewayError::Policy => Wire::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "policy_error",
            "A policy failed while it was evaluated, so nothing was permitted. Tell the operator \
             the X-Request-ID of this answer.",
        ),
        GatewayError::NotFound(missing) => not_found(missing_message(missing)),
        GatewayError::Webauthn(error) => webauthn_wire(&error, request_id),
        // One message for all causes: it must not tell an attacker who tries codes which cause it is.
        GatewayError::WrongCode => Wire::new(
            StatusCode::BAD_REQUEST,
            "invalid_credential",
            "This code does not work: it is mistyped, was used before, has expired, or belongs to an \
             older set. Try another one, or ask an administrator for a new recovery code.",
        )
        .detail("reason", "code"),
        GatewayError::TooMany { what, retry_after } => too_many(what, retry_after),
        GatewayError::CredentialExists => Wire::new(
            StatusCode::CONFLICT,
            "credential_exists",
            "This authenticator is already registered. Use it, or register another one.",
        ),
        GatewayError::LimitReached { limit } => limit_reached(limit),
        GatewayError::CodesReplaced => Wire::new(
            StatusCode::CONFLICT,
            "codes_replaced",
            "Another request made new backup codes in the meantime, and those work. Use them, or send \
             this request again to replace them too.",
        ),
        GatewayError::NotSetUp(feature) => not_implemented(feature),
        GatewayError::Store(error) => store_wire(&error, request_id),
        GatewayError::Contended => unavailable(false).cause(GatewayError::Contended.to_string()),
        GatewayError::Internal(cause) => internal(request_id).cause(cause),
        GatewayError::ForgetCredential { error, signal } => {
            gateway(*error, request_id).signal(&signal)
        }
    }
}

fn authn_wire(error: &authn::Error, request_id: &str) -> Wire {
    match error {
        authn::Error::MissingToken => missing_token(),
        authn::Error::InvalidToken(why) => invalid_token(why),
        authn::Error::UnknownKeys(_) => unavailable(false).cause(error.to_string()),
        authn::Error::NoSigningKey | authn::Error::Signing(_) => {
            internal(request_id).cause(with_causes(error))
        }
    }
}

fn webauthn_wire(error: &webauthn::Error, request_id: &str) -> Wire {
    match error {
        webauthn::Error::Credential(fault) => Wire::new(
            StatusCode::BAD_REQUEST,
            "invalid_credential",
            fault.message.clone(),
        )
        .detail("reason", json!(fault.reason)),
        webauthn::Error::NotStarted { .. } => internal(request_id).cause(with_causes(error)),
    }
}

fn store_wire(error: &StoreError, request_id: &str) -> Wire {
    match error {
        StoreError::Unavailable { .. } => unavailable(false),
        StoreError::OutcomeUnknown { .. } => unavailable(true),
        StoreError::Unreadable { .. }
        | StoreError::UnreadableRecord { .. }
        | StoreError::Unwritable => internal(request_id),
    }
    .cause(error.to_string())
}

fn internal(request_id: &str) -> Wire {
    Wire::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "Something failed on our side. Tell the operator the request id in details.",
    )
    .detail("request_id", request_id)
}

fn not_found(message: &'static str) -> Wire {
    Wire::new(StatusCode::NOT_FOUND, "not_found", message)
}

fn missing_message(missing: Missing) -> &'static str {
    match missing {
        Missing::Authenticator => "There is no such authenticator.",
        Missing::FittingAuthenticator => {
            "You have no authenticator that can be used for this. GET /v1/users/me/mfa lists your \
             authenticators."
        }
        Missing::AuthenticatorForCodes => {
            "Backup codes replace an authenticator, and you have none. Enrol one first."
        }
        Missing::PendingEnrolment => {
            "No pending enrolment was found for this credential: it may have expired or been used. \
             Start again with POST /v1/users/me/mfa/webauthn/register."
        }
        Missing::PendingStepUp => {
            "No pending step-up was found for this response: it may have expired, have been used, or \
             have been started in another session. Start again with POST \
             /v1/users/me/mfa/webauthn/authenticate."
        }
        Missing::User => "There is no such user: no issuer of this name is configured.",
    }
}

fn not_implemented(feature: Feature) -> Wire {
    let message = match feature {
        Feature::Webauthn => "WebAuthn is not set up for this tenant.",
        Feature::MethodType => "This method type is not set up for this tenant.",
        Feature::StepUps => "Step-ups are not set up for this deployment.",
    };
    Wire::new(StatusCode::NOT_IMPLEMENTED, "not_implemented", message)
}

fn method_not_allowed(allow: &str) -> Wire {
    let message = format!("This path does not accept this method. It accepts: {allow}.");
    let wire = Wire::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        message,
    );
    match HeaderValue::from_str(allow) {
        Ok(allow) => wire.header(ALLOW, allow),
        Err(_) => wire,
    }
}

fn too_many(what: Throttled, retry_after: Duration) -> Wire {
    let seconds = retry_after.as_millis().div_ceil(1000).max(1);
    let what = match what {
        Throttled::Codes => "Too many wrong codes were tried in this session.",
        Throttled::Ceremonies => "This session started too many enrolments and step-ups.",
        Throttled::Hashing => "This session is already waiting for codes to be made or checked.",
    };
    let message = format!("{what} Try again in {seconds} seconds.");
    let header = HeaderValue::try_from(seconds.to_string());
    Wire::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message).header(
        RETRY_AFTER,
        header.unwrap_or(HeaderValue::from_static("900")),
    )
}

fn limit_reached(limit: usize) -> Wire {
    Wire::new(
        StatusCode::CONFLICT,
        "limit_reached",
        format!(
            "You have {limit} authenticators, as many as one account may have. Remove one that \
             you no longer use with DELETE /v1/users/me/mfa/{{id}}, then add the new one."
        ),
    )
    .detail("limit", limit)
}

fn recovery_required(left: &[Recourse]) -> Wire {
    let way = |recourse: &Recourse| match recourse {
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
        _ => "The policies do not permit this. Notices, if there are any, say why.",
    }
}

/// A request without a token gets a challenge without an error code (RFC 6750 §3.1).
fn missing_token() -> Wire {
    let message = "Send an access token: Authorization: Bearer <token>.";
    Wire::new(StatusCode::UNAUTHORIZED, "unauthenticated", message)
        .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

fn invalid_token(why: &'static str) -> Wire {
    let mut challenge = Challenge::new("invalid_token");
    challenge.parameter("error_description", why);
    let message = format!("The access token is not accepted: {why}. Get a new one.");
    Wire::new(StatusCode::UNAUTHORIZED, "unauthenticated", message)
        .header(WWW_AUTHENTICATE, challenge.value())
        .cause(why)
}

/// Builds the step-up challenge (RFC 9470 §3).
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
        "The service did not answer in time, and the change may have been made. Check before you \
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
pub(super) struct Challenge(String);

impl Challenge {
    pub(super) fn new(error: &str) -> Self {
        Self(format!("Bearer error=\"{error}\""))
    }

    /// Adds a parameter. `"` and `\` (RFC 6750 §3) and everything that is not printable ASCII are replaced
    /// by `'`.
    pub(super) fn parameter(&mut self, name: &str, value: &str) {
        let value = value.replace(
            |c: char| !matches!(c, ' '..='~') || matches!(c, '"' | '\\'),
            "'",
        );
        let _ = write!(self.0, ", {name}=\"{value}\"");
    }

    pub(super) fn value(self) -> HeaderValue {
        HeaderValue::try_from(self.0).unwrap_or(HeaderValue::from_static("Bearer"))
    }
}
