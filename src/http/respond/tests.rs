use std::sync::Arc;

use http_body_util::BodyExt as _;
use webauthn_rs::prelude::WebauthnError;

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use super::table::Challenge;
use super::*;
use crate::authn;
use crate::error::{
    Error as GatewayError, Feature, Field, Missing, Recourse, Signal, StepUp, Throttled,
};
use crate::event::DecisionEntry;
use crate::event::tests::NullSink;
use crate::event::tests::entry;
use crate::http::Framing;
use crate::store::Error as StoreError;
use crate::webauthn::{self, CredentialFault, Reason};
use cedargate_core::{Effect, GateAction, MethodType, Timestamp};
use cedargate_policy::{Bundle, Requirements, Sources};

fn event() -> RequestEvent {
    let now = Timestamp::from_millis(0);
    RequestEvent::open(Arc::new(NullSink), now, "the-id".into(), "POST".into())
}

fn decided(notices: &[&str]) -> DecisionEntry {
    let mut entry = entry(GateAction::Unknown, Effect::Allow);
    entry.decision.notices = notices.iter().map(|&it| it.to_owned()).collect();
    entry
}

/// Returns the response as text: status, headers and pretty-printed body.
async fn written(outcome: Result<Reply, Error>, event: &mut RequestEvent) -> String {
    let response = respond(outcome, event);
    assert_eq!(event.event().status, Some(response.status().as_u16()));
    let mut text = format!("{}\n", response.status());
    for (name, value) in response.headers() {
        let _ = writeln!(text, "{name}: {}", value.to_str().unwrap());
    }
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let _ = write!(text, "\n{}", serde_json::to_string_pretty(&body).unwrap());
    text
}

fn signal() -> Signal {
    Signal {
        rp_id: "example.com".into(),
        credential_id: "AAAA".into(),
    }
}

/// Returns one of each error of HTTP. The match makes a new variant fail to compile until it is listed.
fn every_http_error() -> Vec<(&'static str, Error)> {
    let all = vec![
        ("body_timeout", Error::Framing(Framing::BodyTimeout)),
        (
            "body_too_large",
            Error::Framing(Framing::BodyTooLarge(65536)),
        ),
        (
            "target_too_long",
            Error::Framing(Framing::TargetTooLong(8192)),
        ),
        ("media_type", Error::Framing(Framing::MediaType)),
        (
            "headers_too_large",
            Error::Framing(Framing::HeadersTooLarge),
        ),
        ("unknown_path", Error::UnknownPath),
        (
            "method_not_allowed",
            Error::MethodNotAllowed {
                allow: "GET, POST".into(),
            },
        ),
        ("no_related_origins", Error::NoRelatedOrigins),
        (
            "timed_out",
            Error::TimedOut {
                outcome_unknown: true,
            },
        ),
    ];
    for (_, error) in &all {
        match error {
            Error::Gateway(_)
            | Error::Framing(
                Framing::BodyTimeout
                | Framing::BodyTooLarge(_)
                | Framing::TargetTooLong(_)
                | Framing::MediaType
                | Framing::HeadersTooLarge,
            )
            | Error::UnknownPath
            | Error::MethodNotAllowed { .. }
            | Error::NoRelatedOrigins
            | Error::TimedOut { .. } => {}
        }
    }
    all
}

/// Returns one of each error of the gateway and its parts, like [`every_http_error`].
fn every_gateway_error() -> Vec<(&'static str, GatewayError)> {
    let fault = CredentialFault {
        reason: Reason::RpId,
        message: "The RP ID is another one.".into(),
    };
    let refused = |code: &str| GatewayError::Refused { code: code.into() };
    let all = vec![
        ("invalid", GatewayError::field("X-Tenant-ID", "is required")),
        ("no_token", authn::Error::MissingToken.into()),
        (
            "bad_token",
            authn::Error::InvalidToken("its \"exp\" is past").into(),
        ),
        (
            "refused",
            refused("contractor_passkey").forgetting(signal()),
        ),
        ("tenant_mismatch", refused("tenant_mismatch")),
        (
            "step_up",
            GatewayError::StepUp(StepUp {
                acr_values: vec!["phr".into(), "phrh".into()],
                max_age: 300,
                method_types: vec![MethodType::Passkey],
            }),
        ),
        ("policy", GatewayError::Policy),
        (
            "not_found",
            GatewayError::NotFound(Missing::Authenticator).forgetting(signal()),
        ),
        ("credential", GatewayError::from(fault).forgetting(signal())),
        ("wrong_code", GatewayError::WrongCode),
        (
            "too_many",
            GatewayError::TooMany {
                what: Throttled::Codes,
                retry_after: Duration::from_millis(61_001),
            },
        ),
        ("exists", GatewayError::CredentialExists),
        ("limit_reached", GatewayError::LimitReached { limit: 20 }),
        ("codes_replaced", GatewayError::CodesReplaced),
        (
            "recovery_required",
            GatewayError::RecoveryRequired(vec![Recourse::BackupCode, Recourse::Admin]),
        ),
        ("not_implemented", GatewayError::NotSetUp(Feature::Webauthn)),
        ("unavailable", unavailable("connection refused").into()),
        (
            "outcome_unknown",
            StoreError::OutcomeUnknown {
                cause: "the reply was lost".into(),
            }
            .into(),
        ),
        ("contended", GatewayError::Contended),
        ("internal", GatewayError::Internal("a secret path".into())),
    ];
    for (_, error) in &all {
        match error {
            GatewayError::Invalid(_)
            | GatewayError::Authn(_)
            | GatewayError::Refused { .. }
            | GatewayError::StepUp(_)
            | GatewayError::RecoveryRequired(_)
            | GatewayError::LimitReached { .. }
            | GatewayError::CodesReplaced
            | GatewayError::Policy
            | GatewayError::NotFound(_)
            | GatewayError::Webauthn(_)
            | GatewayError::WrongCode
            | GatewayError::TooMany { .. }
            | GatewayError::CredentialExists
            | GatewayError::NotSetUp(_)
            | GatewayError::Store(_)
            | GatewayError::Contended
            | GatewayError::Internal(_)
            | GatewayError::ForgetCredential { .. } => {}
        }
    }
    all
}

