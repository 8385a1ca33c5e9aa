//! `policy check`, as a person, a script and a workflow meet it, over a copy of the shipped policies.

mod bad_input;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A home with the shipped policies, schema and cases.
pub fn home() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    crate::gateway::copy_policies(home.path());
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policies");
    crate::gateway::copy(&tests, &home.path().join("tests/policies"));
    home
}

pub fn write(home: &TempDir, name: &str, content: impl AsRef<[u8]>) {
    fs::write(home.path().join(name), content).unwrap();
}

pub fn policy(home: &TempDir, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cedargate"))
        .arg("policy")
        .args(arguments)
        .current_dir(home.path())
        .env_remove("RUST_LOG")
        .output()
        .unwrap()
}

pub fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

pub fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// What `--json` prints, and the exit code.
fn json(home: &TempDir, arguments: &[&str]) -> (Value, Option<i32>) {
    let output = policy(home, &[&["check", "--json"], arguments].concat());
    assert_eq!(stderr(&output), "");
    assert_eq!(stdout(&output).matches('\n').count(), 1, "one line");
    let report = serde_json::from_str(stdout(&output)).unwrap();
    (report, output.status.code())
}

/// The findings that are no notes.
fn problems(report: &Value) -> Vec<&Value> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings.filter(|one| one["severity"] != "note").collect()
}

