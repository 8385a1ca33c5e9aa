//! Decisions: from the model's words to the model's words.

mod authenticators;
mod facts;
mod shadow;
mod step_up;

use crate::tests::load_sources;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::json;

use super::super::schema::SchemaIndex;
use super::super::*;
use super::{load, load_files};
use cedargate_core::{Bytes, Confirmer, Effect, Session, path};

const TENANT: &str = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";
const EVERYBODY: &str = "@id(\"open\") permit (principal is Gate::User, action in [Gate::Action::\"manageOwnMfa\", Gate::Action::\"stepUp\"], resource) when { resource in principal.account };\n";

fn now() -> Timestamp {
    "2026-01-15T09:00:00Z".parse().unwrap()
}

fn ago(seconds: u64) -> Option<Timestamp> {
    let millis = i64::try_from(seconds).unwrap() * 1000;
    Some(Timestamp::from_millis(now().millis() - millis))
}

pub(super) fn user(id: &str) -> User {
    User {
        id: id.parse().unwrap(),
        groups: Vec::new(),
        claims: Arc::default(),
        session: Session::default(),
        strong_acr: Arc::new([]),
        name: "alice".to_owned(),
        display_name: "Alice".to_owned(),
    }
}

fn alice() -> User {
    user(&format!("corp|{TENANT}|alice"))
}

fn key() -> Authenticator {
    Authenticator {
        id: "0198c0de-0000-7000-8000-000000000001".parse().unwrap(),
        method_type: MethodType::Fido,
        device_name: "key".to_owned(),
        rp_id: "localhost".to_owned(),
        credential_id: Bytes(vec![1; 16]),
        proven_model: None,
        claimed_model: None,
        claimed_transports: vec!["usb".to_owned(), "usb".to_owned()],
        user_verified: true,
        backup_eligible: false,
        backed_up: false,
        sign_count: 0,
        created_at: now(),
        last_used_at: None,
        trusted: false,
        credential: serde_json::Value::Null,
    }
}

/// Everything that a member's question is made of.
struct Asked {
    user: User,
    tenant: Tenant,
    factors: Factors,
    means: Means,
    action: Action,
    address: IpAddr,
}

impl Asked {
    fn by(user: User) -> Self {
        Self {
            user,
            tenant: TENANT.parse().unwrap(),
            factors: Factors::default(),
            means: Means::default(),
            action: Action::ListMfaMethods,
            address: "192.0.2.7".parse().unwrap(),
        }
    }

    fn with_key(mut self) -> Self {
        self.factors = Factors::of(&[key()], false);
        self.means.authenticators = vec![Confirmer {
            method_type: MethodType::Fido,
            trusted: false,
            age: 0,
        }];
        self
    }

    fn decide(&self, bundle: &Bundle) -> Decided {
        self.as_question(|question| bundle.decide(question))
    }

    fn as_question<T>(&self, ask: impl FnOnce(&Question<'_>) -> T) -> T {
        let enrols = matches!(
            self.action,
            Action::BeginWebauthnRegistration
                | Action::CompleteWebauthnRegistration
                | Action::TrustAuthenticator
        );
        let authenticator = key();
        let resource = match self.action {
            Action::TrustAuthenticator
            | Action::CompleteWebauthnAuthentication
            | Action::RenameMfaMethod
            | Action::DeleteMfaMethod => Resource::Authenticator(&self.user.id, &authenticator),
            _ => Resource::Account(&self.user.id),
        };
        ask(&Question {
            asker: Asker::Member {
                user: &self.user,
                tenant: self.tenant,
                factors: &self.factors,
                means: &self.means,
                method_type: enrols.then_some(MethodType::Fido),
            },
            action: self.action,
            resource,
            address: self.address,
            now: now(),
        })
    }
}

fn visitor<'a>(user: Option<&'a User>, action: Action, route: &'a str) -> Question<'a> {
    Question {
        asker: Asker::Visitor(user),
        action,
        resource: Resource::Route(route),
        address: "192.0.2.7".parse().unwrap(),
        now: now(),
    }
}

fn forbid(id: &str, condition: &str) -> String {
    format!(
        "@id(\"{id}\") forbid (principal, action in Gate::Action::\"manageOwnMfa\", resource) when {{ {condition} }};\n"
    )
}

#[test]
fn every_action_fits_the_schema() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let alice = alice();
    for action in Action::ALL {
        let decided = match action {
            Action::ReadApiDescription
            | Action::ReadKeys
            | Action::ReadRelatedOrigins
            | Action::Preflight
            | Action::Unknown => bundle.decide(&visitor(Some(&alice), action, path::UNKNOWN)),
            _ => Asked {
                action,
                ..Asked::by(alice.clone())
            }
            .decide(&bundle),
        };
        assert_eq!(decided.errors, Vec::<String>::new(), "{action}");
        assert_ne!(decided.effect, Effect::Failed, "{action}");
    }
}

