//! Mutants of policies whose mutants are known by hand.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use cedargate_policy::{Bundle, cases};

use super::{case, load, load_files};
use crate::mutation::{self, Mutant, MutantOutcome};

const OPEN: &str = r#"@id("open") permit (principal, action in Gate::Action::"manageOwnMfa", resource);
"#;
/// Refuses the enrolment of a third factor.
const FEW: &str = r#"
@id("few")
@code("too_many")
forbid (principal, action == Gate::Action::"beginWebauthnRegistration", resource)
when { context.factors.count >= 2 };
"#;

/// The shared test case with another number of factors and another expectation.
fn with_factors(count: u32, decision: &str, reason: &str) -> Value {
    let mut case = case();
    case["request"]["context"]["factors"]["count"] = json!(count);
    case["decision"] = json!(decision);
    case["reason"] = json!([reason]);
    let case_members = case.as_object_mut().unwrap();
    case_members.remove("notices");
    case_members.remove("code");
    case
}

/// Returns each mutant of the bundle with its outcome.
fn outcomes(bundle: &Bundle, cases: &[Value]) -> Vec<(Mutant, MutantOutcome)> {
    let text = json!(cases).to_string();
    let cases = cases::read("t.json", &text, ".".as_ref()).unwrap();
    let prepared: Vec<_> = cases
        .iter()
        .map(|case| case.prepare(bundle).unwrap())
        .collect();
    for case in &prepared {
        assert_eq!(case.run(bundle).1, [""; 0]);
    }
    let mutants = mutation::mutants(bundle).unwrap();
    let done = AtomicUsize::new(0);
    let count = || _ = done.fetch_add(1, Ordering::Relaxed);
    let outcomes = mutation::run(bundle, &mutants, &prepared, count).unwrap();
    assert_eq!(done.into_inner(), mutants.len());
    mutants.into_iter().zip(outcomes).collect()
}

/// Describes the mutants with some outcome.
fn described(
    outcomes: &[(Mutant, MutantOutcome)],
    of: impl Fn(&MutantOutcome) -> bool,
) -> Vec<String> {
    let some = outcomes.iter().filter(|(_, outcome)| of(outcome));
    some.map(|(mutant, _)| format!("{} {}: {}", mutant.line, mutant.policy, mutant.change))
        .collect()
}

#[test]
fn mutants_that_no_case_notices_survive_and_each_is_tried_once() {
    let bundle = load(&format!("{OPEN}{FEW}")).unwrap();
    let cases = [
        with_factors(2, "deny", "few"),
        with_factors(0, "allow", "open"),
    ];
    let outcomes = outcomes(&bundle, &cases);
    assert_eq!(
        described(&outcomes, |outcome| *outcome == MutantOutcome::Survived),
        ["6 few: context.factors.count >= 2 → context.factors.count >= 1"]
    );
    // `unless` for `when` equals the negated clause
    assert_eq!(
        described(&outcomes, |outcome| *outcome == MutantOutcome::Killed),
        [
            "3 few: policy removed",
            "5 few: forbid → permit",
            "6 few: when { context.factors.count >= 2 } → unless { … }",
            "6 few: dropped: context.factors.count >= 2",
            "6 few: context.factors.count >= 2 → context.factors.count > 2",
            "6 few: context.factors.count >= 2 → context.factors.count <= 2",
            "6 few: context.factors.count >= 2 → context.factors.count >= 3",
        ]
    );
    // these changes do not load
    assert_eq!(
        described(&outcomes, |outcome| matches!(
            outcome,
            MutantOutcome::Refused(_)
        )),
        [
            "1 open: policy removed",
            "1 open: permit → forbid",
            "1 open: action in Gate::Action::\"manageOwnMfa\" → action",
            "1 open: action in Gate::Action::\"manageOwnMfa\" → action == Gate::Action::\"manageOwnMfa\"",
            "5 few: action == Gate::Action::\"beginWebauthnRegistration\" → action",
        ]
    );
    assert!(
        outcomes
            .iter()
            .all(|(mutant, _)| mutant.file == "policies/a.cedar")
    );
    let why = |wanted: &str| {
        let found = outcomes
            .iter()
            .find(|(mutant, _)| mutant.change.ends_with(wanted));
        found.map(|(_, outcome)| outcome.clone()).unwrap()
    };
    let MutantOutcome::Refused(why) = why("→ action") else {
        panic!("it loads")
    };
    assert!(why.starts_with("this permit names no action"), "{why}");
}

#[test]
fn survivor_is_killed_by_a_case_that_notices_it() {
    let bundle = load(&format!("{OPEN}{FEW}")).unwrap();
    let cases = [
        with_factors(2, "deny", "few"),
        with_factors(1, "allow", "open"),
    ];
    let outcomes = outcomes(&bundle, &cases);
    assert_eq!(
        described(&outcomes, |outcome| *outcome == MutantOutcome::Survived),
        [""; 0]
    );
}

