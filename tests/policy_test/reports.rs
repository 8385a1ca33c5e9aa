//! What is printed and written.

use roxmltree::Document;
use serde_json::{Value, json};

use super::{Home, none, two, with_factors};

#[test]
fn the_shipped_cases_pass_and_leave_nothing_untested() {
    let home = Home::shipped();
    let ran = home.run(&["--min-coverage", "100", "--min-mutation", "100"]);
    insta::assert_snapshot!(ran.stdout);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

#[test]
fn a_case_that_fails_shows_request_difference_and_explanation() {
    let home = Home::shipped();
    let backup_code = "context.session.sinceBackupCode <= duration(\"5m\")";
    home.edit(
        "policies/30-step-up.cedar",
        backup_code,
        &backup_code.replace("<=", "<"),
    );
    let ran = home.run(&[]);
    insta::assert_snapshot!(ran.stdout);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""));
}

#[test]
fn notices_and_code_are_checked_when_given() {
    let mut case = two();
    case["notices"] = json!(["Two are enough."]);
    case["code"] = json!("too_many");
    let home = Home::few(&[case.clone()]);
    assert_eq!(home.run(&[]).code, 0);
    case["notices"] = json!([]);
    case["code"] = json!("forbidden");
    home.cases(&[case]);
    let ran = home.run(&[]);
    assert_eq!(ran.code, 1);
    for said in [
        "notices: expected [], was [\"Two are enough.\"]",
        "code: expected \"forbidden\", was \"too_many\"",
    ] {
        assert!(ran.stdout.contains(said), "{}", ran.stdout);
    }
}

