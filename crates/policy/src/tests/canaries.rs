//! Canary requests and required policies. Bundles that permit a canary request or lack a required policy do
//! not load.

use crate::shipped::{POLICIES, SITE_SCHEMA};
use crate::{Bundle, Requirements, Sources};
use cedargate_core::{Finding, Findings};

const TENANT: &str = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";

/// Returns the shipped files except the named ones, as in a folder that is being copied.
fn shipped_without(names: &[&str]) -> Vec<(&'static str, &'static str)> {
    let rest = POLICIES.iter().filter(|(name, _)| !names.contains(name));
    rest.copied().collect()
}

fn load(files: &[(&str, &str)]) -> Result<Bundle, Findings> {
    Bundle::load(&Sources::of(files, SITE_SCHEMA))
}

/// Loads the shipped policies with another file.
fn with_file(policies: &str) -> Result<Bundle, Findings> {
    let mut files = shipped_without(&[]);
    files.push(("90-ours.cedar", policies));
    load(&files)
}

/// Loads the shipped policies with one text in one file changed.
fn changed(file: &str, from: &str, to: &str) -> Result<Bundle, Findings> {
    let texts: Vec<_> = POLICIES
        .iter()
        .map(|(name, text)| {
            let is_changed = *name == file;
            assert!(!is_changed || text.contains(from), "{file} has no {from:?}");
            (
                *name,
                if is_changed {
                    text.replace(from, to)
                } else {
                    (*text).to_owned()
                },
            )
        })
        .collect();
    let files: Vec<_> = texts
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    load(&files)
}

#[track_caller]
fn failed_canaries(loaded: Result<Bundle, Findings>) -> Vec<Finding> {
    let Err(Findings(findings)) = loaded else {
        panic!("it loads");
    };
    for finding in &findings {
        assert_eq!(finding.code, "canary", "{finding}");
    }
    findings
}

/// Checks that the message of one finding has all parts.
#[track_caller]
fn has_message(findings: &[Finding], parts: &[&str]) {
    let all = |finding: &&Finding| parts.iter().all(|part| finding.message.contains(part));
    let rendered = || findings.iter().map(ToString::to_string).collect::<String>();
    assert!(
        findings.iter().any(|finding| all(&finding)),
        "{parts:?}: {}",
        rendered()
    );
}

const OTHER_TENANT: &str = "must be refused with tenant_mismatch, but it is permitted by";

#[test]
fn shipped_policies_pass_every_canary() {
    assert!(load(&shipped_without(&[])).is_ok());
}

#[test]
fn folder_without_tenant_isolation_does_not_load() {
    let findings = failed_canaries(load(&shipped_without(&["10-tenant-isolation.cedar"])));
    has_message(
        &findings,
        &[
            OTHER_TENANT,
            "own-factors (policies/00-open-doors.cedar:5)",
            "any user such as Gate::User::\"canary|",
        ],
    );
    has_message(
        &findings,
        &[
            OTHER_TENANT,
            "mfa-admins-dev (policies/dev.links.json:2)",
            "of the groups mfa-admins",
        ],
    );
    let first = findings
        .iter()
        .find(|one| one.message.contains("own-factors"));
    let first = first.unwrap();
    assert_eq!(
        (first.file.as_str(), first.line),
        ("policies/00-open-doors.cedar", 5)
    );
    assert!(
        first
            .help
            .as_ref()
            .unwrap()
            .contains("10-tenant-isolation.cedar")
    );
}

/// A folder that is copied file by file, in any order, is not in force before it has the isolation of
/// tenants, the step-ups and the rule for administrators.
#[test]
fn partial_copy_that_permits_mfa_actions_loads_only_with_all_guards() {
    let guards = ["10-tenant-isolation.cedar", "30-step-up.cedar"];
    let examples = POLICIES
        .iter()
        .position(|(name, _)| name.starts_with("examples/"));
    let examples = examples.unwrap();
    for bits in 0_u32..1 << (examples + 1) {
        // The examples are copied all or not at all.
        let bits = if bits >> examples == 0 {
            bits
        } else {
            bits | u32::MAX << examples
        };
        let copied = POLICIES.iter().enumerate();
        let copied: Vec<_> = copied
            .filter(|(at, _)| bits & (1 << at) != 0)
            .map(|(_, file)| *file)
            .collect();
        let names: Vec<_> = copied.iter().map(|(name, _)| *name).collect();
        if !names.contains(&"00-open-doors.cedar") {
            continue;
        }
        let whole = guards.iter().all(|guard| names.contains(guard));
        let is_linked = !names.contains(&"dev.links.json") || names.contains(&"40-admins.cedar");
        assert_eq!(load(&copied).is_ok(), whole && is_linked, "{names:?}");
    }
}

