//! Test cases: passing, failing and invalid ones.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::cases::{self, CaseOutcome};
use crate::{Bundle, Sources};

use super::load;

const TENANT: &str = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";
const NOTICE: &str = "To add an authenticator, first confirm one that you have, or use a backup code: within the last 5 minutes. After a reset by an administrator, use the recovery code that you were given, or a strong sign-in.";

/// Returns a case that the shipped policies deny: a second authenticator without a step-up.
pub(super) fn case() -> Value {
    serde_json::from_str(include_str!("case.json")).unwrap()
}

fn entities() -> Value {
    case()["entities"].clone()
}

fn run_in(folder: &Path, case: &Value) -> CaseOutcome {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let text = json!([case]).to_string();
    cases::run(&bundle, "t.json", &text, folder)
        .unwrap()
        .remove(0)
}

fn run(case: &Value) -> CaseOutcome {
    run_in(Path::new("."), case)
}

#[test]
fn case_with_the_expected_decision_passes() {
    let outcome = run(&case());
    assert_eq!(
        (outcome.name.as_str(), outcome.failures.as_slice()),
        ("case", [].as_slice())
    );
    let actual = outcome.actual.unwrap();
    assert_eq!(
        (actual.as_cedar(), actual.policies),
        ("deny", vec!["step-up-begin".to_owned()])
    );
    let mut short = case();
    for member in ["name", "notices", "code"] {
        short.as_object_mut().unwrap().remove(member);
    }
    short["reason"] = json!([]);
    short["filler"] = json!(1);
    let outcome = run(&short);
    assert!(outcome.passed() && outcome.name == "1", "{outcome:?}");
}

#[test]
fn each_expected_member_is_compared() {
    for (member, value, expected) in [
        (
            "decision",
            json!("allow"),
            "decision: expected \"allow\", was \"deny\"",
        ),
        (
            "reason",
            json!(["step-up-begin", "tenant-isolation"]),
            "reason: \"tenant-isolation\" did not determine",
        ),
        ("num_errors", json!(1), "num_errors: expected 1"),
        ("notices", json!([]), "notices: expected"),
        ("notices", json!([NOTICE, NOTICE]), "notices: expected"),
        (
            "code",
            json!("forbidden"),
            "code: expected \"forbidden\", was \"step_up_required\"",
        ),
    ] {
        let mut case = case();
        case[member] = value;
        let outcome = run(&case);
        assert_eq!(outcome.failures.len(), 1, "{outcome:?}");
        assert!(outcome.failures[0].starts_with(expected), "{outcome:?}");
        assert!(outcome.actual.is_some());
    }
}

