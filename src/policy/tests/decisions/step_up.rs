//! What a caller is asked to step up to.

use super::super::super::*;
use super::super::{load, load_files};
use super::{Asked, EVERYBODY, FAILS, TENANT, ago, alice, forbid};
use crate::error::StepUp;
use crate::record::Effect;

fn step_up(id: &str, acr: &str, age: &str, unless: &str) -> String {
    format!(
        "@id(\"{id}\") @step_up(\"{acr}\") @max_age(\"{age}\") forbid (principal, action in Gate::Action::\"manageOwnMfa\", resource) unless {{ context.session.sinceStrong <= duration(\"{age}\"){unless} }};\n"
    )
}

fn asks_for(acr_values: &[&str], max_age: u64, method_types: &[MethodType]) -> Effect {
    Effect::StepUp(StepUp {
        acr_values: acr_values.iter().map(|acr| (*acr).to_owned()).collect(),
        max_age,
        method_types: method_types.to_vec(),
    })
}

fn strong(acr: &[&str]) -> User {
    User {
        strong_acr: acr.iter().map(|acr| (*acr).to_owned()).collect(),
        ..alice()
    }
}

fn effect(asked: &Asked, policies: &[String]) -> Effect {
    asked
        .decide(&load(&format!("{EVERYBODY}{}", policies.concat())).unwrap())
        .effect
}

#[test]
fn step_up_asks_only_for_what_the_caller_can_get() {
    let policies = [step_up("x", "phr", "5m", "")];
    let plain = Effect::Deny("forbidden".to_owned());
    assert_eq!(effect(&Asked::by(alice()), &policies), plain);
    assert_eq!(
        effect(&Asked::by(alice()).with_key(), &policies),
        asks_for(&["phr"], 300, &[MethodType::Fido])
    );
    assert_eq!(
        effect(&Asked::by(strong(&["phr"])), &policies),
        asks_for(&["phr"], 300, &[])
    );
    assert_eq!(effect(&Asked::by(strong(&["mfa"])), &policies), plain);
    // An authenticator here gives phr and nothing else.
    let other = [step_up("x", "mfa", "5m", "")];
    assert_eq!(effect(&Asked::by(alice()).with_key(), &other), plain);
    assert_eq!(
        effect(&Asked::by(strong(&["mfa"])).with_key(), &other),
        asks_for(&["mfa"], 300, &[])
    );
    let mut fresh = Asked::by(alice()).with_key();
    fresh.user.session.strong_at = ago(300);
    assert_eq!(effect(&fresh, &policies), Effect::Allow);
    fresh.user.session.strong_at = ago(301);
    assert_eq!(
        effect(&fresh, &policies),
        asks_for(&["phr"], 300, &[MethodType::Fido])
    );
}

#[test]
fn step_up_asks_only_for_what_would_be_allowed() {
    let asked = Asked::by(strong(&["mfa"])).with_key();
    let plain = Effect::Deny("forbidden".to_owned());
    let both = [
        step_up("x", "phr", "10m", ""),
        step_up("y", "mfa", "2m", ""),
    ];
    assert_eq!(
        effect(&asked, &both),
        asks_for(&["mfa", "phr"], 120, &[MethodType::Fido])
    );
    // Each acr is tried for itself.
    let particular = [
        step_up("x", "phr", "10m", ""),
        step_up("y", "mfa", "2m", " && context.session.acr == \"mfa\""),
    ];
    assert_eq!(effect(&asked, &particular), asks_for(&["mfa"], 120, &[]));
    // A forbid that no sign-in lifts, and a sign-in that is not all that is missing.
    assert_eq!(effect(&asked, &[both.concat(), forbid("z", "true")]), plain);
    assert_eq!(
        effect(
            &asked,
            &[step_up(
                "x",
                "phr",
                "5m",
                " && context.session.amr.contains(\"hwk\")"
            )]
        ),
        plain
    );
    // A forbid that such a sign-in would bring about.
    assert_eq!(
        effect(
            &asked,
            &[both.concat(), forbid("z", "context.session.acr == \"phr\"")]
        ),
        asks_for(&["mfa"], 120, &[])
    );
    // A policy that fails after the step-up: no allow.
    let fails = format!("context.session.acr == \"phr\" && {FAILS}");
    assert_eq!(
        effect(
            &asked,
            &[step_up("x", "phr", "5m", ""), forbid("z", &fails)]
        ),
        plain
    );
    // No permit: nothing to step up to.
    let bundle = load(&format!(
        "{}{}",
        EVERYBODY.replace("\"mfa\"", "\"stepUp\""),
        both.concat()
    ))
    .unwrap();
    assert_eq!(asked.decide(&bundle).effect, plain);
}

#[test]
fn a_link_asks_for_the_step_up_of_its_template() {
    let template = step_up("t", "phr", "5m", "").replace("(principal", "(principal in ?principal");
    let links = format!(
        "[{{\"template_id\": \"t\", \"link_id\": \"l\", \"args\": {{\"?principal\": \"Gate::Tenant::\\\"{TENANT}\\\"\"}}}}]"
    );
    let policies = format!("{EVERYBODY}{template}");
    let bundle = load_files(&[("a.cedar", &policies), ("l.links.json", &links)]).unwrap();
    let decided = Asked::by(alice()).with_key().decide(&bundle);
    assert_eq!(decided.policies, ["l"]);
    assert_eq!(decided.effect, asks_for(&["phr"], 300, &[MethodType::Fido]));
}

#[test]
fn a_denial_that_no_step_up_lifts_has_a_code_like_any_other() {
    let coded =
        |policy: String, code: &str| policy.replace("forbid", &format!("@code(\"{code}\") forbid"));
    let stepping = coded(step_up("a", "phr", "5m", ""), "too_old");
    let mismatch = coded(forbid("z", "true"), "tenant_mismatch");
    let denied = |code: &str| Effect::Deny(code.to_owned());
    // Nothing to step up with.
    let policies = [stepping.clone()];
    assert_eq!(effect(&Asked::by(alice()), &policies), denied("too_old"));
    // A wrong tenant is said, whatever else there is to do.
    let policies = [stepping, mismatch];
    assert_eq!(
        effect(&Asked::by(alice()).with_key(), &policies),
        denied("tenant_mismatch")
    );
}