#[test]
fn every_entity_fits_the_schema() {
    let claims = [
        ("text", "String", json!("é")),
        ("number", "Long", json!(-1)),
        ("flag", "Bool", json!(true)),
        ("list", "Set<String>", json!(["a", "a"])),
    ];
    let members = claims
        .each_ref()
        .map(|(name, of, _)| format!("{name}?: {of}"));
    let site = format!(
        "namespace Site {{ type Claims = {{ {} }}; }}",
        members.join(", ")
    );
    let bundle = load_sources(&Sources::of(&[("a.cedar", EVERYBODY)], &site)).unwrap();
    let SchemaIndex { cedar: schema, .. } = &*bundle.schema;
    let fits = |question: &Question<'_>| {
        let entities = request::entities(question, &bundle.schema).unwrap();
        cedar_policy::Entities::from_entities(entities, Some(schema)).unwrap();
    };
    let claims = claims
        .map(|(name, _, value)| (name.to_owned(), value))
        .into_iter()
        .collect();
    for claims in [serde_json::Map::new(), claims] {
        let mut user = alice();
        user.claims = Arc::new(claims);
        user.groups = vec!["a|b".to_owned()];
        fits(&visitor(None, Action::Unknown, path::UNKNOWN));
        fits(&visitor(Some(&user), Action::Unknown, path::UNKNOWN));
        let mut asked = Asked::by(user);
        for action in [Action::ListMfaMethods, Action::TrustAuthenticator] {
            asked.action = action;
            asked.as_question(fits);
        }
    }
}

#[test]
fn a_decision_says_who_what_and_why() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let mut asked = Asked::by(alice());
    let expected = Decided {
        principal: format!("corp|{TENANT}|alice"),
        action: Action::ListMfaMethods,
        resource: format!("Gate::Account::\"corp|{TENANT}|alice\""),
        effect: Effect::Allow,
        policies: vec!["own-factors".to_owned()],
        notices: Vec::new(),
        errors: Vec::new(),
        revision: bundle.revision().into(),
        shadow: None,
    };
    assert_eq!(asked.decide(&bundle), expected);
    asked.action = Action::TrustAuthenticator;
    let resource = "Gate::Authenticator::\"0198c0de-0000-7000-8000-000000000001\"";
    assert_eq!(asked.decide(&bundle).resource, resource);
    let decided = bundle.decide(&visitor(None, Action::Unknown, path::UNKNOWN));
    assert_eq!(
        (decided.principal.as_str(), decided.resource.as_str()),
        ("anonymous", "Gate::Route::\"unknown\"")
    );
    assert_eq!(decided.effect, Effect::Deny("forbidden".to_owned()));
    // A denial by default is nobody's: no policy, no notice.
    assert_eq!(decided.policies, Vec::<String>::new());
    assert_eq!(decided.notices, Vec::<String>::new());
}

