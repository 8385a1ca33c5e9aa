//! Decisions on authorization requests.

mod authenticators;
mod facts;
mod shadow;
mod step_up;

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::json;

use crate::schema::SchemaIndex;

use super::*;

const TENANT: &str = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";
const OWN_MFA: &str = "@id(\"open\") permit (principal is Gate::User, action in [Gate::Action::\"manageOwnMfa\", Gate::Action::\"stepUp\"], resource) when { resource in principal.account };\n";

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

/// The parts of a request by a user who names a tenant.
struct MemberRequest {
    user: User,
    tenant: Tenant,
    factors: Factors,
    means: Means,
    action: GateAction,
    address: IpAddr,
}

impl MemberRequest {
    fn by(user: User) -> Self {
        Self {
            user,
            tenant: TENANT.parse().unwrap(),
            factors: Factors::default(),
            means: Means::default(),
            action: GateAction::ListMfaMethods,
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

    fn decide(&self, bundle: &Bundle) -> Decision {
        self.with_request(|request| bundle.decide(request))
    }

    fn with_request<T>(&self, call: impl FnOnce(&AuthorizationRequest<'_>) -> T) -> T {
        let enrols = matches!(
            self.action,
            GateAction::BeginWebauthnRegistration
                | GateAction::CompleteWebauthnRegistration
                | GateAction::TrustAuthenticator
        );
        let authenticator = key();
        let user = Arc::new(self.user.clone());
        let resource = match self.action {
            GateAction::TrustAuthenticator
            | GateAction::CompleteWebauthnAuthentication
            | GateAction::RenameMfaMethod
            | GateAction::DeleteMfaMethod => Resource::Authenticator(&self.user.id, &authenticator),
            _ => Resource::Account(&self.user.id),
        };
        call(&AuthorizationRequest {
            caller: Caller::Member {
                user: &user,
                tenant: self.tenant,
                factors: &self.factors,
                means: &self.means,
                method_type: enrols.then_some(MethodType::Fido),
            },
            action: self.action.into(),
            resource,
            address: self.address,
            now: now(),
        })
    }
}

fn visitor<'a>(
    user: Option<&'a Arc<User>>,
    action: GateAction,
    route: &'a str,
) -> AuthorizationRequest<'a> {
    AuthorizationRequest {
        caller: Caller::Visitor(user),
        action: action.into(),
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
fn every_action_conforms_to_the_schema() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let alice = Arc::new(alice());
    for action in GateAction::ALL.iter().copied() {
        let decision = match action {
            GateAction::ReadApiDescription
            | GateAction::ReadKeys
            | GateAction::ReadRelatedOrigins
            | GateAction::Preflight
            | GateAction::Unknown => bundle.decide(&visitor(Some(&alice), action, path::UNKNOWN)),
            _ => MemberRequest {
                action,
                ..MemberRequest::by((*alice).clone())
            }
            .decide(&bundle),
        };
        assert_eq!(decision.errors, Vec::<String>::new(), "{action}");
        assert_ne!(decision.effect, Effect::Failed, "{action}");
    }
}

#[test]
fn every_entity_conforms_to_the_schema() {
    let claims = [
        ("text", "String", json!("é")),
        ("number", "Long", json!(-1)),
        ("flag", "Bool", json!(true)),
        ("list", "Set<String>", json!(["a", "a"])),
    ];
    let members = claims
        .each_ref()
        .map(|(name, claim_type, _)| format!("{name}?: {claim_type}"));
    let site = format!(
        "namespace Site {{ type Claims = {{ {} }}; }}",
        members.join(", ")
    );
    let bundle = load_sources(&Sources::of(&[("a.cedar", OWN_MFA)], &site)).unwrap();
    let SchemaIndex { cedar: schema, .. } = &*bundle.schema;
    let conforms = |request: &AuthorizationRequest<'_>| {
        let entities = request::entities(request, &bundle.schema).unwrap();
        let entities = entities.into_iter().map(cedar_policy::Entity::from);
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
        let user = Arc::new(user);
        conforms(&visitor(None, GateAction::Unknown, path::UNKNOWN));
        conforms(&visitor(Some(&user), GateAction::Unknown, path::UNKNOWN));
        let mut request = MemberRequest::by((*user).clone());
        for action in [GateAction::ListMfaMethods, GateAction::TrustAuthenticator] {
            request.action = action;
            request.with_request(conforms);
        }
    }
}

#[test]
fn request_has_its_uids_and_decision_its_determining_policies() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let mut request = MemberRequest::by(alice());
    let expected = Decision {
        effect: Effect::Allow,
        policies: vec!["own-factors".to_owned()],
        notices: Vec::new(),
        errors: Vec::new(),
        failed: Vec::new(),
        shadow: None,
    };
    assert_eq!(request.decide(&bundle), expected);
    let uids =
        |request: &AuthorizationRequest<'_>| (request.principal_uid(), request.resource_uid());
    let alice = format!("corp|{TENANT}|alice");
    let (user, account) = request.with_request(uids);
    assert_eq!(user, format!("Gate::User::\"{alice}\""));
    assert_eq!(account, format!("Gate::Account::\"{alice}\""));
    request.action = GateAction::TrustAuthenticator;
    let (_, authenticator) = request.with_request(uids);
    let expected = "Gate::Authenticator::\"0198c0de-0000-7000-8000-000000000001\"";
    assert_eq!(authenticator, expected);
    let unknown = visitor(None, GateAction::Unknown, path::UNKNOWN);
    let (anonymous, route) = uids(&unknown);
    assert_eq!(anonymous, "Gate::Anonymous::\"anonymous\"");
    assert_eq!(route, "Gate::Route::\"unknown\"");
    let decision = bundle.decide(&unknown);
    assert_eq!(decision.effect, Effect::Deny("forbidden".to_owned()));
    // A denial by default has no determining policy.
    assert_eq!(decision.policies, Vec::<String>::new());
    assert_eq!(decision.notices, Vec::<String>::new());
}

