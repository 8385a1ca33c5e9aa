//! Properties of decisions for random policies and requests: invariants 2 and 3 of the design.

mod explaining;

use std::sync::Arc;

use proptest::prelude::*;

use super::super::*;
use super::decisions::user;
use super::load_files;
use super::property::check;
use cedar_policy::{PolicyId, PolicySet};
use cedargate_core::*;
use cedargate_core::{Confirmer, Effect};

const TENANTS: [&str; 2] = [
    "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0",
    "0e0e0e0e-0000-4000-8000-000000000001",
];
const ACTIONS: [GateAction; 3] = [
    GateAction::BeginWebauthnRegistration,
    GateAction::CompleteWebauthnRegistration,
    GateAction::ListMfaMethods,
];

/// The random parts of a request.
#[derive(Clone, Debug)]
struct Drawn {
    user: Arc<User>,
    header: Tenant,
    factors: Factors,
    means: Means,
    method_type: MethodType,
    action: GateAction,
}

impl Drawn {
    fn decide(&self, bundle: &Bundle) -> Decision {
        bundle.decide(&self.request())
    }

    fn request(&self) -> AuthorizationRequest<'_> {
        let enrols = self.action != GateAction::ListMfaMethods;
        AuthorizationRequest {
            caller: Caller::Member {
                user: &self.user,
                tenant: self.header,
                factors: &self.factors,
                means: &self.means,
                method_type: enrols.then_some(self.method_type),
            },
            action: self.action.into(),
            resource: Resource::Account(&self.user.id),
            address: [192, 0, 2, 7].into(),
            now: Timestamp::from_millis(1_768_467_600_000),
        }
    }

    /// Returns a condition of one of [`KINDS`] kinds, which is true or false for this request.
    fn condition(&self, kind: usize) -> String {
        let group = self.user.groups.first().map_or("none", String::as_str);
        match kind {
            0 => format!("context.factors.count == {}", self.factors.count),
            1 => format!("principal in Gate::Tenant::\"{}\"", TENANTS[0]),
            2 => format!(
                "principal in Gate::Group::\"corp|{}|{group}\"",
                self.user.id.tenant.unwrap()
            ),
            3 => "principal in context.tenant".to_owned(),
            4 => "context.session.sinceStrong <= duration(\"5m\")".to_owned(),
            5 => "context.factors.count < 2".to_owned(),
            // Fails if there are factors, and is false if there are none.
            _ => "context.factors.count > 0 && context.factors.count + 9223372036854775807 > 0"
                .to_owned(),
        }
    }
}

fn request() -> impl Strategy<Value = Drawn> {
    let tenant = || prop::sample::select(TENANTS.to_vec());
    let groups = prop::collection::vec(prop::sample::select(vec!["a", "b"]), 0..3);
    let types = prop::sample::select(MethodType::ALL.to_vec());
    let strong = prop::option::of(0_i64..600);
    let action = prop::sample::select(ACTIONS.to_vec());
    (
        tenant(),
        tenant(),
        groups,
        0_usize..3,
        types,
        strong,
        action,
        any::<bool>(),
    )
        .prop_map(
            |(own, header, groups, count, method_type, strong, action, phr)| {
                let mut user = user(&format!("corp|{own}|alice"));
                user.groups = groups.into_iter().map(str::to_owned).collect();
                user.session.strong_at =
                    strong.map(|age| Timestamp::from_millis(1_768_467_600_000 - age * 1000));
                if phr {
                    user.strong_acr = Arc::new(["phr".to_owned()]);
                }
                let method_types = if count == 0 {
                    Vec::new()
                } else {
                    vec![method_type]
                };
                let factors = Factors {
                    count,
                    method_types,
                    reset: false,
                };
                let usable = |one: &MethodType| Confirmer {
                    method_type: *one,
                    trusted: false,
                    age: 0,
                };
                let means = Means {
                    authenticators: factors.method_types.iter().map(usable).collect(),
                    backup_code: count > 0,
                    recovery_code: false,
                };
                Drawn {
                    user: Arc::new(user),
                    header: header.parse().unwrap(),
                    factors,
                    means,
                    method_type,
                    action,
                }
            },
        )
}

const KINDS: usize = 7;

/// Draws a policy: its effect, the kind of its condition, its scope, and whether it is negated and has a
/// step-up. The scope names the action of the request, a group of it, or another group.
fn policy(permits: bool) -> impl Strategy<Value = (bool, usize, usize, bool, bool)> {
    (
        Just(permits),
        0..KINDS,
        0_usize..4,
        any::<bool>(),
        any::<bool>(),
    )
}

fn write(drawn: &Drawn, id: &str, policy: (bool, usize, usize, bool, bool)) -> String {
    let (permits, kind, scope, negated, steps_up) = policy;
    let action = match scope {
        0 => format!("== Gate::Action::\"{}\"", drawn.action),
        1 | 2 => "in Gate::Action::\"manageOwnMfa\"".to_owned(),
        _ => "in Gate::Action::\"enroll\"".to_owned(),
    };
    let effect = if permits { "permit" } else { "forbid" };
    let keyword = if negated { "unless" } else { "when" };
    // @step_up loads only on a policy that a fresh sign-in satisfies.
    let step_up = if !permits && steps_up && kind == 4 && negated {
        "@step_up(\"phr\") @max_age(\"5m\")"
    } else {
        ""
    };
    let condition = drawn.condition(kind);
    format!(
        "@id(\"{id}\") @notice(\"{id}\") {step_up} {effect} (principal, action {action}, resource) {keyword} {{ {condition} }};\n"
    )
}

