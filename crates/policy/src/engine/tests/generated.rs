//! Generated policies, hierarchies and requests.

use std::collections::BTreeSet;

use cedar_policy::{Entities, PolicyId, PolicySet, Request, SlotId};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::super::Engine;
use super::{entities, entity, request_of, uid};
use crate::tests::property::check;

const USERS: [&str; 3] = ["alice", "bob", "carol"];
const GROUPS: [&str; 5] = ["a", "b", "c", "d", "e"];
const ACTIONS: [&str; 3] = ["read", "write", "view"];
const ACTION_GROUPS: [&str; 2] = ["some", "all"];
const ATTRIBUTES: [&str; 7] = [
    "context.kind",
    "context.session.kind",
    "principal.kind",
    "principal.session.kind",
    "principal.friend",
    "principal.friend.kind",
    "resource.kind",
];

/// A policy, or a template with the entities of its link.
#[derive(Clone, Debug)]
struct Drawn {
    text: String,
    link: Option<(Option<String>, Option<String>)>,
}

fn user() -> impl Strategy<Value = String> {
    select(&USERS[..]).prop_map(|id| format!("User::{id:?}"))
}

fn group() -> impl Strategy<Value = String> {
    select(&GROUPS[..]).prop_map(|id| format!("Group::{id:?}"))
}

fn action() -> impl Strategy<Value = String> {
    select([&ACTIONS[..], &ACTION_GROUPS[..]].concat()).prop_map(|id| format!("Action::{id:?}"))
}

fn principal() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("principal".to_owned()),
        1 => user().prop_map(|user| format!("principal == {user}")),
        2 => group().prop_map(|group| format!("principal in {group}")),
        1 => user().prop_map(|user| format!("principal in {user}")),
        1 => select(&["User", "Group"][..]).prop_map(|one| format!("principal is {one}")),
        1 => group().prop_map(|group| format!("principal is User in {group}")),
        1 => Just("principal in ?principal".to_owned()),
        1 => Just("principal == ?principal".to_owned()),
    ]
}

fn action_scope() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just("action".to_owned()),
        1 => action().prop_map(|action| format!("action == {action}")),
        1 => action().prop_map(|action| format!("action in {action}")),
        1 => vec(action(), 0..3).prop_map(|list| format!("action in [{}]", list.join(", "))),
    ]
}

fn resource() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("resource".to_owned()),
        1 => Just(r#"resource == Doc::"plan""#.to_owned()),
        1 => group().prop_map(|group| format!("resource in {group}")),
        1 => Just("resource is Doc".to_owned()),
        1 => Just("resource in ?resource".to_owned()),
    ]
}

fn attribute() -> impl Strategy<Value = &'static str> {
    select(&ATTRIBUTES[..])
}

