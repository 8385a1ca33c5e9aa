//! `cedargate policy format`.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::Value;

use crate::support::policy_home::Home;
use crate::support::program::{stderr, stdout};

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

#[test]
fn shipped_policies_are_formatted() {
    let home = Home::new();
    for arguments in [&["format", "--check"][..], &["format"]] {
        let output = home.policy(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(
            stdout(&output).starts_with("0 of 11 files"),
            "{}",
            stdout(&output)
        );
    }
}

#[test]
fn unformatted_file_is_shown_and_then_written() {
    let home = Home::new();
    home.write("policies/50-ours.cedar", UNTIDY);
    let output = home.policy(&["format", "--check"]);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(stderr(&output), @r#"
    warning[not_formatted]: this file is not formatted: this is the first line that differs
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
        home.read("policies/50-ours.cedar"),
        UNTIDY,
        "nothing was written"
    );

    let file = home.path("policies/50-ours.cedar");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let output = home.policy(&["format"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    insta::assert_snapshot!(stdout(&output), @r"
    formatted: ./policies/50-ours.cedar
    1 of 12 files changed
    ");
    assert_eq!(home.read("policies/50-ours.cedar"), TIDY);
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o640
    );
    let names = fs::read_dir(home.path("policies")).unwrap();
    let hidden = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with('.');
    assert_eq!(names.filter(|one| hidden(one.as_ref().unwrap())).count(), 0);
    assert_eq!(home.policy(&["format", "--check"]).status.code(), Some(0));
    assert_eq!(home.policy(&["check"]).status.code(), Some(0));
}

#[test]
fn symlink_is_kept_and_read_only_file_is_not_changed() {
    let home = Home::new();
    home.write("ours", UNTIDY);
    symlink("../ours", home.path("policies/50-ours.cedar")).unwrap();
    assert_eq!(home.policy(&["format"]).status.code(), Some(0));
    assert_eq!(home.read("ours"), TIDY);
    assert!(home.path("policies/50-ours.cedar").is_symlink());

    home.write("fixed.cedar", UNTIDY);
    let fixed = home.path("fixed.cedar");
    fs::set_permissions(&fixed, fs::Permissions::from_mode(0o444)).unwrap();
    let output = home.policy(&["format", "fixed.cedar"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("read-only"), "{}", stderr(&output));
    assert_eq!(home.read("fixed.cedar"), UNTIDY);
}

#[test]
fn file_that_cannot_be_formatted_is_left_alone_and_reported() {
    let home = Home::new();
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
        home.write(name, text);
    }
    let paths = ["a.cedar", "b.cedar", "c.cedar", "d.links.json"];
    let output = home.policy(&[&["format", "--json"][..], &paths].concat());
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
        ("a.cedar", "syntax"),
        ("b.cedar", "nesting"),
    ];
    assert_eq!(said, expected);
    assert_eq!(
        (home.read("a.cedar"), home.read("b.cedar")),
        (broken.to_owned(), deep)
    );
    assert_eq!(home.read("c.cedar"), TIDY);
}
