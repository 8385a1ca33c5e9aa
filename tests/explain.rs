//! `cedargate policy explain`, as a person and a script meet it.

mod operators;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::gateway::copy_policies;

const ALICE: &str = "corp|2489e9ad-2ee2-8e00-8ec9-32d5f69181c0|alice";
const TENANT: &str = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";

/// A folder with the shipped policies and cases.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    copy_policies(home.path());
    let tests = home.path().join("tests/policies");
    std::fs::create_dir_all(&tests).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policies");
    for name in ["step-up.json", "tenant-isolation.json", "open-doors.json"] {
        std::fs::copy(shipped.join(name), tests.join(name)).unwrap();
    }
    home
}

fn explain(home: &Path, arguments: &[&str], stdin: &str) -> Output {
    let mut process = Command::new(env!("CARGO_BIN_EXE_cedargate"))
        .args(["policy", "explain"])
        .args(arguments)
        .current_dir(home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // a process that does not read it has gone away already
    let _ = process.stdin.take().unwrap().write_all(stdin.as_bytes());
    process.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn json_of(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What a wrong call says, with the folder it was made in left out.
fn refused(home: &Path, arguments: &[&str], stdin: &str, code: i32) -> String {
    let output = explain(home, arguments, stdin);
    assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
    stderr(&output).to_owned()
}

/// A second factor without a step-up.
fn request() -> Value {
    let parents =
        json!([{"type": "Gate::Issuer", "id": "corp"}, {"type": "Gate::Tenant", "id": TENANT}]);
    json!({
        "request": {
            "principal": format!("Gate::User::\"{ALICE}\""),
            "action": "Gate::Action::\"beginWebauthnRegistration\"",
            "resource": format!("Gate::Account::\"{ALICE}\""),
            "context": {
                "tenant": {"type": "Gate::Tenant", "id": TENANT},
                "methodType": {"type": "Gate::MethodType", "id": "webauthn_fido"},
                "session": {"amr": [], "acr": "", "sinceStrong": "4000s", "sinceBackupCode": "36500d"},
                "factors": {"count": 1, "methodTypes": [{"type": "Gate::MethodType", "id": "webauthn_passkey"}]},
                "network": {"address": "203.0.113.7"}, "now": "2026-01-15T09:00:00Z",
            },
        },
        "entities": [
            {"uid": {"type": "Gate::User", "id": ALICE}, "parents": parents,
                "attrs": {"account": {"type": "Gate::Account", "id": ALICE}, "claims": {}}},
            {"uid": {"type": "Gate::Account", "id": ALICE}, "attrs": {}, "parents": parents},
        ],
    })
}

fn recorded(decision_id: &str, request_id: &str) -> Value {
    let mut input = request()["request"].clone();
    input["entities"] = request()["entities"].clone();
    json!({
        "decision_id": decision_id, "request_id": request_id, "timestamp": "2026-01-15T09:00:00Z",
        "bundle": {"revision": "0123456789abcdef"}, "input": input, "strong_acr": ["gold"],
        "masked": [], "erased": [],
        "result": {
            "decision": "allow", "reasons": ["own-factors"], "notices": [], "code": null, "errors": [],
        },
    })
}

#[test]
fn a_request_by_flags_is_explained_for_people_and_for_scripts() {
    let home = home();
    let flags = [
        "--action",
        "beginWebauthnRegistration",
        "--user",
        ALICE,
        "--factors",
        "1:webauthn_passkey",
        "--acr",
        "phr",
        "--auth-age",
        "4000s",
        "--now",
        "2026-01-15T09:00:00Z",
    ];
    let output = explain(home.path(), &flags, "");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    insta::assert_snapshot!(stdout(&output));

    let report = json_of(&explain(
        home.path(),
        &[&flags[..], &["--json"]].concat(),
        "",
    ));
    assert_eq!(report["decision"], "deny");
    assert_eq!(report["reason"], json!(["step-up-begin"]));
    assert_eq!(report["code"], "step_up_required");
    assert!(report["notices"][0].as_str().unwrap().contains("confirm"));
    let first = &report["policies"][0];
    assert_eq!(first["id"], "step-up-begin");
    assert_eq!(first["effect"], "forbid");
    assert_eq!(first["determined"], true);
    let clause = &first["clauses"][1];
    assert_eq!(
        clause["text"],
        "context.session.sinceStrong <= duration(\"5m\")"
    );
    assert_eq!(
        (&clause["value"], &clause["line"]),
        (&json!(false), &json!(26))
    );
    assert_eq!(
        clause["observed"],
        json!({"context.session.sinceStrong": "1h6m40s"})
    );
    let changes = report["would_permit"].as_array().unwrap();
    let changes: Vec<_> = changes
        .iter()
        .map(|it| (&it["change"], &it["value"]))
        .collect();
    assert_eq!(
        changes,
        [
            (&json!("step_up"), &json!("phr")),
            (&json!("backup_code"), &json!("0s"))
        ]
    );
}

#[test]
fn a_test_case_is_explained_by_its_name() {
    let home = home();
    let shipped = std::fs::read_to_string(home.path().join("tests/policies/step-up.json")).unwrap();
    let shipped: Vec<Value> = serde_json::from_str(&shipped).unwrap();
    let case = &shipped[0];
    let name = case["name"].as_str().unwrap();
    let report = json_of(&explain(home.path(), &["--json", "--case", name], ""));
    for member in ["decision", "reason"] {
        assert_eq!(report[member], case[member], "{member} of {name}");
    }
    let near = format!("{name}s");
    let complaint = refused(home.path(), &["--case", &near], "", 2);
    assert!(
        complaint.contains(&format!("did you mean {name:?}?")),
        "{complaint}"
    );
    let elsewhere = ["--case", name, "--tests", "tests/policies/open-doors.json"];
    let complaint = refused(home.path(), &elsewhere, "", 2);
    assert!(complaint.contains("there is no case named"), "{complaint}");

    let copy = home.path().join("tests/policies/copy.json");
    std::fs::write(&copy, format!("[\n{}]", case)).unwrap();
    let complaint = refused(home.path(), &["--case", name], "", 2);
    let both = ["tests/policies/copy.json:2", "tests/policies/step-up.json:"];
    assert!(
        both.iter().all(|place| complaint.contains(place)),
        "{complaint}"
    );
    let one = ["--case", name, "--tests", "tests/policies/copy.json"];
    assert_eq!(explain(home.path(), &one, "").status.code(), Some(0));

    std::fs::write(
        &copy,
        "[{\"name\": \"half\"},\n {\"name\": \"broken\", \"request\": {}, \"entities\": []}]",
    )
    .unwrap();
    let complaint = refused(home.path(), &["--case", "broken"], "", 1);
    assert!(complaint.contains("copy.json:2:1"), "{complaint}");
    assert!(
        complaint.contains("\"principal\" is missing"),
        "{complaint}"
    );
    std::fs::write(&copy, "[{").unwrap();
    let complaint = refused(home.path(), &["--case", "broken"], "", 1);
    assert!(complaint.contains("copy.json:1:"), "{complaint}");
    assert_eq!(
        explain(home.path(), &["--case", name], "").status.code(),
        Some(0)
    );
}

#[test]
fn a_json_file_or_stdin_is_explained_as_it_is() {
    let home = home();
    let text = serde_json::to_string_pretty(&request()).unwrap();
    std::fs::write(home.path().join("request.json"), &text).unwrap();
    let report = json_of(&explain(
        home.path(),
        &["--request", "request.json", "--json"],
        "",
    ));
    assert_eq!(report["reason"], json!(["step-up-begin"]));
    assert_eq!(
        report,
        json_of(&explain(home.path(), &["--request", "-", "--json"], &text))
    );

    let mut with_acr = request();
    with_acr["strong_acr"] = json!(["phr"]);
    with_acr["request"]["context"]["factors"]["count"] = json!(0);
    with_acr["decision"] = json!("allow");
    let report = json_of(&explain(
        home.path(),
        &["--request", "-", "--json"],
        &with_acr.to_string(),
    ));
    assert_eq!(report["decision"], "allow");

    for (wrong, said) in [
        (
            text.replace("\"principal\"", "\"principle\""),
            "\"principal\" is missing",
        ),
        (
            text.replace("beginWebauthnR", "beginWebautnR"),
            "did you mean Gate::Action::\"beginWebauthnRegistration\"?",
        ),
        (
            text.replace("\"sinceStrong\"", "\"sinceStrongg\""),
            "\"context\": ",
        ),
        (
            "[]".to_owned(),
            "this is not a JSON object with \"request\" and \"entities\"",
        ),
        (
            "{\"request\": 1}".to_owned(),
            "\"request\" is a JSON object",
        ),
        ("{}".to_owned(), "\"request\" is missing"),
        (text[..text.len() / 2].to_owned(), "not a request: EOF"),
        (
            text.replacen("\"action\"", "\"principal\": \"\", \"action\"", 1),
            "\"principal\" is repeated",
        ),
        ("\u{feff}{}".to_owned(), "not a request"),
        (
            format!("{}1{}", "[".repeat(200), "]".repeat(200)),
            "nested more than",
        ),
        (
            json!({"request": {}, "entities": "e.json"}).to_string(),
            "\"entities\" is a list here",
        ),
    ] {
        let complaint = refused(home.path(), &["--request", "-"], &wrong, 2);
        assert!(complaint.contains(said), "{said}: {complaint}");
        assert!(complaint.contains("stdin"), "{complaint}");
    }
    let complaint = refused(home.path(), &["--request", "missing.json"], "", 2);
    assert!(complaint.contains("missing.json"), "{complaint}");
}

#[test]
fn a_line_of_the_decision_log_is_explained_and_compared() {
    let home = home();
    let (one, two) = (
        "0198c0de-0000-7000-8000-000000000001",
        "0198c0de-0000-7000-8000-000000000002",
    );
    let lines = [
        recorded(one, "request-a").to_string(),
        String::new(),
        recorded(two, "request-b").to_string(),
        recorded("0198c0de-0000-7000-8000-000000000003", "request-b").to_string(),
        "{\"decision_id\": \"cut-off\", \"inp".to_owned(),
    ];
    std::fs::write(home.path().join("decisions.jsonl"), lines.join("\n")).unwrap();
    let log = |id: &'static str| ["--log", "decisions.jsonl", "--id", id, "--json"];
    let report = json_of(&explain(home.path(), &log("request-a"), ""));
    assert_eq!(report["reason"], json!(["step-up-begin"]));
    assert_eq!(
        report["recorded"],
        json!({
            "decision": "allow", "reason": ["own-factors"], "code": null,
            "revision": "0123456789abcdef", "hidden": [],
        })
    );
    assert_eq!(report["would_permit"][0]["value"], "phr");
    assert_eq!(
        json_of(&explain(home.path(), &log(two), ""))["recorded"]["decision"],
        "allow"
    );
    let output = explain(home.path(), &["--log", "-"], &lines[0]);
    let said = "\nRecorded: allow, by own-factors, of revision 0123456789abcdef\n";
    assert!(stdout(&output).ends_with(said), "{}", stdout(&output));

    for (arguments, stdin, said) in [
        (
            &log("request-b")[..4],
            "",
            "2 decisions were made for request request-b",
        ),
        (
            &log("request-c")[..4],
            "",
            "no decision has the decision_id or request_id \"request-c\"",
        ),
        (&log("cut-off")[..4], "", "decisions.jsonl:5:1"),
        (
            &["--log", "decisions.jsonl"],
            "",
            "there are several decisions in it",
        ),
        (&["--log", "-"], "\n", "there is no decision in it"),
        (&["--log", "-"], "{\"decision_id\": 1}", "stdin:1:1"),
        (&["--log", "missing.jsonl"], "", "missing.jsonl"),
    ] {
        let complaint = refused(home.path(), arguments, stdin, 2);
        assert!(complaint.contains(said), "{said}: {complaint}");
    }
    let mut hidden = recorded(one, "a");
    hidden["masked"] = json!(["input.entities.claims.employment"]);
    let output = explain(home.path(), &["--log", "-"], &hidden.to_string());
    assert!(
        stdout(&output).contains("Not in the log, so it may have been decided on otherwise: input.entities.claims.employment"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn policies_that_do_not_load_are_a_finding() {
    let home = home();
    std::fs::write(home.path().join("policies/bad.cedar"), "permit (\n").unwrap();
    let complaint = refused(home.path(), &["--action", "readApiDescription"], "", 1);
    assert!(complaint.contains("bad.cedar:"), "{complaint}");
    let elsewhere = ["--policies", "missing", "--action", "readApiDescription"];
    let complaint = refused(home.path(), &elsewhere, "", 1);
    assert!(complaint.contains("missing"), "{complaint}");
}