const SILENT: &str = "@id(\"ours\")
forbid (principal, action in Gate::Action::\"enroll\", resource)
when { context.factors.count > 3 };
";

#[test]
fn nothing_is_wrong_with_what_is_shipped() {
    let home = home();
    let output = policy(&home, &["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    insta::assert_snapshot!(stdout(&output), @"18 policies: 0 errors, 0 findings, 19 notes");
    let (report, exit) = json(&home, &[]);
    assert_eq!(exit, Some(0));
    assert_eq!(report["ok"], true);
    assert_eq!(report["policies"], 18);
    assert_eq!(problems(&report), Vec::<&Value>::new());
    insta::assert_snapshot!(stderr(&output));
}

#[test]
fn errors_findings_and_notes_of_all_files_are_told_at_once() {
    let home = home();
    for (name, content) in [
        (
            "policies/50-bad.cedar",
            "@id(\"bad\")\npermit (principal,\n",
        ),
        (
            "policies/51-any.cedar",
            "@id(\"any\")\npermit (principal, action, resource);\n",
        ),
        (
            "policies/52-claim.cedar",
            "@id(\"claim\")\n@notise(\"No.\")\nforbid (principal, action in Gate::Action::\"enroll\", resource)\nwhen { principal.claims has employmnt };\n",
        ),
        (
            "policies/53-group.cedar",
            "@id(\"group\")\n@notice(\"No.\")\nforbid (principal in Gate::Group::\"contractors\", action in Gate::Action::\"enrol\", resource);\n",
        ),
        ("policies/54-silent.cedar", SILENT),
        ("policies/55-other.ceder", SILENT),
        ("policies/56-empty.cedar", ""),
    ] {
        write(&home, name, content);
    }
    let output = policy(&home, &["check"]);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(stdout(&output), @"22 policies: 7 errors, 2 findings, 21 notes");
    let (notes, problems) = stderr(&output)
        .split_once("\n\nwarning")
        .expect("findings stand behind the notes");
    assert!(!notes.contains("error"), "{notes}");
    insta::assert_snapshot!(format!("warning{problems}"));
}

#[test]
fn the_json_has_its_shape() {
    let home = home();
    write(&home, "policies/50-ours.cedar", SILENT);
    let (report, exit) = json(&home, &[]);
    assert_eq!(exit, Some(1));
    let members: Vec<_> = report.as_object().unwrap().keys().collect();
    assert_eq!(members, ["ok", "policies", "findings"]);
    assert_eq!(
        (&report["ok"], &report["policies"]),
        (&false.into(), &19.into())
    );
    for finding in report["findings"].as_array().unwrap() {
        let members = finding.as_object().unwrap().keys().map(String::as_str);
        let all = [
            "severity", "code", "file", "line", "column", "message", "help",
        ];
        let given: Vec<_> = members.collect();
        assert_eq!(given, all[..given.len()], "{finding}");
        assert!(given.len() >= 6);
    }
    let expected = serde_json::json!([{
        "severity": "finding",
        "code": "notice_missing",
        "file": "./policies/50-ours.cedar",
        "line": 1,
        "column": 1,
        "message": "this forbid has no @notice: whom it refuses is not told why",
        "help": "write @notice(\"…\"): what the caller can do about it",
    }]);
    assert_eq!(
        Value::from_iter(problems(&report).into_iter().cloned()),
        expected
    );
}

#[test]
fn findings_pass_where_they_are_let_and_errors_never() {
    let home = home();
    write(&home, "policies/50-ours.cedar", SILENT);
    let output = policy(&home, &["check", "--warn"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("warning[notice_missing]"));
    let (report, exit) = json(&home, &["--warn"]);
    assert_eq!((&report["ok"], exit), (&true.into(), Some(0)));
    write(&home, "policies/51-bad.cedar", "permit");
    assert_eq!(policy(&home, &["check", "--warn"]).status.code(), Some(1));
}

#[test]
fn a_workflow_is_told_in_its_commands() {
    let home = home();
    write(&home, "policies/50,1.cedar", SILENT);
    write(
        &home,
        "policies/51.cedar",
        "@id(\"50%\")\npermit (principal, action, resource);\n",
    );
    let output = policy(&home, &["check", "--format", "github"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "");
    let lines = stdout(&output).lines();
    let problems: Vec<_> = lines
        .filter(|line| !line.starts_with("::notice "))
        .collect();
    insta::assert_snapshot!(problems.join("\n"), @r#"
    ::warning file=policies/50%2C1.cedar,line=1,col=1,title=notice_missing::this forbid has no @notice: whom it refuses is not told why%0Awrite @notice("…"): what the caller can do about it
    ::error file=policies/51.cedar,line=1,col=1,title=annotation_value::@id has a wrong value%0Ait is 1 to 64 of a-z, 0-9 and -, and begins with a letter or a digit
    ::error file=policies/51.cedar,line=1,col=1,title=permit_any_action::this permit names no action: it would open every door, those of later versions too%0Aname its actions in the head, such as action in Gate::Action::"manageOwnMfa"
    "#);
}

#[test]
fn issuers_are_held_against_a_configuration() {
    let home = home();
    write(
        &home,
        "policies/50-ours.cedar",
        SILENT
            .replace("(principal,", "(principal in Gate::Group::\"crop||x\",")
            .replacen("@id", "@notice(\"No.\") @id", 1),
    );
    fs::create_dir(home.path().join("etc")).unwrap();
    let config = "[policies]\npath = \"../policies\"\nschema = \"../schema\"\n[[issuers]]\nname = \"corp\"\ngroups_claim = \"groups\"\njwks = \"/there/is/no/such/file\"\n[[issuers]]\nname = \"dev\"\n";
    write(&home, "etc/gate.toml", config);
    let (report, exit) = json(&home, &["--config", "etc/gate.toml"]);
    assert_eq!(exit, Some(1));
    let said = |report: &Value| -> Vec<_> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let problems = problems(report).into_iter();
        problems
            .map(|one| (text(&one["code"]), text(&one["file"])))
            .collect()
    };
    let at = |code: &str, file: &str| (code.to_owned(), format!("etc/../policies/{file}"));
    assert_eq!(
        said(&report),
        [
            // the links of dev do not count for serve
            at("template_unlinked", "40-admins.cedar"),
            at("issuer_unknown", "50-ours.cedar"),
            at("issuer_without_groups", "examples/admins.cedar"),
            at("issuer_without_groups", "examples/contractors.cedar"),
        ]
    );
    assert_eq!(problems(&report)[1]["help"], "did you mean \"corp\"?");

    // A configuration that is wrong is another matter than a policy that is.
    write(&home, "etc/gate.toml", "[[issuers]]\nname = \"Corp\"\n");
    let output = policy(&home, &["check", "--config", "etc/gate.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("etc/gate.toml:2:8"),
        "{}",
        stderr(&output)
    );
    let output = policy(&home, &["check", "--config", "nowhere.toml"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_file_alone_is_checked_as_a_part() {
    let home = home();
    for file in [
        "10-tenant-isolation.cedar",
        "40-admins.cedar",
        "dev.links.json",
    ] {
        let file = format!("policies/{file}");
        let output = policy(
            &home,
            &["check", &file, "--tests", "tests/policies/admins.json"],
        );
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    write(&home, "policies/50-ours.cedar", SILENT);
    let (report, _) = json(&home, &["policies/50-ours.cedar"]);
    assert_eq!(problems(&report).len(), 1);
    assert_eq!(report["policies"], 1);
}

#[test]
fn cases_that_test_less_than_they_seem_are_findings() {
    let home = home();
    let file = home.path().join("tests/policies/open-doors.json");
    let text = fs::read_to_string(&file).unwrap();
    let mut cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    let denied = cases
        .iter_mut()
        .find(|case| case["decision"] == "deny")
        .unwrap();
    let denied = denied.as_object_mut().unwrap();
    denied.insert("reason".to_owned(), Value::Array(Vec::new()));
    denied.remove("code");
    denied.remove("notices");
    fs::write(&file, serde_json::to_string_pretty(&cases).unwrap()).unwrap();
    write(&home, "tests/policies/broken.json", "[{]");
    let (report, exit) = json(&home, &[]);
    assert_eq!(exit, Some(1));
    let said: Vec<_> = problems(&report)
        .into_iter()
        .map(|one| (one["code"].as_str().unwrap(), one["file"].as_str().unwrap()))
        .collect();
    let expected = [
        ("test_any_deny", "./tests/policies/open-doors.json"),
        ("test_syntax", "./tests/policies/broken.json"),
    ];
    assert_eq!(said, expected);
}
