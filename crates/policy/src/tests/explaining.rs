//! Why a request was decided as it was, clause by clause. That it is so for whatever policies there
//! are is in `properties`.

mod changes;
mod needs;

use serde_json::{Value, json};

use super::super::explanation::{Explained, Explanation, render};
use super::super::{Inquiry, Sources};
use super::running_cases::case;
use super::*;

fn shipped() -> Bundle {
    Bundle::load(&Sources::shipped()).unwrap()
}

fn explain(bundle: &Bundle, case: &Value) -> Explanation {
    let request = case["request"].as_object().unwrap();
    let inquiry = Inquiry::read(bundle, request, &case["entities"]).unwrap();
    bundle.explain(&inquiry)
}

fn policy<'e>(explanation: &'e Explanation, id: &str) -> &'e Explained {
    let found = explanation.policies.iter().find(|one| one.id == id);
    found.unwrap_or_else(|| panic!("{id}: {explanation:#?}"))
}

fn ids(explanation: &Explanation) -> Vec<&str> {
    explanation
        .policies
        .iter()
        .map(|one| one.id.as_str())
        .collect()
}

fn stepped_up(seconds: u32) -> Value {
    let mut case = case();
    case["request"]["context"]["session"]["sinceStrong"] = json!(format!("{seconds}s"));
    case
}

/// The same as a request that has no method type.
fn without_method_type(mut case: Value, action: &str) -> Value {
    case["request"]["action"] = json!(format!("Gate::Action::\"{action}\""));
    let context = case["request"]["context"].as_object_mut().unwrap();
    context.remove("methodType");
    case
}

#[test]
fn a_forbid_says_what_would_lift_it() {
    insta::assert_snapshot!(render(&explain(&shipped(), &stepped_up(4000))));
}

#[test]
fn an_explanation_has_the_shape_that_scripts_rely_on() {
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
fn a_denial_by_default_leads_with_the_permits_that_came_nearest() {
    let mut trusted = stepped_up(40);
    trusted["request"]["context"]["session"]["trusted"] = json!(true);
    let explanation = explain(
        &shipped(),
        &without_method_type(trusted, "adminListMfaMethods"),
    );
    insta::assert_snapshot!(render(&explanation));
}

#[test]
fn an_allow_names_its_permit_and_what_might_have_forbidden_it() {
    let explanation = explain(&shipped(), &without_method_type(case(), "listMfaMethods"));
    assert_eq!(explanation.would_permit, []);
    insta::assert_snapshot!(render(&explanation));
}

#[test]
fn the_nearest_permit_is_that_of_the_action_with_the_fewest_failing_parts() {
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
    assert_eq!(explanation.verdict.code.as_deref(), Some("forbidden"));
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
fn where_no_permit_names_the_action_a_few_others_are_named() {
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
fn what_fails_leads_and_refuses() {
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
        "nothing that a caller does mends it"
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
        "as the Cedar CLI says it"
    );
    insta::assert_snapshot!(render(&explanation));
}

#[test]
fn a_clause_that_is_not_reached_is_left_out() {
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
        .map(|one| one.text.as_str())
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