fn literal() -> impl Strategy<Value = String> {
    let plain = select(&[r#""a""#, r#""b""#, "1", "true"][..]);
    prop_oneof![4 => plain.prop_map(str::to_owned), 1 => user()]
}

/// A comparison of an attribute with literals.
fn comparison() -> impl Strategy<Value = String> {
    let parts = (attribute(), literal(), vec(literal(), 0..3), group(), 0..6);
    parts.prop_map(|(attribute, literal, literals, group, kind)| match kind {
        0 | 1 => format!("{attribute} == {literal}"),
        2 => format!("{literal} == {attribute}"),
        3 => format!("[{}].contains({attribute})", literals.join(", ")),
        4 => format!("!({attribute} == {literal})"),
        _ => format!("({attribute} == {literal} || principal in {group})"),
    })
}

/// An operand of `&&`: those that the index knows, and some that it does not know or that fail.
fn operand() -> impl Strategy<Value = String> {
    let guard = attribute().prop_map(|attribute| {
        let (owner, name) = attribute.rsplit_once('.').unwrap();
        format!("{owner} has {name}")
    });
    let several = vec(prop_oneof![group(), user()], 0..3);
    prop_oneof![
        5 => comparison(),
        3 => guard,
        2 => group().prop_map(|group| format!("principal in {group}")),
        1 => several.prop_map(|list| format!("principal in [{}]", list.join(", "))),
        1 => user().prop_map(|user| format!("{user} == principal")),
        1 => group().prop_map(|group| format!("resource in {group}")),
        1 => Just("principal is User".to_owned()),
        1 => action().prop_map(|action| format!("action in {action}")),
        1 => attribute().prop_map(|attribute| format!("{attribute} < 2")),
        1 => Just("true".to_owned()),
    ]
}

fn policy() -> impl Strategy<Value = Drawn> {
    let scope = (principal(), action_scope(), resource());
    let conditions = vec((any::<bool>(), vec(operand(), 1..4)), 0..3);
    let parts = (any::<bool>(), scope, conditions, user(), group());
    parts.prop_map(
        |(forbids, (principal, action, resource), conditions, user, group)| {
            let effect = if forbids { "forbid" } else { "permit" };
            let conditions = conditions.iter().map(|(when, operands)| {
                let word = if *when { "when" } else { "unless" };
                format!(" {word} {{ {} }}", operands.join(" && "))
            });
            let conditions: String = conditions.collect();
            let slots = (
                principal.contains('?').then_some(user),
                resource.contains('?').then_some(group),
            );
            Drawn {
                text: format!("{effect} ({principal}, {action}, {resource}){conditions};"),
                link: (slots != (None, None)).then_some(slots),
            }
        },
    )
}

/// Attributes, of which each may be missing or of another type.
fn attributes() -> impl Strategy<Value = Value> {
    let values = [
        json!("a"),
        json!("a"),
        json!("b"),
        json!(1),
        json!(true),
        json!(["a"]),
    ];
    let kind = proptest::option::weighted(0.7, select(values.to_vec()));
    let session = proptest::option::weighted(0.7, kind.clone());
    let friend = proptest::option::weighted(0.5, select(&USERS[..]));
    (kind, session, friend).prop_map(|(kind, session, friend)| {
        let session = session.map(|kind| match kind {
            Some(kind) => json!({ "kind": kind }),
            None => json!({}),
        });
        let friend = friend.map(|id| json!({"__entity": {"type": "User", "id": id}}));
        let members = [("kind", kind), ("session", session), ("friend", friend)];
        let members = members.into_iter();
        members
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    })
}

/// Users, groups, a document and actions. A group is only in later ones, so that there is no circle. Some
/// entities are missing.
fn hierarchy() -> impl Strategy<Value = Entities> {
    let parents = || subsequence(GROUPS.to_vec(), 0..=2);
    let users = vec((attributes(), parents()), USERS.len());
    let groups = vec(parents(), GROUPS.len());
    let actions = vec(subsequence(ACTION_GROUPS.to_vec(), 0..=2), ACTIONS.len());
    let document = (attributes(), parents());
    let missing = vec(
        proptest::bool::weighted(0.1),
        USERS.len() + GROUPS.len() + 1,
    );
    (users, groups, actions, document, missing).prop_map(
        |(users, groups, actions, (attributes, parents), missing)| {
            let mut list = vec![entity("Doc", "plan", attributes, &all("Group", &parents))];
            for (id, (attributes, parents)) in USERS.iter().zip(users) {
                list.push(entity("User", id, attributes, &all("Group", &parents)));
            }
            for (id, mut parents) in GROUPS.iter().zip(groups) {
                parents.retain(|parent| parent > id);
                list.push(entity("Group", id, json!({}), &all("Group", &parents)));
            }
            let mut missing = missing.into_iter();
            list.retain(|_| missing.next() != Some(true));
            for (id, parents) in ACTIONS.iter().zip(actions) {
                list.push(entity("Action", id, json!({}), &all("Action", &parents)));
            }
            list.push(entity("Action", "some", json!({}), &[("Action", "all")]));
            entities(list.into())
        },
    )
}

fn all<'a>(entity_type: &'a str, ids: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    ids.iter().map(|id| (entity_type, *id)).collect()
}

fn request() -> impl Strategy<Value = Request> {
    let principal = prop_oneof![9 => user(), 1 => group()];
    let action = select(&ACTIONS[..]).prop_map(|id| format!("Action::{id:?}"));
    (principal, action, attributes())
        .prop_map(|(principal, action, context)| request_of(&principal, &action, context))
}

fn set(policies: &[Drawn]) -> PolicySet {
    let mut set = PolicySet::new();
    for (at, Drawn { text, link }) in policies.iter().enumerate() {
        let id = PolicyId::new(format!("p{at}"));
        let Some((principal, resource)) = link else {
            let policy = cedar_policy::Policy::parse(Some(id), text);
            set.add(policy.unwrap()).unwrap();
            continue;
        };
        let template = PolicyId::new(format!("t{at}"));
        let parsed = cedar_policy::Template::parse(Some(template.clone()), text);
        set.add_template(parsed.unwrap()).unwrap();
        let principal = principal.iter().map(|one| (SlotId::principal(), uid(one)));
        let resource = resource.iter().map(|one| (SlotId::resource(), uid(one)));
        let values = principal.chain(resource).collect();
        set.link(template, id, values).unwrap();
    }
    set
}

#[test]
fn index_gives_the_result_of_evaluating_all_policies() {
    let drawn = (
        vec(policy(), 1..24),
        vec(hierarchy(), 1..4),
        vec(request(), 1..16),
    );
    let needed = [
        ("policies", 1_000),
        ("policies that apply or fail", 600),
        ("allowed", 100),
        ("forbidden", 100),
        ("failed", 100),
    ];
    check(
        192,
        &drawn,
        &needed,
        |(policies, hierarchies, requests), tally| {
            let engine = Engine::new(set(&policies));
            let mut matched = BTreeSet::new();
            let pairs = hierarchies
                .iter()
                .flat_map(|entities| requests.iter().map(move |request| (request, entities)));
            for (request, entities) in pairs {
                let evaluation = engine.evaluate(request, entities);
                let expected = engine.evaluate_all(request, entities);
                prop_assert_eq!(&evaluation, &expected);
                let forbidden = !evaluation.allows && !evaluation.determining.is_empty();
                tally.add("allowed", usize::from(evaluation.allows));
                tally.add("forbidden", usize::from(forbidden));
                tally.add("failed", usize::from(!evaluation.failed.is_empty()));
                matched.extend(evaluation.determining);
                matched.extend(evaluation.failed.into_iter().map(|(id, _)| id));
            }
            tally.add("policies", policies.len());
            tally.add("policies that apply or fail", matched.len());
            Ok(())
        },
    );
}
