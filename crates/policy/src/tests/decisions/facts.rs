//! The facts about a request that policies see.

use std::time::Duration;

use super::*;

fn with_claims(claims: serde_json::Value) -> User {
    User {
        claims: Arc::new(claims.as_object().unwrap().clone()),
        ..alice()
    }
}

/// Returns true if the condition holds for the request.
#[track_caller]
fn holds(request: &MemberRequest, condition: &str) -> bool {
    let bundle = load(&format!("{OWN_MFA}{}", forbid("x", condition))).unwrap();
    let decision = request.decide(&bundle);
    match decision.effect {
        Effect::Allow => false,
        Effect::Deny(_) => true,
        _ => panic!("{decision:?}"),
    }
}

#[test]
fn principal_and_resource_have_their_parents() {
    let mut request = MemberRequest::by(alice());
    request.user.groups = vec!["a|b".to_owned(), "é".to_owned()];
    request.action = GateAction::TrustAuthenticator;
    for (condition, expected) in [
        ("principal in Gate::Issuer::\"corp\"".to_owned(), true),
        (format!("principal in Gate::Tenant::\"{TENANT}\""), true),
        (
            format!("principal in Gate::Group::\"corp|{TENANT}|a|b\""),
            true,
        ),
        (
            format!("principal in Gate::Group::\"corp|{TENANT}|%C3%A9\""),
            true,
        ),
        (
            format!("principal in Gate::Group::\"other|{TENANT}|a|b\""),
            false,
        ),
        ("principal in Gate::Group::\"corp||a|b\"".to_owned(), false),
        (
            format!("principal == Gate::User::\"corp|{TENANT}|alice\""),
            true,
        ),
        ("resource in Gate::Issuer::\"corp\"".to_owned(), true),
        (format!("resource in Gate::Tenant::\"{TENANT}\""), true),
        (
            format!("resource in Gate::Account::\"corp|{TENANT}|alice\""),
            true,
        ),
        ("principal in context.tenant".to_owned(), true),
    ] {
        assert_eq!(holds(&request, &condition), expected, "{condition}");
    }
    let without = MemberRequest::by(user("corp||alice"));
    assert!(!holds(&without, "principal in context.tenant"));
    assert!(!holds(
        &without,
        &format!("principal in Gate::Tenant::\"{TENANT}\"")
    ));
}

#[test]
fn ids_of_hostile_names_neither_break_out_nor_collide() {
    // Without escapes, each of these names would change the id of another entity or the policy text.
    let names = [
        "alice",
        "Alice",
        "alice ",
        " alice",
        "a|lice",
        "|alice",
        "alice\"",
        "\\",
        "\\\"",
        "'",
        "%",
        "%7C",
        "\n",
        "\0",
        "\u{430}lice",
        "al\u{200d}ice",
        "\"}; permit (principal, action, resource); //",
        "corp||x",
    ];
    let bundle = load(&format!(
        "{OWN_MFA}{}",
        forbid(
            "x",
            &format!("principal in Gate::Group::\"corp|{TENANT}|alice\"")
        )
    ))
    .unwrap();
    let mut principals = std::collections::BTreeSet::new();
    for name in names {
        let mut request = MemberRequest::by(alice());
        request.user.id.subject = name.to_owned();
        request.user.groups = vec![name.to_owned()];
        let decision = request.decide(&bundle);
        assert_eq!(
            decision.policies == ["x"],
            name == "alice",
            "{name:?}: {decision:?}"
        );
        assert_eq!(decision.errors, Vec::<String>::new());
        principals.insert(request.with_request(|request| request.principal_uid()));
    }
    assert_eq!(principals.len(), names.len());
    // A user cannot reach the account of a user whose name begins like theirs.
    let bundle = load(OWN_MFA).unwrap();
    let (alice, other) = (Arc::new(alice()), user(&format!("corp|{TENANT}|alice|x")));
    let factors = Factors::default();
    let decision = bundle.decide(&AuthorizationRequest {
        caller: Caller::Member {
            user: &alice,
            tenant: TENANT.parse().unwrap(),
            factors: &factors,
            means: &Means::default(),
            method_type: None,
        },
        action: GateAction::ListMfaMethods.into(),
        resource: Resource::Account(&other.id),
        address: "192.0.2.7".parse().unwrap(),
        now: now(),
    });
    assert_eq!(decision.effect, Effect::Deny("forbidden".to_owned()));
}

