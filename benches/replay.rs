//! `policy replay` over 100 000 recorded decisions: the shipped cases, each of many users and moments.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use cedargate::policy::{Bundle, Sources, cases};
use serde_json::{Value, json};

const DECISIONS: usize = 100_000;
const USERS: usize = 5_000;

/// The lines of the log that the shipped cases would have left, `alice` and the moment left to fill in.
fn lines() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = Sources::read(&root.join("policies"), &root.join("schema"));
    let bundle = Bundle::load(&sources.expect("the shipped policies")).expect("a bundle");
    let (cases, findings) = cases::read_all(&[root.join("tests/policies")]);
    assert!(findings.0.is_empty(), "{findings}");
    let line = |case: &cases::Case| {
        let inquiry = case.inquiry(&bundle).expect("a case that can be asked");
        let verdict = bundle.answer(&inquiry);
        let text = std::fs::read_to_string(&case.file).expect("the file of the case");
        let all: Vec<Value> = serde_json::from_str(&text).expect("a list of cases");
        let written = all.iter().find(|one| one["name"] == case.name.as_str());
        let written = written.expect("the case by its name");
        let mut input = written["request"].clone();
        input["entities"] = written["entities"].clone();
        let line = json!({
            "decision_id": "019bc0de-0000-7000-8000-000000000001",
            "timestamp": "2026-01-15T09:00:00Z", "request_id": "r",
            "labels": {}, "bundle": {"revision": bundle.revision()},
            "input": input, "strong_acr": [], "masked": [], "erased": [],
            "result": {
                "decision": verdict.decision, "reasons": verdict.reason, "code": verdict.code,
                "notices": verdict.notices, "errors": verdict.errors,
            },
            "requested_by": null, "metrics": {"evaluation_ns": 1},
        });
        line.to_string()
    };
    cases.iter().map(line).collect()
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder for the log");
    let log = folder.path().join("decisions.jsonl");
    let lines = lines();
    let mut file = BufWriter::new(File::create(&log).expect("the log"));
    for number in 0..DECISIONS {
        let line = lines[number % lines.len()]
            .replace("|alice", &format!("|user-{}", number * 7 % USERS))
            .replace(
                "09:00:00Z",
                &format!("09:{:02}:{:02}Z", number / 60 % 60, number % 60),
            );
        writeln!(file, "{line}").expect("a line of the log");
    }
    let file = file.into_inner().expect("the whole log");
    let bytes = file.metadata().expect("its size").len();
    for round in 1..=3 {
        let begun = Instant::now();
        let output = Command::new(env!("CARGO_BIN_EXE_cedargate"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["policy", "replay", "--json"])
            .arg(&log)
            .output()
            .expect("the program");
        let seconds = begun.elapsed().as_secs_f64();
        let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        assert_eq!(report["same"], DECISIONS, "{report}");
        println!(
            "round {round}: {DECISIONS} decisions, {} MB: {seconds:.2} s, {:.0} a second",
            bytes / 1_000_000,
            DECISIONS as f64 / seconds
        );
    }
}
