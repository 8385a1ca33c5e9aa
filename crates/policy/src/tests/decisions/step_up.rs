//! The step-ups that denials offer.

use super::*;

fn step_up(id: &str, acr: &str, age: &str, unless: &str) -> String {
    format!(
        "@id(\"{id}\") @step_up(\"{acr}\") @max_age(\"{age}\") forbid (principal, action in Gate::Action::\"manageOwnMfa\", resource) unless {{ context.session.sinceStrong <= duration(\"{age}\"){unless} }};\n"
    )
}

fn offers(acr_values: &[&str], max_age: u64, method_types: &[MethodType]) -> Effect {
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

fn effect(request: &MemberRequest, policies: &[String]) -> Effect {
    request
        .decide(&load(&format!("{OWN_MFA}{}", policies.concat())).unwrap())
        .effect
}

#[test]
fn step_up_offers_only_acr_values_that_the_caller_can_get() {
    let policies = [step_up("x", "phr", "5m", "")];
    let plain = Effect::Deny("forbidden".to_owned());
    assert_eq!(effect(&MemberRequest::by(alice()), &policies), plain);
    assert_eq!(
        effect(&MemberRequest::by(alice()).with_key(), &policies),
        offers(&["phr"], 300, &[MethodType::Fido])
    );
    assert_eq!(
        effect(&MemberRequest::by(strong(&["phr"])), &policies),
        offers(&["phr"], 300, &[])
    );
    assert_eq!(
        effect(&MemberRequest::by(strong(&["mfa"])), &policies),
        plain
    );
    // An assertion at the gateway gives the acr `phr` and no other.
    let other = [step_up("x", "mfa", "5m", "")];
    assert_eq!(
        effect(&MemberRequest::by(alice()).with_key(), &other),
        plain
    );
    assert_eq!(
        effect(&MemberRequest::by(strong(&["mfa"])).with_key(), &other),
        offers(&["mfa"], 300, &[])
    );
    let mut fresh = MemberRequest::by(alice()).with_key();
    fresh.user.session.strong_at = ago(300);
    assert_eq!(effect(&fresh, &policies), Effect::Allow);
    fresh.user.session.strong_at = ago(301);
    assert_eq!(
        effect(&fresh, &policies),
        offers(&["phr"], 300, &[MethodType::Fido])
    );
}

#[test]
fn step_up_offers_only_acr_values_that_lead_to_an_allow() {
    let request = MemberRequest::by(strong(&["mfa"])).with_key();
    let plain = Effect::Deny("forbidden".to_owned());
    let both = [
        step_up("x", "phr", "10m", ""),
        step_up("y", "mfa", "2m", ""),
    ];
    assert_eq!(
        effect(&request, &both),
        offers(&["mfa", "phr"], 120, &[MethodType::Fido])
    );
    // Each acr is decided separately.
    let particular = [
        step_up("x", "phr", "10m", ""),
        step_up("y", "mfa", "2m", " && context.session.acr == \"mfa\""),
    ];
    assert_eq!(effect(&request, &particular), offers(&["mfa"], 120, &[]));
    // A forbid that no sign-in lifts, and a condition that no sign-in meets.
    assert_eq!(
        effect(&request, &[both.concat(), forbid("z", "true")]),
        plain
    );
    assert_eq!(
        effect(
            &request,
            &[step_up(
                "x",
                "phr",
                "5m",
                " && context.session.amr.contains(\"hwk\")"
            )]
        ),
        plain
    );
    // A forbid that applies after one of the step-ups.
    assert_eq!(
        effect(
            &request,
            &[both.concat(), forbid("z", "context.session.acr == \"phr\"")]
        ),
        offers(&["mfa"], 120, &[])
    );
    // A policy that fails after the step-up.
    let fails = format!("context.session.acr == \"phr\" && {FAILS}");
    assert_eq!(
        effect(
            &request,
            &[step_up("x", "phr", "5m", ""), forbid("z", &fails)]
        ),
        plain
    );
    // No permit, so no step-up helps.
    let bundle = load(&format!(
        "{}{}",
        OWN_MFA.replace("\"manageOwnMfa\"", "\"stepUp\""),
        both.concat()
    ))
    .unwrap();
    assert_eq!(request.decide(&bundle).effect, plain);
}

#[test]
fn link_offers_the_step_up_of_its_template() {
    let template = step_up("t", "phr", "5m", "").replace("(principal", "(principal in ?principal");
    let links = format!(
        "[{{\"template_id\": \"t\", \"link_id\": \"l\", \"args\": {{\"?principal\": \"Gate::Tenant::\\\"{TENANT}\\\"\"}}}}]"
    );
    let policies = format!("{OWN_MFA}{template}");
    let bundle = load_files(&[("a.cedar", &policies), ("l.links.json", &links)]).unwrap();
    let decision = MemberRequest::by(alice()).with_key().decide(&bundle);
    assert_eq!(decision.policies, ["l"]);
    assert_eq!(decision.effect, offers(&["phr"], 300, &[MethodType::Fido]));
}

#[test]
fn denial_that_no_step_up_lifts_has_a_plain_code() {
    let coded =
        |policy: String, code: &str| policy.replace("forbid", &format!("@code(\"{code}\") forbid"));
    let stepping = coded(step_up("a", "phr", "5m", ""), "too_old");
    let mismatch = coded(forbid("z", "true"), "tenant_mismatch");
    let denied = |code: &str| Effect::Deny(code.to_owned());
    // The caller has no authenticator.
    let policies = [stepping.clone()];
    assert_eq!(
        effect(&MemberRequest::by(alice()), &policies),
        denied("too_old")
    );
    // tenant_mismatch takes precedence over a step-up's code.
    let policies = [stepping, mismatch];
    assert_eq!(
        effect(&MemberRequest::by(alice()).with_key(), &policies),
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

/// Returns the request of a caller whose authenticator cannot be used at this gateway.
fn stranded() -> MemberRequest {
    let mut request = MemberRequest::by(alice()).with_key();
    request.means.authenticators = Vec::new();
    request
}

fn recovery(ways: &[Recourse]) -> Effect {
    Effect::RecoveryRequired(ways.to_vec())
}

#[test]
fn step_up_lists_only_authenticators_that_lead_to_an_allow() {
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
            offers(&["phr"], 300, &[Passkey]),
        ),
        (
            &trusted,
            vec![confirmer(Fido, true, 7), confirmer(Passkey, true, 0)],
            offers(&["phr"], 300, &[Passkey, Fido]),
        ),
        (&old, vec![confirmer(Fido, true, 86_399)], plain.clone()),
        (
            &old,
            vec![confirmer(Fido, false, 86_400), confirmer(Passkey, true, 1)],
            offers(&["phr"], 300, &[Fido]),
        ),
    ] {
        let mut request = MemberRequest::by(alice()).with_key();
        request.means.authenticators = authenticators;
        assert_eq!(effect(&request, policies), expected, "{:?}", request.means);
    }
}

#[test]
fn sign_in_at_the_issuer_is_trusted_and_of_the_greatest_age() {
    let request = MemberRequest::by(strong(&["mfa"]));
    let condition =
        " && context.session.trusted && context.session.authenticatorAge == duration(\"36500d\")";
    let policies = [step_up("x", "mfa", "5m", condition)];
    assert_eq!(effect(&request, &policies), offers(&["mfa"], 300, &[]));
}

#[test]
fn code_is_gone_after_a_step_up() {
    let mut request = MemberRequest::by(alice()).with_key();
    request.user.session.code = Some(CodeUse {
        at: now(),
        set: CodeSetId::named("x"),
        kind: CodeKind::Backup,
    });
    let and_code = " && context.session.sinceBackupCode == duration(\"0s\")";
    let policies = [step_up("x", "phr", "5m", and_code)];
    assert_eq!(
        effect(&request, &policies),
        Effect::Deny("forbidden".to_owned()),
        "the token of the step-up has no code_time"
    );
}

#[test]
fn caller_without_a_usable_authenticator_gets_the_ways_to_recover() {
    use Recourse::{Admin, BackupCode, RecoveryCode};
    let codes = " || context.session.sinceBackupCode <= duration(\"5m\")";
    let with_codes = [step_up("x", "phr", "5m", codes)];
    let without = [step_up("x", "phr", "5m", "")];
    let mut request = stranded();
    assert_eq!(effect(&request, &with_codes), recovery(&[Admin]));
    request.means.backup_code = true;
    assert_eq!(
        effect(&request, &with_codes),
        recovery(&[BackupCode, Admin])
    );
    assert_eq!(effect(&request, &without), recovery(&[Admin]));
    // After a reset the account has no authenticator, but it is not a new account.
    let mut reset = MemberRequest::by(alice());
    reset.factors.reset = true;
    reset.means.recovery_code = true;
    assert_eq!(
        effect(&reset, &with_codes),
        recovery(&[RecoveryCode, Admin])
    );
    // A sign-in at the issuer takes precedence over recovery.
    reset.user.strong_acr = ["phr".to_owned()].into();
    assert_eq!(effect(&reset, &with_codes), offers(&["phr"], 300, &[]));
}

#[test]
fn recovery_is_not_offered_where_no_authenticator_would_help() {
    let plain = Effect::Deny("forbidden".to_owned());
    let phr = step_up("x", "phr", "5m", "");
    // The account never had an authenticator.
    assert_eq!(
        effect(&MemberRequest::by(alice()), std::slice::from_ref(&phr)),
        plain
    );
    // No assertion at the gateway gives this acr.
    assert_eq!(effect(&stranded(), &[step_up("x", "mfa", "5m", "")]), plain);
    // No authenticator leads to an allow.
    assert_eq!(effect(&stranded(), &[phr, forbid("z", "true")]), plain);
    // A usable authenticator does not lead to an allow.
    let trusted = step_up("x", "phr", "5m", " && context.session.trusted");
    assert_eq!(
        effect(&MemberRequest::by(alice()).with_key(), &[trusted]),
        plain
    );
}