fn every_error() -> Vec<(&'static str, Error)> {
    let gateway = every_gateway_error().into_iter();
    let gateway = gateway.map(|(name, error)| (name, Error::from(error)));
    every_http_error().into_iter().chain(gateway).collect()
}

fn unavailable(cause: &'static str) -> StoreError {
    StoreError::Unavailable {
        cause: cause.into(),
    }
}

#[tokio::test]
async fn each_error_has_its_documented_status_code_and_message() {
    for (name, error) in every_error() {
        let text = written(Err(error), &mut event()).await;
        insta::assert_snapshot!(name, text);
    }
}

#[tokio::test]
async fn every_error_after_a_decision_has_its_notices() {
    for (name, error) in every_error() {
        let mut event = event();
        event.decided(decided(&["Ask the help desk."]));
        let text = written(Err(error), &mut event).await;
        assert!(
            text.contains("\"notices\": [\n    \"Ask the help desk.\"\n  ]"),
            "{name}: {text}"
        );
    }
}

#[tokio::test]
async fn cause_of_an_error_is_in_the_event_and_not_in_the_answer() {
    let unknown_keys = authn::Error::UnknownKeys(authn::IssuerKind::StepUp);
    let not_started = webauthn::Error::NotStarted {
        ceremony: "a registration",
        source: WebauthnError::Configuration,
    };
    for (error, cause) in [
        (
            GatewayError::Internal("a secret path".into()),
            "a secret path",
        ),
        (
            unavailable("connection refused").into(),
            "connection refused",
        ),
        (
            StoreError::Unreadable { kind: "salt" }.into(),
            "a stored salt cannot be read",
        ),
        (
            StoreError::UnreadableRecord {
                kind: "user",
                category: serde_json::error::Category::Data,
                column: 7,
            }
            .into(),
            "a stored user cannot be read: Data error at column 7",
        ),
        (
            unknown_keys.into(),
            "the keys of the step-up issuer are not known",
        ),
        (
            not_started.into(),
            "a registration cannot be started: The configuration was invalid",
        ),
    ] {
        let mut event = event();
        let text = written(Err(error.into()), &mut event).await;
        assert!(!text.contains(cause), "{text}");
        assert_eq!(event.event().cause.as_deref(), Some(cause));
    }
}

#[tokio::test]
async fn reply_is_not_cached_unless_it_is_public() {
    let private = written(Reply::private(&json!({"codes": []})), &mut event()).await;
    insta::assert_snapshot!("private", private);
    let public = Reply::public(Bytes::from_static(b"{}"));
    insta::assert_snapshot!("public", written(Ok(public), &mut event()).await);
}

#[tokio::test]
async fn reply_without_content_has_no_media_type() {
    let mut event = event();
    let response = respond(Ok(Reply::no_content()), &mut event);
    assert_eq!(event.event().status, Some(204));
    assert_eq!(response.status(), 204);
    assert!(!response.headers().contains_key(CONTENT_TYPE));
    assert_eq!(response.headers()["x-request-id"], "the-id");
    let body = response.into_body().collect().await.unwrap();
    assert!(body.to_bytes().is_empty());
}

/// A client that branches on a code can rely on its status, whichever policies are in force.
#[test]
fn policy_with_the_code_of_another_status_does_not_load() {
    let loads = |code: &str| {
        let policies = format!(
            "@id(\"open\") permit (principal, action in Gate::Action::\"public\", resource);\n\
             @id(\"x\") @code(\"{code}\") forbid (principal, action in Gate::Action::\"enroll\", resource);"
        );
        let site = "namespace Site { type Claims = {}; }";
        let sources = Sources::of(&[("a.cedar", &policies)], site);
        Bundle::load_with(&sources, &Requirements::none()).is_ok()
    };
    assert!(loads("code_of_the_site"));
    for (name, error) in every_error() {
        let wire = Wire::of(error, "");
        // The gateway itself gives `recovery_required`, so no policy may have it.
        let is_refusal = wire.status == StatusCode::FORBIDDEN && wire.code != "recovery_required";
        assert_eq!(loads(&wire.code), is_refusal, "{name}: {}", wire.code);
    }
}

#[test]
fn challenge_parameter_cannot_break_out_of_its_quotes() {
    let mut challenge = Challenge::new("invalid_token");
    challenge.parameter("error_description", "a\"b\\c\r\nd é");
    let value = challenge.value();
    assert_eq!(
        value,
        "Bearer error=\"invalid_token\", error_description=\"a'b'c''d '\""
    );
}

#[test]
fn every_wrong_field_is_listed() {
    let field = |field: &'static str| Field {
        field: field.into(),
        rule: "is required".into(),
    };
    let error = GatewayError::Invalid(vec![field("a"), field("b")]);
    let wire = Wire::of(error.into(), "");
    let fields = &wire.details.unwrap()["fields"];
    assert_eq!(
        *fields,
        json!([
            {"field": "a", "rule": "is required"},
            {"field": "b", "rule": "is required"},
        ])
    );
}
