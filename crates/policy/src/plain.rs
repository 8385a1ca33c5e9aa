//! JSON of the shapes that the gateway itself writes, read without asking the schema what each value
//! is: that is most of what a recorded decision costs. Whatever has another shape is left to Cedar,
//! and so is saying what is wrong; what is read here is held against the schema all the same.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression, Schema,
};
use serde_json::{Map, Value};

use super::request::{FUNCTIONS, call};
use super::schema::{ClaimType, SchemaIndex};

/// What a member may be.
#[derive(Clone, Copy)]
enum Shape {
    Address,
    Bool,
    Entity,
    Entities,
    Long,
    Moment,
    Period,
    Text,
    Texts,
    Record(&'static [(&'static str, Shape)]),
}

use Shape::{Address, Bool, Entities as Many, Long, Moment, Period, Record, Text, Texts};

const NETWORK: &[(&str, Shape)] = &[("address", Address)];
const SESSION: &[(&str, Shape)] = &[
    ("amr", Texts),
    ("acr", Text),
    ("sinceStrong", Period),
    ("sinceBackupCode", Period),
    ("trusted", Bool),
    ("authenticatorAge", Period),
];
const FACTORS: &[(&str, Shape)] = &[("count", Long), ("methodTypes", Many), ("reset", Bool)];
const CONTEXT: &[(&str, Shape)] = &[
    ("network", Record(NETWORK)),
    ("now", Moment),
    ("tenant", Shape::Entity),
    ("session", Record(SESSION)),
    ("factors", Record(FACTORS)),
    ("methodType", Shape::Entity),
];
const AUTHENTICATOR: &[(&str, Shape)] = &[
    ("methodType", Shape::Entity),
    ("provenModel", Shape::Entity),
    ("claimedModel", Shape::Entity),
    ("claimedTransports", Texts),
    ("userVerified", Bool),
    ("backupEligible", Bool),
    ("backedUp", Bool),
];

static TYPES: LazyLock<HashMap<&str, EntityTypeName>> = LazyLock::new(|| {
    let names = [
        "Gate::Account",
        "Gate::Anonymous",
        "Gate::Authenticator",
        "Gate::AuthenticatorModel",
        "Gate::Group",
        "Gate::Issuer",
        "Gate::MethodType",
        "Gate::Route",
        "Gate::Tenant",
        "Gate::User",
    ];
    names
        .map(|name| {
            let parsed = name.parse();
            (
                name,
                parsed.expect("the name of a type of gate.cedarschema"),
            )
        })
        .into()
});

/// A context; `None` when it is not wholly of the usual shapes.
pub(super) fn context(written: &Value) -> Option<Context> {
    Context::from_pairs(members(written.as_object()?, CONTEXT)?).ok()
}

/// A list of entities; `None` when they are not wholly of the usual shapes, or not those of the schema.
pub(super) fn entities(written: &Value, schema: &SchemaIndex) -> Option<Entities> {
    let entities = written.as_array()?.iter();
    let entities = entities.map(|one| entity(one, schema));
    let entities = entities.collect::<Option<Vec<_>>>()?;
    let schema: &Schema = &schema.cedar;
    Entities::from_entities(entities, Some(schema)).ok()
}

fn entity(written: &Value, schema: &SchemaIndex) -> Option<Entity> {
    let written = exactly(written, ["uid", "attrs", "parents"])?;
    let [named, attributes, parents] = written;
    let uid = uid(named)?;
    let attributes = attributes.as_object()?;
    let attributes = match named["type"].as_str()? {
        "Gate::User" => user(attributes, schema)?,
        "Gate::Authenticator" => members(attributes, AUTHENTICATOR)?,
        _ => members(attributes, &[])?,
    };
    let parents = parents.as_array()?.iter().map(self::uid);
    let parents = parents.collect::<Option<HashSet<_>>>()?;
    Entity::new(uid, attributes.into_iter().collect(), parents).ok()
}

type Members = Vec<(String, RestrictedExpression)>;

fn user(written: &Map<String, Value>, schema: &SchemaIndex) -> Option<Members> {
    let (account, claims) = (written.get("account")?, written.get("claims")?.as_object()?);
    let declared = |name: &String| schema.claims.iter().find(|(known, _)| known == name);
    let claims = claims.iter().map(|(name, claim)| {
        let shape = match declared(name)?.1 {
            ClaimType::String => Text,
            ClaimType::Long => Long,
            ClaimType::Bool => Bool,
            ClaimType::Strings => Texts,
        };
        Some((name.clone(), value(claim, shape)?))
    });
    let claims = RestrictedExpression::new_record(claims.collect::<Option<Vec<_>>>()?).ok()?;
    let account = value(account, Shape::Entity)?;
    let both = vec![
        ("account".to_owned(), account),
        ("claims".to_owned(), claims),
    ];
    (written.len() == both.len()).then_some(both)
}

