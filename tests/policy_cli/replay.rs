//! `cedargate policy replay`: recorded decisions under other policies.

use serde_json::{Value, json};

use crate::support::policy_home::{FEW, Home};
use crate::support::program::{stderr, stdout};
use crate::support::recorded;

fn log(lines: &[Value]) -> String {
    let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
    lines.join("\n")
}

/// A folder with a log of the shipped cases, repeated this many times.
fn home(times: usize) -> (Home, usize) {
    let home = Home::new();
    let lines = recorded::lines();
    let all: Vec<_> = std::iter::repeat_n(&lines, times)
        .flatten()
        .cloned()
        .collect();
    home.write("decisions.jsonl", format!("{}\n", log(&all)));
    (home, all.len())
}

const REPLAY: [&str; 4] = ["policy", "replay", "decisions.jsonl", "--json"];

#[test]
fn same_policies_flip_no_decision() {
    let (home, all) = home(1);
    let nothing = json!({"count": 0, "first": []});
    assert_eq!(
        home.json(&REPLAY),
        json!({
            "decisions": all, "same": all, "flips": [], "masked": 0, "assumed": 0,
            "unasked": nothing, "unread": nothing,
        })
    );
    let output = home.run(&REPLAY[..3]);
    assert_eq!(
        stdout(&output),
        format!("{all} recorded decisions replayed: {all} unchanged, 0 changed\n")
    );
    let from_stdin = home.run_on(&["policy", "replay", "-"], &home.read("decisions.jsonl"));
    assert_eq!(stdout(&from_stdin), stdout(&output));
}

