//! Lines of the decision log that are parsed and decided again.

use serde_json::{Value, json};

use super::running_cases::case;
use super::*;

/// Returns a line with the request of the case in `running_cases`.
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

fn read(line: &Value) -> Result<RecordedDecision, String> {
    RecordedDecision::read(&line.to_string()).map_err(|error| error.to_string())
}

/// Returns the line with another value of a member.
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
fn line_is_parsed_and_decided_again() {
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
    assert_eq!(recorded.result.policies, ["step-up-begin"]);
    let decision = bundle.evaluate(&recorded.prepare(&bundle).unwrap());
    assert_eq!(
        (decision.is_allow(), &decision.policies, decision.code()),
        (false, &recorded.result.policies, recorded.result.code())
    );
}

#[test]
fn strong_acr_values_of_a_line_decide_its_step_up() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let code = |strong: Value| {
        // Without an authenticator, only a sign-in at the issuer can be the step-up.
        let mut line = with("/input/context/factors/count", json!(0));
        line["input"]["context"]["factors"]["methodTypes"] = json!([]);
        line["input"]["context"]["session"]["sinceBackupCode"] = json!("36500d");
        line["input"]["action"] = json!("Gate::Action::\"regenerateBackupCodes\"");
        line["input"]["context"]
            .as_object_mut()
            .unwrap()
            .remove("methodType");
        line["strong_acr"] = strong;
        let prepared = read(&line).unwrap().prepare(&bundle).unwrap();
        bundle.evaluate(&prepared).code().unwrap().to_owned()
    };
    assert_eq!(code(json!(["phr"])), "step_up_required");
    assert_eq!(code(json!([])), "forbidden");
}

#[test]
fn means_of_a_line_decide_whether_recovery_is_required() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let code = |line: &Value| {
        let prepared = read(line).unwrap().prepare(&bundle).unwrap();
        bundle.evaluate(&prepared).code().unwrap().to_owned()
    };
    assert_eq!(
        code(&line()),
        "step_up_required",
        "lines of older releases have no means"
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
fn line_of_an_older_release_gets_the_weakest_values() {
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
    let prepared = read(&old).unwrap().prepare(&bundle).unwrap();
    assert_eq!(prepared.assumed().len(), 3);
    assert_eq!(bundle.evaluate(&prepared).policies, ["step-up-begin"]);
}

#[test]
fn malformed_line_is_refused_with_the_member() {
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
    for (pointer, value, expected) in [
        ("/decision_id", json!(1), "\"decision_id\" is not a string"),
        (
            "/timestamp",
            json!("today"),
            "\"timestamp\": \"today\" is not a time",
        ),
        ("/bundle", json!("r"), "\"bundle\" is not a JSON object"),
        ("/input", json!([]), "\"input\" is not a JSON object"),
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
        assert!(error.contains(expected), "{pointer}: {error}");
    }
    let text = line().to_string();
    let cut = RecordedDecision::read(&text[..text.len() / 2])
        .unwrap_err()
        .to_string();
    assert_eq!(cut, "it is cut off: its end is missing");
    let twice = text.replacen('{', "{\"timestamp\":\"\",", 1);
    let twice = RecordedDecision::read(&twice).unwrap_err().to_string();
    assert!(twice.contains("\"timestamp\" is repeated"), "{twice}");
    for text in ["[]", "1", "null"] {
        let error = RecordedDecision::read(text).unwrap_err().to_string();
        assert_eq!(error, "it is not a JSON object");
    }
}

#[test]
fn line_without_entities_is_refused_with_its_error() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let mut line = with("/result/errors", json!(["the claim is not a String"]));
    line["input"].as_object_mut().unwrap().remove("entities");
    let error = read(&line).unwrap().prepare(&bundle).unwrap_err();
    assert_eq!(
        error.to_string(),
        "it has no entities, because the request did not conform to the schema: the claim is not a String"
    );
}