/// Members that are all known; whether some are missing, the schema knows.
fn members(written: &Map<String, Value>, shapes: &[(&str, Shape)]) -> Option<Members> {
    let read = written.iter().map(|(name, member)| {
        let (_, shape) = shapes.iter().find(|(known, _)| known == name)?;
        Some((name.clone(), value(member, *shape)?))
    });
    read.collect()
}

fn value(written: &Value, shape: Shape) -> Option<RestrictedExpression> {
    let text = || written.as_str();
    let each = |shape| {
        let items = written.as_array()?.iter();
        let items = items.map(|item| value(item, shape));
        let items = items.collect::<Option<Vec<_>>>()?;
        Some(RestrictedExpression::new_set(items))
    };
    Some(match shape {
        Address => call(&FUNCTIONS.ip, text()?),
        Moment => call(&FUNCTIONS.datetime, text()?),
        Period => call(&FUNCTIONS.duration, text()?),
        Text => RestrictedExpression::new_string(text()?.to_owned()),
        Long => RestrictedExpression::new_long(written.as_i64()?),
        Bool => RestrictedExpression::new_bool(written.as_bool()?),
        Shape::Entity => RestrictedExpression::new_entity_uid(uid(written)?),
        Many => each(Shape::Entity)?,
        Texts => each(Text)?,
        Record(shapes) => {
            RestrictedExpression::new_record(members(written.as_object()?, shapes)?).ok()?
        }
    })
}

/// `{"type": "Gate::…", "id": "…"}`.
fn uid(written: &Value) -> Option<EntityUid> {
    let [of, id] = exactly(written, ["type", "id"])?;
    let of = TYPES.get(of.as_str()?)?.clone();
    Some(EntityUid::from_type_name_and_id(
        of,
        EntityId::new(id.as_str()?),
    ))
}

/// The members of an object that has these and no others.
fn exactly<'a, const N: usize>(written: &'a Value, names: [&str; N]) -> Option<[&'a Value; N]> {
    let object = written.as_object().filter(|object| object.len() == N)?;
    let found: Vec<_> = names.iter().filter_map(|name| object.get(*name)).collect();
    found.try_into().ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use cedar_policy_core::ast::RestrictedExpr;
    use serde_json::json;

    use super::super::{Bundle, Sources};
    use super::*;

    fn bundle() -> Bundle {
        Bundle::load(&Sources::shipped()).unwrap()
    }

    /// The request and the entities of every shipped case.
    fn written() -> Vec<(Value, Value)> {
        let mut found = Vec::new();
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/policies")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                if path.extension().is_none_or(|ending| ending != "json") {
                    continue;
                }
                let text = std::fs::read_to_string(path).unwrap();
                let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
                found.extend(
                    cases
                        .into_iter()
                        .map(|one| (one["request"].clone(), one["entities"].clone())),
                );
            }
        }
        assert!(found.len() > 50);
        found
    }

    fn facts(context: &Context) -> Vec<String> {
        let facts = context.clone().into_iter();
        let mut facts: Vec<_> = facts
            .map(|(name, value)| format!("{name}: {}", AsRef::<RestrictedExpr>::as_ref(&value)))
            .collect();
        facts.sort();
        facts
    }

    #[test]
    fn what_is_read_is_what_cedar_reads() {
        let bundle = bundle();
        let schema = &bundle.schema.cedar;
        for (request, given) in written() {
            let action: EntityUid = request["action"].as_str().unwrap().parse().unwrap();
            let cedars =
                Context::from_json_value(request["context"].clone(), Some((schema, &action)));
            let own = context(&request["context"]);
            assert_eq!(facts(&own.unwrap()), facts(&cedars.unwrap()), "{request}");
            let cedars = Entities::from_json_value(given.clone(), Some(schema)).unwrap();
            assert_eq!(entities(&given, &bundle.schema), Some(cedars), "{given}");
        }
    }

    #[test]
    fn another_shape_is_left_to_cedar() {
        let bundle = bundle();
        let (request, given) = written().swap_remove(0);
        for (pointer, value) in [
            ("/now", json!(1)),
            ("/now", json!("tomorrow")),
            (
                "/now",
                json!({"__extn": {"fn": "datetime", "arg": "2026-01-15"}}),
            ),
            ("/network", json!({"address": "203.0.113.7", "port": 1})),
            ("/network/address", json!("nowhere")),
            ("", json!([])),
        ] {
            let mut changed = request["context"].clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            assert!(context(&changed).is_none(), "{changed}");
        }
        for (pointer, value) in [
            ("/0/uid/type", json!("Gate::Nobody")),
            ("/0/uid", json!({"__entity": given[0]["uid"]})),
            ("/0/attrs", json!({"more": 1})),
            ("/0/parents", json!([1])),
            ("/0", json!([])),
            ("", json!({})),
        ] {
            let mut changed = given.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            assert!(entities(&changed, &bundle.schema).is_none(), "{changed}");
        }
    }
}