#[test]
fn shadow_isolation_does_not_count() {
    let id = "@id(\"tenant-isolation\")";
    let shadow = format!("{id}\n@mode(\"shadow\")");
    let findings = failed_canaries(changed("10-tenant-isolation.cedar", id, &shadow));
    has_message(&findings, &[OTHER_TENANT, "own-factors"]);
}

#[test]
fn isolation_with_an_exception_does_not_load() {
    let condition = "principal in context.tenant";
    for (exception, part) in [
        (
            format!("principal in Gate::Group::\"corp|{TENANT}|support\""),
            "of the groups support",
        ),
        (
            "principal in Gate::Issuer::\"corp\"".to_owned(),
            "Gate::User::\"corp|",
        ),
        (
            format!("principal in Gate::Tenant::\"{TENANT}\""),
            "Gate::User::\"canary|2489e9ad",
        ),
        (
            format!("principal == Gate::User::\"corp|{TENANT}|root\""),
            "Gate::User::\"corp|2489e9ad-2ee2-8e00-8ec9-32d5f69181c0|root\"",
        ),
        (
            format!("context.tenant == Gate::Tenant::\"{TENANT}\""),
            "with X-Tenant-ID 2489e9ad",
        ),
        (
            format!(
                "(principal in Gate::Issuer::\"corp\" && principal in Gate::Tenant::\"{TENANT}\")"
            ),
            "Gate::User::\"corp|2489e9ad",
        ),
        (
            format!(
                "(principal in Gate::Group::\"corp|{TENANT}|a\" && principal in Gate::Group::\"corp|{TENANT}|b\")"
            ),
            "of the groups a, b",
        ),
        (
            "context.session.trusted".to_owned(),
            "after a strong sign-in",
        ),
        (
            "context.factors.count == 0".to_owned(),
            "without authenticators",
        ),
        (
            "context.factors.count > 0".to_owned(),
            "with authenticators",
        ),
    ] {
        let with = format!("{condition} || {exception}");
        let findings = failed_canaries(changed("10-tenant-isolation.cedar", condition, &with));
        has_message(&findings, &[OTHER_TENANT, part]);
    }
}

#[test]
fn isolation_without_one_action_does_not_load() {
    let findings = failed_canaries(changed(
        "10-tenant-isolation.cedar",
        "action in Gate::Action::\"mfa\"",
        "action in [Gate::Action::\"manageOwnMfa\", Gate::Action::\"administerMfa\"]",
    ));
    has_message(
        &findings,
        &[
            OTHER_TENANT,
            "asks for Gate::Action::\"beginWebauthnAuthentication\"",
        ],
    );
}

#[test]
fn isolation_with_another_code_does_not_load() {
    let findings = failed_canaries(changed(
        "10-tenant-isolation.cedar",
        "@code(\"tenant_mismatch\")",
        "@code(\"wrong_tenant\")",
    ));
    has_message(
        &findings,
        &["is refused for another reason, by tenant-isolation"],
    );
}

#[test]
fn policies_that_let_a_password_enrol_after_a_reset_do_not_load() {
    let (with, without) = (
        "(context.factors.count == 0 && !context.factors.reset)",
        "context.factors.count == 0",
    );
    let findings = failed_canaries(changed("30-step-up.cedar", with, without));
    has_message(
        &findings,
        &[
            "a stolen password would be enough to take over the account",
            "own-factors",
            "with an account that was reset",
            "beginWebauthnRegistration",
        ],
    );
    // An exception for one tenant also fails.
    let exception = format!(
        "(context.factors.count == 0 && !context.factors.reset) || principal in Gate::Tenant::\"{TENANT}\""
    );
    let findings = failed_canaries(changed(
        "30-step-up.cedar",
        "(context.factors.count == 0 && !context.factors.reset)",
        &exception,
    ));
    has_message(&findings, &["a stolen password", "canary|2489e9ad"]);
}

