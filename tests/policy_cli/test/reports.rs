//! The reports of `policy test`: text, JSON, JUnit, LCOV and coverage.

use roxmltree::Document;
use serde_json::json;

use super::{Site, none, two, with_factors};

#[test]
fn shipped_cases_pass_with_full_coverage_and_mutation_score() {
    let site = Site::shipped();
    let ran = site.run(&["--min-coverage", "100", "--min-mutation", "100"]);
    insta::assert_snapshot!(ran.stdout);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

#[test]
fn failing_case_shows_request_difference_and_explanation() {
    let site = Site::shipped();
    let backup_code = "context.session.sinceBackupCode <= duration(\"5m\")";
    site.edit(
        "policies/30-step-up.cedar",
        backup_code,
        &backup_code.replace("<=", "<"),
    );
    let ran = site.run(&[]);
    insta::assert_snapshot!(ran.stdout);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""));
}

#[test]
fn notices_and_code_are_checked_when_given() {
    let mut case = two();
    case["notices"] = json!(["Two are enough."]);
    case["code"] = json!("too_many");
    let site = Site::few(&[case.clone()]);
    assert_eq!(site.run(&[]).code, 0);
    case["notices"] = json!([]);
    case["code"] = json!("forbidden");
    site.cases(&[case]);
    let ran = site.run(&[]);
    assert_eq!(ran.code, 1);
    for said in [
        "notices: expected [], was [\"Two are enough.\"]",
        "code: expected \"forbidden\", was \"too_many\"",
    ] {
        assert!(ran.stdout.contains(said), "{}", ran.stdout);
    }
}

#[test]
fn filter_matches_names_of_cases_and_of_files() {
    let site = Site::few(&[two(), none()]);
    for (filter, cases) in [("with 2", 1), ("with", 2), ("t.json", 2)] {
        let (code, report) = site.json(&["--filter", filter]);
        assert_eq!((code, &report["cases"]), (0, &json!(cases)), "{filter}");
    }
    let ran = site.run(&["--filter", "With 2"]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.stderr, @r#"
    error[no_cases]: none of 2 cases has "With 2" in its name or in that of its file
    --> ./tests/policies
     = help: the filter is case-sensitive
    "#);
}

#[test]
fn json_report_has_a_stable_shape() {
    let (code, report) = Site::few(&[two(), none()]).json(&[]);
    let nothing = json!({"cases": 2, "passed": 2, "failed": 0, "failures": [], "findings": []});
    assert_eq!((code, report), (0, nothing));

    let wrong = with_factors(1, "deny", "few");
    let site = Site::few(&[none(), wrong]);
    let (code, mut report) = site.json(&["--coverage"]);
    assert_eq!(code, 1);
    let explanation = &mut report["failures"][0]["explanation"];
    assert!(explanation["policies"].is_array(), "{explanation}");
    *explanation = json!("as `policy explain` has it");
    insta::assert_json_snapshot!(report);
}

#[test]
fn junit_has_an_element_for_each_case_and_each_problem() {
    let mut malformed = none();
    malformed["name"] = json!("<no> \"request\"");
    malformed.as_object_mut().unwrap().remove("request");
    let site = Site::few(&[two(), with_factors(1, "deny", "few"), malformed]);
    site.write("tests/policies/cut.json", "[{");
    let ran = site.run(&["--junit", "out.xml"]);
    assert_eq!(ran.code, 1);
    let text = std::fs::read_to_string(site.path("out.xml")).unwrap();
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
                Some("case \"<no> \\\"request\\\"\" is invalid: \"request\" is missing")
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
    let site = Site::few(&[two(), none()]);
    site.edit(
        "policies/few.cedar",
        "context.factors.count >= 2",
        "context.factors.count >= 2 && !(principal in\n  Gate::Issuer::\"dev\")",
    );
    let ran = site.run(&["--lcov", "out.lcov"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let lcov = std::fs::read_to_string(site.path("out.lcov")).unwrap();
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
fn uncovered_policies_are_listed_and_min_coverage_is_enforced() {
    let site = Site::few(&[none()]);
    let ran = site.run(&["--coverage"]);
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
        assert_eq!(site.run(&["--min-coverage", least]).code, code, "{least}");
    }
    insta::assert_snapshot!(site.run(&["--min-coverage", "50.5"]).stderr, @r"
    error[coverage]: the cases cover 50 % of the policies, and --min-coverage is 50.5 %
     |
     = help: write cases for the policies and clauses that --coverage lists as not covered

    error[coverage]: the cases cover 0 % of the clauses, and --min-coverage is 50.5 %
     |
     = help: write cases for the policies and clauses that --coverage lists as not covered
    ");
    let covered = Site::few(&[none(), two()]);
    let (code, report) = covered.json(&["--min-coverage", "100"]);
    assert_eq!(code, 0, "{report}");
    let all = |total: u32| json!({"covered": total, "total": total});
    let expected = json!({"policies": all(2), "clauses": all(1), "uncovered": []});
    assert_eq!(report["coverage"], expected);
}

#[test]
fn unwritable_report_path_is_wrong_usage() {
    let site = Site::few(&[none()]);
    for flag in ["--junit", "--lcov"] {
        let ran = site.run(&[flag, "no/such/folder"]);
        assert_eq!(ran.code, 2);
        assert!(ran.stderr.contains("no/such/folder"), "{}", ran.stderr);
    }
    for arguments in [
        &["--min-coverage", "101"][..],
        &["--min-mutation", "-1"],
        &["--min-coverage", "all"],
        &["--no-such-flag"],
    ] {
        let ran = site.run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}");
    }
}

#[test]
fn run_without_cases_fails() {
    let site = Site::few(&[]);
    let ran = site.run(&[]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.stderr, @r"
    error[no_cases]: there are no test cases here
    --> ./tests/policies
     = help: name test files, or folders with *.json files of cases as `cedar run-tests` reads them
    ");
}