#[test]
fn request_that_does_not_conform_to_the_schema_fails() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let alice = Arc::new(alice());
    for request in [
        visitor(Some(&alice), GateAction::ListMfaMethods, path::METHODS),
        visitor(None, GateAction::BeginWebauthnRegistration, path::REGISTER),
        AuthorizationRequest {
            resource: Resource::Account(&alice.id),
            ..visitor(None, GateAction::Unknown, "")
        },
    ] {
        let decision = bundle.decide(&request);
        assert_eq!(decision.effect, Effect::Failed);
        assert_eq!(decision.policies, Vec::<String>::new());
        assert!(
            decision.errors[0].contains("is not valid for"),
            "{decision:?}"
        );
    }
}

/// Overflows if the caller has an authenticator.
const FAILS: &str = "context.factors.count + 9223372036854775807 > 0";

#[test]
fn evaluation_error_in_permit_or_forbid_denies() {
    let failing = forbid("failing", FAILS);
    for policy in [failing.clone(), failing.replace("forbid", "permit")] {
        let bundle = load(&format!("{OWN_MFA}{policy}")).unwrap();
        assert_eq!(
            MemberRequest::by(alice()).decide(&bundle).effect,
            if policy.contains("permit") {
                Effect::Allow
            } else {
                Effect::Deny("forbidden".to_owned())
            }
        );
        let decision = MemberRequest::by(alice()).with_key().decide(&bundle);
        assert_eq!(decision.effect, Effect::Failed);
        assert_eq!(decision.errors.len(), 1);
        assert!(decision.errors[0].contains("failing"), "{decision:?}");
    }
}

#[test]
fn notices_and_code_are_those_of_the_determining_policies_in_order_of_id() {
    let policies = [
        OWN_MFA.to_owned(),
        forbid("c", "true").replace("forbid", "@notice(\"one\") @code(\"third\") forbid"),
        forbid("b", "true").replace("forbid", "@notice(\"two\") @code(\"second\") forbid"),
        forbid("a", "true").replace("forbid", "@notice(\"one\") forbid"),
        forbid("0", "false || context.factors.count == 7")
            .replace("forbid", "@notice(\"no\") @code(\"no\") forbid"),
    ];
    let decision = MemberRequest::by(alice()).decide(&load(&policies.concat()).unwrap());
    assert_eq!(decision.policies, ["a", "b", "c"]);
    assert_eq!(decision.notices, ["one", "two"]);
    assert_eq!(decision.effect, Effect::Deny("second".to_owned()));
    let mismatch = forbid("z", "true").replace("forbid", "@code(\"tenant_mismatch\") forbid");
    let decision = MemberRequest::by(alice())
        .decide(&load(&format!("{}{mismatch}", policies.concat())).unwrap());
    assert_eq!(decision.effect, Effect::Deny("tenant_mismatch".to_owned()));
    let welcome = OWN_MFA.replace("permit", "@notice(\"welcome\") permit");
    assert_eq!(
        MemberRequest::by(alice())
            .decide(&load(&welcome).unwrap())
            .notices,
        ["welcome"]
    );
}

#[test]
fn revision_depends_only_on_the_content_of_the_files() {
    let bundle = load_files(&[("a.cedar", OWN_MFA), ("b.cedar", "// b")]).unwrap();
    let reordered = load_files(&[("b.cedar", "// b"), ("a.cedar", OWN_MFA)]).unwrap();
    assert_eq!(bundle.revision(), reordered.revision());
    assert_eq!(bundle.revision().len(), 16);
    for other in [
        load_files(&[("a.cedar", OWN_MFA), ("b.cedar", "// c")]).unwrap(),
        load_files(&[
            ("a.cedar", OWN_MFA),
            ("b.cedar", "// b"),
            ("c.links.json", "[]"),
        ])
        .unwrap(),
        load_sources(&Sources::of(
            &[("a.cedar", OWN_MFA), ("b.cedar", "// b")],
            "namespace Site { type Claims = {}; }",
        ))
        .unwrap(),
    ] {
        assert_ne!(bundle.revision(), other.revision());
    }
}