/// Draws a request and policies whose ids are their positions. The first policy is always a permit, because
/// no bundle loads without one; it matches or not.
fn policies() -> impl Strategy<Value = (Drawn, Vec<String>)> {
    let others = prop::collection::vec(any::<bool>().prop_flat_map(policy), 0..5);
    (request(), policy(true), others).prop_map(|(drawn, first, others)| {
        let texts = std::iter::once(first)
            .chain(others)
            .enumerate()
            .map(|(at, policy)| write(&drawn, &format!("p{at}"), policy))
            .collect();
        (drawn, texts)
    })
}

fn bundle(texts: &[String]) -> Bundle {
    load_files(&[("a.cedar", &texts.concat())]).unwrap()
}

/// Decides by these policies of a bundle alone. The bundle is loaded only once for a case, because loading
/// takes most of the time of a case.
fn alone(drawn: &Drawn, bundle: &mut Bundle, ids: &[String]) -> Decision {
    let policies = ids.iter().map(|id| {
        let policy = bundle.live.set().policy(&PolicyId::new(id));
        policy.expect("it is in the bundle").clone()
    });
    let selected = PolicySet::from_policies(policies).unwrap();
    let all = std::mem::replace(&mut bundle.live, crate::engine::Engine::new(selected));
    let decision = drawn.decide(bundle);
    bundle.live = all;
    decision
}

#[test]
fn request_is_allowed_only_by_a_matching_permit_without_a_forbid_or_an_error() {
    let needed = [("allowed", 1), ("failed", 1)];
    check(48, &policies(), &needed, |(drawn, texts), tally| {
        let mut bundle = bundle(&texts);
        let decision = drawn.decide(&bundle);
        let mut permits = Vec::new();
        let mut forbids = Vec::new();
        let mut errors = 0;
        for (at, text) in texts.iter().enumerate() {
            let id = format!("p{at}");
            let alone = alone(&drawn, &mut bundle, std::slice::from_ref(&id));
            let list = if text.contains("permit (") {
                &mut permits
            } else {
                &mut forbids
            };
            match alone.effect {
                Effect::Failed => errors += 1,
                _ if !alone.policies.is_empty() => list.push(id),
                _ => {}
            }
        }
        prop_assert_eq!(decision.errors.len(), errors);
        let determining = if forbids.is_empty() {
            &permits
        } else {
            &forbids
        };
        prop_assert_eq!(&decision.policies, determining);
        prop_assert_eq!(&decision.notices, determining);
        match decision.effect {
            Effect::Allow => {
                tally.add("allowed", 1);
                prop_assert!(errors == 0 && forbids.is_empty() && !permits.is_empty());
            }
            Effect::Failed => {
                tally.add("failed", 1);
                prop_assert!(errors > 0);
            }
            _ => prop_assert!(errors == 0 && (permits.is_empty() || !forbids.is_empty())),
        }
        Ok(())
    });
}

#[test]
fn added_forbid_never_permits_more() {
    // True conditions are drawn more often, so that at least half of the forbids match.
    let added = prop_oneof![
        2 => Just((false, 0, 0, false, false)),
        2 => Just((false, 2, 1, false, false)),
        1 => policy(false),
    ];
    let needed = [("the forbid matches", 50), ("allowed before", 5)];
    check(
        100,
        &(policies(), added),
        &needed,
        |((drawn, mut texts), added), tally| {
            texts.push(write(&drawn, "added", added));
            let mut bundle = bundle(&texts);
            let others: Vec<_> = (1..texts.len())
                .map(|after| format!("p{}", after - 1))
                .collect();
            let before = alone(&drawn, &mut bundle, &others).effect;
            let added = alone(&drawn, &mut bundle, &["added".to_owned()]);
            let matches = !added.policies.is_empty();
            tally.add("the forbid matches", usize::from(matches));
            tally.add("allowed before", usize::from(before == Effect::Allow));
            let after = drawn.decide(&bundle).effect;
            prop_assert!(after != Effect::Allow || (before == Effect::Allow && !matches));
            Ok(())
        },
    );
}

#[test]
fn decision_does_not_depend_on_the_order_of_policies_or_files() {
    let shuffled = policies().prop_flat_map(|(drawn, texts)| {
        (Just(drawn), Just(texts.clone()), Just(texts).prop_shuffle())
    });
    check(40, &shuffled, &[], |(drawn, texts, shuffled), _| {
        let in_order = drawn.decide(&bundle(&texts));
        let files: Vec<_> = shuffled
            .iter()
            .enumerate()
            .map(|(at, text)| (format!("{at}.cedar"), text))
            .collect();
        let files: Vec<_> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        for decided in [
            drawn.decide(&bundle(&shuffled)),
            drawn.decide(&load_files(&files).unwrap()),
        ] {
            prop_assert_eq!(&decided, &in_order);
        }
        Ok(())
    });
}
