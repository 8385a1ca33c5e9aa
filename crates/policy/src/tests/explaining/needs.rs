//! The actual and the needed values of comparisons in `when`, in `unless` and under `!`.

use super::*;

const CLAIMS: &str = "namespace Site { type Claims = { employment?: String, level?: Long, staff?: Bool, roles?: Set<String>, \"https://x/y\"?: String }; }";

/// Returns the needed value of the one clause that keeps a permit with this condition from applying.
fn needed(condition: &str) -> Option<String> {
    let text = format!(
        "@id(\"p\") permit (principal is Gate::User, action == Gate::Action::\"trustAuthenticator\", resource) {condition};"
    );
    let sources = Sources::of(&[("a.cedar", &text)], CLAIMS);
    let bundle = load_sources(&sources).unwrap_or_else(|findings| panic!("{findings}"));
    let explanation = explain(&bundle, &enrolling_key());
    let permit = policy(&explanation, "p");
    let failing: Vec<_> = permit
        .clauses
        .iter()
        .filter(|clause| clause.fails)
        .collect();
    assert_eq!(failing.len(), 1, "{condition}: {permit:#?}");
    failing[0].needed.clone()
}

/// Returns a case in which alice is about to enrol a security key.
fn enrolling_key() -> Value {
    let mut case = stepped_up(4000);
    let key = "0198c0de-0000-7000-8000-000000000001";
    case["request"]["action"] = json!("Gate::Action::\"trustAuthenticator\"");
    case["request"]["resource"] = json!(format!("Gate::Authenticator::\"{key}\""));
    case["request"]["context"]["session"]["amr"] = json!(["pwd", "otp"]);
    let model =
        json!({"type": "Gate::AuthenticatorModel", "id": "00000000-0000-0000-0000-000000000000"});
    let account = case["entities"][1]["uid"].clone();
    case["entities"].as_array_mut().unwrap().push(json!({
        "uid": {"type": "Gate::Authenticator", "id": key},
        "attrs": {
            "methodType": {"type": "Gate::MethodType", "id": "webauthn_fido"},
            "provenModel": model, "claimedModel": model, "claimedTransports": ["usb"],
            "userVerified": true, "backupEligible": false, "backedUp": false,
        },
        "parents": [account],
    }));
    case["entities"][0]["attrs"]["claims"] = json!({"employment": "staff", "level": 3, "staff": true, "roles": ["b", "a"], "https://x/y": "z"});
    case
}

#[test]
fn failing_comparison_has_actual_and_needed_value() {
    for (condition, expected) in [
        (
            "when { context.session.sinceStrong <= duration(\"5m\") }",
            "context.session.sinceStrong was 1h6m40s, needed ≤ 5m",
        ),
        (
            "unless { context.session.sinceStrong > duration(\"5m\") }",
            "context.session.sinceStrong was 1h6m40s, needed ≤ 5m",
        ),
        (
            "when { !(context.session.sinceStrong > duration(\"5m\")) }",
            "context.session.sinceStrong was 1h6m40s, needed ≤ 5m",
        ),
        (
            "unless { !(!(context.session.sinceStrong >= duration(\"1h\"))) }",
            "context.session.sinceStrong was 1h6m40s, needed < 1h",
        ),
        (
            "when { duration(\"5m\") >= context.session.sinceStrong }",
            "context.session.sinceStrong was 1h6m40s, needed ≤ 5m",
        ),
        (
            "unless { duration(\"5m\") < context.session.sinceStrong }",
            "context.session.sinceStrong was 1h6m40s, needed ≤ 5m",
        ),
        (
            "when { duration(\"2h\") < context.session.sinceStrong }",
            "context.session.sinceStrong was 1h6m40s, needed > 2h",
        ),
        (
            "when { context.session.sinceBackupCode < duration(\"1m30s\") }",
            "context.session.sinceBackupCode was 36500d (never), needed < 1m30s",
        ),
        (
            "when { context.factors.count >= 2 }",
            "context.factors.count was 1, needed ≥ 2",
        ),
        (
            "when { context.factors.count > 1 }",
            "context.factors.count was 1, needed > 1",
        ),
        (
            "when { context.factors.count == 2 }",
            "context.factors.count was 1, needed 2",
        ),
        (
            "when { context.factors.count != 1 }",
            "context.factors.count was 1, needed ≠ 1",
        ),
        (
            "unless { context.factors.count == 1 }",
            "context.factors.count was 1, needed ≠ 1",
        ),
        (
            "when { context.factors.count + 1 == 3 }",
            "context.factors.count + 1 was 2, needed 3",
        ),
        (
            "when { context.session.acr == \"phr\" }",
            "context.session.acr was \"\", needed \"phr\"",
        ),
        (
            "when { principal.claims has level && principal.claims.level >= 5 }",
            "principal.claims.level was 3, needed ≥ 5",
        ),
        (
            "when { context.now < datetime(\"2026-01-01\") }",
            "context.now was 2026-01-15T09:00:00Z, needed < 2026-01-01",
        ),
    ] {
        assert_eq!(needed(condition).as_deref(), Some(expected), "{condition}");
    }
}

