//! Lines of a decision log, made from policy test cases.

use std::path::Path;

use cedargate_policy::{Bundle, Sources, cases};
use serde_json::{Value, json};

/// A line for each shipped case, always in the same order, decided by the shipped policies.
pub fn lines() -> Vec<Value> {
    lines_of("tests/policies")
}

/// A line for each case at this path in the repository, decided by the shipped policies.
pub fn lines_of(path: &str) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = Sources::read(&root.join("policies"), &root.join("schema")).unwrap();
    let bundle = Bundle::load(&sources).unwrap();
    let (cases, findings) = cases::read_all(&[root.join(path)]);
    assert!(findings.0.is_empty(), "{findings}");
    let line = |(at, case): (usize, &cases::Case)| {
        let decision = bundle.evaluate(&case.prepare_request(&bundle).unwrap());
        let text = std::fs::read_to_string(&case.file).unwrap();
        let all: Vec<Value> = serde_json::from_str(&text).unwrap();
        let written = all.iter().find(|one| one["name"] == case.name.as_str());
        let written = written.unwrap();
        let mut input = written["request"].clone();
        input["entities"] = written["entities"].clone();
        let mut line = json!({
            "decision_id": format!("019bc0de-0000-7000-8000-{at:012}"),
            "timestamp": "2026-01-15T09:00:00Z",
            "request_id": format!("r-{at}"),
            "labels": {"version": "0.1.0"},
            "bundle": {"revision": bundle.revision()},
            "input": input,
            "strong_acr": written.get("strong_acr").cloned().unwrap_or(json!([])),
            "masked": [],
            "erased": [],
            "result": {
                "decision": decision.as_cedar(),
                "reasons": decision.policies,
                "notices": decision.notices,
                "code": decision.code(),
                "errors": decision.errors,
            },
            "requested_by": null,
            "metrics": {"evaluation_ns": 1},
        });
        if let Some(means) = written.get("means") {
            line["means"] = means.clone();
        }
        line
    };
    cases.iter().enumerate().map(line).collect()
}
