//! How policies come to match: their heads, and each clause of their conditions.

use serde_json::Value;

use super::super::{Inquiry, Look, Seen, Sources};
use super::running_cases::case;
use super::*;

fn inquiry(bundle: &Bundle, case: &Value) -> Inquiry {
    let request = case["request"].as_object().unwrap();
    Inquiry::read(bundle, request, &case["entities"]).unwrap()
}

fn look(bundle: &Bundle, case: &Value, id: &str) -> Look {
    let looks = bundle.look(&inquiry(bundle, case));
    let (_, look) = looks.into_iter().find(|(entry, _)| entry.id == id).unwrap();
    look
}

/// The text of each clause, whether it is of an `unless`, and what it was.
fn clauses(look: &Look) -> Vec<(&str, bool, &Seen)> {
    let clauses = look.clauses.iter();
    clauses
        .map(|one| (one.text.as_str(), one.unless, &one.seen))
        .collect()
}

#[test]
fn an_unless_is_as_many_clauses_as_it_has_alternatives() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let look = look(&bundle, &case(), "step-up-begin");
    assert!(look.in_scope());
    assert_eq!(
        clauses(&look),
        [
            (
                "context.factors.count == 0 && !context.factors.reset",
                true,
                &Seen::False
            ),
            (
                "context.session.sinceStrong <= duration(\"5m\")",
                true,
                &Seen::False
            ),
            (
                "context.session.sinceBackupCode <= duration(\"5m\")",
                true,
                &Seen::False
            ),
        ]
    );
    assert!(look.clauses.iter().all(|clause| !clause.fails()));
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
fn clauses_are_in_order_and_what_a_failed_one_guards_is_not_reached() {
    let bundle = load(GUARDED).unwrap();
    let look = look(&bundle, &case(), "guarded");
    let clauses = clauses(&look);
    assert_eq!(
        clauses,
        [
            ("principal has claims", false, &Seen::True),
            ("!(context.factors.count > 1)", false, &Seen::True),
            ("principal.claims has employment", false, &Seen::False),
            (
                "principal.claims.employment == \"contractor\"",
                false,
                &Seen::NotReached
            ),
            (
                "context.factors.count + 9223372036854775806 > 0 || false",
                false,
                &Seen::True
            ),
            ("context.factors.count - 2 == 0", true, &Seen::False),
        ]
    );
    let lines: Vec<_> = look.clauses.iter().map(|one| one.line).collect();
    assert_eq!(lines, [6, 6, 7, 7, 8, 9]);
    let fails: Vec<_> = look.clauses.iter().map(Clause::fails).collect();
    assert_eq!(fails, [false, false, true, false, false, false]);
}

#[test]
fn a_clause_that_cannot_be_evaluated_says_why() {
    let bundle = load(&GUARDED.replace("806 > 0", "807 > 0")).unwrap();
    let mut case = case();
    case["entities"][0]["attrs"]["claims"] = serde_json::json!({"employment": "contractor"});
    let look = look(&bundle, &case, "guarded");
    let Seen::Error(why) = &look.clauses[4].seen else {
        panic!("{look:?}")
    };
    assert!(why.contains("integer overflow"), "{why}");
    assert!(look.clauses[4].fails());
}

#[test]
fn heads_are_looked_at_part_by_part_links_too() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let admins = look(&bundle, &case(), "mfa-admins-dev");
    assert_eq!(
        (admins.principal, admins.action, admins.resource),
        (false, false, true),
        "alice is in no group, and her account in the tenant"
    );
    let own = look(&bundle, &case(), "own-factors");
    assert!(own.in_scope() && own.clauses.len() == 1, "{own:?}");
}

#[test]
fn entries_say_where_a_policy_stands_and_what_it_says() {
    let bundle = load(GUARDED).unwrap();
    let [guarded, open] = bundle.entries() else {
        panic!("{:?}", bundle.entries())
    };
    assert_eq!(
        (open.id.as_str(), open.effect, open.line),
        ("open", "permit", 1)
    );
    assert_eq!((guarded.effect, guarded.line), ("forbid", 3));
    assert_eq!(guarded.file, "policies/a.cedar");
    assert_eq!(guarded.annotations["notice"], "no");
    assert!(!guarded.annotations.contains_key("id"));
    assert!(guarded.text().starts_with("@id(\"guarded\")") && guarded.text().ends_with(';'));

    let shipped = Bundle::load(&Sources::shipped()).unwrap();
    let link = shipped
        .entries()
        .iter()
        .find(|one| one.id == "mfa-admins-dev");
    let link = link.unwrap();
    assert_eq!(link.template.as_deref(), Some("mfa-admins"));
    assert_eq!(
        (link.file.as_str(), link.line),
        ("policies/dev.links.json", 2)
    );
    assert_eq!(link.text_file(), "policies/40-admins.cedar");
    assert!(link.text().contains("?principal"), "{}", link.text());
}

#[test]
fn shadow_policies_are_looked_at_too() {
    let bundle = load(&GUARDED.replace("@notice", "@mode(\"shadow\")\n@notice")).unwrap();
    assert!(!look(&bundle, &case(), "guarded").clauses.is_empty());
    assert!(bundle.entries()[0].shadow);
    assert_eq!(bundle.policy_ids(), ["open"]);
}
