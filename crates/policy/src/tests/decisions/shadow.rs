//! Shadow policies, which are evaluated and reported but never count.

use super::*;

/// A condition that is false in these tests.
const NEVER: &str = "context.factors.count > 9";

fn shadow(policy: String) -> String {
    policy.replacen("@id", "@mode(\"shadow\") @id", 1)
}

/// Returns the decision of [`OWN_MFA`] and these policies for alice, who has a security key.
fn decided(policies: &[String]) -> Decision {
    let bundle = load(&format!("{OWN_MFA}{}", policies.concat())).unwrap();
    MemberRequest::by(alice()).with_key().decide(&bundle)
}

/// Returns the decision that the shadow policies among these would change.
fn shadow_decision(policies: &[String]) -> Option<ShadowDecision> {
    decided(policies).shadow.map(|shadow| *shadow)
}

fn effect(policies: &[String]) -> Option<&'static str> {
    shadow_decision(policies).map(|shadow| shadow.decision.effect.as_str())
}

fn step_up(id: &str, age: &str) -> String {
    format!(
        "@id(\"{id}\") @step_up(\"phr\") @max_age(\"{age}\") forbid (principal, action in Gate::Action::\"manageOwnMfa\", resource) unless {{ context.session.sinceStrong <= duration(\"{age}\") }};\n"
    )
}

#[test]
fn shadow_policies_never_count() {
    let policies = [
        OWN_MFA.to_owned(),
        shadow(forbid("x", "true")),
        shadow(forbid("failing", FAILS)),
    ]
    .concat();
    let bundle = load(&policies).unwrap();
    let decision = MemberRequest::by(alice()).with_key().decide(&bundle);
    assert_eq!(
        (decision.effect, decision.policies),
        (Effect::Allow, vec!["open".to_owned()])
    );
    assert_eq!(
        (bundle.entries().len(), bundle.policy_ids()),
        (3, vec!["open"])
    );
    // The links of a shadow template do not count either.
    let template = "@mode(\"shadow\") @id(\"t\") forbid (principal in ?principal, action in Gate::Action::\"mfa\", resource);";
    let links = format!(
        "[{{\"template_id\": \"t\", \"link_id\": \"l\", \"args\": {{\"?principal\": \"Gate::Tenant::\\\"{TENANT}\\\"\"}}}}]"
    );
    let policies = format!("{OWN_MFA}{template}");
    let files = |policies| load_files(&[("a.cedar", policies), ("l.links.json", &links)]).unwrap();
    assert_eq!(
        MemberRequest::by(alice()).decide(&files(&policies)).effect,
        Effect::Allow
    );
    let live = policies.replace("@mode(\"shadow\") ", "@notice(\"linked\") ");
    let decision = MemberRequest::by(alice()).decide(&files(&live));
    assert_eq!(
        (decision.policies, decision.notices),
        (vec!["l".to_owned()], vec!["linked".to_owned()])
    );
}

#[test]
fn shadow_forbid_that_would_deny_is_reported() {
    let refuses = forbid("x", "true").replace("@id", "@code(\"late\") @notice(\"Late.\") @id");
    let decision = decided(&[shadow(refuses.clone()), shadow(forbid("y", NEVER))]);
    assert_eq!(
        (decision.effect, decision.policies, decision.notices),
        (Effect::Allow, vec!["open".to_owned()], Vec::new())
    );
    let x = || vec!["x".to_owned()];
    let expected = ShadowDecision {
        decision: Decision {
            effect: Effect::Deny("late".to_owned()),
            policies: x(),
            notices: vec!["Late.".to_owned()],
            errors: Vec::new(),
            failed: Vec::new(),
            shadow: None,
        },
        shadow_policies: x(),
    };
    assert_eq!(decision.shadow.as_deref(), Some(&expected));
    // The forbid decides the same when it counts.
    let live = decided(&[refuses]);
    assert_eq!(live.effect, Effect::Deny("late".to_owned()));
    assert_eq!(live.shadow, None);
}

#[test]
fn shadow_permit_that_would_allow_is_reported() {
    let closed = OWN_MFA.replace("\"manageOwnMfa\"", "\"stepUp\"");
    let opens = shadow(OWN_MFA.replace("\"open\"", "\"opens\""));
    let bundle = load(&format!("{closed}{opens}")).unwrap();
    let decision = MemberRequest::by(alice()).decide(&bundle);
    assert_eq!(decision.effect, Effect::Deny("forbidden".to_owned()));
    let shadow = decision.shadow.unwrap();
    assert!(shadow.decision.is_allow());
    assert_eq!(shadow.shadow_policies, ["opens"]);
}

#[test]
fn shadow_policy_without_another_effect_is_not_reported() {
    let refuses = forbid("a", "true");
    for (live, beside) in [
        (vec![], forbid("x", NEVER)),
        (vec![], OWN_MFA.replace("\"open\"", "\"opens\"")),
        // Only the notices would differ.
        (
            vec![refuses.clone()],
            forbid("x", "true").replace("@id", "@notice(\"Closed.\") @id"),
        ),
        (vec![step_up("a", "5m")], step_up("x", "5m")),
        (vec![step_up("a", "5m")], step_up("x", "10m")),
        // The decision fails without the shadow policy too.
        (vec![forbid("a", FAILS)], forbid("x", FAILS)),
    ] {
        let policies = [live, vec![shadow(beside)]].concat();
        assert_eq!(shadow_decision(&policies), None, "{policies:?}");
    }
}

#[test]
fn shadow_policy_with_another_code_or_step_up_is_reported() {
    let refuses = forbid("b", "true");
    let coded = |id, code| forbid(id, "true").replace("@id", &format!("@code(\"{code}\") @id"));
    let changed = shadow_decision(&[refuses, shadow(coded("x", "late"))]).unwrap();
    assert_eq!(changed.decision.effect, Effect::Deny("late".to_owned()));
    assert_eq!(
        (changed.decision.policies, changed.shadow_policies),
        (vec!["b".to_owned(), "x".to_owned()], vec!["x".to_owned()])
    );

    assert_eq!(effect(&[shadow(step_up("x", "5m"))]), Some("step_up"));
    let sooner = [step_up("a", "10m"), shadow(step_up("x", "5m"))];
    assert_eq!(effect(&sooner), Some("step_up"));
    let for_good = [step_up("a", "5m"), shadow(forbid("x", "true"))];
    assert_eq!(effect(&for_good), Some("deny"));
    // A shadow policy that only applies after the step-up is not a determining policy.
    let in_vain = forbid("x", "context.session.acr == \"phr\"");
    let changed = shadow_decision(&[step_up("a", "5m"), shadow(in_vain)]).unwrap();
    assert_eq!(changed.decision.effect.as_str(), "deny");
    assert_eq!(changed.shadow_policies, [""; 0]);
}

#[test]
fn failing_shadow_policy_is_reported_and_changes_nothing() {
    let decision = decided(&[shadow(forbid("failing", FAILS)), shadow(forbid("x", NEVER))]);
    assert_eq!(
        (decision.effect, decision.errors),
        (Effect::Allow, Vec::new())
    );
    let shadow = decision.shadow.unwrap();
    assert_eq!(shadow.decision.effect, Effect::Failed);
    assert_eq!(shadow.shadow_policies, ["failing"]);
    assert_eq!(shadow.decision.errors.len(), 1);
    assert!(
        shadow.decision.errors[0].contains("failing"),
        "{:?}",
        shadow.decision.errors
    );
}