#[test]
fn flips_are_counted_widening_first_with_an_example_each() {
    let home = Home::new();
    home.write("decisions.jsonl", log(&recorded::lines_of(FEW)));
    home.change_policies();
    let output = home.run(&REPLAY[..3]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    insta::assert_snapshot!(stdout(&output));
}

#[test]
fn json_report_has_a_stable_shape() {
    let (home, all) = home(1);
    home.change_policies();
    let report = home.json(&REPLAY);
    let flips = report["flips"].as_array().unwrap();
    let kinds: Vec<_> = flips.iter().map(|flip| &flip["kind"]).collect();
    let mut sorted = kinds.clone();
    let order = ["widening", "narrowing", "answer"];
    sorted.sort_by_key(|kind| order.iter().position(|one| *kind == one));
    assert_eq!(kinds, sorted);
    let counts = flips.iter().map(|flip| flip["count"].as_u64().unwrap());
    let same = report["same"].as_u64().unwrap();
    assert_eq!(counts.sum::<u64>() + same, all as u64);
    let widening = &flips[0];
    assert_eq!(widening["policies"], json!(["example-one-network"]));
    let example = &widening["example"];
    assert_eq!(example["old"]["decision"], "deny");
    assert_eq!(example["old"]["code"], "network_not_allowed");
    assert_eq!(example["new"]["decision"], "allow");
    for text in ["decision_id", "principal", "action", "resource"] {
        assert!(!example[text].as_str().unwrap().is_empty(), "{text}");
    }
    let lines = recorded::lines();
    let line = &lines[usize::try_from(example["line"].as_u64().unwrap()).unwrap() - 1];
    assert_eq!(line["decision_id"], example["decision_id"]);
}

#[test]
fn report_does_not_depend_on_the_order_of_threads() {
    let (home, _) = home(12);
    home.change_policies();
    let first = home.run(&REPLAY);
    assert!(first.stdout.len() > 500);
    for _ in 0..3 {
        assert_eq!(home.run(&REPLAY).stdout, first.stdout);
    }
    let report: Value = serde_json::from_slice(&first.stdout).unwrap();
    let flip = &report["flips"][0];
    assert_eq!(flip["count"].as_u64().unwrap() % 12, 0);
    // the example is the first in the log
    assert!(flip["example"]["line"].as_u64().unwrap() <= recorded::lines().len() as u64);
}

#[test]
fn malformed_line_is_counted_and_named_by_its_number() {
    let home = Home::new();
    let few = recorded::lines_of(FEW);
    let lines = [&few[..], &few[..2]].concat();
    let mut foreign = lines[1].clone();
    foreign["input"]["action"] = json!("Gate::Action::\"sing\"");
    let mut claims = lines[2].clone();
    claims["input"]["entities"][0]["attrs"]["claims"] = json!({"shoe_size": 43});
    let mut undecided = lines[3].clone();
    undecided["input"]
        .as_object_mut()
        .unwrap()
        .remove("entities");
    let twice = lines[4].to_string().replacen('{', "{\"masked\":[],", 1);
    let cut = &lines[5].to_string()[..500];
    let texts = [
        lines[0].to_string(),
        foreign.to_string(),
        claims.to_string(),
        undecided.to_string(),
        twice,
        "not JSON".to_owned(),
        String::new(),
        "[1, 2]".to_owned(),
        lines[6].to_string(),
        cut.to_owned(),
    ];
    home.write("decisions.jsonl", texts.join("\n"));
    let report = home.json(&REPLAY);
    assert_eq!(
        (&report["decisions"], &report["same"]),
        (&json!(2), &json!(2))
    );
    let first = |what: &str| -> Vec<_> {
        assert_eq!(
            report[what]["count"],
            report[what]["first"].as_array().unwrap().len()
        );
        let lines = report[what]["first"].as_array().unwrap().iter();
        lines.map(|one| one["line"].as_u64().unwrap()).collect()
    };
    assert_eq!(first("unasked"), [2, 3, 4]);
    assert_eq!(first("unread"), [5, 6, 8, 10]);
    let output = home.run(&REPLAY[..3]);
    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!(stdout(&output));
}

#[test]
fn decisions_on_masked_values_are_reported() {
    let home = Home::new();
    let mut lines = recorded::lines();
    for line in &mut lines[..3] {
        line["masked"] = json!(["context.network.address"]);
        line["erased"] = json!([]);
    }
    // the same policies decide otherwise, since the address differs
    let masked = lines
        .iter_mut()
        .find(|line| line["result"]["reasons"] == json!(["example-one-network"]));
    let masked = masked.unwrap();
    masked["input"]["context"]["network"]["address"] = json!("203.0.113.1");
    masked["masked"] = json!(["context.network.address"]);
    home.write("decisions.jsonl", log(&lines));
    let report = home.json(&REPLAY);
    assert_eq!(report["masked"], 4);
    let flips = report["flips"].as_array().unwrap();
    assert_eq!(flips.len(), 1);
    assert_eq!(flips[0]["masked"], 1);
    // the recorded revision is that of the shipped folders, of which these are copies
    assert_eq!(flips[0]["same_bundle"], 1);
    let text = home.run(&REPLAY[..3]);
    for said in [
        "4 decisions have masked or erased values in the log",
        "1 decision was made by the same policies with another result",
    ] {
        assert!(stdout(&text).contains(said), "{}", stdout(&text));
    }
}

#[test]
fn decisions_of_an_older_release_have_the_weakest_values_and_one_note() {
    let home = Home::new();
    let mut lines = recorded::lines();
    lines.retain(|line| line["input"]["context"]["session"].is_object());
    for line in &mut lines {
        let context = &mut line["input"]["context"];
        for (record, name) in [
            ("session", "trusted"),
            ("session", "authenticatorAge"),
            ("factors", "reset"),
        ] {
            context[record].as_object_mut().unwrap().remove(name);
        }
        line.as_object_mut().unwrap().remove("means");
    }
    home.write("decisions.jsonl", log(&lines));
    let report = home.json(&REPLAY);
    assert_eq!(report["assumed"], lines.len());
    assert_eq!(report["decisions"], lines.len());
    let text = home.run(&REPLAY[..3]);
    let note = format!("note: {} decisions are from an older release", lines.len());
    assert_eq!(stdout(&text).matches(&note).count(), 1, "{}", stdout(&text));
}

#[test]
fn log_that_cannot_be_replayed_is_refused_with_the_reason() {
    let home = Home::new();
    home.write("decisions.jsonl", "hello\nworld\n");
    let output = home.run(&REPLAY[..3]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no line of this file is a recorded decision"));
    let output = home.run(&["policy", "replay", "missing.jsonl"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stdout(&output), "");
    assert!(
        stderr(&output).contains("missing.jsonl"),
        "{}",
        stderr(&output)
    );
    let output = home.run(&["policy", "replay", "policies"]);
    assert_eq!(output.status.code(), Some(2), "a folder is no log");
    home.write("decisions.jsonl", "");
    let output = home.run(&REPLAY[..3]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "an empty log holds nothing wrong"
    );
    home.edit("policies/00-open-doors.cedar", "permit (", "premit (");
    let output = home.run(&REPLAY[..3]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("00-open-doors.cedar:6"),
        "{}",
        stderr(&output)
    );
}