/// Returns the changes of the second policy of a file, without its removal.
fn changes(policy: &str) -> BTreeSet<String> {
    let bundle = load(&format!("{OPEN}@id(\"x\") {policy}")).unwrap();
    let mutants = mutation::mutants(&bundle).unwrap();
    let of_x = mutants.into_iter().filter(|mutant| mutant.policy == "x");
    of_x.map(|mutant| mutant.change)
        .filter(|change| change != "policy removed" && !change.contains("forbid"))
        .collect()
}

#[track_caller]
fn changes_are(policy: &str, expected: &[&str]) {
    let expected: BTreeSet<_> = expected.iter().map(|one| (*one).to_owned()).collect();
    assert_eq!(changes(policy), expected);
}

#[test]
fn heads_get_wider_scopes_and_shorter_lists() {
    let actions = "Gate::Action::\"listMfaMethods\", Gate::Action::\"renameMfaMethod\"";
    changes_are(
        "forbid (principal is Gate::User in Gate::Issuer::\"corp\", action in [Gate::Action::\"listMfaMethods\", // one
           Gate::Action::\"renameMfaMethod\"], resource is Gate::Account,);",
        &[
            "principal is Gate::User in Gate::Issuer::\"corp\" → principal",
            &format!("action in [{actions}] → action"),
            &format!("dropped: Gate::Action::\"listMfaMethods\", of action in [{actions}]"),
            &format!("dropped: Gate::Action::\"renameMfaMethod\", of action in [{actions}]"),
            "resource is Gate::Account → resource",
        ],
    );
    let user = "Gate::User::\"corp||a\"";
    changes_are(
        &format!("forbid (principal == {user}, action, resource in Gate::Issuer::\"corp\");"),
        &[
            &format!("principal == {user} → principal"),
            "resource in Gate::Issuer::\"corp\" → resource",
            "resource in Gate::Issuer::\"corp\" → resource == Gate::Issuer::\"corp\"",
        ],
    );
}

#[test]
fn operands_are_dropped_and_negated_at_every_depth() {
    let (a, b, c) = (
        "principal.claims has employment",
        "principal in Gate::Issuer::\"corp\"",
        "resource is Gate::Account in Gate::Issuer::\"corp\"",
    );
    changes_are(
        &format!(
            "forbid (principal, action in Gate::Action::\"manageOwnMfa\", resource)
             when {{ ({a} || !({b})) && // why
               {c} }};"
        ),
        &[
            "action in Gate::Action::\"manageOwnMfa\" → action",
            "action in Gate::Action::\"manageOwnMfa\" → action == Gate::Action::\"manageOwnMfa\"",
            &format!("when {{ ({a} || !({b})) && {c} }} → unless {{ … }}"),
            &format!("dropped: {a} || !({b})"),
            &format!("negated: {a} || !({b})"),
            &format!("dropped: {a}"),
            &format!("negated: {a}"),
            &format!("dropped: !({b})"),
            &format!("negated: !({b})"),
            &format!("!({b}) → !(principal == Gate::Issuer::\"corp\")"),
            &format!("dropped: {c}"),
            &format!("negated: {c}"),
        ],
    );
}

#[test]
fn numbers_durations_times_and_networks_are_off_by_one() {
    let (age, network, moment, sum) = (
        "(context.session.sinceBackupCode) < duration(\"1m500ms\")",
        "context.network.address.isInRange(ip(\"192.0.2.0/32\"))",
        "context.now != datetime(\"2026-01-15\")",
        "context.factors.count - -1 > 0",
    );
    let not = |what: &str| [format!("dropped: {what}"), format!("negated: {what}")];
    let mut expected = vec![
        "action in Gate::Action::\"manageOwnMfa\" → action".to_owned(),
        "action in Gate::Action::\"manageOwnMfa\" → action == Gate::Action::\"manageOwnMfa\""
            .to_owned(),
        format!("{age} → {}", age.replace('<', "<=")),
        format!("{age} → {}", age.replace('<', ">")),
        format!("{age} → {}", age.replace("1m500ms", "61500ms")),
        format!("{age} → {}", age.replace("1m500ms", "59500ms")),
        format!("{network} → {}", network.replace("/32", "/31")),
        format!("{moment} → {}.offset(duration(\"1s\"))", moment),
        format!("{moment} → {}.offset(duration(\"-1s\"))", moment),
        format!("{sum} → {}", sum.replace('>', ">=")),
        format!("{sum} → {}", sum.replace('>', "<")),
        format!("{sum} → {}", sum.replace("-1", "-2")),
        format!("{sum} → {}", sum.replace("-1", "-0")),
        format!("{sum} → {}", sum.replace('0', "1")),
        format!("{sum} → {}", sum.replace('0', "-1")),
    ];
    expected.extend([age, network, moment, sum].into_iter().flat_map(not));
    let all = format!("unless {{ {age} }} unless {{ {network} || {moment} || {sum} }}");
    let both = [
        format!("unless {{ {age} }} → when {{ … }}"),
        format!("unless {{ {network} || {moment} || {sum} }} → when {{ … }}"),
    ];
    expected.extend(both);
    // `unless` for the first `when` equals its negated clause
    expected.retain(|one| *one != format!("negated: {age}"));
    let policy =
        format!("forbid (principal, action in Gate::Action::\"manageOwnMfa\", resource) {all};");
    // `==` for `!=` equals the negation, which comes first
    let found = changes(&policy);
    let expected: BTreeSet<_> = expected.into_iter().collect();
    assert_eq!(found, expected);
}

