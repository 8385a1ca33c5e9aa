use cedargate_policy::{Bundle, Explanation, Sources};
use clap::{Command, FromArgMatches as _};

use super::super::Arguments;
use super::*;

const ALICE: &str = "corp|2489e9ad-2ee2-8e00-8ec9-32d5f69181c0|alice";
const NOW: &str = "2026-01-15T09:00:00Z";

fn parse(arguments: &str) -> Result<RequestFlags, clap::Error> {
    let command = Arguments::augment_args(Command::new("explain"));
    let matches =
        command.try_get_matches_from(["explain"].into_iter().chain(arguments.split(' ')))?;
    Ok(Arguments::from_arg_matches(&matches)?.request_flags)
}

fn refused(arguments: &str) -> String {
    let flags = parse(arguments).unwrap();
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    flags.prepared(&bundle, NOW.parse().unwrap()).unwrap_err()
}

fn explain(arguments: &str) -> Explanation {
    let flags = parse(arguments).unwrap();
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let prepared = flags.prepared(&bundle, NOW.parse().unwrap());
    bundle.explain(&prepared.unwrap())
}

/// Returns the value that the policies read at a path.
fn seen(explanation: &Explanation, path: &str) -> Option<String> {
    let clauses = explanation.policies.iter().flat_map(|one| &one.clauses);
    let mut observed = clauses.flat_map(|clause| &clause.observed);
    let found = observed.find(|(known, _)| known == path);
    found.and_then(|(_, value)| value.clone())
}

#[test]
fn sign_in_counts_only_with_a_strong_acr() {
    let begin = format!(
        "--action beginWebauthnRegistration --user {ALICE} --factors 1:webauthn_passkey --auth-age 20m"
    );
    for (more, since, code) in [
        ("--acr phr", "20m", Some("step_up_required")),
        ("--acr gold", "36500d", Some("step_up_required")),
        (
            "--acr gold --strong-acr silver,gold",
            "20m",
            Some("step_up_required"),
        ),
        ("--acr phr --backup-code-age 1m", "20m", None),
    ] {
        let explanation = explain(&format!("{begin} {more}"));
        let saw = seen(&explanation, "context.session.sinceStrong");
        assert_eq!(saw.as_deref(), Some(since), "{more}");
        assert_eq!(explanation.decision.code(), code, "{more}");
    }
}

