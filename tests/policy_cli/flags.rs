//! The flags that all policy tools share: the same defaults, and the same exit code for a missing path.

use std::process::Output;

use serde_json::Value;

use crate::support::policy_home::{FEW, Home};
use crate::support::program::{stderr, stdout};
use crate::support::recorded;

/// One call of each tool, which needs nothing but the shared flags and a log.
const TOOLS: [&[&str]; 6] = [
    &["check", "--warn"],
    &["test"],
    &["explain", "--action", "readApiDescription"],
    &["diff", "old"],
    &["replay", "decisions.jsonl"],
    &["format", "--check"],
];

/// A home with a decision log, and with a copy of the policies in `old`.
fn home() -> Home {
    let home = Home::with_few();
    home.keep_as("old");
    let lines: Vec<_> = recorded::lines_of(FEW)
        .iter()
        .map(Value::to_string)
        .collect();
    home.write("decisions.jsonl", lines.join("\n"));
    home
}

fn policy(home: &Home, tool: &[&str], flags: &[&str]) -> Output {
    home.run(&[&["policy"], tool, flags].concat())
}

#[track_caller]
fn assert_usage_error(output: &Output, message: &str) {
    assert_eq!(output.status.code(), Some(2), "{}", stdout(output));
    assert_eq!(stdout(output), "");
    assert!(stderr(output).contains(message), "{}", stderr(output));
}

#[test]
fn missing_path_of_any_shared_flag_ends_every_tool_with_2() {
    let home = home();
    for tool in TOOLS {
        for flag in ["--policies", "--schema", "--tests", "--config"] {
            let output = policy(&home, tool, &[flag, "no/such/path"]);
            assert_usage_error(&output, "--> no/such/path");
        }
    }
}

#[test]
fn missing_default_folder_ends_every_tool_that_needs_it_with_2() {
    let home = home();
    std::fs::rename(home.path("policies"), home.path("elsewhere")).unwrap();
    for tool in TOOLS {
        assert_usage_error(&policy(&home, tool, &[]), "--> ./policies");
    }
    std::fs::rename(home.path("elsewhere"), home.path("policies")).unwrap();
    std::fs::remove_dir_all(home.path("tests")).unwrap();
    assert_usage_error(&policy(&home, &["test"], &[]), "--> ./tests/policies");
    let explain = policy(&home, &["explain", "--case", "x"], &[]);
    assert_usage_error(&explain, "--> ./tests/policies");
    // the other tools have something to do without test cases
    let diff = policy(&home, &["diff", "old"], &[]);
    assert_eq!(diff.status.code(), Some(0), "{}", stderr(&diff));
}

#[test]
fn every_tool_takes_all_shared_flags() {
    let home = home();
    home.keep_as("site");
    home.write(
        "site/cedargate.toml",
        "[policies]\ncanaries = \"off\"\n[[issuers]]\nname = \"corp\"\n[[issuers]]\nname = \"dev\"\n",
    );
    let flags = [
        "--policies",
        "site/policies",
        "--schema",
        "site/schema",
        "--tests",
        "tests/policies",
        "--config",
        "site/cedargate.toml",
    ];
    for tool in TOOLS {
        let output = policy(&home, tool, &flags);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
}

#[test]
fn configuration_names_the_default_folders_of_every_tool() {
    let home = home();
    home.keep_as("site");
    home.write(
        "site/cedargate.toml",
        "[[issuers]]\nname = \"corp\"\n[[issuers]]\nname = \"dev\"\n",
    );
    home.write("site/policies/50-broken.cedar", "permit");
    let configured = ["--config", "site/cedargate.toml"];
    for tool in TOOLS {
        let output = policy(&home, tool, &configured);
        assert_eq!(output.status.code(), Some(1), "{tool:?}");
        let said = format!("{}{}", stdout(&output), stderr(&output));
        assert!(said.contains("site/policies/50-broken.cedar"), "{said}");
    }
}

#[test]
fn positional_paths_are_an_older_spelling_of_the_flags() {
    let home = home();
    let ours = "policies/10-tenant-isolation.cedar";
    for (tool, flag, path) in [
        (&["check", "--json"][..], "--policies", ours),
        (&["format", "--check"], "--policies", ours),
        (&["test"], "--tests", "tests/policies/few.json"),
    ] {
        let positional = policy(&home, tool, &[path]);
        let flagged = policy(&home, tool, &[flag, path]);
        assert_eq!(positional.status.code(), Some(0), "{tool:?}");
        assert_eq!(stdout(&positional), stdout(&flagged));
        let both = policy(&home, tool, &[path, flag, path]);
        assert_usage_error(&both, "cannot be used with");
        assert_usage_error(&policy(&home, tool, &["no/such/path"]), "no/such/path");
    }
}

#[test]
fn tools_that_decide_take_one_policy_folder() {
    let home = home();
    let file = "policies/10-tenant-isolation.cedar";
    for tool in &TOOLS[1..5] {
        let output = policy(&home, tool, &["--policies", file]);
        assert_usage_error(&output, "this is a file");
        let twice = ["--policies", "policies", "--policies", "old/policies"];
        let output = policy(&home, tool, &twice);
        assert_usage_error(&output, "this is a second policy path");
    }
}
