//! Explanations of decisions. `properties` tests them with generated policies.

mod changes;
mod needs;

use serde_json::{Value, json};

use crate::explanation::{ExplainedPolicy, render};

use super::running_cases::case;
use super::*;

fn shipped() -> Bundle {
    Bundle::load(&Sources::shipped()).unwrap()
}

fn explain(bundle: &Bundle, case: &Value) -> Explanation {
    let request = case["request"].as_object().unwrap();
    bundle.explain(&PreparedRequest::from_json(bundle, request, &case["entities"]).unwrap())
}

fn policy<'e>(explanation: &'e Explanation, id: &str) -> &'e ExplainedPolicy {
    let policy = explanation.policies.iter().find(|policy| policy.id == id);
    policy.unwrap_or_else(|| panic!("{id}: {explanation:#?}"))
}

fn ids(explanation: &Explanation) -> Vec<&str> {
    explanation
        .policies
        .iter()
        .map(|policy| policy.id.as_str())
        .collect()
}

fn stepped_up(seconds: u32) -> Value {
    let mut case = case();
    case["request"]["context"]["session"]["sinceStrong"] = json!(format!("{seconds}s"));
    case
}

/// Changes a case to an action whose context has no method type.
fn without_method_type(mut case: Value, action: &str) -> Value {
    case["request"]["action"] = json!(format!("Gate::Action::\"{action}\""));
    let context = case["request"]["context"].as_object_mut().unwrap();
    context.remove("methodType");
    case
}

#[test]
fn determining_forbid_is_explained_with_the_changes_that_help() {
    insta::assert_snapshot!(render(&explain(&shipped(), &stepped_up(4000))));
}

#[test]
fn explanation_serialises_with_stable_members() {
    let mut explanation = explain(&shipped(), &stepped_up(4000));
    assert_eq!(explanation.revision, shipped().revision());
    explanation.revision = "…".to_owned();
    insta::assert_json_snapshot!(explanation);
    let json = serde_json::to_value(&explanation).unwrap();
    let members: Vec<_> = json.as_object().unwrap().keys().collect();
    for member in [
        "decision",
        "reason",
        "notices",
        "code",
        "policies",
        "would_permit",
    ] {
        assert!(members.contains(&&member.to_owned()), "{member}");
    }
}

#[test]
fn denial_by_default_lists_the_nearest_permits_first() {
    let mut trusted = stepped_up(40);
    trusted["request"]["context"]["session"]["trusted"] = json!(true);
    let explanation = explain(
        &shipped(),
        &without_method_type(trusted, "adminListMfaMethods"),
    );
    insta::assert_snapshot!(render(&explanation));
}

#[test]
fn allow_lists_its_permit_and_the_forbids_in_scope() {
    let explanation = explain(&shipped(), &without_method_type(case(), "listMfaMethods"));
    assert_eq!(explanation.would_permit, []);
    insta::assert_snapshot!(render(&explanation));
}