#[test]
fn a_question_that_does_not_fit_the_schema_fails() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let alice = alice();
    for question in [
        visitor(Some(&alice), Action::ListMfaMethods, path::METHODS),
        visitor(None, Action::BeginWebauthnRegistration, path::REGISTER),
        Question {
            resource: Resource::Account(&alice.id),
            ..visitor(None, Action::Unknown, "")
        },
    ] {
        let decided = bundle.decide(&question);
        assert_eq!(decided.effect, Effect::Failed);
        assert_eq!(decided.policies, Vec::<String>::new());
        assert!(
            decided.errors[0].contains("is not valid for"),
            "{decided:?}"
        );
    }
}

/// Overflows as soon as there is a factor.
const FAILS: &str = "context.factors.count + 9223372036854775807 > 0";

#[test]
fn an_evaluation_error_refuses_in_a_permit_and_in_a_forbid() {
    let failing = forbid("failing", FAILS);
    for policy in [failing.clone(), failing.replace("forbid", "permit")] {
        let bundle = load(&format!("{EVERYBODY}{policy}")).unwrap();
        assert_eq!(
            Asked::by(alice()).decide(&bundle).effect,
            if policy.contains("permit") {
                Effect::Allow
            } else {
                Effect::Deny("forbidden".to_owned())
            }
        );
        let decided = Asked::by(alice()).with_key().decide(&bundle);
        assert_eq!(decided.effect, Effect::Failed);
        assert_eq!(decided.errors.len(), 1);
        assert!(decided.errors[0].contains("failing"), "{decided:?}");
    }
}

#[test]
fn notices_and_code_come_from_the_determining_policies_in_their_order() {
    let policies = [
        EVERYBODY.to_owned(),
        forbid("c", "true").replace("forbid", "@notice(\"one\") @code(\"third\") forbid"),
        forbid("b", "true").replace("forbid", "@notice(\"two\") @code(\"second\") forbid"),
        forbid("a", "true").replace("forbid", "@notice(\"one\") forbid"),
        forbid("0", "false || context.factors.count == 7")
            .replace("forbid", "@notice(\"no\") @code(\"no\") forbid"),
    ];
    let decided = Asked::by(alice()).decide(&load(&policies.concat()).unwrap());
    assert_eq!(decided.policies, ["a", "b", "c"]);
    assert_eq!(decided.notices, ["one", "two"]);
    assert_eq!(decided.effect, Effect::Deny("second".to_owned()));
    let mismatch = forbid("z", "true").replace("forbid", "@code(\"tenant_mismatch\") forbid");
    let decided =
        Asked::by(alice()).decide(&load(&format!("{}{mismatch}", policies.concat())).unwrap());
    assert_eq!(decided.effect, Effect::Deny("tenant_mismatch".to_owned()));
    let welcome = EVERYBODY.replace("permit", "@notice(\"welcome\") permit");
    assert_eq!(
        Asked::by(alice()).decide(&load(&welcome).unwrap()).notices,
        ["welcome"]
    );
}

#[test]
fn the_revision_is_of_the_content_alone() {
    let one = load_files(&[("a.cedar", EVERYBODY), ("b.cedar", "// b")]).unwrap();
    let turned = load_files(&[("b.cedar", "// b"), ("a.cedar", EVERYBODY)]).unwrap();
    assert_eq!(one.revision(), turned.revision());
    assert_eq!(one.revision().len(), 16);
    for other in [
        load_files(&[("a.cedar", EVERYBODY), ("b.cedar", "// c")]).unwrap(),
        load_files(&[
            ("a.cedar", EVERYBODY),
            ("b.cedar", "// b"),
            ("c.links.json", "[]"),
        ])
        .unwrap(),
        load_sources(&Sources::of(
            &[("a.cedar", EVERYBODY), ("b.cedar", "// b")],
            "namespace Site { type Claims = {}; }",
        ))
        .unwrap(),
    ] {
        assert_ne!(one.revision(), other.revision());
    }
}