#[test]
fn notices_are_compared_in_their_order() {
    let bundle = load(
        "@id(\"open\") permit (principal, action in [Gate::Action::\"manageOwnMfa\", Gate::Action::\"stepUp\"], resource) when { resource in principal.account };
         @id(\"x\") @notice(\"one\") forbid (principal, action in Gate::Action::\"enroll\", resource);
         @id(\"y\") @notice(\"two\") forbid (principal, action in Gate::Action::\"enroll\", resource);",
    ).unwrap();
    let passes = |notices: &[&str]| {
        let mut case = case();
        case["reason"] = json!(["x", "y"]);
        case["code"] = json!("forbidden");
        case["notices"] = json!(notices);
        let text = json!([case]).to_string();
        let outcomes = cases::run(&bundle, "t.json", &text, Path::new(".")).unwrap();
        outcomes[0].passed()
    };
    assert!(passes(&["one", "two"]));
    for wrong in [&["two", "one"][..], &["one"], &["two"], &[]] {
        assert!(!passes(wrong), "{wrong:?}");
    }
}

#[test]
fn case_with_an_evaluation_error_is_denied() {
    let bundle = load(
        "@id(\"open\") permit (principal, action in [Gate::Action::\"manageOwnMfa\", Gate::Action::\"stepUp\"], resource) when { resource in principal.account };
         @id(\"x\") forbid (principal, action in Gate::Action::\"enroll\", resource) when { context.factors.count + 9223372036854775807 > 0 };",
    ).unwrap();
    let mut case = case();
    case["num_errors"] = json!(1);
    case["reason"] = json!(["open"]);
    case["notices"] = json!([]);
    case["code"] = json!("policy_error");
    let text = json!([case]).to_string();
    let outcome = cases::run(&bundle, "t.json", &text, Path::new("."))
        .unwrap()
        .remove(0);
    assert!(outcome.passed(), "{outcome:?}");
}

#[track_caller]
fn assert_invalid(case: &Value, message: &str) {
    let outcome = run(case);
    assert_eq!(outcome.actual, None);
    assert_eq!(outcome.failures.len(), 1);
    assert!(outcome.failures[0].contains(message), "{outcome:?}");
}

#[test]
fn invalid_case_is_refused_with_the_member() {
    for member in ["decision", "reason", "num_errors", "request", "entities"] {
        let mut case = case();
        case.as_object_mut().unwrap().remove(member);
        assert_invalid(&case, &format!("\"{member}\" is missing"));
    }
    for member in ["principal", "action", "resource", "context"] {
        let mut case = case();
        case["request"].as_object_mut().unwrap().remove(member);
        assert_invalid(&case, &format!("\"{member}\" is missing"));
    }
    assert_invalid(&json!(7), "a case must be a JSON object");
    let with = |pointer: &str, value: Value| {
        let mut case = case();
        *case.pointer_mut(pointer).unwrap() = value;
        case
    };
    assert_invalid(&with("/decision", json!("Allow")), "\"allow\" or \"deny\"");
    assert_invalid(
        &with("/reason", json!("x")),
        "\"reason\" is not a list of strings",
    );
    assert_invalid(
        &with("/num_errors", json!(-1)),
        "\"num_errors\" is not a whole number",
    );
    assert_invalid(
        &with("/request/principal", json!("alice")),
        "\"principal\": \"alice\" is not an entity uid",
    );
    assert_invalid(
        &with(
            "/request/action",
            json!("Gate::Action::\"beginWebauthnRegistratio\""),
        ),
        "did you mean Gate::Action::\"beginWebauthnRegistration\"?",
    );
    assert_invalid(
        &with("/request/context/network", json!({"address": "nowhere"})),
        "\"context\": ",
    );
    assert_invalid(
        &with("/request/context/factors", json!({})),
        "\"context\": ",
    );
    assert_invalid(
        &with("/request/resource", json!("Gate::Route::\"unknown\"")),
        "\"request\": ",
    );
    assert_invalid(&with("/entities/0/attrs", json!({})), "\"entities\": ");
}

#[test]
fn misspelt_ids_are_refused_with_the_right_spelling() {
    let upper = json!({"type": "Gate::Tenant", "id": TENANT.to_uppercase()});
    let help = format!("write Gate::Tenant::\"{TENANT}\"");
    for pointer in ["/request/context/tenant", "/entities/0/parents/1"] {
        let mut case = case();
        *case.pointer_mut(pointer).unwrap() = upper.clone();
        assert_invalid(&case, &help);
    }
    let mut case = case();
    case["request"]["principal"] = json!("Gate::User::\"alice\"");
    assert_invalid(&case, "<issuer>|<tenant>|alice");
    for (entity_type, id, help) in [
        (
            "Gate::Group",
            "contractors",
            "<issuer>|<tenant>|contractors",
        ),
        ("Gate::Issuer", "Corp", "write Gate::Issuer::\"corp\""),
        (
            "Gate::Route",
            "/v1/openapi.jsn",
            "write Gate::Route::\"/v1/openapi.json\"",
        ),
    ] {
        let misspelt = json!({"type": entity_type, "id": id});
        for uid in [misspelt.clone(), json!({"__entity": misspelt})] {
            let mut case = self::case();
            case["entities"][0]["parents"][0] = uid;
            assert_invalid(&case, help);
        }
        let mut case = self::case();
        case["request"]["resource"] = json!(format!("{entity_type}::{id:?}"));
        assert_invalid(&case, help);
    }
}

#[test]
fn entities_are_read_only_from_files_in_the_folder_of_the_case() {
    let folder = tempfile::TempDir::new().unwrap();
    fs::create_dir(folder.path().join("tests")).unwrap();
    fs::write(folder.path().join("outside.json"), entities().to_string()).unwrap();
    fs::write(
        folder.path().join("tests/inside.json"),
        entities().to_string(),
    )
    .unwrap();
    let tests = folder.path().join("tests");
    let outcome = |path: &str| {
        let mut case = case();
        case["entities"] = json!(path);
        run_in(&tests, &case)
    };
    assert!(outcome("inside.json").passed());
    assert!(outcome("./inside.json").passed());
    let outside = folder.path().join("outside.json");
    for path in [
        "../outside.json",
        outside.to_str().unwrap(),
        "x/../../outside.json",
    ] {
        assert!(
            outcome(path).failures[0].contains("is not in the folder"),
            "{path}"
        );
    }
    assert!(outcome("none.json").failures[0].contains("none.json cannot be read"));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&outside, tests.join("link.json")).unwrap();
        assert!(outcome("link.json").failures[0].contains("is not in the folder"));
    }
}

#[test]
fn file_that_is_not_a_list_of_cases_is_refused() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    for (text, line) in [
        ("{}", 1),
        ("[\n  {]\n", 2),
        ("", 1),
        ("[\n{\"decision\": \"allow\",\n\"decision\": \"deny\"}]", 3),
    ] {
        let finding = cases::run(&bundle, "t.json", text, Path::new("."))
            .unwrap_err()
            .0
            .remove(0);
        assert_eq!(
            (finding.code, finding.file.as_str(), finding.line),
            ("test_syntax", "t.json", line)
        );
    }
}