#[test]
fn context_has_the_facts_of_the_request() {
    let mut request = MemberRequest::by(alice()).with_key();
    request.user.session = Session {
        amr: vec!["pwd".to_owned(), "hwk".to_owned()],
        acr: "phr".to_owned(),
        strong_at: Some(Timestamp::from_millis(now().millis() - 61_999)),
        ..Session::default()
    };
    request.action = GateAction::BeginWebauthnRegistration;
    for condition in [
        "context.session.amr == [\"hwk\", \"pwd\"]",
        "context.session.acr == \"phr\"",
        "context.session.sinceStrong == duration(\"61s\")",
        "context.session.sinceBackupCode == duration(\"36500d\")",
        "context.factors.count == 1",
        "context.factors.methodTypes == [Gate::MethodType::\"webauthn_fido\"]",
        "context.methodType == Gate::MethodType::\"webauthn_fido\"",
        "context.now == datetime(\"2026-01-15T09:00:00.000Z\")",
        "context.network.address == ip(\"192.0.2.7\")",
    ] {
        let policy = format!(
            "@id(\"x\") forbid (principal, action == Gate::Action::\"beginWebauthnRegistration\", resource) when {{ {condition} }};"
        );
        let bundle = load(&format!("{OWN_MFA}{policy}")).unwrap();
        assert_eq!(request.decide(&bundle).policies, ["x"], "{condition}");
    }
    // An event that never happened is older than any age in a policy.
    request.user.session = Session::default();
    for condition in [
        "context.session.acr == \"\"",
        "context.session.sinceStrong == duration(\"36500d\")",
        "context.session.sinceBackupCode == duration(\"36500d\")",
    ] {
        assert!(holds(&request, condition), "{condition}");
    }
    // `context.tenant` is the tenant of the header, not of the token.
    let other = "5a5a5a5a-0000-4000-8000-000000000001";
    request.tenant = other.parse().unwrap();
    let is_other = format!("context.tenant == Gate::Tenant::\"{other}\"");
    assert!(holds(&request, &is_other));
    assert!(!holds(&request, "principal in context.tenant"));
    // An age is never negative, even if the issuer's clock is ahead.
    request.user.session.strong_at = Some(now().plus(Duration::from_secs(30)));
    assert!(holds(
        &request,
        "context.session.sinceStrong == duration(\"0s\")"
    ));
}

#[test]
fn addresses_of_both_families_match_their_ranges() {
    for (address, condition) in [
        (
            "::ffff:203.0.113.7",
            "context.network.address == ip(\"203.0.113.7\")",
        ),
        (
            "203.0.113.7",
            "context.network.address.isInRange(ip(\"203.0.113.0/24\"))",
        ),
        (
            "2001:db8::1",
            "context.network.address.isInRange(ip(\"2001:db8::/32\"))",
        ),
        ("::203.0.113.7", "context.network.address.isIpv6()"),
        ("64:ff9b::203.0.113.7", "context.network.address.isIpv6()"),
    ] {
        let request = MemberRequest {
            address: address.parse().unwrap(),
            ..MemberRequest::by(alice())
        };
        assert!(holds(&request, condition), "{address}");
    }
}

fn site_bundle(condition: &str) -> Bundle {
    let site =
        "namespace Site { type Claims = { s?: String, l?: Long, b?: Bool, t?: Set<String> }; }";
    let policies = format!("{OWN_MFA}{}", forbid("x", condition));
    load_sources(&Sources::of(&[("a.cedar", &policies)], site)).unwrap()
}

