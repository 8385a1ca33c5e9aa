//! `policy diff` with a decision log and with unreadable input, and its exit code.

use serde_json::{Value, json};

use super::{changed, one_of_each};
use crate::support::policy_home::Home;
use crate::support::program::{stderr, stdout};
use crate::support::recorded;

#[test]
fn fail_on_decides_the_exit_code() {
    let narrows = changed(|home| {
        home.edit(
            "policies/examples/one-network.cedar",
            "203.0.113.0/24",
            "203.0.113.0/32",
        );
    });
    let widens = changed(|home| {
        home.edit(
            "policies/examples/one-network.cedar",
            "203.0.113.0/24",
            "128.0.0.0/1",
        );
    });
    let run = |home: &Home, flags: &[&str]| home.run(&[&["policy", "diff", "old"], flags].concat());
    let code = |home: &Home, flags: &[&str]| run(home, flags).status.code();
    for (home, on_widening) in [(&narrows, 0), (&widens, 1)] {
        assert_eq!(code(home, &[]), Some(0));
        assert_eq!(code(home, &["--fail-on", "widening"]), Some(on_widening));
        assert_eq!(code(home, &["--fail-on", "any", "--json"]), Some(1));
    }
    assert_eq!(code(&widens, &["--fail-on", "never"]), Some(2));
    let output = run(&widens, &["--fail-on", "widening", "--json"]);
    assert!(stderr(&output).contains("would be allowed instead of refused"));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["changes"][0]["kind"], "widening");
}

#[test]
fn recorded_decisions_are_compared_too() {
    let home = changed(one_of_each);
    let mut lines = recorded::lines();
    lines[0]["masked"] = json!(["principal.claims.employment"]);
    let mut text: Vec<_> = lines.iter().map(Value::to_string).collect();
    text.push("{\"decision_id\": \"0".to_owned());
    home.write("decisions.jsonl", text.join("\n"));
    let log = ["policy", "diff", "old", "--log", "decisions.jsonl"];
    let report = home.json(&[&log[..], &["--json"]].concat());
    assert_eq!(report["decisions"], lines.len());
    assert_eq!(report["masked"], 1);
    let cut = json!([{"line": lines.len() + 1, "message": "it is cut off: its end is missing"}]);
    assert_eq!(report["unread"], cut);
    // the log has the requests of the cases, so every change is there twice
    let changes = report["changes"].as_array().unwrap();
    let (of_cases, of_log): (Vec<_>, Vec<_>) = changes
        .iter()
        .partition(|change| change.get("case").is_some());
    assert_eq!(of_cases.len(), of_log.len());
    let widening = &of_log[0];
    let at = usize::try_from(widening["line"].as_u64().unwrap()).unwrap();
    assert_eq!(widening["kind"], "widening");
    assert_eq!(widening["decision_id"], lines[at - 1]["decision_id"]);
    assert_eq!(widening["action"], lines[at - 1]["input"]["action"]);
    let output = home.run_on(&["policy", "diff", "old", "--log", "-"], &text.join("\n"));
    assert!(
        stdout(&output).contains("NOT READ: 1 line of the log"),
        "{}",
        stdout(&output)
    );
    let output = home.run(&["policy", "diff", "old", "--log", "missing"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn unreadable_input_is_named() {
    let home = changed(|home| home.edit("policies/00-open-doors.cedar", "permit (", "premit ("));
    let output = home.run(&["policy", "diff", "old"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("--> ./policies/00-open-doors.cedar:6"),
        "{}",
        stderr(&output)
    );
    let output = home.run(&["policy", "diff", ".", "old", "--json"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""));
    let output = home.run(&["policy", "diff", "old", "policies/00-open-doors.cedar"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("this is a file"),
        "{}",
        stderr(&output)
    );

    // an invalid test file: the others are compared, and the run fails
    let home = changed(|home| home.write("tests/policies/broken.json", "[{"));
    let output = home.run(&["policy", "diff", "old"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("no answer differs"));
    assert!(
        stderr(&output).contains("broken.json:1"),
        "{}",
        stderr(&output)
    );
    let output = home.run(&["policy", "diff", "old", "--tests", "missing"]);
    assert_eq!(output.status.code(), Some(2));
}