#[test]
fn now_flag_sets_the_time_of_the_request() {
    let flags = parse(&format!(
        "--action listMfaMethods --user {ALICE} --now {NOW}"
    ))
    .unwrap();
    assert_eq!(flags.moment, Some(NOW.parse().unwrap()));
    let error = parse("--action unknown --now yesterday").unwrap_err();
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn omitted_flags_have_the_values_of_most_requests() {
    let explanation = explain(&format!("--action listMfaMethods --user {ALICE}"));
    assert!(explanation.decision.is_allow());
    let tenant = seen(&explanation, "context.tenant").unwrap();
    assert!(
        tenant.contains("2489e9ad-2ee2-8e00-8ec9-32d5f69181c0"),
        "{tenant}"
    );
    let anonymous = explain("--action readApiDescription");
    assert_eq!(anonymous.decision.policies, ["public-documents"]);
    assert_eq!(
        anonymous.request.principal,
        "Gate::Anonymous::\"anonymous\""
    );
    assert_eq!(
        anonymous.request.resource,
        "Gate::Route::\"/v1/openapi.json\""
    );
    let unknown = explain(&format!(
        "--action unknown --user {ALICE} --route /v1/users/me/mfa/{{id}}"
    ));
    assert_eq!(
        unknown.request.resource,
        "Gate::Route::\"/v1/users/me/mfa/{id}\""
    );
}

#[test]
fn every_flag_changes_what_the_policies_read() {
    let works = "0e0e0e0e-0000-4000-8000-000000000003";
    let trust = format!(
        "--action trustAuthenticator --user dev|{works}|bob --claim employment=\"contractor\""
    );
    let synced = explain(&format!("{trust} --backup-eligible --backed-up"));
    assert_eq!(synced.decision.policies, ["example-contractors-not-synced"]);
    assert!(explain(&trust).decision.is_allow());
    let by_group = trust.replace(
        "--claim employment=\"contractor\"",
        "--groups a,contractors",
    );
    let synced = explain(&format!("{by_group} --backup-eligible"));
    assert_eq!(synced.decision.policies, ["example-contractors-not-synced"]);

    let clinic = trust.replace(works, "0e0e0e0e-0000-4000-8000-000000000002");
    assert_eq!(explain(&clinic).decision.policies, ["example-two-models"]);
    let proven = format!("{clinic} --proven-model 73bb0cd4-e502-49b8-9c6f-b59445bf720b");
    assert!(explain(&proven).decision.is_allow());

    let lab = format!(
        "--action beginWebauthnRegistration --user dev|{}|bob",
        "0e0e0e0e-0000-4000-8000-000000000004"
    );
    assert_eq!(explain(&lab).decision.policies, ["example-one-network"]);
    let inside = explain(&format!("{lab} --address ::ffff:203.0.113.9"));
    assert!(inside.decision.is_allow());
    let bank = lab.replace("000000000004", "000000000001");
    assert_eq!(
        explain(&bank).decision.policies,
        ["example-security-keys-only"]
    );
    let key = explain(&format!("{bank} --method-type webauthn_fido"));
    assert!(key.decision.is_allow());
    let other = explain(&format!("{lab} --address 203.0.113.9 --tenant {works}"));
    assert_eq!(other.decision.policies, ["tenant-isolation"]);
}

#[test]
fn every_action_can_be_explained() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    for action in GateAction::ALL {
        let account = match action.as_str().starts_with("admin") {
            true => format!(" --account {ALICE}"),
            false => String::new(),
        };
        let flags = parse(&format!("--action {action} --user {ALICE}{account}")).unwrap();
        let prepared = flags.prepared(&bundle, NOW.parse().unwrap());
        let asked = bundle.explain(&prepared.unwrap()).request;
        assert_eq!(asked.action, format!("Gate::Action::\"{action}\""));
    }
    let admin = "--action adminListMfaMethods --user dev|2489e9ad-2ee2-8e00-8ec9-32d5f69181c0|bob \
                 --account dev|2489e9ad-2ee2-8e00-8ec9-32d5f69181c0|alice --acr phr --auth-age 1m --trusted";
    assert_eq!(explain(admin).decision.code(), Some("forbidden"));
    let allowed = explain(&format!("{admin} --groups mfa-admins"));
    assert_eq!(allowed.decision.policies, ["mfa-admins-dev"]);
}

#[test]
fn contradicting_flags_are_refused_with_the_reason() {
    for (arguments, expected) in [
        (
            "--action listMfaMethods".to_owned(),
            "listMfaMethods needs a user",
        ),
        (
            "--action listMfaMethods --user corp||alice".to_owned(),
            "this user has no tenant",
        ),
        (
            format!("--action listMfaMethods --user {ALICE} --method-type webauthn_fido"),
            "listMfaMethods has no --method-type",
        ),
        (
            format!("--action listMfaMethods --user {ALICE} --backup-eligible"),
            "listMfaMethods has no --backup-eligible",
        ),
        (
            format!("--action listMfaMethods --user {ALICE} --account {ALICE}"),
            "listMfaMethods has no --account",
        ),
        (
            format!("--action adminResetMfa --user {ALICE}"),
            "adminResetMfa acts on another user",
        ),
        (
            format!("--action listMfaMethods --user {ALICE} --route unknown"),
            "listMfaMethods has no --route",
        ),
        (
            format!("--action unknown --user {ALICE} --factors 1:webauthn_fido"),
            "unknown has no --factors",
        ),
        (
            format!("--action listMfaMethods --user {ALICE} --claim employmnt=\"contractor\""),
            "schema/site.cedarschema declares no claim \"employmnt\", so no policy sees it: did you mean \"employment\"?",
        ),
        (
            format!("--action listMfaMethods --user {ALICE} --claim employment=1"),
            "the token's claim \"employment\" is not the String",
        ),
    ] {
        let sentence = refused(&arguments);
        assert!(sentence.starts_with(expected), "{arguments}: {sentence}");
    }
}