#[test]
fn the_filter_looks_at_names_of_cases_and_of_files() {
    let home = Home::few(&[two(), none()]);
    for (filter, cases) in [("with 2", 1), ("with", 2), ("t.json", 2)] {
        let (code, report) = home.json(&["--filter", filter]);
        assert_eq!((code, &report["cases"]), (0, &json!(cases)), "{filter}");
    }
    let ran = home.run(&["--filter", "With 2"]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.stderr, @r#"
    error[no_cases]: none of 2 cases has "With 2" in its name or in that of its file
    --> ./tests/policies
     = help: upper and lower case are told apart
    "#);
}

#[test]
fn the_json_has_its_shape() {
    let (code, report) = Home::few(&[two(), none()]).json(&[]);
    let nothing = json!({"cases": 2, "passed": 2, "failed": 0, "failures": [], "findings": []});
    assert_eq!((code, report), (0, nothing));

    let wrong = with_factors(1, "deny", "few");
    let home = Home::few(&[none(), wrong]);
    let (code, mut report) = home.json(&["--coverage"]);
    assert_eq!(code, 1);
    let explanation = &mut report["failures"][0]["explanation"];
    assert!(explanation["policies"].is_array(), "{explanation}");
    *explanation = json!("as `policy explain` has it");
    insta::assert_json_snapshot!(report);
}

#[test]
fn junit_has_an_element_for_each_case_and_each_problem() {
    let mut unasked = none();
    unasked["name"] = json!("<no> \"request\"");
    unasked.as_object_mut().unwrap().remove("request");
    let home = Home::few(&[two(), with_factors(1, "deny", "few"), unasked]);
    home.write("tests/policies/cut.json", "[{");
    let ran = home.run(&["--junit", "out.xml"]);
    assert_eq!(ran.code, 1);
    let text = std::fs::read_to_string(home.path("out.xml")).unwrap();
    let xml = Document::parse(&text).unwrap();
    let counts = |node: roxmltree::Node<'_, '_>| {
        ["tests", "failures", "errors"].map(|name| node.attribute(name).unwrap().to_owned())
    };
    let root = xml.root_element();
    assert_eq!(root.tag_name().name(), "testsuites");
    assert_eq!(counts(root), ["4", "1", "2"]);
    let suites: Vec<_> = root.children().filter(|node| node.is_element()).collect();
    let names: Vec<_> = suites
        .iter()
        .map(|suite| suite.attribute("name").unwrap())
        .collect();
    assert_eq!(
        names,
        ["./tests/policies/cut.json", "./tests/policies/t.json"]
    );
    assert_eq!(counts(suites[1]), ["3", "1", "1"]);
    let cases: Vec<_> = suites[1]
        .children()
        .filter(|node| node.is_element())
        .collect();
    let seen: Vec<_> = cases
        .iter()
        .map(|case| {
            let inner = case.first_element_child();
            assert_eq!(case.attribute("classname"), Some("./tests/policies/t.json"));
            (
                case.attribute("name").unwrap(),
                inner.map(|inner| inner.tag_name().name()),
                inner.and_then(|inner| inner.attribute("message")),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("with 2", None, None),
            (
                "with 1",
                Some("failure"),
                Some(
                    "decision: expected \"deny\", was \"allow\"; reason: \"few\" did not determine the decision, [\"open\"] did"
                )
            ),
            (
                "<no> \"request\"",
                Some("error"),
                Some("case \"<no> \\\"request\\\"\" cannot be asked: \"request\" is missing")
            ),
        ]
    );
    let failure = cases[1].first_element_child().unwrap().text().unwrap();
    assert!(
        failure.contains("Gate::Action::\"beginWebauthnRegistration\""),
        "{failure}"
    );
}

#[test]
fn lcov_has_the_lines_and_the_clauses_of_policies() {
    let home = Home::few(&[two(), none()]);
    home.edit(
        "policies/few.cedar",
        "context.factors.count >= 2",
        "context.factors.count >= 2 && !(principal in\n  Gate::Issuer::\"dev\")",
    );
    let ran = home.run(&["--lcov", "out.lcov"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let lcov = std::fs::read_to_string(home.path("out.lcov")).unwrap();
    let expected = "TN:
SF:./policies/few.cedar
BRDA:8,0,0,1
BRDA:8,0,1,1
BRDA:8,1,0,1
BRDA:8,1,1,0
BRF:4
BRH:3
DA:1,1
DA:2,1
DA:4,1
DA:5,1
DA:6,1
DA:7,1
DA:8,2
DA:9,1
LF:8
LH:8
end_of_record
";
    assert_eq!(lcov, expected);
}

#[test]
fn what_is_not_covered_is_listed_and_a_minimum_is_kept() {
    let home = Home::few(&[none()]);
    let ran = home.run(&["--coverage"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    insta::assert_snapshot!(ran.stdout, @r"
    1 case: 1 passed, 0 failed

    policy  determined  clauses
    few     never       0/1
    open    1 case
    not covered:
      ./policies/few.cedar:4  few: determined no decision
      ./policies/few.cedar:8  few: context.factors.count >= 2 was never true
    coverage: policies 1/2 (50 %), clauses 0/1 (0 %)
    ");
    for (least, code) in [("0", 0), ("50", 1), ("100", 1)] {
        assert_eq!(home.run(&["--min-coverage", least]).code, code, "{least}");
    }
    insta::assert_snapshot!(home.run(&["--min-coverage", "50.5"]).stderr, @r"
    error[coverage]: the cases cover 50 % of the policies, and --min-coverage asks for 50.5 %
     |
     = help: --coverage lists what no case covers: write cases for it

    error[coverage]: the cases cover 0 % of the clauses, and --min-coverage asks for 50.5 %
     |
     = help: --coverage lists what no case covers: write cases for it
    ");
    let covered = Home::few(&[none(), two()]);
    let (code, report) = covered.json(&["--min-coverage", "100"]);
    assert_eq!(code, 0, "{report}");
    let all = |total: u32| json!({"covered": total, "total": total});
    let expected = json!({"policies": all(2), "clauses": all(1), "uncovered": []});
    assert_eq!(report["coverage"], expected);
}

#[test]
fn a_report_that_cannot_be_written_is_wrong_usage() {
    let home = Home::few(&[none()]);
    for flag in ["--junit", "--lcov"] {
        let ran = home.run(&[flag, "no/such/folder"]);
        assert_eq!(ran.code, 2);
        assert!(ran.stderr.contains("no/such/folder"), "{}", ran.stderr);
    }
    for arguments in [
        &["--min-coverage", "101"][..],
        &["--min-mutation", "-1"],
        &["--min-coverage", "all"],
        &["--no-such-flag"],
    ] {
        let ran = home.run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}");
    }
}

#[test]
fn nothing_to_test_is_a_failure() {
    let home = Home::few(&[]);
    let ran = home.run(&[]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.stderr, @r"
    error[no_cases]: there are no cases here, so nothing was tested
    --> ./tests/policies
     = help: name test files, or folders with *.json files of cases as `cedar run-tests` reads them
    ");
    let (code, report) = home.json(&["no/such/folder"]);
    assert_eq!((code, &report["cases"]), (1, &json!(0)));
    let finding: &Value = &report["findings"][0];
    assert_eq!(
        (&finding["code"], &finding["file"]),
        (&json!("unreadable"), &json!("no/such/folder"))
    );
}
