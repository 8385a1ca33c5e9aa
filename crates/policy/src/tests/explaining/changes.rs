//! The changes with which a denied request would be allowed.

use super::*;

const BANK: &str = "0e0e0e0e-0000-4000-8000-000000000001";

/// Returns the kind and the value of each change.
fn changes(explanation: &Explanation) -> Vec<(&str, &str)> {
    let changes = explanation.would_permit.iter();
    changes
        .map(|change| (change.change, change.value.as_str()))
        .collect()
}

/// Changes a case to a user of another tenant.
fn of_tenant(case: &Value, tenant: &str) -> Value {
    let text = case
        .to_string()
        .replace("2489e9ad-2ee2-8e00-8ec9-32d5f69181c0", tenant);
    serde_json::from_str(&text).unwrap()
}

fn first_factor() -> Value {
    let mut case = case();
    case["request"]["context"]["factors"] = json!({"count": 0, "methodTypes": []});
    case
}

#[test]
fn denial_of_a_method_type_offers_another() {
    let mut passkey = of_tenant(&first_factor(), BANK);
    passkey["request"]["context"]["methodType"]["id"] = json!("webauthn_passkey");
    let explanation = explain(&shipped(), &passkey);
    assert_eq!(
        explanation.decision.policies,
        ["example-security-keys-only"]
    );
    assert_eq!(changes(&explanation), [("method_type", "webauthn_fido")]);
    let changed = &explanation.would_permit[0];
    assert_eq!(changed.help, "enrol with method_type webauthn_fido");
    // The request is allowed with the change.
    passkey["request"]["context"]["methodType"]["id"] = json!("webauthn_fido");
    assert!(explain(&shipped(), &passkey).decision.is_allow());
}

#[test]
fn changed_method_type_is_also_the_authenticators() {
    let bundle = load(
        "@id(\"open\") permit (principal, action in Gate::Action::\"manageOwnMfa\", resource);
         @id(\"not-synced\") forbid (principal, action == Gate::Action::\"trustAuthenticator\", resource)
           when { resource.methodType == Gate::MethodType::\"webauthn_fido\" && resource.backupEligible };",
    );
    let key = "0198c0de-0000-7000-8000-000000000001";
    let mut synced = case();
    synced["request"]["action"] = json!("Gate::Action::\"trustAuthenticator\"");
    synced["request"]["resource"] = json!(format!("Gate::Authenticator::\"{key}\""));
    let none =
        json!({"type": "Gate::AuthenticatorModel", "id": "00000000-0000-0000-0000-000000000000"});
    let account = synced["entities"][1]["uid"].clone();
    synced["entities"].as_array_mut().unwrap().push(json!({
        "uid": {"type": "Gate::Authenticator", "id": key}, "parents": [account],
        "attrs": {
            "methodType": {"type": "Gate::MethodType", "id": "webauthn_fido"},
            "provenModel": none, "claimedModel": none, "claimedTransports": [],
            "userVerified": true, "backupEligible": true, "backedUp": true,
        },
    }));
    let explanation = explain(&bundle.unwrap(), &synced);
    assert_eq!(changes(&explanation), [("method_type", "webauthn_passkey")]);
}

#[test]
fn tenant_mismatch_offers_the_tenant_of_the_token() {
    let mut other = without_method_type(case(), "listMfaMethods");
    other["request"]["context"]["tenant"]["id"] = json!(BANK);
    let explanation = explain(&shipped(), &other);
    assert_eq!(explanation.decision.code(), Some("tenant_mismatch"));
    let own = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";
    assert_eq!(changes(&explanation), [("tenant", own)]);
}

#[test]
fn step_up_and_backup_code_are_offered() {
    let explanation = explain(&shipped(), &case());
    assert_eq!(
        changes(&explanation),
        [("step_up", "phr"), ("backup_code", "0s")]
    );
    assert_eq!(explanation.would_permit[0].max_age, Some(300));
    assert_eq!(
        explanation.would_permit[0].help,
        "confirm an authenticator with acr phr at most 5m before"
    );
}

#[test]
fn denial_without_step_up_offers_the_sign_ins_of_the_issuer() {
    let bundle = load(
        "@id(\"fresh\") permit (principal, action in Gate::Action::\"manageOwnMfa\", resource)
           when { context.session.acr == \"gold\" && context.session.sinceStrong < duration(\"1m\") };",
    )
    .unwrap();
    let case = first_factor();
    let request = case["request"].as_object().unwrap();
    let prepared = PreparedRequest::from_json(&bundle, request, &case["entities"]).unwrap();
    assert_eq!(
        changes(&bundle.explain(&prepared)),
        [],
        "no sign-in at an issuer can reach a strong acr"
    );
    let strong_acr = vec!["gold".to_owned(), "silver".to_owned()];
    let explanation = bundle.explain(&prepared.with_strong_acr(strong_acr));
    assert_eq!(changes(&explanation), [("step_up", "gold")]);
    assert_eq!(
        explanation.would_permit[0].help,
        "sign in with acr gold just before"
    );
}

#[test]
fn missing_authenticator_is_offered() {
    let bundle = load(
        "@id(\"open\") permit (principal, action in Gate::Action::\"manageOwnMfa\", resource);
         @id(\"two\") forbid (principal, action in Gate::Action::\"mfa\", resource)
           unless { context.factors.count >= 2 && context.factors.methodTypes.contains(Gate::MethodType::\"webauthn_fido\") };",
    )
    .unwrap();
    let mut has_passkey = without_method_type(case(), "listMfaMethods");
    let explanation = explain(&bundle, &has_passkey);
    assert_eq!(changes(&explanation), [("factor", "webauthn_fido")]);
    has_passkey["request"]["context"]["factors"] = json!({"count": 0, "methodTypes": []});
    assert_eq!(
        changes(&explain(&bundle, &has_passkey)),
        [],
        "one further authenticator is not enough"
    );
}

#[test]
fn change_that_needs_another_is_not_offered() {
    let mut both = case();
    both["request"]["context"]["tenant"]["id"] = json!(BANK);
    let explanation = explain(&shipped(), &both);
    assert_eq!(
        explanation.decision.policies,
        ["step-up-begin", "tenant-isolation"]
    );
    assert_eq!(changes(&explanation), []);
}

#[test]
fn anonymous_caller_has_no_changes() {
    let case = json!({
        "request": {
            "principal": "Gate::Anonymous::\"anonymous\"", "action": "Gate::Action::\"unknown\"",
            "resource": "Gate::Route::\"unknown\"",
            "context": {"network": {"address": "203.0.113.7"}, "now": "2026-01-15T09:00:00Z"},
        },
        "entities": [],
    });
    let explanation = explain(&shipped(), &case);
    assert_eq!(explanation.decision.policies, Vec::<String>::new());
    assert_eq!(
        ids(&explanation),
        ["public-documents", "mfa-admins-dev", "own-factors"]
    );
    assert_eq!(changes(&explanation), []);
}
