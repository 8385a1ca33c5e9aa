//! `cedargate policy check`, in copies of the shipped policies.

mod bad_input;

use std::fs;

use serde_json::Value;

use crate::support::policy_home::Home;
use crate::support::program::{stderr, stdout};

/// The output of `--json` and the exit code.
fn json(home: &Home, arguments: &[&str]) -> (Value, Option<i32>) {
    let output = home.policy(&[&["check", "--json"], arguments].concat());
    assert_eq!(stderr(&output), "");
    assert_eq!(stdout(&output).matches('\n').count(), 1, "one line");
    let report = serde_json::from_str(stdout(&output)).unwrap();
    (report, output.status.code())
}

/// The findings except notes.
fn problems(report: &Value) -> Vec<&Value> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings.filter(|one| one["severity"] != "note").collect()
}

const SILENT: &str = "@id(\"ours\")
forbid (principal, action in Gate::Action::\"enroll\", resource)
when { context.factors.count > 3 };
";

#[test]
fn shipped_policies_have_no_finding() {
    let home = Home::new();
    let output = home.policy(&["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    insta::assert_snapshot!(stdout(&output), @"18 policies: 0 errors, 0 findings");
    assert_eq!(stderr(&output), "");
    let (report, exit) = json(&home, &[]);
    assert_eq!(exit, Some(0));
    assert_eq!(report["ok"], true);
    assert_eq!(report["policies"], 18);
    assert_eq!(report["findings"], Value::Array(Vec::new()));
}

#[test]
fn notes_on_the_shipped_policies_are_reported_on_request() {
    let home = Home::new();
    let output = home.policy(&["check", "--notes"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    insta::assert_snapshot!(stdout(&output), @"18 policies: 0 errors, 0 findings, 19 notes");
    insta::assert_snapshot!(stderr(&output));
    let (report, _) = json(&home, &["--notes"]);
    assert_eq!(report["findings"].as_array().unwrap().len(), 19);
    assert_eq!(problems(&report), Vec::<&Value>::new());
}

#[test]
fn errors_findings_and_notes_of_all_files_are_reported_at_once() {
    let home = Home::new();
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
        home.write(name, content);
    }
    let output = home.policy(&["check", "--notes"]);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(stdout(&output), @"22 policies: 7 errors, 2 findings, 21 notes");
    let (notes, problems) = stderr(&output)
        .split_once("\n\nwarning")
        .expect("findings stand behind the notes");
    assert!(!notes.contains("error"), "{notes}");
    insta::assert_snapshot!(format!("warning{problems}"));
}

#[test]
fn json_report_has_a_stable_shape() {
    let home = Home::new();
    home.write("policies/50-ours.cedar", SILENT);
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
        "message": "this forbid has no @notice: the caller does not learn why the request is refused",
        "help": "write @notice(\"…\") with what the caller can do",
    }]);
    assert_eq!(
        Value::from_iter(problems(&report).into_iter().cloned()),
        expected
    );
}

#[test]
fn findings_pass_with_warn_and_errors_never_pass() {
    let home = Home::new();
    home.write("policies/50-ours.cedar", SILENT);
    let output = home.policy(&["check", "--warn"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("warning[notice_missing]"));
    let (report, exit) = json(&home, &["--warn"]);
    assert_eq!((&report["ok"], exit), (&true.into(), Some(0)));
    home.write("policies/51-bad.cedar", "permit");
    assert_eq!(home.policy(&["check", "--warn"]).status.code(), Some(1));
}

#[test]
fn github_format_prints_workflow_commands() {
    let home = Home::new();
    home.write("policies/50,1.cedar", SILENT);
    home.write(
        "policies/51.cedar",
        "@id(\"50%\")\npermit (principal, action, resource);\n",
    );
    let output = home.policy(&["check", "--format", "github"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "");
    let lines = stdout(&output).lines();
    let problems: Vec<_> = lines
        .filter(|line| !line.starts_with("::notice "))
        .collect();
    insta::assert_snapshot!(problems.join("\n"), @r#"
    ::warning file=policies/50%2C1.cedar,line=1,col=1,title=notice_missing::this forbid has no @notice: the caller does not learn why the request is refused%0Awrite @notice("…") with what the caller can do
    ::error file=policies/51.cedar,line=1,col=1,title=annotation_value::the value of @id is invalid%0Ait is 1 to 64 of a-z, 0-9 and -, and begins with a letter or a digit
    ::error file=policies/51.cedar,line=1,col=1,title=permit_any_action::this permit names no action, so it would permit every operation, also those of later versions%0Aname its actions in the scope, such as action in Gate::Action::"manageOwnMfa"
    "#);
}

#[test]
fn issuers_in_policies_are_checked_against_a_configuration() {
    let home = Home::new();
    home.write(
        "policies/50-ours.cedar",
        SILENT
            .replace("(principal,", "(principal in Gate::Group::\"crop||x\",")
            .replacen("@id", "@notice(\"No.\") @id", 1),
    );
    fs::create_dir(home.path("etc")).unwrap();
    let config = "[policies]\npath = \"../policies\"\nschema = \"../schema\"\n[[issuers]]\nname = \"corp\"\ngroups_claim = \"groups\"\njwks = \"/there/is/no/such/file\"\n[[issuers]]\nname = \"dev\"\n";
    home.write("etc/gate.toml", config);
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
            // serve ignores the links of dev
            at("template_unlinked", "40-admins.cedar"),
            at("issuer_unknown", "50-ours.cedar"),
            at("issuer_without_groups", "examples/admins.cedar"),
            at("issuer_without_groups", "examples/contractors.cedar"),
        ]
    );
    assert_eq!(problems(&report)[1]["help"], "did you mean \"corp\"?");

    // An invalid configuration has another exit code than an invalid policy.
    home.write("etc/gate.toml", "[[issuers]]\nname = \"Corp\"\n");
    let output = home.policy(&["check", "--config", "etc/gate.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("etc/gate.toml:2:8"),
        "{}",
        stderr(&output)
    );
    let output = home.policy(&["check", "--config", "nowhere.toml"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn single_file_is_checked_as_part_of_a_set() {
    let home = Home::new();
    for file in [
        "10-tenant-isolation.cedar",
        "40-admins.cedar",
        "dev.links.json",
    ] {
        let file = format!("policies/{file}");
        let output = home.policy(&["check", &file, "--tests", "tests/policies/admins.json"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    home.write("policies/50-ours.cedar", SILENT);
    let (report, _) = json(&home, &["policies/50-ours.cedar"]);
    assert_eq!(problems(&report).len(), 1);
    assert_eq!(report["policies"], 1);
}

#[test]
fn cases_that_test_less_than_they_seem_are_findings() {
    let home = Home::new();
    let file = home.path("tests/policies/open-doors.json");
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
    home.write("tests/policies/broken.json", "[{]");
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
