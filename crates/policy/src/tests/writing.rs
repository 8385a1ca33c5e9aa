//! Inputs of decisions, written as JSON and read again.

mod masks;

use std::net::IpAddr;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::decisions::user;
use super::*;

const TENANT: &str = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";
const NOW: i64 = 1_768_467_600_000;
const SITE: &str = "namespace Site { type Claims = {
    text?: String, number?: Long, flag?: Bool, list?: Set<String> }; }";
const POLICIES: &str = r#"
@id("own") permit (principal is Gate::User, action in Gate::Action::"manageOwnMfa", resource);
@id("public") permit (principal, action == Gate::Action::"readApiDescription", resource);
@id("step-up") @step_up("phr") @max_age("5m") @notice("Step up.")
forbid (principal, action in Gate::Action::"enroll", resource)
unless { context.session.sinceStrong <= duration("5m") };
@id("group") @code("by_group")
forbid (principal in Gate::Group::"corp|2489e9ad-2ee2-8e00-8ec9-32d5f69181c0|a", action, resource);
@id("text") forbid (principal is Gate::User, action, resource)
when { principal.claims has text && principal.claims.text like "*\"*" };
@id("list") forbid (principal is Gate::User, action, resource)
when { principal.claims has list && principal.claims.list.contains("b") };
@id("fails") forbid (principal is Gate::User, action, resource)
when { principal.claims has number && principal.claims.number + 1 > 100 };
@id("proven") forbid (principal, action == Gate::Action::"trustAuthenticator", resource)
unless { resource in principal.account && resource.userVerified };
@id("from") forbid (principal, action, resource)
when { context.network.address.isInRange(ip("10.0.0.0/8")) };
"#;

fn bundle() -> Bundle {
    load_sources(&Sources::of(&[("a.cedar", POLICIES)], SITE)).unwrap()
}

const PUBLIC: [GateAction; 5] = [
    GateAction::ReadApiDescription,
    GateAction::ReadKeys,
    GateAction::ReadRelatedOrigins,
    GateAction::Preflight,
    GateAction::Unknown,
];
const ENROL: [GateAction; 3] = [
    GateAction::BeginWebauthnRegistration,
    GateAction::CompleteWebauthnRegistration,
    GateAction::TrustAuthenticator,
];

fn protected() -> Vec<GateAction> {
    let all = GateAction::ALL.iter().copied();
    all.filter(|action| !PUBLIC.contains(action)).collect()
}

/// The parts of a generated request.
#[derive(Clone, Debug)]
struct Drawn {
    user: Option<User>,
    member: bool,
    action: usize,
    route: &'static str,
    tenant: Tenant,
    factors: Factors,
    means: Means,
    authenticator: Authenticator,
    address: IpAddr,
}