#[test]
fn declared_claims_are_visible_and_others_are_not() {
    let everything =
        json!({"s": "é\"", "l": -7, "b": true, "t": ["a", "b", "a"], "secret": "x", "sub": "y"});
    for condition in [
        "principal.claims has s && principal.claims.s == \"é\\\"\"",
        "principal.claims has l && principal.claims.l == -7",
        "principal.claims has b && principal.claims.b",
        "principal.claims has t && principal.claims.t == [\"b\", \"a\"]",
    ] {
        let bundle = site_bundle(condition);
        assert_eq!(
            MemberRequest::by(with_claims(everything.clone()))
                .decide(&bundle)
                .policies,
            ["x"],
            "{condition}"
        );
        let absent = with_claims(json!({"s": null, "l": null, "b": null, "t": null}));
        assert_eq!(
            MemberRequest::by(absent).decide(&bundle).effect,
            Effect::Allow,
            "{condition}"
        );
        assert_eq!(
            MemberRequest::by(alice()).decide(&bundle).effect,
            Effect::Allow,
            "{condition}"
        );
    }
}

#[test]
fn claims_with_reserved_names_are_visible() {
    let names = [
        "if",
        "principal",
        "in",
        "__entity",
        "__extn",
        "type",
        "https://x/y",
        "a b",
        "é",
    ];
    let declared: Vec<_> = names
        .iter()
        .map(|name| format!("{name:?}?: String"))
        .collect();
    let site = format!(
        "namespace Site {{ type Claims = {{ {} }}; }}",
        declared.join(", ")
    );
    let claims = names.map(|name| (name.to_owned(), json!(json!({"type": name}).to_string())));
    let claims = serde_json::Value::Object(claims.into_iter().collect());
    for name in names {
        let text = json!({"type": name}).to_string();
        let text = json!(text);
        let condition =
            format!("principal.claims has {name:?} && principal.claims[{name:?}] == {text}");
        let policies = format!("{OWN_MFA}{}", forbid("x", &condition));
        let bundle = load_sources(&Sources::of(&[("a.cedar", &policies)], &site)).unwrap();
        let decision = MemberRequest::by(with_claims(claims.clone())).decide(&bundle);
        assert_eq!(decision.policies, ["x"], "{condition}: {decision:?}");
        assert_eq!(
            MemberRequest::by(alice()).decide(&bundle).effect,
            Effect::Allow
        );
    }
}

#[test]
fn claim_of_another_type_than_declared_fails() {
    let bundle = site_bundle("false || context.factors.count == 7");
    for claims in [
        json!({"s": 1}),
        json!({"s": ["a"]}),
        json!({"s": {}}),
        json!({"l": "1"}),
        json!({"l": 1.0}),
        json!({"l": 1.5}),
        json!({"l": u64::MAX}),
        json!({"b": "true"}),
        json!({"b": 1}),
        json!({"t": "a"}),
        json!({"t": ["a", 1]}),
        json!({"t": [null]}),
    ] {
        let decision = MemberRequest::by(with_claims(claims.clone())).decide(&bundle);
        assert_eq!(decision.effect, Effect::Failed, "{claims}");
        assert!(
            decision.errors[0].contains("site.cedarschema declares"),
            "{decision:?}"
        );
    }
}

#[test]
fn session_has_trust_and_age_of_its_confirmation() {
    let at = |age: u64| Timestamp::from_millis(now().millis() - i64::try_from(age).unwrap() * 1000);
    let by_key = |trusted| Confirmation::Authenticator {
        enrolled_at: at(90),
        trusted,
    };
    for (confirmation, trusted, age) in [
        (Confirmation::Nothing, false, "0s"),
        (Confirmation::SignIn, true, "36500d"),
        (by_key(false), false, "90s"),
        (by_key(true), true, "90s"),
    ] {
        let mut request = MemberRequest::by(alice());
        request.user.session.confirmation = confirmation;
        assert_eq!(holds(&request, "context.session.trusted"), trusted);
        let condition = format!("context.session.authenticatorAge == duration(\"{age}\")");
        assert!(holds(&request, &condition), "{confirmation:?}");
    }
}

#[test]
fn factors_of_a_reset_account_have_reset() {
    let mut request = MemberRequest::by(alice());
    assert!(!holds(&request, "context.factors.reset"));
    request.factors.reset = true;
    assert!(holds(&request, "context.factors.reset"));
}