#[test]
fn misspelt_value_is_wrong_usage_with_a_suggestion() {
    let user = format!("--user {ALICE}");
    for (arguments, expected) in [
        ("--action listMfaMethod", "did you mean listMfaMethods?"),
        (
            "--action dance",
            "it must be one of beginWebauthnRegistration",
        ),
        (
            "--action unknown --route /v1/openapi.jsn",
            "did you mean /v1/openapi.json?",
        ),
        (
            "--action listMfaMethods --user alice",
            "<issuer>|<tenant>|<name>",
        ),
        (
            &format!("--action listMfaMethods {user} --factors 1"),
            "1 authenticators cannot have 0 types",
        ),
        (
            &format!("--action listMfaMethods {user} --factors 1:webauthn_passkey,webauthn_fido"),
            "1 authenticators cannot have 2 types",
        ),
        (
            &format!("--action listMfaMethods {user} --factors one:webauthn_fido"),
            "write their number and their types",
        ),
        (
            &format!("--action listMfaMethods {user} --method-type fido"),
            "it must be webauthn_passkey or webauthn_fido",
        ),
        ("--case a --action unknown", "cannot be used with"),
        ("--case a --user corp||alice", "cannot be used with"),
        ("--request a --address 127.0.0.1", "cannot be used with"),
        ("--user corp||alice", "--action"),
        ("--log a --case b", "cannot be used with"),
        ("--action unknown --acr phr", "--user"),
        ("--action unknown --id 1", "cannot be used with"),
        ("--tests x", "--case"),
        ("--id x", "--log"),
    ] {
        let error = parse(arguments).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let error = error.to_string();
        assert!(error.contains(expected), "{arguments}: {error}");
    }
}

#[test]
fn session_is_trusted_by_flag_or_by_a_strong_sign_in() {
    let reset = format!(
        "--action adminResetMfa --user dev|2489e9ad-2ee2-8e00-8ec9-32d5f69181c0|root --account {} \
         --groups mfa-admins --acr phr --auth-age 1m --factors 1:webauthn_passkey",
        ALICE.replace("corp", "dev")
    );
    for (more, trusted, code) in [
        ("", "false", Some("untrusted_session")),
        ("--trusted", "true", None),
        ("--trusted --authenticator-age 1d", "true", None),
        ("--strong-acr phr", "true", None),
        (
            "--strong-acr phr --authenticator-age 1d",
            "false",
            Some("untrusted_session"),
        ),
    ] {
        let line = format!("{reset} {more}");
        let explanation = explain(line.trim());
        let saw = seen(&explanation, "context.session.trusted");
        assert_eq!(saw.as_deref(), Some(trusted), "{more}");
        assert_eq!(explanation.decision.code(), code, "{more}");
    }
}

#[test]
fn recovery_code_permits_an_enrolment_after_a_reset() {
    let begin = format!("--action beginWebauthnRegistration --user {ALICE}");
    assert!(explain(&begin).decision.is_allow());
    let reset = explain(&format!("{begin} --reset"));
    assert_eq!(reset.decision.code(), Some("recovery_required"));
    let changes: Vec<_> = reset.would_permit.iter().map(|one| one.change).collect();
    assert_eq!(changes, ["recovery_code"]);
    let recovered = explain(&format!("{begin} --reset --recovery-code-age 1m"));
    assert!(recovered.decision.is_allow());
    let both = refused(&format!("{begin} --reset --factors 1:webauthn_passkey"));
    assert!(both.contains("leave --factors or --reset out"), "{both}");
}

#[test]
fn usable_authenticators_decide_whether_a_step_up_is_offered() {
    let begin =
        format!("--action beginWebauthnRegistration --user {ALICE} --factors 1:webauthn_passkey");
    for (usable, code) in [
        ("none", "recovery_required"),
        ("webauthn_passkey", "step_up_required"),
        (
            "webauthn_fido:trusted:30d,webauthn_passkey:1h",
            "step_up_required",
        ),
    ] {
        let explanation = explain(&format!("{begin} --usable {usable}"));
        assert_eq!(explanation.decision.code(), Some(code), "{usable}");
    }
    for wrong in ["totp", "webauthn_fido:soon", "webauthn_fido:trusted:1d:x"] {
        let error = parse(&format!("{begin} --usable {wrong}")).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{wrong}");
    }
}
