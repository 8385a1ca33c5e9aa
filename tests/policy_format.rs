//! `policy format`, as a person and a workflow meet it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::Value;
use tempfile::TempDir;

use crate::policy_check::{home, policy, stderr, stdout, write};

const UNTIDY: &str = "// ours\n@id(\"ours\") @notice(\"No.\")\nforbid(principal,action in Gate::Action::\"enroll\",resource) // who\nwhen{context.factors.count>3};\n";
const TIDY: &str = "// ours
@id(\"ours\")
@notice(\"No.\")
forbid (
  principal,
  action in Gate::Action::\"enroll\",
  resource
) // who
when { context.factors.count > 3 };
";

fn text(home: &TempDir, name: &str) -> String {
    fs::read_to_string(home.path().join(name)).unwrap()
}

#[test]
fn what_is_shipped_is_formatted_already() {
    let home = home();
    for arguments in [&["format", "--check"][..], &["format"]] {
        let output = policy(&home, arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(
            stdout(&output).starts_with("0 of 11 files"),
            "{}",
            stdout(&output)
        );
    }
}

#[test]
fn what_is_not_formatted_is_shown_and_then_written() {
    let home = home();
    write(&home, "policies/50-ours.cedar", UNTIDY);
    let output = policy(&home, &["format", "--check"]);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(stderr(&output), @r#"
    warning[not_formatted]: this file is not formatted: it differs from here on
     --> ./policies/50-ours.cedar:2:1
      |
    2 | @id("ours") @notice("No.")
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write `@id("ours")` here, or run `cedargate policy format`
    "#);
    insta::assert_snapshot!(stdout(&output), @r"
    not formatted: ./policies/50-ours.cedar
    1 of 12 files not formatted
    ");
    assert_eq!(
        text(&home, "policies/50-ours.cedar"),
        UNTIDY,
        "nothing was written"
    );

    let file = home.path().join("policies/50-ours.cedar");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let output = policy(&home, &["format"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    insta::assert_snapshot!(stdout(&output), @r"
    formatted: ./policies/50-ours.cedar
    1 of 12 files changed
    ");
    assert_eq!(text(&home, "policies/50-ours.cedar"), TIDY);
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o640
    );
    let names = fs::read_dir(home.path().join("policies")).unwrap();
    let hidden = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with('.');
    assert_eq!(names.filter(|one| hidden(one.as_ref().unwrap())).count(), 0);
    assert_eq!(policy(&home, &["format", "--check"]).status.code(), Some(0));
    assert_eq!(policy(&home, &["check"]).status.code(), Some(0));
}

#[test]
fn a_link_stays_one_and_a_read_only_file_as_it_is() {
    let home = home();
    write(&home, "ours", UNTIDY);
    symlink("../ours", home.path().join("policies/50-ours.cedar")).unwrap();
    assert_eq!(policy(&home, &["format"]).status.code(), Some(0));
    assert_eq!(text(&home, "ours"), TIDY);
    assert!(home.path().join("policies/50-ours.cedar").is_symlink());

    write(&home, "fixed.cedar", UNTIDY);
    let fixed = home.path().join("fixed.cedar");
    fs::set_permissions(&fixed, fs::Permissions::from_mode(0o444)).unwrap();
    let output = policy(&home, &["format", "fixed.cedar"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("read-only"), "{}", stderr(&output));
    assert_eq!(text(&home, "fixed.cedar"), UNTIDY);
}

#[test]
fn what_cannot_be_formatted_is_left_alone_and_hides_nothing() {
    let home = home();
    let broken = "permit (principal";
    let deep = format!(
        "permit (principal, action, resource) when {{ {}",
        "(".repeat(9999)
    );
    for (name, text) in [
        ("a.cedar", broken),
        ("b.cedar", deep.as_str()),
        ("c.cedar", UNTIDY),
        ("d.links.json", "[]"),
    ] {
        write(&home, name, text);
    }
    let paths = ["a.cedar", "b.cedar", "c.cedar", "d.links.json", "e.cedar"];
    let output = policy(&home, &[&["format", "--json"][..], &paths].concat());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "");
    let report: Value = serde_json::from_str(stdout(&output)).unwrap();
    let members: Vec<_> = report.as_object().unwrap().keys().collect();
    assert_eq!(members, ["ok", "files", "changed", "findings"]);
    assert_eq!(report["ok"], false);
    assert_eq!(report["files"], 3);
    assert_eq!(report["changed"], serde_json::json!(["c.cedar"]));
    let findings = report["findings"].as_array().unwrap();
    let said: Vec<_> = findings
        .iter()
        .map(|one| (one["file"].as_str().unwrap(), one["code"].as_str().unwrap()))
        .collect();
    let expected = [
        ("d.links.json", "not_a_policy"),
        ("e.cedar", "unreadable"),
        ("a.cedar", "syntax"),
        ("b.cedar", "nesting"),
    ];
    assert_eq!(said, expected);
    assert_eq!(
        (text(&home, "a.cedar"), text(&home, "b.cedar")),
        (broken.to_owned(), deep)
    );
    assert_eq!(text(&home, "c.cedar"), TIDY);
}
