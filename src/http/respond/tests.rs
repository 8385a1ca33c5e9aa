use std::sync::Arc;

use http_body_util::BodyExt as _;

use std::time::Duration;

use super::*;
use crate::error::{Field, Reason, Recourse, Throttled};
use crate::model::{Action, MethodType, Timestamp};
use crate::policy::{Bundle, Requirements, Sources};
use crate::record::{Decided, Effect, Event, Sink};

struct Nowhere;

impl Sink for Nowhere {
    fn take(&self, _: &Event) {}
}

fn record() -> Record {
    let now = Timestamp::from_millis(0);
    Record::open(Arc::new(Nowhere), now, "the-id".into(), "POST".into())
}

fn decided(notices: &[&str]) -> Decided {
    Decided {
        principal: "anonymous".into(),
        action: Action::Unknown,
        resource: "Gate::Route::\"unknown\"".into(),
        effect: Effect::Allow,
        policies: Vec::new(),
        notices: notices.iter().map(|&it| it.to_owned()).collect(),
        errors: Vec::new(),
        revision: "revision".into(),
        shadow: None,
    }
}

/// The answer as a person reads it.
async fn written(outcome: Result<Reply, Error>, record: &mut Record) -> String {
    let response = respond(outcome, record);
    assert_eq!(record.event().status, Some(response.status().as_u16()));
    let mut text = format!("{}\n", response.status());
    for (name, value) in response.headers() {
        let _ = writeln!(text, "{name}: {}", value.to_str().unwrap());
    }
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let _ = write!(text, "\n{}", serde_json::to_string_pretty(&body).unwrap());
    text
}

fn signal() -> Option<Signal> {
    Some(Signal {
        rp_id: "example.com".into(),
        credential_id: "AAAA".into(),
    })
}

/// One of each error. The match makes a new kind fail to compile until it is here.
fn every_error() -> Vec<(&'static str, Error)> {
    let all = vec![
        ("invalid", Error::field("X-Tenant-ID", "is required")),
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
        ("no_token", Error::Unauthenticated(TokenFault::Missing)),
        (
            "bad_token",
            Error::Unauthenticated(TokenFault::Invalid("its \"exp\" is past")),
        ),
        (
            "refused",
            Error::Refused {
                code: "contractor_passkey".into(),
                signal: signal(),
            },
        ),
        (
            "tenant_mismatch",
            Error::Refused {
                code: "tenant_mismatch".into(),
                signal: None,
            },
        ),
        (
            "step_up",
            Error::StepUp(StepUp {
                acr_values: vec!["phr".into(), "phrh".into()],
                max_age: 300,
                method_types: vec![MethodType::Passkey],
            }),
        ),
        ("policy", Error::Policy),
        (
            "not_found",
            Error::NotFound {
                message: "There is no such authenticator.",
                signal: signal(),
            },
        ),
        (
            "method_not_allowed",
            Error::MethodNotAllowed {
                allow: "GET, POST".into(),
            },
        ),
        (
            "credential",
            Error::Credential {
                fault: CredentialFault {
                    reason: Reason::RpId,
                    message: "The RP ID is another one.".into(),
                },
                signal: signal(),
            },
        ),
        ("wrong_code", Error::WrongCode),
        (
            "too_many",
            Error::TooMany {
                what: Throttled::Codes,
                retry_after: Duration::from_millis(61_001),
            },
        ),
        ("exists", Error::CredentialExists),
        ("limit_reached", Error::LimitReached { limit: 20 }),
        ("codes_replaced", Error::CodesReplaced),
        (
            "recovery_required",
            Error::RecoveryRequired(vec![Recourse::BackupCode, Recourse::Admin]),
        ),
        (
            "not_implemented",
            Error::NotImplemented("WebAuthn is not set up."),
        ),
        ("unavailable", Error::unavailable("connection refused")),
        (
            "outcome_unknown",
            Error::Unavailable {
                outcome_unknown: true,
                cause: "the reply was lost".into(),
            },
        ),
        ("internal", Error::Internal("a secret path".into())),
    ];
    for (_, error) in &all {
        match error {
            Error::Invalid(_)
            | Error::Framing(
                Framing::BodyTimeout
                | Framing::BodyTooLarge(_)
                | Framing::TargetTooLong(_)
                | Framing::MediaType
                | Framing::HeadersTooLarge,
            )
            | Error::Unauthenticated(TokenFault::Missing | TokenFault::Invalid(_))
            | Error::Refused { .. }
            | Error::StepUp(_)
            | Error::RecoveryRequired(_)
            | Error::LimitReached { .. }
            | Error::CodesReplaced
            | Error::Policy
            | Error::NotFound { .. }
            | Error::MethodNotAllowed { .. }
            | Error::Credential { .. }
            | Error::WrongCode
            | Error::TooMany { .. }
            | Error::CredentialExists
            | Error::NotImplemented(_)
            | Error::Unavailable { .. }
            | Error::Internal(_) => {}
        }
    }
    all
}