#[test]
fn failing_test_of_set_address_or_entity_has_actual_and_needed_value() {
    for (condition, expected) in [
        (
            "when { context.session.amr.contains(\"hwk\") }",
            "context.session.amr was [\"otp\", \"pwd\"], needed to contain \"hwk\"",
        ),
        (
            "unless { context.session.amr.contains(\"pwd\") }",
            "context.session.amr was [\"otp\", \"pwd\"], needed not to contain \"pwd\"",
        ),
        (
            "when { context.session.amr.containsAll([\"pwd\", \"hwk\"]) }",
            "context.session.amr was [\"otp\", \"pwd\"], needed to contain all of [\"hwk\", \"pwd\"]",
        ),
        (
            "unless { context.session.amr.containsAny([\"pwd\", \"hwk\"]) }",
            "context.session.amr was [\"otp\", \"pwd\"], needed to contain none of [\"hwk\", \"pwd\"]",
        ),
        (
            "when { [\"pwd\"].containsAll(context.session.amr) }",
            "context.session.amr was [\"otp\", \"pwd\"], needed no more than [\"pwd\"]",
        ),
        (
            "when { context.session.amr.isEmpty() }",
            "context.session.amr was [\"otp\", \"pwd\"], needed []",
        ),
        (
            "when { [\"phr\", \"phrh\"].contains(context.session.acr) }",
            "context.session.acr was \"\", needed one of [\"phr\", \"phrh\"]",
        ),
        (
            "unless { [Gate::MethodType::\"webauthn_fido\"].contains(resource.methodType) }",
            "resource.methodType was Gate::MethodType::\"webauthn_fido\", needed none of [Gate::MethodType::\"webauthn_fido\"]",
        ),
        (
            "when { context.network.address.isInRange(ip(\"10.0.0.0/8\")) }",
            "context.network.address was 203.0.113.7, needed in 10.0.0.0/8",
        ),
        (
            "unless { context.network.address.isInRange(ip(\"203.0.113.0/24\")) }",
            "context.network.address was 203.0.113.7, needed not in 203.0.113.0/24",
        ),
        (
            "when { context.network.address.isIpv6() }",
            "context.network.address was 203.0.113.7, needed isIpv6()",
        ),
        (
            "when { resource.backupEligible }",
            "resource.backupEligible was false, needed true",
        ),
        (
            "when { !resource.userVerified }",
            "resource.userVerified was true, needed false",
        ),
        (
            "when { context.methodType != resource.methodType }",
            "context.methodType was Gate::MethodType::\"webauthn_fido\", needed ≠ Gate::MethodType::\"webauthn_fido\" (resource.methodType)",
        ),
        (
            "unless { principal in context.tenant }",
            "principal was in Gate::Tenant::\"2489e9ad-2ee2-8e00-8ec9-32d5f69181c0\", needed not in Gate::Tenant::\"2489e9ad-2ee2-8e00-8ec9-32d5f69181c0\" (context.tenant)",
        ),
        (
            "when { principal in [Gate::Group::\"corp||a\", Gate::Group::\"corp||b\"] }",
            "principal was in no Gate::Group, needed in [Gate::Group::\"corp||a\", Gate::Group::\"corp||b\"]",
        ),
        (
            "when { principal.claims has employment && principal.claims.employment like \"contract*\" }",
            "principal.claims.employment was \"staff\", needed like \"contract*\"",
        ),
        (
            "unless { principal.claims has \"https://x/y\" }",
            "principal.claims[\"https://x/y\"] was \"z\", needed absent",
        ),
        (
            "when { principal.claims has roles && principal.claims.roles == [\"a\"] }",
            "principal.claims.roles was [\"a\", \"b\"], needed [\"a\"]",
        ),
    ] {
        assert_eq!(needed(condition).as_deref(), Some(expected), "{condition}");
    }
}