impl Drawn {
    fn with_request<T>(&self, call: impl FnOnce(&AuthorizationRequest<'_>) -> T) -> T {
        let user = self.user.clone().map(Arc::new);
        let request = match &user {
            Some(user) if self.member => {
                let action = protected()[self.action % protected().len()];
                let enrols = ENROL.contains(&action);
                AuthorizationRequest {
                    caller: Caller::Member {
                        user,
                        tenant: self.tenant,
                        factors: &self.factors,
                        means: &self.means,
                        method_type: enrols.then_some(MethodType::Passkey),
                    },
                    action: action.into(),
                    resource: match action {
                        GateAction::TrustAuthenticator
                        | GateAction::CompleteWebauthnAuthentication
                        | GateAction::RenameMfaMethod
                        | GateAction::DeleteMfaMethod => {
                            Resource::Authenticator(&user.id, &self.authenticator)
                        }
                        _ => Resource::Account(&user.id),
                    },
                    address: self.address,
                    now: Timestamp::from_millis(NOW),
                }
            }
            user => AuthorizationRequest {
                caller: Caller::Visitor(user.as_ref()),
                action: PUBLIC[self.action % PUBLIC.len()].into(),
                resource: Resource::Route(self.route),
                address: self.address,
                now: Timestamp::from_millis(NOW),
            },
        };
        call(&request)
    }
}

fn claims() -> impl Strategy<Value = Map<String, Value>> {
    let text = || prop_oneof![Just(r#"a"b"#.to_owned()), ".{0,6}"];
    let number = prop_oneof![any::<i64>(), Just(i64::MAX), 0_i64..200];
    let list = prop::collection::vec(prop_oneof![Just("b".to_owned()), ".{0,3}"], 0..3);
    (
        prop::option::of(text()),
        prop::option::of(number),
        prop::option::of(any::<bool>()),
        prop::option::of(list),
    )
        .prop_map(|(text, number, flag, list)| {
            let claims = json!({"text": text, "number": number, "flag": flag, "list": list});
            claims.as_object().unwrap().clone()
        })
}

fn caller() -> impl Strategy<Value = User> {
    let names = || prop::collection::vec(prop_oneof![Just("a".to_owned()), ".{1,4}"], 0..3);
    let age = || prop::option::of(0_i64..600_000);
    (
        claims(),
        names(),
        names(),
        age(),
        age(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(claims, groups, amr, strong, code, homeless, phr)| {
            let ago = |age: Option<i64>| age.map(|age| Timestamp::from_millis(NOW - age));
            let tenant = if homeless { "" } else { TENANT };
            User {
                groups,
                claims: Arc::new(claims),
                session: Session {
                    acr: amr.first().cloned().unwrap_or_default(),
                    amr,
                    strong_at: ago(strong),
                    confirmation: match ago(strong) {
                        None => Confirmation::Nothing,
                        Some(_) if phr => Confirmation::SignIn,
                        Some(enrolled_at) => Confirmation::Authenticator {
                            enrolled_at,
                            trusted: homeless,
                        },
                    },
                    code: ago(code).map(|at| CodeUse {
                        at,
                        set: CodeSetId::named(""),
                        kind: CodeKind::Backup,
                    }),
                    ..Session::default()
                },
                strong_acr: if phr {
                    Arc::new(["phr".to_owned()])
                } else {
                    Arc::default()
                },
                ..user(&format!("corp|{tenant}|o%27brien|b"))
            }
        })
}

fn authenticator() -> impl Strategy<Value = Authenticator> {
    let model = || prop::option::of(Just(uuid::Uuid::from_u128(7)));
    (
        model(),
        model(),
        any::<[bool; 3]>(),
        prop::sample::subsequence(vec!["usb", "nfc"], 0..3),
    )
        .prop_map(
            |(proven, claimed, [verified, eligible, backed], transports)| Authenticator {
                id: uuid::Uuid::from_u128(9),
                method_type: MethodType::Passkey,
                device_name: "key".to_owned(),
                rp_id: "localhost".to_owned(),
                credential_id: Bytes(b"secret-credential".to_vec()),
                proven_model: proven,
                claimed_model: claimed,
                claimed_transports: transports.into_iter().map(str::to_owned).collect(),
                user_verified: verified,
                backup_eligible: eligible,
                backed_up: backed,
                sign_count: 0,
                created_at: Timestamp::from_millis(NOW),
                last_used_at: None,
                trusted: false,
                credential: Value::Null,
            },
        )
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let addresses = ["10.1.2.3", "203.0.113.7", "2001:db8::1"].map(|one| one.parse().unwrap());
    (
        prop::option::weighted(0.9, caller()),
        prop::bool::weighted(0.8),
        0_usize..GateAction::ALL.len(),
        prop::sample::select(path::ALL.to_vec()),
        0_usize..3,
        authenticator(),
        prop::sample::select(addresses.to_vec()),
    )
        .prop_map(
            |(user, member, action, route, count, authenticator, address)| Drawn {
                user,
                member,
                action,
                route,
                tenant: TENANT.parse().unwrap(),
                factors: Factors {
                    count,
                    method_types: if count == 0 {
                        Vec::new()
                    } else {
                        vec![MethodType::Fido, MethodType::Passkey]
                    },
                    reset: count == 0 && authenticator.user_verified,
                },
                means: Means {
                    authenticators: if count == 2 {
                        vec![Confirmer {
                            method_type: MethodType::Fido,
                            trusted: authenticator.user_verified,
                            age: 86_400,
                        }]
                    } else {
                        Vec::new()
                    },
                    backup_code: count > 0,
                    recovery_code: count == 0,
                },
                authenticator,
                address,
            },
        )
}

/// Reads an input from its JSON.
fn read(bundle: &Bundle, input: &Map<String, Value>) -> Result<PreparedRequest, RequestError> {
    PreparedRequest::from_json(bundle, input, &input["entities"])
}

/// Decides a request, and returns the input as well.
fn decide(bundle: &Bundle, drawn: &Drawn) -> (Decision, Arc<DecisionInput>) {
    drawn.with_request(|request| bundle.decide_with_input(request))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn written_input_is_read_as_the_same_request(drawn in drawn()) {
        thread_local!(static BUNDLE: Bundle = bundle());
        BUNDLE.with(|bundle| {
            let (decision, input) = decide(bundle, &drawn);
            prop_assert_eq!(&decision, &drawn.with_request(|request| bundle.decide(request)));
            let prepared = PreparedRequest::from_input(bundle, &input).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(prepared.assumed(), [] as [&str; 0]);
            let (request, entities) = drawn.with_request(|request| {
                let (principal, resource) = (request::principal(request), request::resource(request));
                assert_eq!(request.resource_uid(), resource.to_string());
                request::build(request, &principal, &resource, &bundle.schema).unwrap()
            });
            prop_assert_eq!(prepared.cedar_request.to_string(), request.to_string());
            for entity in entities.iter() {
                let read = prepared.entities.get(&entity.uid());
                prop_assert!(read.is_some_and(|read| read.deep_eq(entity)), "{}", entity.uid());
            }
            prop_assert_eq!(bundle.evaluate(&prepared), decision);
            Ok(())
        })?;
    }
}

/// Returns a request with facts of every kind.
fn everything() -> Drawn {
    let claims = json!({"text": "x@example.com", "number": 3, "flag": null, "list": ["b"], "undeclared": "no"});
    Drawn {
        user: Some(User {
            groups: vec!["it's".to_owned()],
            claims: Arc::new(claims.as_object().unwrap().clone()),
            session: Session {
                amr: vec!["pwd".to_owned()],
                strong_at: Some(Timestamp::from_millis(NOW - 300_000)),
                ..Session::default()
            },
            ..user(&format!("corp|{TENANT}|alice"))
        }),
        member: true,
        action: 2,
        route: path::UNKNOWN,
        tenant: TENANT.parse().unwrap(),
        factors: Factors {
            count: 1,
            method_types: vec![MethodType::Fido],
            reset: false,
        },
        means: Means::default(),
        authenticator: Authenticator {
            id: uuid::Uuid::from_u128(9),
            method_type: MethodType::Passkey,
            device_name: "key".to_owned(),
            rp_id: "localhost".to_owned(),
            credential_id: Bytes(vec![1; 16]),
            proven_model: None,
            claimed_model: None,
            claimed_transports: vec!["usb".to_owned()],
            user_verified: true,
            backup_eligible: false,
            backed_up: false,
            sign_count: 0,
            created_at: Timestamp::from_millis(NOW),
            last_used_at: None,
            trusted: false,
            credential: Value::Null,
        },
        address: [203, 0, 113, 7].into(),
    }
}

#[test]
fn input_is_written_like_a_test_case() {
    insta::assert_json_snapshot!(decide(&bundle(), &everything()).1.json());
}

#[test]
fn input_that_does_not_conform_to_the_schema_has_no_entities() {
    let mut drawn = everything();
    let claims = json!({"number": "three"});
    drawn.user.as_mut().unwrap().claims = Arc::new(claims.as_object().unwrap().clone());
    let (decision, input) = decide(&bundle(), &drawn);
    assert_eq!(decision.effect, Effect::Failed);
    let mut members: Vec<_> = input.json().into_iter().map(|(name, _)| name).collect();
    members.sort();
    assert_eq!(members, ["action", "principal", "resource"]);
}

#[test]
fn weight_grows_with_groups_and_all_claims() {
    let bundle = bundle();
    let light = everything();
    let mut heavy = light.clone();
    let caller = heavy.user.as_mut().unwrap();
    caller.groups = (0..1000).map(|at| at.to_string()).collect();
    let claims = json!({"list": vec!["b"; 1000], "undeclared": vec!["b"; 1000]});
    caller.claims = Arc::new(claims.as_object().unwrap().clone());
    let [light, heavy] = [light, heavy].map(|drawn| decide(&bundle, &drawn).1.weight());
    assert!((4_000..8_000).contains(&light), "{light}");
    assert!((750_000..850_000).contains(&heavy), "{heavy}");
    let anonymous = Drawn {
        user: None,
        ..everything()
    };
    assert!(decide(&bundle, &anonymous).1.weight() < 8_000);
}
