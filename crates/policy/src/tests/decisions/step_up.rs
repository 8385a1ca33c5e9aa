//! What a caller is asked to step up to.

use super::super::super::*;
use super::super::{load, load_files};
use super::{Asked, EVERYBODY, FAILS, TENANT, ago, alice, forbid, now};
use cedargate_core::{CodeKind, CodeSetId, CodeUse, Confirmer, Effect, Recourse, StepUp};

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
        EVERYBODY.replace("\"manageOwnMfa\"", "\"stepUp\""),
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

fn confirmer(method_type: MethodType, trusted: bool, age: u64) -> Confirmer {
    Confirmer {
        method_type,
        trusted,
        age,
    }
}

/// A caller with an authenticator that cannot be used here.
fn stranded() -> Asked {
    let mut asked = Asked::by(alice()).with_key();
    asked.means.authenticators = Vec::new();
    asked
}

fn recovery(left: &[Recourse]) -> Effect {
    Effect::RecoveryRequired(left.to_vec())
}

#[test]
fn a_step_up_is_offered_only_with_an_authenticator_that_leads_to_an_allow() {
    use MethodType::{Fido, Passkey};
    let trusted = [step_up("x", "phr", "5m", " && context.session.trusted")];
    let old = [step_up(
        "x",
        "phr",
        "5m",
        " && context.session.authenticatorAge >= duration(\"1d\")",
    )];
    let plain = Effect::Deny("forbidden".to_owned());
    for (policies, authenticators, expected) in [
        (&trusted, vec![confirmer(Fido, false, 0)], plain.clone()),
        (
            &trusted,
            vec![confirmer(Fido, false, 0), confirmer(Passkey, true, 0)],
            asks_for(&["phr"], 300, &[Passkey]),
        ),
        (
            &trusted,
            vec![confirmer(Fido, true, 7), confirmer(Passkey, true, 0)],
            asks_for(&["phr"], 300, &[Passkey, Fido]),
        ),
        (&old, vec![confirmer(Fido, true, 86_399)], plain.clone()),
        (
            &old,
            vec![confirmer(Fido, false, 86_400), confirmer(Passkey, true, 1)],
            asks_for(&["phr"], 300, &[Fido]),
        ),
    ] {
        let mut asked = Asked::by(alice()).with_key();
        asked.means.authenticators = authenticators;
        assert_eq!(effect(&asked, policies), expected, "{:?}", asked.means);
    }
}

#[test]
fn a_sign_in_at_the_issuer_is_trusted_and_has_no_age() {
    let asked = Asked::by(strong(&["mfa"]));
    let condition =
        " && context.session.trusted && context.session.authenticatorAge == duration(\"36500d\")";
    let policies = [step_up("x", "mfa", "5m", condition)];
    assert_eq!(effect(&asked, &policies), asks_for(&["mfa"], 300, &[]));
}

#[test]
fn a_code_does_not_outlive_a_step_up() {
    let mut asked = Asked::by(alice()).with_key();
    asked.user.session.code = Some(CodeUse {
        at: now(),
        set: CodeSetId::named("x"),
        kind: CodeKind::Backup,
    });
    let and_code = " && context.session.sinceBackupCode == duration(\"0s\")";
    let policies = [step_up("x", "phr", "5m", and_code)];
    assert_eq!(
        effect(&asked, &policies),
        Effect::Deny("forbidden".to_owned()),
        "the token of the step-up has no code_time"
    );
}

#[test]
fn without_a_usable_authenticator_the_answer_is_what_remains() {
    use Recourse::{Admin, BackupCode, RecoveryCode};
    let codes = " || context.session.sinceBackupCode <= duration(\"5m\")";
    let with_codes = [step_up("x", "phr", "5m", codes)];
    let without = [step_up("x", "phr", "5m", "")];
    let mut asked = stranded();
    assert_eq!(effect(&asked, &with_codes), recovery(&[Admin]));
    asked.means.backup_code = true;
    assert_eq!(effect(&asked, &with_codes), recovery(&[BackupCode, Admin]));
    assert_eq!(effect(&asked, &without), recovery(&[Admin]));
    // After a reset there is no authenticator, and the account is no new one.
    let mut reset = Asked::by(alice());
    reset.factors.reset = true;
    reset.means.recovery_code = true;
    assert_eq!(
        effect(&reset, &with_codes),
        recovery(&[RecoveryCode, Admin])
    );
    // Where the issuer offers a sign-in, that is asked for.
    reset.user.strong_acr = ["phr".to_owned()].into();
    assert_eq!(effect(&reset, &with_codes), asks_for(&["phr"], 300, &[]));
}

#[test]
fn recovery_is_not_required_where_no_step_up_would_have_been_offered() {
    let plain = Effect::Deny("forbidden".to_owned());
    let phr = step_up("x", "phr", "5m", "");
    // There never was an authenticator.
    assert_eq!(
        effect(&Asked::by(alice()), std::slice::from_ref(&phr)),
        plain
    );
    // No authenticator gives this acr.
    assert_eq!(effect(&stranded(), &[step_up("x", "mfa", "5m", "")]), plain);
    // The best authenticator would not do either.
    assert_eq!(effect(&stranded(), &[phr, forbid("z", "true")]), plain);
    // There is one that can be used, and it does not do.
    let trusted = step_up("x", "phr", "5m", " && context.session.trusted");
    assert_eq!(effect(&Asked::by(alice()).with_key(), &[trusted]), plain);
}