#[test]
fn permits_are_sorted_by_the_number_of_failing_parts() {
    let permits = "
        @id(\"a-other-action\") permit (principal, action == Gate::Action::\"listMfaMethods\", resource);
        @id(\"b-three\") permit (principal in Gate::Tenant::\"0e0e0e0e-0000-4000-8000-000000000001\", action in Gate::Action::\"enroll\", resource)
          when { context.factors.count == 9 && context.session.acr == \"phr\" };
        @id(\"c-one\") permit (principal, action in Gate::Action::\"enroll\", resource) when { context.factors.count == 9 };
        @id(\"d-two\") permit (principal, action in Gate::Action::\"enroll\", resource)
          when { context.factors.count == 9 } unless { context.factors.count == 1 };
        @id(\"e-by-head\") permit (principal in Gate::Issuer::\"other\", action in Gate::Action::\"enroll\", resource);
        @id(\"f-in-scope\") permit (principal, action in Gate::Action::\"enroll\", resource) when { context.factors.count > 5 && context.factors.count > 6 && context.factors.count > 7 && context.factors.count > 8 };
        @id(\"g-forbid\") forbid (principal, action in Gate::Action::\"enroll\", resource) when { context.factors.count == 9 };
        @id(\"h-shadow\") @mode(\"shadow\") permit (principal, action in Gate::Action::\"enroll\", resource);";
    let explanation = explain(&load(permits).unwrap(), &case());
    assert_eq!(
        ids(&explanation),
        [
            "c-one",
            "e-by-head",
            "d-two",
            "b-three",
            "f-in-scope",
            "g-forbid",
            "h-shadow"
        ]
    );
    assert_eq!(explanation.decision.code(), Some("forbidden"));
    let by_head = policy(&explanation, "e-by-head");
    assert_eq!(by_head.head.len(), 1);
    assert_eq!(by_head.head[0].text, "principal in Gate::Issuer::\"other\"");
    assert_eq!(
        by_head.head[0].needed.as_deref(),
        Some("principal was in Gate::Issuer::\"corp\", needed in Gate::Issuer::\"other\"")
    );
    let shadow = policy(&explanation, "h-shadow");
    assert!(shadow.shadow && shadow.applies && !shadow.determined);
    let text = render(&explanation);
    assert!(text.contains("h-shadow (permit, shadow)"), "{text}");
}

#[test]
fn three_permits_of_other_actions_are_listed_if_none_matches_the_action() {
    let permits: String = (0..9)
        .map(|at| {
            format!("@id(\"p{at}\") permit (principal, action == Gate::Action::\"listMfaMethods\", resource) when {{ context.factors.count == {at} }};\n")
        })
        .collect();
    let explanation = explain(&load(&permits).unwrap(), &case());
    assert_eq!(
        ids(&explanation),
        ["p1", "p0", "p2"],
        "p1 fails by its action alone"
    );
    let needed = policy(&explanation, "p1").head[0].needed.clone().unwrap();
    assert!(
        needed.ends_with("needed in Gate::Action::\"listMfaMethods\"")
            || needed.ends_with("needed Gate::Action::\"listMfaMethods\""),
        "{needed}"
    );
}

#[test]
fn failed_policy_is_listed_first_and_denies() {
    let bundle = load(
        "@id(\"open\") permit (principal, action in Gate::Action::\"manageOwnMfa\", resource);
         @id(\"broken\") forbid (principal, action in Gate::Action::\"mfa\", resource)
           when { context.factors.count + 9223372036854775807 > 0 && context.session.acr == \"\" };
         @id(\"shadowed\") @mode(\"shadow\") forbid (principal, action in Gate::Action::\"mfa\", resource)
           when { context.factors.count + 9223372036854775807 > 0 };",
    );
    let explanation = explain(&bundle.unwrap(), &case());
    assert_eq!(ids(&explanation), ["broken", "open", "shadowed"]);
    assert_eq!(
        explanation.would_permit,
        [],
        "the caller cannot repair a failing policy"
    );
    let broken = policy(&explanation, "broken");
    assert!(!broken.applies && !broken.determined);
    let json = serde_json::to_value(broken).unwrap();
    assert_eq!(json["clauses"][0]["value"], "error");
    let error = json["clauses"][0]["error"].as_str().unwrap();
    assert!(error.contains("integer overflow"), "{error}");
    assert_eq!(
        json["clauses"][0]["observed"],
        json!({"context.factors.count": "1"})
    );
    assert!(
        policy(&explanation, "open").determined,
        "the Cedar CLI lists it among its reasons too"
    );
    insta::assert_snapshot!(render(&explanation));
}

#[test]
fn clause_that_is_not_reached_is_left_out() {
    let bundle = load(
        "@id(\"guarded\") permit (principal, action in Gate::Action::\"manageOwnMfa\", resource)
           when { principal.claims has employment && principal.claims.employment == \"contractor\" };",
    )
    .unwrap();
    let explanation = explain(&bundle, &case());
    let guarded = policy(&explanation, "guarded");
    let texts: Vec<_> = guarded
        .clauses
        .iter()
        .map(|clause| clause.text.as_str())
        .collect();
    assert_eq!(texts, ["principal.claims has employment"]);
    let json = serde_json::to_value(guarded).unwrap();
    let observed = json!({"principal.claims.employment": null});
    assert_eq!(json["clauses"][0]["observed"], observed);
    let mut contractor = case();
    contractor["entities"][0]["attrs"]["claims"] = json!({"employment": "staff"});
    let explanation = explain(&bundle, &contractor);
    let clauses = &policy(&explanation, "guarded").clauses;
    assert_eq!(
        clauses[1].needed.as_deref(),
        Some("principal.claims.employment was \"staff\", needed \"contractor\"")
    );
}
