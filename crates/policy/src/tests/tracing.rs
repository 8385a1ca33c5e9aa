//! Traces of policies: the scope, and each clause of the conditions.

use serde_json::Value;

use super::running_cases::case;
use super::*;

fn prepared(bundle: &Bundle, case: &Value) -> PreparedRequest {
    let request = case["request"].as_object().unwrap();
    PreparedRequest::from_json(bundle, request, &case["entities"]).unwrap()
}

fn traced(bundle: &Bundle, case: &Value, id: &str) -> PolicyTrace {
    let traces = bundle.trace(&prepared(bundle, case));
    let (_, trace) = traces
        .into_iter()
        .find(|(entry, _)| entry.id == id)
        .unwrap();
    trace
}

/// Returns the text of each clause, true for those of an `unless`, and their outcomes.
fn clauses(trace: &PolicyTrace) -> Vec<(&str, bool, &ClauseOutcome)> {
    let clauses = trace.clauses.iter();
    clauses
        .map(|clause| (clause.text.as_str(), clause.unless, &clause.outcome))
        .collect()
}

#[test]
fn alternatives_of_an_unless_are_separate_clauses() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let trace = traced(&bundle, &case(), "step-up-begin");
    assert!(trace.in_scope());
    assert_eq!(
        clauses(&trace),
        [
            (
                "context.factors.count == 0 && !context.factors.reset",
                true,
                &ClauseOutcome::False
            ),
            (
                "context.session.sinceStrong <= duration(\"5m\")",
                true,
                &ClauseOutcome::False
            ),
            (
                "context.session.sinceBackupCode <= duration(\"5m\")",
                true,
                &ClauseOutcome::False
            ),
        ]
    );
    assert!(trace.clauses.iter().all(|clause| !clause.fails()));
}

const GUARDED: &str = r#"@id("open") permit (principal, action in Gate::Action::"manageOwnMfa", resource);

@id("guarded")
@notice("no")
forbid (principal, action == Gate::Action::"beginWebauthnRegistration", resource)
when { principal has claims && !(context.factors.count > 1) &&
  principal.claims has employment && principal.claims.employment == "contractor" }
when { context.factors.count + 9223372036854775806 > 0 || false }
unless { context.factors.count - 2 == 0 };
"#;

#[test]
fn clause_behind_a_failed_guard_is_not_reached() {
    let bundle = load(GUARDED).unwrap();
    let trace = traced(&bundle, &case(), "guarded");
    let clauses = clauses(&trace);
    assert_eq!(
        clauses,
        [
            ("principal has claims", false, &ClauseOutcome::True),
            ("!(context.factors.count > 1)", false, &ClauseOutcome::True),
            (
                "principal.claims has employment",
                false,
                &ClauseOutcome::False
            ),
            (
                "principal.claims.employment == \"contractor\"",
                false,
                &ClauseOutcome::NotReached
            ),
            (
                "context.factors.count + 9223372036854775806 > 0 || false",
                false,
                &ClauseOutcome::True
            ),
            (
                "context.factors.count - 2 == 0",
                true,
                &ClauseOutcome::False
            ),
        ]
    );
    let lines: Vec<_> = trace.clauses.iter().map(|clause| clause.line).collect();
    assert_eq!(lines, [6, 6, 7, 7, 8, 9]);
    let fails: Vec<_> = trace.clauses.iter().map(ClauseTrace::fails).collect();
    assert_eq!(fails, [false, false, true, false, false, false]);
}

#[test]
fn clause_that_fails_has_the_error() {
    let bundle = load(&GUARDED.replace("806 > 0", "807 > 0")).unwrap();
    let mut case = case();
    case["entities"][0]["attrs"]["claims"] = serde_json::json!({"employment": "contractor"});
    let trace = traced(&bundle, &case, "guarded");
    let ClauseOutcome::Error(error) = &trace.clauses[4].outcome else {
        panic!("{trace:?}")
    };
    assert!(error.contains("integer overflow"), "{error}");
    assert!(trace.clauses[4].fails());
}

#[test]
fn scope_of_policies_and_links_is_traced_part_by_part() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let admins = traced(&bundle, &case(), "mfa-admins-dev");
    assert_eq!(
        (admins.principal, admins.action, admins.resource),
        (false, false, true),
        "alice is in no group, and her account in the tenant"
    );
    let own = traced(&bundle, &case(), "own-factors");
    assert!(own.in_scope() && own.clauses.len() == 1, "{own:?}");
}

#[test]
fn entry_has_place_text_and_annotations() {
    let bundle = load(GUARDED).unwrap();
    let [guarded, open] = bundle.entries() else {
        panic!("{:?}", bundle.entries())
    };
    assert_eq!(
        (open.id.as_str(), open.effect, open.line),
        ("open", "permit", 1)
    );
    assert_eq!((guarded.effect, guarded.line), ("forbid", 3));
    assert_eq!(&*guarded.file, "policies/a.cedar");
    assert_eq!(guarded.annotations.get("notice"), Some("no"));
    assert!(!guarded.annotations.contains_key("id"));
    assert!(guarded.text().starts_with("@id(\"guarded\")") && guarded.text().ends_with(';'));

    let shipped = Bundle::load(&Sources::shipped()).unwrap();
    let link = shipped
        .entries()
        .iter()
        .find(|entry| entry.id == "mfa-admins-dev");
    let link = link.unwrap();
    assert_eq!(link.template.as_deref(), Some("mfa-admins"));
    assert_eq!((&*link.file, link.line), ("policies/dev.links.json", 2));
    assert_eq!(link.text_file(), "policies/40-admins.cedar");
    assert!(link.text().contains("?principal"), "{}", link.text());
}

#[test]
fn shadow_policies_are_traced() {
    let bundle = load(&GUARDED.replace("@notice", "@mode(\"shadow\")\n@notice")).unwrap();
    assert!(!traced(&bundle, &case(), "guarded").clauses.is_empty());
    assert!(bundle.entries()[0].shadow);
    assert_eq!(bundle.policy_ids(), ["open"]);
}