/// Returns the case as an older release wrote it, without the members that this release added.
fn case_of_older_release() -> Value {
    let mut old = case();
    let context = &mut old["request"]["context"];
    for (record, names) in [
        ("session", &["trusted", "authenticatorAge"][..]),
        ("factors", &["reset"]),
    ] {
        for name in names {
            context[record].as_object_mut().unwrap().remove(*name);
        }
    }
    old
}

#[test]
fn case_of_an_older_release_gets_the_weakest_values() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let text = json!([case(), case_of_older_release(), case_of_older_release()]).to_string();
    let cases = cases::read("t.json", &text, Path::new(".")).unwrap();
    let runs = cases::run_all(&bundle, &cases).unwrap();
    let runs: Vec<_> = runs.into_iter().map(Result::unwrap).collect();
    for run in &runs {
        assert_eq!(run.failures, Vec::<String>::new());
    }
    let assumed = |index: usize| runs[index].case.request.assumed();
    assert_eq!(assumed(0), Vec::<&str>::new());
    assert_eq!(
        assumed(1),
        [
            "context.factors.reset",
            "context.session.authenticatorAge",
            "context.session.trusted"
        ]
    );
}

#[test]
fn weakest_values_are_untrusted_new_and_not_reset() {
    for (condition, holds) in [
        ("context.session.trusted", false),
        ("context.session.authenticatorAge == duration(\"0s\")", true),
        ("context.factors.reset", false),
    ] {
        let bundle = load(&format!(
            "@id(\"x\") permit (principal, action in Gate::Action::\"enroll\", resource) when {{ {condition} }};"
        ))
        .unwrap();
        let text = json!([case_of_older_release()]).to_string();
        let outcome = cases::run(&bundle, "t.json", &text, Path::new("."))
            .unwrap()
            .remove(0);
        let decision = if holds { "allow" } else { "deny" };
        assert_eq!(outcome.actual.unwrap().as_cedar(), decision, "{condition}");
    }
}

#[test]
fn means_of_a_case_decide_its_step_up() {
    let code = |case: &Value| run(case).actual.unwrap().code().map(str::to_owned);
    let required = Some("recovery_required".to_owned());
    let step_up = Some("step_up_required".to_owned());
    assert_eq!(code(&case()), step_up);
    let mut stranded = case();
    stranded["means"] = json!({"authenticators": [], "backup_code": true, "recovery_code": false});
    assert_eq!(code(&stranded), required);
    stranded["strong_acr"] = json!(["phr"]);
    assert_eq!(
        code(&stranded),
        step_up,
        "a sign-in at the issuer is enough"
    );
    let mut usable = case();
    usable["means"] = json!({
        "authenticators": [{"method_type": "webauthn_fido", "trusted": true, "age": "30d"}],
        "backup_code": false, "recovery_code": false,
    });
    assert_eq!(code(&usable), step_up);
}

#[test]
fn malformed_means_are_refused_with_the_problem() {
    let with = |member: &str, value: Value| {
        let mut confirmer = json!({"method_type": "webauthn_fido", "trusted": true, "age": "30d"});
        confirmer[member] = value;
        json!({"authenticators": [confirmer], "backup_code": true, "recovery_code": true})
    };
    for (means, expected) in [
        (json!([]), "a JSON object is missing"),
        (json!({}), "\"authenticators\" is missing"),
        (
            json!({"authenticators": {}, "backup_code": true, "recovery_code": true}),
            "\"authenticators\" is not a list",
        ),
        (
            json!({"authenticators": [], "backup_code": 1, "recovery_code": true}),
            "\"backup_code\" is not true or false",
        ),
        (json!({"admin": true}), "there is no member \"admin\""),
        (
            with("method_type", json!("totp")),
            "there is no method type \"totp\"",
        ),
        (
            with("age", json!("a while")),
            "\"a while\" is not a duration",
        ),
        (with("age", json!("-1s")), "\"-1s\" is not a duration"),
        (
            with("trusted", json!("yes")),
            "\"trusted\" is not true or false",
        ),
        (with("rp", json!("x")), "there is no member \"rp\""),
    ] {
        let mut wrong = case();
        wrong["means"] = means;
        let outcome = run(&wrong);
        assert!(
            outcome.failures[0].starts_with("\"means\": "),
            "{outcome:?}"
        );
        assert!(outcome.failures[0].contains(expected), "{outcome:?}");
    }
}
