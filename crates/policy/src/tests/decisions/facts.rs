//! What policies see of a request.

use crate::tests::load_sources;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::super::super::*;
use super::super::load;
use super::{Asked, EVERYBODY, TENANT, alice, forbid, now, user};
use cedargate_core::{Confirmation, Effect, Session};

fn with_claims(claims: serde_json::Value) -> User {
    User {
        claims: Arc::new(claims.as_object().unwrap().clone()),
        ..alice()
    }
}

/// Whether this condition holds for what was asked.
#[track_caller]
fn holds(asked: &Asked, condition: &str) -> bool {
    let bundle = load(&format!("{EVERYBODY}{}", forbid("x", condition))).unwrap();
    let decided = asked.decide(&bundle);
    match decided.effect {
        Effect::Allow => false,
        Effect::Deny(_) => true,
        _ => panic!("{decided:?}"),
    }
}

#[test]
fn principal_and_resource_have_their_parents() {
    let mut asked = Asked::by(alice());
    asked.user.groups = vec!["a|b".to_owned(), "é".to_owned()];
    asked.action = Action::TrustAuthenticator;
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
        assert_eq!(holds(&asked, &condition), expected, "{condition}");
    }
    let without = Asked::by(user("corp||alice"));
    assert!(!holds(&without, "principal in context.tenant"));
    assert!(!holds(
        &without,
        &format!("principal in Gate::Tenant::\"{TENANT}\"")
    ));
}

#[test]
fn names_cannot_break_out_or_collide() {
    // Each would be another user, group or policy text if ids were pasted together or unescaped.
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
        "{EVERYBODY}{}",
        forbid(
            "x",
            &format!("principal in Gate::Group::\"corp|{TENANT}|alice\"")
        )
    ))
    .unwrap();
    let mut principals = std::collections::BTreeSet::new();
    for name in names {
        let mut asked = Asked::by(alice());
        asked.user.id.subject = name.to_owned();
        asked.user.groups = vec![name.to_owned()];
        let decided = asked.decide(&bundle);
        assert_eq!(
            decided.policies == ["x"],
            name == "alice",
            "{name:?}: {decided:?}"
        );
        assert_eq!(decided.errors, Vec::<String>::new());
        principals.insert(decided.principal);
    }
    assert_eq!(principals.len(), names.len());
    // One user's authenticators are not another's whose name begins alike.
    let bundle = load(EVERYBODY).unwrap();
    let (one, other) = (alice(), user(&format!("corp|{TENANT}|alice|x")));
    let factors = Factors::default();
    let decided = bundle.decide(&Question {
        asker: Asker::Member {
            user: &one,
            tenant: TENANT.parse().unwrap(),
            factors: &factors,
            means: &Means::default(),
            method_type: None,
        },
        action: Action::ListMfaMethods,
        resource: Resource::Account(&other.id),
        address: "192.0.2.7".parse().unwrap(),
        now: now(),
    });
    assert_eq!(decided.effect, Effect::Deny("forbidden".to_owned()));
}

#[test]
fn the_context_is_what_the_request_was() {
    let mut asked = Asked::by(alice()).with_key();
    asked.user.session = Session {
        amr: vec!["pwd".to_owned(), "hwk".to_owned()],
        acr: "phr".to_owned(),
        strong_at: Some(Timestamp::from_millis(now().millis() - 61_999)),
        ..Session::default()
    };
    asked.action = Action::BeginWebauthnRegistration;
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
        let bundle = load(&format!("{EVERYBODY}{policy}")).unwrap();
        assert_eq!(asked.decide(&bundle).policies, ["x"], "{condition}");
    }
    // What never was is older than anything that a policy asks for.
    asked.user.session = Session::default();
    for condition in [
        "context.session.acr == \"\"",
        "context.session.sinceStrong == duration(\"36500d\")",
        "context.session.sinceBackupCode == duration(\"36500d\")",
    ] {
        assert!(holds(&asked, condition), "{condition}");
    }
    // The tenant is the header's, whatever the token's is.
    let other = "5a5a5a5a-0000-4000-8000-000000000001";
    asked.tenant = other.parse().unwrap();
    let is_other = format!("context.tenant == Gate::Tenant::\"{other}\"");
    assert!(holds(&asked, &is_other));
    assert!(!holds(&asked, "principal in context.tenant"));
    // A clock that runs behind the issuer's makes no negative age.
    asked.user.session.strong_at = Some(now().plus(Duration::from_secs(30)));
    assert!(holds(
        &asked,
        "context.session.sinceStrong == duration(\"0s\")"
    ));
}

#[test]
fn addresses_of_both_families() {
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
        let asked = Asked {
            address: address.parse().unwrap(),
            ..Asked::by(alice())
        };
        assert!(holds(&asked, condition), "{address}");
    }
}

fn site_bundle(condition: &str) -> Bundle {
    let site =
        "namespace Site { type Claims = { s?: String, l?: Long, b?: Bool, t?: Set<String> }; }";
    let policies = format!("{EVERYBODY}{}", forbid("x", condition));
    load_sources(&Sources::of(&[("a.cedar", &policies)], site)).unwrap()
}

#[test]
fn declared_claims_are_seen_and_others_are_not() {
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
            Asked::by(with_claims(everything.clone()))
                .decide(&bundle)
                .policies,
            ["x"],
            "{condition}"
        );
        let absent = with_claims(json!({"s": null, "l": null, "b": null, "t": null}));
        assert_eq!(
            Asked::by(absent).decide(&bundle).effect,
            Effect::Allow,
            "{condition}"
        );
        assert_eq!(
            Asked::by(alice()).decide(&bundle).effect,
            Effect::Allow,
            "{condition}"
        );
    }
}

#[test]
fn claims_may_have_names_that_mean_something_elsewhere() {
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
        let policies = format!("{EVERYBODY}{}", forbid("x", &condition));
        let bundle = load_sources(&Sources::of(&[("a.cedar", &policies)], &site)).unwrap();
        let decided = Asked::by(with_claims(claims.clone())).decide(&bundle);
        assert_eq!(decided.policies, ["x"], "{condition}: {decided:?}");
        assert_eq!(Asked::by(alice()).decide(&bundle).effect, Effect::Allow);
    }
}

#[test]
fn a_claim_of_another_type_than_declared_fails() {
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
        let decided = Asked::by(with_claims(claims.clone())).decide(&bundle);
        assert_eq!(decided.effect, Effect::Failed, "{claims}");
        assert!(
            decided.errors[0].contains("site.cedarschema declares"),
            "{decided:?}"
        );
        assert_eq!(decided.principal, format!("corp|{TENANT}|alice"));
    }
}

#[test]
fn the_session_tells_what_confirmed_it() {
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
        let mut asked = Asked::by(alice());
        asked.user.session.confirmation = confirmation;
        assert_eq!(holds(&asked, "context.session.trusted"), trusted);
        let condition = format!("context.session.authenticatorAge == duration(\"{age}\")");
        assert!(holds(&asked, &condition), "{confirmation:?}");
    }
}

#[test]
fn the_factors_tell_of_a_reset() {
    let mut asked = Asked::by(alice());
    assert!(!holds(&asked, "context.factors.reset"));
    asked.factors.reset = true;
    assert!(holds(&asked, "context.factors.reset"));
}
