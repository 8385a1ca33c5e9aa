//! Policies that are evaluated and told of, and never count.

use super::super::super::*;
use super::super::{load, load_files};
use super::{Asked, EVERYBODY, FAILS, TENANT, alice, forbid};
use cedargate_core::{Effect, Shadow};

/// A condition that does not hold for anybody here.
const NEVER: &str = "context.factors.count > 9";

fn shadow(policy: String) -> String {
    policy.replacen("@id", "@mode(\"shadow\") @id", 1)
}

/// What these policies and [`EVERYBODY`] say to alice, who has a key.
fn decided(policies: &[String]) -> Decided {
    let bundle = load(&format!("{EVERYBODY}{}", policies.concat())).unwrap();
    Asked::by(alice()).with_key().decide(&bundle)
}

/// What the shadow policies among them would have changed.
fn would(policies: &[String]) -> Option<Shadow> {
    decided(policies).shadow
}

fn effect(policies: &[String]) -> Option<&'static str> {
    would(policies).map(|shadow| shadow.effect)
}

fn step_up(id: &str, age: &str) -> String {
    format!(
        "@id(\"{id}\") @step_up(\"phr\") @max_age(\"{age}\") forbid (principal, action in Gate::Action::\"manageOwnMfa\", resource) unless {{ context.session.sinceStrong <= duration(\"{age}\") }};\n"
    )
}

#[test]
fn shadow_policies_never_count() {
    let policies = [
        EVERYBODY.to_owned(),
        shadow(forbid("x", "true")),
        shadow(forbid("failing", FAILS)),
    ]
    .concat();
    let bundle = load(&policies).unwrap();
    let decided = Asked::by(alice()).with_key().decide(&bundle);
    assert_eq!(
        (decided.effect, decided.policies),
        (Effect::Allow, vec!["open".to_owned()])
    );
    assert_eq!((bundle.len(), bundle.policy_ids()), (3, vec!["open"]));
    // Neither do the links of a shadow template.
    let template = "@mode(\"shadow\") @id(\"t\") forbid (principal in ?principal, action in Gate::Action::\"mfa\", resource);";
    let links = format!(
        "[{{\"template_id\": \"t\", \"link_id\": \"l\", \"args\": {{\"?principal\": \"Gate::Tenant::\\\"{TENANT}\\\"\"}}}}]"
    );
    let policies = format!("{EVERYBODY}{template}");
    let files = |policies| load_files(&[("a.cedar", policies), ("l.links.json", &links)]).unwrap();
    assert_eq!(
        Asked::by(alice()).decide(&files(&policies)).effect,
        Effect::Allow
    );
    let live = policies.replace("@mode(\"shadow\") ", "@notice(\"linked\") ");
    let decided = Asked::by(alice()).decide(&files(&live));
    assert_eq!(
        (decided.policies, decided.notices),
        (vec!["l".to_owned()], vec!["linked".to_owned()])
    );
}

#[test]
fn a_shadow_forbid_that_would_have_refused_is_told_of() {
    let refuses = forbid("x", "true").replace("@id", "@code(\"late\") @notice(\"Late.\") @id");
    let told = decided(&[shadow(refuses.clone()), shadow(forbid("y", NEVER))]);
    assert_eq!(
        (told.effect, told.policies, told.notices),
        (Effect::Allow, vec!["open".to_owned()], Vec::new())
    );
    let x = || vec!["x".to_owned()];
    let expected = Shadow {
        effect: "deny",
        code: Some("late".to_owned()),
        policies: x(),
        shadow_policies: x(),
        notices: vec!["Late.".to_owned()],
        errors: Vec::new(),
    };
    assert_eq!(told.shadow, Some(expected));
    // Just what it says when it counts.
    let live = decided(&[refuses]);
    assert_eq!(live.effect, Effect::Deny("late".to_owned()));
    assert_eq!(live.shadow, None);
}

#[test]
fn a_shadow_permit_that_would_have_opened_is_told_of() {
    let closed = EVERYBODY.replace("\"manageOwnMfa\"", "\"stepUp\"");
    let opens = shadow(EVERYBODY.replace("\"open\"", "\"opens\""));
    let bundle = load(&format!("{closed}{opens}")).unwrap();
    let told = Asked::by(alice()).decide(&bundle);
    assert_eq!(told.effect, Effect::Deny("forbidden".to_owned()));
    let shadow = told.shadow.unwrap();
    assert_eq!((shadow.effect, shadow.code), ("allow", None));
    assert_eq!(shadow.shadow_policies, ["opens"]);
}

#[test]
fn the_same_answer_is_not_told_of() {
    let refuses = forbid("a", "true");
    for (live, beside) in [
        (vec![], forbid("x", NEVER)),
        (vec![], EVERYBODY.replace("\"open\"", "\"opens\"")),
        // The same code: only the notices would be others.
        (
            vec![refuses.clone()],
            forbid("x", "true").replace("@id", "@notice(\"And so.\") @id"),
        ),
        (vec![step_up("a", "5m")], step_up("x", "5m")),
        (vec![step_up("a", "5m")], step_up("x", "10m")),
        // It fails already.
        (vec![forbid("a", FAILS)], forbid("x", FAILS)),
    ] {
        let policies = [live, vec![shadow(beside)]].concat();
        assert_eq!(would(&policies), None, "{policies:?}");
    }
}

#[test]
fn another_code_or_another_step_up_is_another_answer() {
    let refuses = forbid("b", "true");
    let coded = |id, code| forbid(id, "true").replace("@id", &format!("@code(\"{code}\") @id"));
    let told = would(&[refuses, shadow(coded("x", "late"))]).unwrap();
    assert_eq!((told.effect, told.code.as_deref()), ("deny", Some("late")));
    assert_eq!(
        (told.policies, told.shadow_policies),
        (vec!["b".to_owned(), "x".to_owned()], vec!["x".to_owned()])
    );

    assert_eq!(effect(&[shadow(step_up("x", "5m"))]), Some("step_up"));
    let sooner = [step_up("a", "10m"), shadow(step_up("x", "5m"))];
    assert_eq!(effect(&sooner), Some("step_up"));
    let for_good = [step_up("a", "5m"), shadow(forbid("x", "true"))];
    assert_eq!(effect(&for_good), Some("deny"));
    // A shadow policy that only bears on what the step-up leads to determines nothing itself.
    let in_vain = forbid("x", "context.session.acr == \"phr\"");
    let told = would(&[step_up("a", "5m"), shadow(in_vain)]).unwrap();
    assert_eq!((told.effect, told.shadow_policies), ("deny", Vec::new()));
}

#[test]
fn a_shadow_policy_that_fails_changes_nothing_and_is_told_of() {
    let told = decided(&[shadow(forbid("failing", FAILS)), shadow(forbid("x", NEVER))]);
    assert_eq!((told.effect, told.errors), (Effect::Allow, Vec::new()));
    let shadow = told.shadow.unwrap();
    assert_eq!(
        (shadow.effect, shadow.code.as_deref()),
        ("error", Some("policy_error"))
    );
    assert_eq!(shadow.shadow_policies, ["failing"]);
    assert_eq!(shadow.errors.len(), 1);
    assert!(shadow.errors[0].contains("failing"), "{:?}", shadow.errors);
}
