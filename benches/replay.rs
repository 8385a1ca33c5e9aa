//! Measures `policy replay` over 100 000 recorded decisions: the shipped cases, repeated for many users
//! and times.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "figures go to stdout, and the recorded decisions are those of the tests"
)]

#[path = "../tests/support/recorded.rs"]
mod recorded;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

const DECISIONS: usize = 100_000;
const USERS: usize = 5_000;

fn main() {
    let folder = tempfile::tempdir().expect("a folder for the log");
    let log = folder.path().join("decisions.jsonl");
    let lines: Vec<_> = recorded::lines().iter().map(Value::to_string).collect();
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
        let started = Instant::now();
        let output = Command::new(env!("CARGO_BIN_EXE_cedargate"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["policy", "replay", "--json"])
            .arg(&log)
            .output()
            .expect("the program");
        let seconds = started.elapsed().as_secs_f64();
        let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        assert_eq!(report["same"], DECISIONS, "{report}");
        println!(
            "round {round}: {DECISIONS} decisions, {} MB: {seconds:.2} s, {:.0} a second",
            bytes / 1_000_000,
            DECISIONS as f64 / seconds
        );
    }
}
