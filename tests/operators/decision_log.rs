//! The decision log: its lines, which decide the same again, and its files, which delay no request.

mod shadow;
mod targets;

use crate::support::deployment::{Deployment, SECURITY_KEYS_ONLY, TENANT};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use cedargate_policy::{Bundle, RecordedDecision, Sources, cases};
use serde_json::{Value, json};

use crate::support::authenticator::Attestation;
use crate::support::client::{Client, METHODS, REGISTER};
use crate::support::gateway::Gateway;
use crate::support::poll::until;

const FILE: &str = "decisions.jsonl";

/// A deployment that logs decisions to [`FILE`], with these further keys.
fn deployment(keys: &str) -> Deployment {
    logging_to(FILE, keys)
}

fn logging_to(file: &str, keys: &str) -> Deployment {
    Deployment::embedded().with_section(&format!("[decision_log]\nfile = \"{file}\"\n{keys}"))
}

/// The policies of a deployment.
fn bundle(deployment: &Deployment) -> Bundle {
    let home = deployment.home();
    let sources = Sources::read(&home.join("policies"), &home.join("schema")).unwrap();
    Bundle::load(&sources).unwrap()
}

fn text(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    text
}

fn lines(file: &Path) -> Vec<Value> {
    let text = text(file);
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Sends requests that are allowed and refused. Returns the actions of the expected decisions by
/// request id.
async fn ask_everything(
    deployment: &Deployment,
    gateway: &Gateway,
) -> BTreeMap<String, &'static [&'static str]> {
    let mut expected = BTreeMap::new();
    let nobody = Client::new(&gateway.url);
    let mut claims = deployment.claims("alice", TENANT);
    claims["employment"] = "contractor".into();
    claims["groups"] = json!(["staff", "it's me"]);
    let alice = nobody.with(deployment.sign(&claims), TENANT);
    let mut note = |answer: &crate::support::client::Answer, status: u16, actions| {
        assert_eq!(answer.status, status, "{answer:?}");
        expected.insert(answer.header("x-request-id").to_owned(), actions);
    };
    note(
        &nobody.get("/v1/openapi.json").await,
        200,
        &["readApiDescription"][..],
    );
    note(&nobody.get(METHODS).await, 401, &["unknown"]);
    note(&alice.get("/nowhere").await, 404, &["unknown"]);
    note(&alice.get(METHODS).await, 200, &["listMfaMethods"]);
    let elsewhere = alice.tenant(SECURITY_KEYS_ONLY);
    note(&elsewhere.get(METHODS).await, 403, &["listMfaMethods"]);
    // An invalid header is refused without a decision.
    assert_eq!(alice.tenant("none").get(METHODS).await.status, 400);

    let begun = alice.post_empty(REGISTER).await;
    note(&begun, 200, &["beginWebauthnRegistration"]);
    let attested = Attestation::to(&begun.body["options"], &deployment.origin());
    let done = alice
        .complete("webauthn_passkey", &attested.credential())
        .await;
    note(
        &done,
        200,
        &["completeWebauthnRegistration", "trustAuthenticator"],
    );
    let again = alice.post_empty(REGISTER).await;
    note(&again, 401, &["beginWebauthnRegistration"]);
    assert_eq!(again.code(), "step_up_required");
    expected
}

#[tokio::test]
async fn every_decision_leaves_a_line_that_decides_the_same_again() {
    let deployment = deployment("");
    let gateway = deployment.serve();
    let expected = ask_everything(&deployment, &gateway).await;
    let revision = gateway.ready["revision"].clone();
    gateway.stop();

    let file = deployment.home().join(FILE);
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let bundle = bundle(&deployment);
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text(&file).lines() {
        let recorded = RecordedDecision::read(line).unwrap();
        let again = bundle.evaluate(&recorded.prepare(&bundle).unwrap());
        assert!(again.is_same_answer(&recorded.result), "{again:?} {line}");
        assert_eq!(revision, recorded.revision);
        assert!(recorded.hidden.is_empty());
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["requested_by"], "127.0.0.1");
        assert!(line["metrics"]["evaluation_ns"].as_u64().unwrap() > 0);
        let action = line["input"]["action"].as_str().unwrap();
        let action = action.strip_prefix("Gate::Action::\"").unwrap();
        let actions = found.entry(recorded.request_id).or_default();
        actions.push(action.trim_end_matches('"').to_owned());
    }
    let found: Vec<_> = found
        .iter()
        .map(|(id, actions)| (id, actions.clone()))
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(id, actions)| (id, actions.iter().map(ToString::to_string).collect()))
        .collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn line_passes_as_a_test_case() {
    let deployment = deployment("");
    let gateway = deployment.serve();
    ask_everything(&deployment, &gateway).await;
    gateway.stop();
    let lines = lines(&deployment.home().join(FILE));
    let cases: Vec<_> = lines.iter().map(pasted).collect();
    let text = Value::from(cases).to_string();
    let bundle = bundle(&deployment);
    let outcomes = cases::run(&bundle, "pasted.json", &text, Path::new(".")).unwrap();
    assert_eq!(outcomes.len(), 9);
    for outcome in outcomes {
        assert!(outcome.passed(), "{outcome:?}");
    }
}

/// A line as a test case.
fn pasted(line: &Value) -> Value {
    let result = &line["result"];
    let mut case = json!({
        "name": line["decision_id"],
        "request": line["input"],
        "entities": line["input"]["entities"],
        "decision": result["decision"],
        "reason": result["reasons"],
        "notices": result["notices"],
        "num_errors": result["errors"].as_array().unwrap().len(),
    });
    if !result["code"].is_null() {
        case["code"] = result["code"].clone();
    }
    case
}

#[tokio::test]
async fn masked_values_are_in_no_line() {
    let keys = r#"mask = ["principal.claims.employment", "context.network.address"]"#;
    let deployment = deployment(keys);
    let gateway = deployment.serve();
    ask_everything(&deployment, &gateway).await;
    gateway.stop();
    let file = deployment.home().join(FILE);
    let written = text(&file);
    assert!(!written.contains("contractor"), "{written}");
    assert!(!written.contains("127.0.0.1"), "{written}");
    let bundle = bundle(&deployment);
    let mut erased = 0;
    for (line, text) in lines(&file).iter().zip(written.lines()) {
        assert_eq!(line["masked"], json!(["context.network.address"]));
        assert_eq!(line["requested_by"], Value::Null);
        let by_alice = line["input"]["principal"]
            .as_str()
            .unwrap()
            .contains("alice");
        let claim = json!(["principal.claims.employment"]);
        assert_eq!(line["erased"], if by_alice { claim } else { json!([]) });
        erased += usize::from(by_alice);
        // The masked line is still a request.
        RecordedDecision::read(text)
            .unwrap()
            .prepare(&bundle)
            .unwrap();
    }
    assert_eq!((erased, written.lines().count()), (7, 9));
}

#[tokio::test]
async fn dev_writes_a_decision_log_if_asked() {
    let home = tempfile::tempdir().unwrap();
    let gateway = Gateway::dev_with(home.path(), &["--decision-log", FILE]);
    let answer = Client::new(&gateway.url).get("/v1/openapi.json").await;
    assert_eq!(answer.status, 200);
    gateway.stop();
    let lines = lines(&home.path().join(FILE));
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["request_id"], answer.header("x-request-id"));
}