#[test]
fn template_is_changed_once_for_all_links_and_each_link_is_removed() {
    let template = "@id(\"t\") permit (principal in ?principal, action in Gate::Action::\"manageOwnMfa\", resource);";
    let link = |id: &str, issuer: &str| json!({"template_id": "t", "link_id": id, "args": {"?principal": format!("Gate::Issuer::\"{issuer}\"")}});
    let links = json!([link("l-corp", "corp"), link("l-dev", "dev")]).to_string();
    let bundle = load_files(&[("t.cedar", template), ("t.links.json", &links)]).unwrap();
    let outcomes = outcomes(&bundle, &[with_factors(0, "allow", "l-corp")]);
    assert_eq!(
        described(&outcomes, |outcome| *outcome == MutantOutcome::Killed),
        ["1 l-corp: link removed"]
    );
    assert_eq!(
        described(&outcomes, |outcome| *outcome == MutantOutcome::Survived),
        [
            "1 t: principal in ?principal → principal",
            "1 l-dev: link removed"
        ]
    );
}

#[test]
fn comments_and_multibyte_characters_do_not_shift_changes() {
    changes_are(
        "@x_note(\"näh → \\\"forbid\\\"\") // wörtlich: permit (
         forbid // … when
         (principal, // ä, b
           action in // über
             Gate::Action::\"manageOwnMfa\", resource);",
        &[
            "action in Gate::Action::\"manageOwnMfa\" → action",
            "action in Gate::Action::\"manageOwnMfa\" → action == Gate::Action::\"manageOwnMfa\"",
        ],
    );
    changes_are(
        "forbid (principal, action == Gate::Action::\"listMfaMethods\", resource)
         when // ü
         { principal.claims has employment && // é
           principal.claims.employment like \"*ö && !\" };",
        &[
            "action == Gate::Action::\"listMfaMethods\" → action",
            "when { principal.claims has employment && principal.claims.employment like \"*ö && !\" } → unless { … }",
            "dropped: principal.claims has employment",
            "negated: principal.claims has employment",
            "dropped: principal.claims.employment like \"*ö && !\"",
            "negated: principal.claims.employment like \"*ö && !\"",
        ],
    );
}

#[test]
fn shadow_policies_have_no_mutants() {
    let shadow = FEW.replace("@code", "@mode(\"shadow\") @code");
    let bundle = load(&format!("{OPEN}{shadow}")).unwrap();
    let mutants = mutation::mutants(&bundle).unwrap();
    assert!(
        mutants.iter().all(|mutant| mutant.policy == "open"),
        "{mutants:?}"
    );
}

#[test]
fn bundle_with_a_replaced_policy_equals_the_bundle_of_the_new_text() {
    let bundle = load(&format!("{OPEN}{FEW}")).unwrap();
    let few = bundle
        .entries()
        .iter()
        .find(|entry| entry.id == "few")
        .unwrap();
    let text = few
        .text()
        .replace(">= 2", ">= 1")
        .replace("too_many", "many");
    let replaced = bundle
        .analysis()
        .replacement(few, &text)
        .unwrap()
        .apply(&bundle)
        .unwrap();
    let loaded = load(&format!(
        "{OPEN}{}",
        FEW.replace(">= 2", ">= 1").replace("too_many", "many")
    ));
    let text = json!([with_factors(1, "deny", "few")]).to_string();
    let cases = cases::read("t.json", &text, ".".as_ref()).unwrap();
    let case = cases[0].prepare(&bundle).unwrap();
    assert!(case.run(&bundle).0.is_allow());
    assert_eq!(case.run(&replaced), case.run(&loaded.unwrap()));
    assert_eq!(case.run(&replaced).0.code(), Some("many"));
    let entry = replaced
        .entries()
        .iter()
        .find(|entry| entry.id == "few")
        .unwrap();
    assert_eq!((entry.line, entry.text_line()), (few.line, few.text_line()));
    assert!(entry.text().contains(">= 1"));
    let removed = bundle
        .analysis()
        .removal(few)
        .unwrap()
        .apply(&bundle)
        .unwrap();
    assert_eq!(removed.policy_ids(), ["open"]);
    let refused = bundle.analysis().replacement(few, "forbid (").unwrap_err();
    assert_eq!((refused.0[0].code, refused.0[0].line), ("syntax", 3));
}