#[tokio::test]
async fn each_error_is_written_as_the_api_says() {
    for (name, error) in every_error() {
        let text = written(Err(error), &mut record()).await;
        insta::assert_snapshot!(name, text);
    }
}

#[tokio::test]
async fn notices_are_on_every_error_after_a_decision() {
    for (name, error) in every_error() {
        let mut record = record();
        record.decided(&decided(&["Ask the help desk."]), std::time::Duration::ZERO);
        let text = written(Err(error), &mut record).await;
        assert!(
            text.contains("\"notices\": [\n    \"Ask the help desk.\"\n  ]"),
            "{name}: {text}"
        );
    }
}

#[tokio::test]
async fn causes_go_to_the_record_only() {
    for (error, cause) in [
        (Error::Internal("a secret path".into()), "a secret path"),
        (
            Error::unavailable("connection refused"),
            "connection refused",
        ),
    ] {
        let mut record = record();
        let text = written(Err(error), &mut record).await;
        assert!(!text.contains(cause), "{text}");
        assert_eq!(record.event().cause.as_deref(), Some(cause));
    }
}

#[tokio::test]
async fn good_answers_are_kept_by_no_cache_unless_they_are_public() {
    let private = written(Reply::private(&json!({"codes": []})), &mut record()).await;
    insta::assert_snapshot!("private", private);
    let public = Reply::public(Bytes::from_static(b"{}"));
    insta::assert_snapshot!("public", written(Ok(public), &mut record()).await);
}

#[tokio::test]
async fn an_answer_without_content_has_no_media_type() {
    let mut record = record();
    let response = respond(Ok(Reply::nothing()), &mut record);
    assert_eq!(record.event().status, Some(204));
    assert_eq!(response.status(), 204);
    assert!(!response.headers().contains_key(CONTENT_TYPE));
    assert_eq!(response.headers()["x-request-id"], "the-id");
    let body = response.into_body().collect().await.unwrap();
    assert!(body.to_bytes().is_empty());
}

/// A client that branches on a code can rely on its status, whatever the policies are.
#[test]
fn no_policy_has_the_code_of_another_status() {
    let loads = |code: &str| {
        let policies = format!(
            "@id(\"open\") permit (principal, action in Gate::Action::\"public\", resource);\n\
             @id(\"x\") @code(\"{code}\") forbid (principal, action in Gate::Action::\"enroll\", resource);"
        );
        let site = "namespace Site { type Claims = {}; }";
        let sources = Sources::of(&[("a.cedar", &policies)], site);
        Bundle::load_with(&sources, &Requirements::none()).is_ok()
    };
    assert!(loads("an_own_one"));
    for (name, error) in every_error() {
        let wire = wire(error, "");
        // The gateway answers with this one by itself, of whatever policies.
        let is_refusal = wire.status == StatusCode::FORBIDDEN && wire.code != "recovery_required";
        assert_eq!(loads(&wire.code), is_refusal, "{name}: {}", wire.code);
    }
}

#[test]
fn a_challenge_parameter_cannot_break_out_of_its_quotes() {
    let mut challenge = Challenge::new("invalid_token");
    challenge.parameter("error_description", "a\"b\\c\r\nd é");
    let value = challenge.value();
    assert_eq!(
        value,
        "Bearer error=\"invalid_token\", error_description=\"a'b'c''d '\""
    );
}

#[test]
fn all_wrong_fields_are_listed() {
    let field = |field: &'static str| Field {
        field: field.into(),
        rule: "is required".into(),
    };
    let wire = wire(Error::Invalid(vec![field("a"), field("b")]), "");
    let fields = &wire.details.unwrap()["fields"];
    assert_eq!(
        *fields,
        json!([
            {"field": "a", "rule": "is required"},
            {"field": "b", "rule": "is required"},
        ])
    );
}