#[test]
fn administration_without_a_strong_sign_in_does_not_load() {
    // Without `trusted-admin`, a password could enrol a first key, and that key would satisfy `step-up-admin`.
    let lax = "unless { context.session.trusted || context.session.acr == \"\" }";
    let trusted = "unless { context.session.trusted }";
    let findings = failed_canaries(changed(
        "30-step-up.cedar",
        trusted,
        "unless { context.session.acr == \"phr\" }",
    ));
    has_message(
        &findings,
        &[
            "mfa-admins-dev",
            "confirmed by an authenticator that a password enrolled",
        ],
    );
    let texts: Vec<_> = POLICIES
        .iter()
        .map(|(name, text)| {
            let text = text.replace(trusted, lax);
            let (before, behind) = text.split_once("@id(\"step-up-admin\")").unwrap_or((&text, ""));
            let lax = behind.replacen(
                "unless { context.session.sinceStrong <= duration(\"5m\") }",
                "unless { context.session.sinceStrong <= duration(\"5m\") || context.factors.count == 0 }",
                1,
            );
            let id = if behind.is_empty() { "" } else { "@id(\"step-up-admin\")" };
            (*name, format!("{before}{id}{lax}"))
        })
        .collect();
    let files: Vec<_> = texts
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    let findings = failed_canaries(load(&files));
    has_message(
        &findings,
        &[
            "a password alone would be enough to administer others",
            "mfa-admins-dev",
            "without authenticators",
            "of the groups mfa-admins",
        ],
    );
}

#[test]
fn permit_for_one_group_beside_the_guards_loads() {
    let ours = format!(
        "@id(\"ours\") permit (principal in Gate::Group::\"corp|{TENANT}|helpdesk\", action in Gate::Action::\"administerMfa\", resource in Gate::Tenant::\"{TENANT}\");"
    );
    assert!(with_file(&ours).is_ok());
}

#[test]
fn evaluation_error_refuses_a_canary() {
    let failing = "@id(\"failing\") forbid (principal, action in Gate::Action::\"mfa\", resource) when { context.factors.count + 9223372036854775807 > 0 };";
    assert!(with_file(failing).is_ok());
}

#[test]
fn bundle_without_isolation_loads_if_canaries_are_off() {
    let sources = Sources::of(
        &shipped_without(&["10-tenant-isolation.cedar"]),
        SITE_SCHEMA,
    );
    assert!(Bundle::load_with(&sources, &Requirements::none()).is_ok());
}

fn requiring(ids: &[&str]) -> Result<Bundle, Findings> {
    let requirements = Requirements {
        required: ids.iter().map(|id| (*id).to_owned()).collect(),
        ..Requirements::default()
    };
    Bundle::load_with(&Sources::shipped(), &requirements)
}

#[test]
fn missing_required_policy_is_named_with_the_nearest_spelling() {
    assert!(requiring(&["tenant-isolation", "mfa-admins-dev"]).is_ok());
    let findings = requiring(&["tenant-isolation", "tennant-isolation", "ours"]);
    let Findings(findings) = findings.unwrap_err();
    let reported: Vec<_> = findings
        .iter()
        .map(|one| (one.code, one.message.as_str(), one.help.as_deref().unwrap()))
        .collect();
    assert_eq!(reported.len(), 2, "{reported:?}");
    assert_eq!(reported[0].0, "policy_required");
    assert_eq!(
        reported[0].1,
        "the policy \"tennant-isolation\" is required, and missing"
    );
    assert!(
        reported[0].2.contains("did you mean \"tenant-isolation\"?"),
        "{reported:?}"
    );
    assert!(reported[1].1.contains("\"ours\""), "{reported:?}");
}

#[test]
fn template_or_shadow_policy_in_place_of_a_required_policy_is_refused() {
    let Findings(findings) = requiring(&["mfa-admins"]).unwrap_err();
    assert!(
        findings[0].message.contains("is required, and missing"),
        "{}",
        findings[0]
    );
    let mut files = shipped_without(&[]);
    files.push((
        "90.cedar",
        "@id(\"ours\") @mode(\"shadow\") forbid (principal, action in Gate::Action::\"mfa\", resource);",
    ));
    let requirements = Requirements {
        required: vec!["ours".to_owned()],
        ..Requirements::default()
    };
    let loaded = Bundle::load_with(&Sources::of(&files, SITE_SCHEMA), &requirements);
    let Findings(findings) = loaded.unwrap_err();
    assert_eq!(
        (findings[0].file.as_str(), findings[0].message.as_str()),
        (
            "policies/90.cedar",
            "the policy \"ours\" is required, and a shadow policy does not count"
        )
    );
}