#[test]
fn failing_alternatives_are_all_listed_and_of_a_conjunction_only_the_failing_operands() {
    for (condition, expected) in [
        (
            "when { context.factors.count == 0 || context.session.acr == \"phr\" }",
            "context.factors.count was 1, needed 0, or context.session.acr was \"\", needed \"phr\"",
        ),
        (
            "when { !(context.factors.count == 1 && context.session.acr == \"\") }",
            "context.factors.count was 1, needed ≠ 1, or context.session.acr was \"\", needed ≠ \"\"",
        ),
        (
            "unless { context.factors.count == 1 && resource.userVerified }",
            "context.factors.count was 1, needed ≠ 1, or resource.userVerified was true, needed false",
        ),
        (
            "when { (context.factors.count == 1 && resource.backedUp) || resource.backupEligible }",
            "resource.backedUp was false, needed true, or resource.backupEligible was false, needed true",
        ),
        (
            "when { !(context.factors.count == 1 || resource.userVerified) }",
            "context.factors.count was 1, needed ≠ 1, and resource.userVerified was true, needed false",
        ),
        (
            "when { context.factors.count == 0 || (principal.claims has level && principal.claims.level > 3) }",
            "context.factors.count was 1, needed 0, or principal.claims.level was 3, needed > 3",
        ),
    ] {
        assert_eq!(needed(condition).as_deref(), Some(expected), "{condition}");
    }
}

#[test]
fn conditional_expression_has_no_needed_value() {
    for condition in [
        "when { if context.factors.count == 1 then resource.backedUp else true }",
        "when { context.factors.count == 0 || (if resource.backedUp then true else false) }",
    ] {
        assert_eq!(needed(condition), None, "{condition}");
    }
}

#[test]
fn forbid_that_does_not_apply_has_the_value_with_which_it_would() {
    let bundle = load(
        "@id(\"open\") permit (principal, action in Gate::Action::\"manageOwnMfa\", resource);
         @id(\"old\") forbid (principal, action in Gate::Action::\"mfa\", resource) when { context.factors.count > 3 };",
    );
    let explanation = explain(&bundle.unwrap(), &case());
    let clause = &policy(&explanation, "old").clauses[0];
    assert_eq!(
        clause.needed.as_deref(),
        Some("context.factors.count was 1, needed > 3 for it to forbid")
    );
}

#[test]
fn observed_values_are_in_cedar_syntax_without_constructors() {
    let text = "@id(\"p\") permit (principal, action == Gate::Action::\"trustAuthenticator\", resource)
      when { context.session == context.session && context.network.address == context.network.address
        && context.tenant == context.tenant && context.factors.methodTypes == [Gate::MethodType::\"webauthn_passkey\"] };";
    let bundle = load_sources(&Sources::of(&[("a.cedar", text)], CLAIMS));
    let explanation = explain(&bundle.unwrap(), &enrolling_key());
    let clauses = &policy(&explanation, "p").clauses;
    let observed: Vec<_> = clauses.iter().flat_map(|clause| &clause.observed).collect();
    let observed: Vec<_> = observed
        .into_iter()
        .map(|(path, value)| (path.as_str(), value.as_deref().unwrap()))
        .collect();
    assert_eq!(
        observed,
        [
            (
                "context.session",
                "{acr: \"\", amr: [\"otp\", \"pwd\"], authenticatorAge: 0s, sinceBackupCode: 36500d, sinceStrong: 1h6m40s, trusted: false}"
            ),
            ("context.network.address", "203.0.113.7"),
            (
                "context.tenant",
                "Gate::Tenant::\"2489e9ad-2ee2-8e00-8ec9-32d5f69181c0\""
            ),
            (
                "context.factors.methodTypes",
                "[Gate::MethodType::\"webauthn_passkey\"]"
            ),
        ]
    );
}
