//! `cedargate policy explain`.

mod operators;

use std::process::Output;

use serde_json::{Value, json};

use crate::support::case::{ALICE, second_factor};
use crate::support::policy_home::Home;
use crate::support::program::{stderr, stdout};

/// Runs `cedargate policy explain` with this text on stdin.
fn explain(home: &Home, arguments: &[&str], stdin: &str) -> Output {
    home.run_on(&[&["policy", "explain"], arguments].concat(), stdin)
}

fn json_of(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Checks the exit code of a run that must fail, and returns its message.
fn refused(home: &Home, arguments: &[&str], stdin: &str, code: i32) -> String {
    let output = explain(home, arguments, stdin);
    assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
    stderr(&output).to_owned()
}

/// Begins to enrol a second factor, 4000 seconds after a strong sign-in.
fn request() -> Value {
    let case = second_factor();
    let mut request = json!({"request": case["request"], "entities": case["entities"]});
    request["request"]["context"]["session"]["sinceStrong"] = json!("4000s");
    request
}

fn recorded(decision_id: &str, request_id: &str) -> Value {
    let request = request();
    let mut input = request["request"].clone();
    input["entities"] = request["entities"].clone();
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
fn request_by_flags_is_explained_as_text_and_as_json() {
    let home = Home::new();
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
    let output = explain(&home, &flags, "");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    insta::assert_snapshot!(stdout(&output));

    let report = json_of(&explain(&home, &[&flags[..], &["--json"]].concat(), ""));
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
    let home = Home::new();
    let shipped = std::fs::read_to_string(home.path("tests/policies/step-up.json")).unwrap();
    let shipped: Vec<Value> = serde_json::from_str(&shipped).unwrap();
    let case = &shipped[0];
    let name = case["name"].as_str().unwrap();
    let report = json_of(&explain(&home, &["--json", "--case", name], ""));
    for member in ["decision", "reason"] {
        assert_eq!(report[member], case[member], "{member} of {name}");
    }
    let near = format!("{name}s");
    let complaint = refused(&home, &["--case", &near], "", 2);
    assert!(
        complaint.contains(&format!("did you mean {name:?}?")),
        "{complaint}"
    );
    let elsewhere = ["--case", name, "--tests", "tests/policies/open-doors.json"];
    let complaint = refused(&home, &elsewhere, "", 2);
    assert!(complaint.contains("there is no case named"), "{complaint}");

    let copy = home.path("tests/policies/copy.json");
    std::fs::write(&copy, format!("[\n{}]", case)).unwrap();
    let complaint = refused(&home, &["--case", name], "", 2);
    let both = ["tests/policies/copy.json:2", "tests/policies/step-up.json:"];
    assert!(
        both.iter().all(|place| complaint.contains(place)),
        "{complaint}"
    );
    let one = ["--case", name, "--tests", "tests/policies/copy.json"];
    assert_eq!(explain(&home, &one, "").status.code(), Some(0));

    std::fs::write(
        &copy,
        "[{\"name\": \"half\"},\n {\"name\": \"broken\", \"request\": {}, \"entities\": []}]",
    )
    .unwrap();
    let complaint = refused(&home, &["--case", "broken"], "", 1);
    assert!(complaint.contains("copy.json:2:32"), "{complaint}");
    assert!(
        complaint.contains("\"principal\" is missing"),
        "{complaint}"
    );
    std::fs::write(&copy, "[{").unwrap();
    let complaint = refused(&home, &["--case", "broken"], "", 1);
    assert!(complaint.contains("copy.json:1:"), "{complaint}");
    assert_eq!(explain(&home, &["--case", name], "").status.code(), Some(0));
}

#[test]
fn request_in_a_file_or_on_stdin_is_explained() {
    let home = Home::new();
    let text = serde_json::to_string_pretty(&request()).unwrap();
    std::fs::write(home.path("request.json"), &text).unwrap();
    let report = json_of(&explain(
        &home,
        &["--request", "request.json", "--json"],
        "",
    ));
    assert_eq!(report["reason"], json!(["step-up-begin"]));
    assert_eq!(
        report,
        json_of(&explain(&home, &["--request", "-", "--json"], &text))
    );

    let mut with_acr = request();
    with_acr["strong_acr"] = json!(["phr"]);
    with_acr["request"]["context"]["factors"]["count"] = json!(0);
    with_acr["decision"] = json!("allow");
    let report = json_of(&explain(
        &home,
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
            "\"request\" is not a JSON object",
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
            "\"entities\" is not a list",
        ),
    ] {
        let complaint = refused(&home, &["--request", "-"], &wrong, 2);
        assert!(complaint.contains(said), "{said}: {complaint}");
        assert!(complaint.contains("stdin"), "{complaint}");
    }
    let complaint = refused(&home, &["--request", "missing.json"], "", 2);
    assert!(complaint.contains("missing.json"), "{complaint}");
}

#[test]
fn line_of_the_decision_log_is_explained_and_compared() {
    let home = Home::new();
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
    std::fs::write(home.path("decisions.jsonl"), lines.join("\n")).unwrap();
    let log = |id: &'static str| ["--log", "decisions.jsonl", "--id", id, "--json"];
    let report = json_of(&explain(&home, &log("request-a"), ""));
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
        json_of(&explain(&home, &log(two), ""))["recorded"]["decision"],
        "allow"
    );
    let output = explain(&home, &["--log", "-"], &lines[0]);
    let said = "\nRecorded: allow, by own-factors, revision 0123456789abcdef\n";
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
            "the log has several decisions",
        ),
        (&["--log", "-"], "\n", "the log has no decision"),
        (&["--log", "-"], "{\"decision_id\": 1}", "stdin:1:1"),
        (&["--log", "missing.jsonl"], "", "missing.jsonl"),
    ] {
        let complaint = refused(&home, arguments, stdin, 2);
        assert!(complaint.contains(said), "{said}: {complaint}");
    }
    let mut hidden = recorded(one, "a");
    hidden["masked"] = json!(["input.entities.claims.employment"]);
    let output = explain(&home, &["--log", "-"], &hidden.to_string());
    assert!(
        stdout(&output).contains("Masked in the log, so this result may differ from the recorded one: input.entities.claims.employment"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn policies_that_do_not_load_are_shown_with_exit_code_1() {
    let home = Home::new();
    std::fs::write(home.path("policies/bad.cedar"), "permit (\n").unwrap();
    let complaint = refused(&home, &["--action", "readApiDescription"], "", 1);
    assert!(complaint.contains("bad.cedar:"), "{complaint}");
    let elsewhere = ["--policies", "missing", "--action", "readApiDescription"];
    let complaint = refused(&home, &elsewhere, "", 2);
    assert!(complaint.contains("missing"), "{complaint}");
}
