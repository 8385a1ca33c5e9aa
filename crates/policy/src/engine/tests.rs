//! The engine compared with Cedar's authorizer: single cases that an index can get wrong, and generated
//! policies, hierarchies and requests.

mod generated;

use cedar_policy::{Context, Entities, EntityUid, PolicyId, PolicySet, Request};
use serde_json::{Value, json};

use super::{Engine, Evaluation};

/// Returns the request `User::"alice"`, `Action::"read"`, `Doc::"plan"` with a context.
fn request(context: Value) -> Request {
    request_of(r#"User::"alice""#, r#"Action::"read""#, context)
}

fn request_of(principal: &str, action: &str, context: Value) -> Request {
    Request::new(
        uid(principal),
        uid(action),
        uid(r#"Doc::"plan""#),
        Context::from_json_value(context, None).unwrap(),
        None,
    )
    .unwrap()
}

fn uid(text: &str) -> EntityUid {
    text.parse().unwrap()
}

fn entities(json: Value) -> Entities {
    Entities::from_json_value(json, None).unwrap()
}

fn entity(entity_type: &str, id: &str, attributes: Value, parents: &[(&str, &str)]) -> Value {
    let uid = |(entity_type, id): (&str, &str)| json!({"type": entity_type, "id": id});
    let parents: Vec<_> = parents.iter().copied().map(uid).collect();
    json!({"uid": uid((entity_type, id)), "attrs": attributes, "parents": parents})
}

/// Evaluates policies, which must give the same with and without the index. Returns true if the request
/// is allowed, the determining policies, and the policies that failed.
fn evaluate(
    policies: &str,
    request: &Request,
    entities: &Entities,
) -> (bool, Vec<String>, Vec<String>) {
    evaluate_set(policies.parse().unwrap(), request, entities)
}

fn evaluate_set(
    set: PolicySet,
    request: &Request,
    entities: &Entities,
) -> (bool, Vec<String>, Vec<String>) {
    let engine = Engine::new(set);
    let evaluation = engine.evaluate(request, entities);
    assert_eq!(evaluation, engine.evaluate_all(request, entities));
    let Evaluation {
        allows,
        determining,
        failed,
    } = evaluation;
    let determining = determining.iter().map(PolicyId::to_string).collect();
    let failed = failed.iter().map(|(id, _)| id.to_string()).collect();
    (allows, determining, failed)
}

fn ids<const N: usize>(ids: [&str; N]) -> Vec<String> {
    ids.map(str::to_owned).to_vec()
}

#[test]
fn forbid_on_a_group_of_actions_applies_to_an_action_deep_in_it() {
    let policies = r#"
        permit (principal, action == Action::"read", resource);
        forbid (principal, action in [Action::"write", Action::"all"], resource);"#;
    let entities = entities(json!([
        entity("Action", "read", json!({}), &[("Action", "view")]),
        entity("Action", "view", json!({}), &[("Action", "all")]),
        entity("Action", "all", json!({}), &[]),
    ]));
    let outcome = evaluate(policies, &request(json!({})), &entities);
    assert_eq!(outcome, (false, ids(["policy1"]), ids([])));
}

#[test]
fn policy_on_a_group_applies_to_a_user_deep_in_it() {
    let mut list: Vec<_> = (0..50)
        .map(|at| {
            let (id, parent) = (at.to_string(), (at + 1).to_string());
            entity("Group", &id, json!({}), &[("Group", &parent)])
        })
        .collect();
    list.push(entity("User", "alice", json!({}), &[("Group", "0")]));
    let policies = r#"
        permit (principal in Group::"50", action, resource);
        permit (principal is User in Group::"49", action, resource);
        permit (principal is Doc in Group::"49", action, resource);
        permit (principal == Group::"49", action, resource);
        permit (principal in Group::"51", action, resource);"#;
    let outcome = evaluate(policies, &request(json!({})), &entities(list.into()));
    assert_eq!(outcome, (true, ids(["policy0", "policy1"]), ids([])));
}

#[test]
fn linked_template_applies_to_the_entities_of_its_link() {
    let template = r#"@id("t") permit (principal in ?principal, action, resource == ?resource);"#;
    let mut set: PolicySet = template.parse().unwrap();
    for (id, group) in [("staff", "staff"), ("others", "others")] {
        let values = [
            (
                cedar_policy::SlotId::principal(),
                uid(&format!("Group::{group:?}")),
            ),
            (cedar_policy::SlotId::resource(), uid(r#"Doc::"plan""#)),
        ];
        let template = PolicyId::new("policy0");
        set.link(template, PolicyId::new(id), values.into())
            .unwrap();
    }
    let alice = entity("User", "alice", json!({}), &[("Group", "staff")]);
    let outcome = evaluate_set(set, &request(json!({})), &entities(json!([alice])));
    assert_eq!(outcome, (true, ids(["staff"]), ids([])));
}

#[test]
fn forbid_without_constraints_applies_to_every_request() {
    let policies = r#"
        permit (principal == User::"alice", action == Action::"read", resource == Doc::"plan");
        forbid (principal, action, resource);"#;
    let outcome = evaluate(policies, &request(json!({})), &Entities::empty());
    assert_eq!(outcome, (false, ids(["policy1"]), ids([])));
}

#[test]
fn entity_that_is_not_in_the_store_is_in_itself_and_has_a_type() {
    let policies = r#"
        permit (principal in User::"alice", action in Action::"read", resource is Doc);
        permit (principal in Group::"staff", action, resource);
        permit (principal, action, resource) when { principal.age == 3 };
        permit (principal, action, resource) when { principal has age && principal.age == 3 };"#;
    let outcome = evaluate(policies, &request(json!({})), &Entities::empty());
    assert_eq!(outcome, (true, ids(["policy0"]), ids(["policy2"])));
}

#[test]
fn policy_that_fails_counts_only_if_its_scope_matches() {
    let policies = r#"
        permit (principal, action, resource);
        forbid (principal == User::"bob", action, resource) when { context.missing };
        forbid (principal, action == Action::"write", resource) when { context.missing };
        forbid (principal, action, resource) when { principal == User::"bob" && context.missing };
        forbid (principal, action, resource) when { context.missing && principal == User::"bob" };"#;
    let outcome = evaluate(policies, &request(json!({})), &Entities::empty());
    assert_eq!(outcome, (true, ids(["policy0"]), ids(["policy4"])));
}

#[test]
fn equality_that_conditions_begin_with_selects_the_policies_that_it_is_true_for() {
    let policies = r#"
        permit (principal, action, resource) when { context.kind == "a" };
        permit (principal, action, resource) when { "b" == context.kind };
        permit (principal, action, resource) when { ["a", "c"].contains(context.kind) };
        permit (principal, action, resource) when { context has kind && context.kind == "a" };
        permit (principal, action, resource) when { [].contains(context.kind) };
        permit (principal, action, resource) when { context.session.kind == "a" };"#;
    let given = json!({"kind": "a", "session": {"kind": "b"}});
    let outcome = evaluate(policies, &request(given), &Entities::empty());
    assert_eq!(
        outcome,
        (true, ids(["policy0", "policy2", "policy3"]), ids([]))
    );
    // Without the attribute, all fail but the one that tests for it.
    let (_, _, failed) = evaluate(policies, &request(json!({})), &Entities::empty());
    let expected = ids(["policy0", "policy1", "policy2", "policy4", "policy5"]);
    assert_eq!(failed, expected);
    // A value that is not a literal is equal to none.
    let outcome = evaluate(
        policies,
        &request(json!({"kind": ["a"]})),
        &Entities::empty(),
    );
    assert_eq!(outcome, (false, ids([]), ids(["policy5"])));
}

#[test]
fn guard_that_fails_is_not_left_out_although_a_later_equality_is_false() {
    let policies = r#"
        forbid (principal, action, resource)
        when { context.session has kind && context.kind == "b" };
        forbid (principal, action, resource)
        when { context.session has kind && principal in Group::"staff" };
        forbid (principal, action, resource)
        when { context has session && context.session has kind && context.session.kind == "b" };"#;
    let (_, _, failed) = evaluate(policies, &request(json!({"kind": "a"})), &Entities::empty());
    assert_eq!(failed, ids(["policy0", "policy1"]));
}

#[test]
fn policy_with_several_places_in_the_index_is_evaluated_once() {
    let policies = r#"
        permit (principal, action in [Action::"read", Action::"all"], resource)
        when { principal in [Group::"staff", User::"alice", User::"alice"] };"#;
    let entities = entities(json!([
        entity("Action", "read", json!({}), &[("Action", "all")]),
        entity("User", "alice", json!({}), &[("Group", "staff")]),
    ]));
    let outcome = evaluate(policies, &request(json!({})), &entities);
    assert_eq!(outcome, (true, ids(["policy0"]), ids([])));
}

#[test]
fn changed_engine_evaluates_as_one_that_is_new() {
    let policies = r#"
        permit (principal, action, resource);
        forbid (principal == User::"alice", action, resource);
        forbid (principal, action == Action::"write", resource);"#;
    let mut engine = Engine::new(policies.parse().unwrap());
    let original = engine.clone();
    let (removed, replaced) = (PolicyId::new("policy1"), PolicyId::new("policy2"));
    let changed = engine.change([&removed, &replaced], |set| {
        set.remove_static(removed.clone()).map_err(Box::new)?;
        set.remove_static(replaced.clone()).map_err(Box::new)?;
        let text = r#"forbid (principal, action == Action::"read", resource);"#;
        let policy = cedar_policy::Policy::parse(Some(replaced.clone()), text);
        set.add(policy.unwrap()).map_err(Box::new)
    });
    changed.unwrap();
    let (request, entities) = (request(json!({})), Entities::empty());
    let evaluation = engine.evaluate(&request, &entities);
    assert_eq!(evaluation, engine.evaluate_all(&request, &entities));
    assert_eq!(evaluation.determining, [replaced]);
    assert_eq!(
        original.evaluate(&request, &entities).determining,
        [removed]
    );
}
