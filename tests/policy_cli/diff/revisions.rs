//! Revisions of a git repository.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::{changes, policies};
use crate::support::policy_home::Home;
use crate::support::program::{stderr, stdout};

fn git(home: &Home, arguments: &[&str]) {
    let output = Command::new("git")
        .current_dir(home.path(""))
        .args([
            "-c",
            "user.name=Admin",
            "-c",
            "user.email=admin@example.com",
        ])
        .args([
            "-c",
            "commit.gpgsign=false",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn commit(home: &Home) {
    git(home, &["add", "--all"]);
    git(home, &["commit", "--quiet", "--message", "change"]);
}

/// A repository with the shipped policies on the branch `main`. On `topic`, which is checked out,
/// one is removed.
fn repository() -> Home {
    let home = Home::with_few();
    git(&home, &["init", "--quiet"]);
    commit(&home);
    git(&home, &["branch", "-M", "main"]);
    git(&home, &["checkout", "--quiet", "-b", "topic"]);
    home.remove("policies/examples/one-network.cedar");
    commit(&home);
    home
}

#[test]
fn two_revisions_are_compared_whatever_is_checked_out() {
    let home = repository();
    home.edit(
        "policies/20-security-keys.cedar",
        "This authenticator",
        "It",
    );
    let removed = json!({"removed": ["example-one-network"]});
    for sides in [
        &["main..topic"][..],
        &["main.."],
        &["main", "HEAD"],
        &["HEAD~1", "topic"],
    ] {
        let report = home.json(&[&["policy", "diff", "--json"], sides].concat());
        assert_eq!(policies(&report), removed, "{sides:?}");
        let widening = (
            "widening",
            vec!["example-one-network"],
            "from elsewhere".to_owned(),
        );
        assert_eq!(changes(&report), [widening]);
    }
    // uncommitted changes
    let report = home.json(&["policy", "diff", "HEAD", "--json"]);
    assert_eq!(
        policies(&report),
        json!({"changed": ["security-key-not-synced"]})
    );
    let report = home.json(&["policy", "diff", "main", ".", "--json"]);
    let both = json!({"removed": ["example-one-network"], "changed": ["security-key-not-synced"]});
    assert_eq!(policies(&report), both);
    // places in a revision are written as git writes them
    let output = home.run(&["policy", "diff", "main..HEAD"]);
    let place = "main:policies/examples/one-network.cedar:3";
    assert!(stdout(&output).contains(place), "{}", stdout(&output));
}

#[test]
fn folders_of_a_revision_are_relative_to_the_working_directory() {
    let home = repository();
    let mut command = home.command(&["policy", "diff", "main..topic", "--json"]);
    let below = command.current_dir(home.path("tests")).output().unwrap();
    assert_eq!(below.status.code(), Some(2));
    assert!(
        stderr(&below).contains("--> main:tests/schema/"),
        "{}",
        stderr(&below)
    );
    let flags = [
        "--policies",
        "../policies",
        "--schema",
        "../schema",
        "--tests",
        "policies",
    ];
    let mut command = home.command(&["policy", "diff", "main..topic"]);
    let below = command
        .current_dir(home.path("tests"))
        .args(flags)
        .output()
        .unwrap();
    assert_eq!(below.status.code(), Some(0), "{}", stderr(&below));
    assert!(stdout(&below).contains("1 widening"), "{}", stdout(&below));
    let outside = home.run(&[
        "policy",
        "diff",
        "main..topic",
        "--policies",
        "/etc/cedargate",
    ]);
    assert_eq!(outside.status.code(), Some(2));
    assert!(
        stderr(&outside).contains("not in the repository"),
        "{}",
        stderr(&outside)
    );
}

#[test]
fn name_that_is_no_revision_is_refused_and_never_read_as_an_option() {
    let home = repository();
    let run = |old: &str| home.run(&["policy", "diff", "--", old]);
    for (name, said) in [
        ("topik", "did you mean \"topic\"?"),
        ("topic..mian", "did you mean \"main\"?"),
        ("main...topic", "three dots"),
        ("--help", "is neither a folder nor a revision"),
        ("--output=written", "is neither a folder nor a revision"),
        ("-v..HEAD", "is neither a folder nor a revision"),
        (
            "HEAD:policies/00-open-doors.cedar",
            "is neither a folder nor a revision",
        ),
        ("HEAD\nHEAD", "is neither a folder nor a revision"),
        ("", "is neither a folder nor a revision"),
    ] {
        let output = run(name);
        assert_eq!(output.status.code(), Some(2), "{name}: {output:?}");
        assert!(
            stderr(&output).contains(said),
            "{name}: {}",
            stderr(&output)
        );
        assert_eq!(stdout(&output), "");
    }
    assert!(!Path::new(&home.path("written")).exists());
}

#[test]
fn missing_git_and_missing_repository_are_reported() {
    let home = Home::new();
    let mut command = home.command(&["policy", "diff", "main..HEAD"]);
    let alone = command
        .env("GIT_CEILING_DIRECTORIES", home.path(".."))
        .output()
        .unwrap();
    assert_eq!(alone.status.code(), Some(2));
    assert!(
        stderr(&alone).contains("not a git repository"),
        "{}",
        stderr(&alone)
    );
    let nowhere = tempfile::tempdir().unwrap();
    let mut command = home.command(&["policy", "diff", "main..HEAD"]);
    let missing = command.env("PATH", nowhere.path()).output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
    for said in ["git cannot be started", "install git, or name two folders"] {
        assert!(stderr(&missing).contains(said), "{}", stderr(&missing));
    }
}

#[test]
fn a_revision_that_does_not_load_is_named_with_its_line() {
    let home = repository();
    home.edit("policies/00-open-doors.cedar", "permit (", "premit (");
    home.write("policies/empty.cedar", "");
    commit(&home);
    home.remove("policies/empty.cedar");
    commit(&home);
    let output = home.run(&["policy", "diff", "main..HEAD"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("--> HEAD:policies/00-open-doors.cedar:6"),
        "{}",
        stderr(&output)
    );
    let output = home.run(&["policy", "diff", "main..HEAD~1"]);
    assert!(
        stderr(&output).contains("--> HEAD~1:policies/empty.cedar"),
        "{}",
        stderr(&output)
    );
    assert!(
        stderr(&output).contains("this file is empty"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn schema_of_another_version_is_replaced_with_a_note() {
    let home = repository();
    home.edit("schema/gate.cedarschema", "version 1", "version 0");
    home.edit(
        "schema/site.cedarschema",
        "employment?: String,",
        "employment?: String, age?: Long,",
    );
    commit(&home);
    let output = home.run(&["policy", "diff", "main..HEAD", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let note = "note: HEAD:schema/gate.cedarschema is from another version of cedargate";
    assert!(stderr(&output).contains(note), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["claims"]["added"], json!(["age"]));
}

#[cfg(unix)]
#[test]
fn symlinked_folder_in_a_revision_is_an_error() {
    let home = repository();
    std::os::unix::fs::symlink("/etc/hostname", home.path("policies/.hidden")).unwrap();
    commit(&home);
    assert_eq!(
        home.run(&["policy", "diff", "main..HEAD"]).status.code(),
        Some(0)
    );
    std::os::unix::fs::symlink("../elsewhere", home.path("policies/more")).unwrap();
    commit(&home);
    let output = home.run(&["policy", "diff", "main..HEAD"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("HEAD:policies/more"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn folder_is_preferred_to_a_revision_of_its_name() {
    let home = repository();
    home.keep_as("main");
    let report = home.json(&["policy", "diff", "main", "HEAD", "--json"]);
    assert_eq!(policies(&report), json!({}));
    let report = home.json(&["policy", "diff", "refs/heads/main", "HEAD", "--json"]);
    assert_eq!(
        policies(&report),
        json!({"removed": ["example-one-network"]})
    );
}
