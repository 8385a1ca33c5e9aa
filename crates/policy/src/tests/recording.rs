//! Decisions that are written down, and read back.

use serde_json::{Value, json};

use super::super::*;
use super::running_cases::case;

/// A line about the case of `running_cases`.
fn line() -> Value {
    let case = case();
    let mut input = case["request"].clone();
    input["entities"] = case["entities"].clone();
    json!({
        "decision_id": "019bc0de-0000-7000-8000-000000000001",
        "timestamp": "2026-01-15T09:00:00Z",
        "request_id": "r-1",
        "labels": {"version": "0.1.0"},
        "bundle": {"revision": "0123456789abcdef"},
        "input": input,
        "strong_acr": ["phr"],
        "masked": ["context.network.address"],
        "erased": ["principal.claims.email"],
        "result": {
            "decision": "deny", "reasons": ["step-up-begin"], "notices": ["Step up."],
            "code": "step_up_required", "errors": [],
        },
        "requested_by": null,
        "metrics": {"evaluation_ns": 1},
    })
}

fn read(line: &Value) -> Result<Recorded, String> {
    Recorded::read(&line.to_string())
}

/// The line with this member set.
fn with(pointer: &str, value: Value) -> Value {
    let mut line = line();
    *line.pointer_mut(pointer).unwrap() = value;
    line
}

fn without(name: &str) -> Value {
    let mut line = line();
    line.as_object_mut().unwrap().remove(name).unwrap();
    line
}

#[test]
fn a_line_is_read_and_decided_again() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let recorded = read(&line()).unwrap();
    assert_eq!(recorded.decision_id, "019bc0de-0000-7000-8000-000000000001");
    assert_eq!(recorded.request_id, "r-1");
    assert_eq!(recorded.timestamp.to_string(), "2026-01-15T09:00:00.000Z");
    assert_eq!(recorded.revision, "0123456789abcdef");
    assert_eq!(
        recorded.hidden,
        ["context.network.address", "principal.claims.email"]
    );
    assert_eq!(recorded.result.reason, ["step-up-begin"]);
    let verdict = bundle.answer(&recorded.inquiry(&bundle).unwrap());
    assert_eq!(
        (verdict.decision, &verdict.reason, &verdict.code),
        ("deny", &recorded.result.reason, &recorded.result.code)
    );
}

#[test]
fn the_strong_acr_values_of_a_line_lift_its_step_up() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let code = |strong: Value| {
        // no authenticator: only the issuer's own sign-in can lift it
        let mut line = with("/input/context/factors/count", json!(0));
        line["input"]["context"]["factors"]["methodTypes"] = json!([]);
        line["input"]["context"]["session"]["sinceBackupCode"] = json!("36500d");
        line["input"]["action"] = json!("Gate::Action::\"regenerateBackupCodes\"");
        line["input"]["context"]
            .as_object_mut()
            .unwrap()
            .remove("methodType");
        line["strong_acr"] = strong;
        let inquiry = read(&line).unwrap().inquiry(&bundle).unwrap();
        bundle.answer(&inquiry).code.unwrap()
    };
    assert_eq!(code(json!(["phr"])), "step_up_required");
    assert_eq!(code(json!([])), "forbidden");
}

#[test]
fn the_means_of_a_line_tell_whether_recovery_is_required() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let code = |line: &Value| {
        let inquiry = read(line).unwrap().inquiry(&bundle).unwrap();
        bundle.answer(&inquiry).code.unwrap()
    };
    assert_eq!(
        code(&line()),
        "step_up_required",
        "an older release wrote it"
    );
    let mut stranded = line();
    stranded["strong_acr"] = json!([]);
    stranded["means"] = json!({"authenticators": [], "backup_code": false, "recovery_code": false});
    assert_eq!(code(&stranded), "recovery_required");
    stranded["means"] = json!("none");
    let error = read(&stranded).unwrap_err();
    assert!(error.starts_with("\"means\": "), "{error}");
}

#[test]
fn a_line_of_an_older_release_has_the_weakest_values() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let mut old = line();
    let context = &mut old["input"]["context"];
    for (record, name) in [
        ("session", "trusted"),
        ("session", "authenticatorAge"),
        ("factors", "reset"),
    ] {
        context[record].as_object_mut().unwrap().remove(name);
    }
    let inquiry = read(&old).unwrap().inquiry(&bundle).unwrap();
    assert_eq!(inquiry.assumed().len(), 3);
    assert_eq!(bundle.answer(&inquiry).reason, ["step-up-begin"]);
}

#[test]
fn what_is_wrong_with_a_line_is_named() {
    for name in [
        "decision_id",
        "timestamp",
        "request_id",
        "bundle",
        "input",
        "strong_acr",
        "masked",
        "erased",
        "result",
    ] {
        let error = read(&without(name)).unwrap_err();
        assert_eq!(error, format!("{name:?} is missing"));
    }
    for (pointer, value, said) in [
        ("/decision_id", json!(1), "\"decision_id\" is not a string"),
        (
            "/timestamp",
            json!("today"),
            "\"timestamp\": \"today\" is not a time",
        ),
        ("/bundle", json!("r"), "\"bundle\" is a JSON object"),
        ("/input", json!([]), "\"input\" is a JSON object"),
        (
            "/strong_acr",
            json!("phr"),
            "\"strong_acr\" is not a list of strings",
        ),
        ("/masked", json!([1]), "\"masked\" is not a list of strings"),
        ("/result/decision", json!("maybe"), "not \"maybe\""),
        (
            "/result/reasons",
            json!({}),
            "\"reasons\" is not a list of strings",
        ),
        ("/result/code", json!(403), "\"code\" is not a string"),
    ] {
        let error = read(&with(pointer, value)).unwrap_err();
        assert!(error.contains(said), "{pointer}: {error}");
    }
    let text = line().to_string();
    let cut = Recorded::read(&text[..text.len() / 2]).unwrap_err();
    assert_eq!(cut, "it is cut off: its end is missing");
    let twice = text.replacen('{', "{\"timestamp\":\"\",", 1);
    let twice = Recorded::read(&twice).unwrap_err();
    assert!(twice.contains("\"timestamp\" is repeated"), "{twice}");
    for no_object in ["[]", "1", "null"] {
        let error = Recorded::read(no_object).unwrap_err();
        assert_eq!(error, "a decision is a JSON object");
    }
}

#[test]
fn a_line_without_a_cedar_request_says_why_there_is_none() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let mut line = with("/result/errors", json!(["the claim is no String"]));
    line["input"].as_object_mut().unwrap().remove("entities");
    let error = read(&line).unwrap().inquiry(&bundle).unwrap_err();
    assert_eq!(
        error,
        "it has no entities, as no Cedar request could be made then: the claim is no String"
    );
}
