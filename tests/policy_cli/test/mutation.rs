//! `--mutate`, with policies whose mutants are known.

use serde_json::{Value, json};

use super::{Site, none, two, with_factors};

const SURVIVOR: &str = "context.factors.count >= 2 → context.factors.count >= 1";

fn equivalent(change: &str) -> String {
    format!(
        "[[equivalent]]\npolicy = \"few\"\nchange = '{change}'\nreason = \"one is as good as two\"\n"
    )
}

#[test]
fn survivors_are_listed_with_line_and_change() {
    let site = Site::few(&[two(), none()]);
    let ran = site.run(&["--mutate"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    insta::assert_snapshot!(ran.stdout, @r"
    2 cases: 2 passed, 0 failed

    No case notices these changes:
      ./policies/few.cedar:8  few
        context.factors.count >= 2 → context.factors.count >= 1
    mutation: 7/8 (87.5 %) changes noticed
      5 more would not load (--json lists them)
    ");
}

#[test]
fn json_report_has_a_stable_shape() {
    let site = Site::few(&[two(), none()]);
    site.write(
        "tests/policies/equivalent-mutants.toml",
        equivalent(SURVIVOR),
    );
    let (code, report) = site.json(&["--mutate"]);
    assert_eq!(code, 0);
    insta::assert_json_snapshot!(report["mutation"]);
    site.write("tests/policies/equivalent-mutants.toml", "");
    let (_, report) = site.json(&["--mutate"]);
    assert_eq!(report["mutation"]["score"], json!(87.5));
    let survivor =
        json!([{"file": "./policies/few.cedar", "line": 8, "policy": "few", "change": SURVIVOR}]);
    assert_eq!(report["mutation"]["survivors"], survivor);
}

#[test]
fn min_mutation_is_enforced_without_declared_equivalents() {
    let site = Site::few(&[two(), none()]);
    for (least, code) in [("0", 0), ("87.5", 0), ("87.6", 1)] {
        assert_eq!(site.run(&["--min-mutation", least]).code, code, "{least}");
    }
    insta::assert_snapshot!(site.run(&["--min-mutation", "100"]).stderr, @r"
    error[mutation]: the cases notice 87.5 % of the changes, and --min-mutation is 100 %
     |
     = help: write cases that notice the listed changes, or declare a change that makes no difference in equivalent-mutants.toml
    ");
    site.write(
        "tests/policies/equivalent-mutants.toml",
        equivalent(SURVIVOR),
    );
    for path in ["tests/policies", "tests/policies/t.json"] {
        let ran = site.run(&[path, "--min-mutation", "100"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    }
    site.cases(&[two(), with_factors(1, "allow", "open")]);
    let ran = site.run(&["--mutate"]);
    assert_eq!(ran.code, 1, "it is noticed now, so it is not equivalent");
    insta::assert_snapshot!(ran.stderr, @r#"
    error[equivalent_stale]: no surviving change of "few" is "context.factors.count >= 2 → context.factors.count >= 1"
     --> ./tests/policies/equivalent-mutants.toml:1:1
      |
    1 | [[equivalent]]
      | ^^^^^^^^^^^^^^
      |
      = help: remove the entry, or write policy and change as `cedargate policy test --mutate` lists them
    "#);
}

#[test]
fn invalid_declaration_of_an_equivalent_is_reported() {
    let site = Site::few(&[two(), none()]);
    for (text, said, line) in [
        (
            "[[equivalent]]\npolicy = \"few\"\n".to_owned(),
            "missing field `change`",
            1,
        ),
        (
            "[[equivalents]]\n".to_owned(),
            "unknown field `equivalents`",
            1,
        ),
        (
            equivalent(SURVIVOR).replace("one is as good as two", " "),
            "gives no reason",
            1,
        ),
        ("\n[[equivalent".to_owned(), "", 2),
    ] {
        site.write("tests/policies/equivalent-mutants.toml", &text);
        let (code, report) = site.json(&["--mutate"]);
        assert_eq!(code, 1);
        let finding: &Value = &report["findings"][0];
        assert_eq!(finding["code"], "equivalents_syntax", "{finding}");
        assert_eq!(finding["file"], "./tests/policies/equivalent-mutants.toml");
        assert_eq!(finding["line"], line, "{finding}");
        assert!(
            finding["message"].as_str().unwrap().contains(said),
            "{finding}"
        );
    }
}

#[test]
fn mutation_is_not_run_while_a_case_fails() {
    let site = Site::few(&[with_factors(1, "deny", "few")]);
    let ran = site.run(&["--min-mutation", "0"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("mutation: not run"), "{}", ran.stdout);
    let (_, report) = site.json(&["--mutate"]);
    assert_eq!(report.get("mutation"), None);
}
