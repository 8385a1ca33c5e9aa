//! A fast reader for JSON as the gateway itself writes it.
//!
//! Cedar looks up the type of each value in the schema, which takes most of the time of deciding a recorded
//! request again. This reader knows the types. It leaves JSON of any other shape to Cedar, which also
//! reports errors. Its results are validated against the schema like Cedar's.

use std::collections::HashSet;
use std::sync::Arc;

use cedar_policy::{Context, Entities, Entity, Schema};
use cedar_policy_core::ast::{self, Eid, EntityUID};
use serde_json::{Map, Value};
use smol_str::SmolStr;

use crate::schema::{ClaimType, SchemaIndex};
use crate::shape::{self, Kind, Member};
use crate::values::{CONSTRUCTORS, TYPES, call, record, set, string};

/// Reads a context. Returns `None` if a part of it has another shape.
pub(crate) fn context(json: &Value) -> Option<Context> {
    let members = json.as_object()?.iter().map(|(name, json)| {
        let value = match context_member(name)? {
            Member::Leaf(member) => value(json, member.leaf.kind)?,
            Member::Record(_, leaves) => {
                let kind = |name: &str| {
                    let mut leaves = leaves.iter().map(|member| &member.leaf);
                    leaves.find(|leaf| leaf.name == name).map(|leaf| leaf.kind)
                };
                let members = members(json.as_object()?, kind)?;
                record(members)
            }
        };
        Some((SmolStr::new(name), value))
    });
    let members = members.collect::<Option<_>>()?;
    Some(ast::Context::Value(Arc::new(members)).into())
}

fn context_member(name: &str) -> Option<&'static Member> {
    shape::CONTEXT.iter().find(|member| match member {
        Member::Leaf(leaf) => leaf.leaf.name == name,
        Member::Record(record, _) => *record == name,
    })
}

/// Reads a list of entities. Returns `None` if a part of it has another shape or does not conform to the
/// schema.
pub(crate) fn entities(json: &Value, schema: &SchemaIndex) -> Option<Entities> {
    let entities = json.as_array()?.iter();
    let entities = entities.map(|json| entity(json, schema));
    let entities = entities.collect::<Option<Vec<_>>>()?;
    let schema: &Schema = &schema.cedar;
    Entities::from_entities(entities, Some(schema)).ok()
}

fn entity(json: &Value, schema: &SchemaIndex) -> Option<Entity> {
    let [uid_json, attributes, parents] = exactly(json, ["uid", "attrs", "parents"])?;
    let uid = uid(uid_json)?;
    let attributes = attributes.as_object()?;
    let attributes = match uid_json["type"].as_str()? {
        "Gate::User" => user(attributes, schema)?,
        "Gate::Authenticator" => members(attributes, |name| {
            let mut leaves = shape::AUTHENTICATOR.iter();
            leaves.find(|leaf| leaf.name == name).map(|leaf| leaf.kind)
        })?,
        _ => members(attributes, |_| None)?,
    };
    let parents = parents.as_array()?.iter().map(self::uid);
    let parents = parents.collect::<Option<HashSet<_>>>()?;
    let attributes = attributes.into_iter();
    let entity = ast::Entity::new_with_attr_partial_value(
        uid,
        attributes.map(|(name, value)| (SmolStr::new(name), value.into())),
        HashSet::new(),
        parents,
        [],
    );
    Some(entity.into())
}

type Members<'a> = Vec<(&'a str, ast::Value)>;

fn user<'a>(json: &'a Map<String, Value>, schema: &SchemaIndex) -> Option<Members<'a>> {
    let (account, claims) = (json.get("account")?, json.get("claims")?.as_object()?);
    let declared = |name: &String| schema.claims.iter().find(|(known, _)| known == name);
    let claims = claims.iter().map(|(name, claim)| {
        let kind = match declared(name)?.1 {
            ClaimType::String => Kind::Text,
            ClaimType::Long => Kind::Long,
            ClaimType::Bool => Kind::Bool,
            ClaimType::Strings => Kind::Texts,
        };
        Some((name.as_str(), value(claim, kind)?))
    });
    let claims = record(claims.collect::<Option<Vec<_>>>()?);
    let account = value(account, Kind::Entity)?;
    let attributes = vec![("account", account), ("claims", claims)];
    (json.len() == attributes.len()).then_some(attributes)
}

/// Reads members whose kinds are all known. Missing members are found when Cedar validates the result.
fn members(json: &Map<String, Value>, kind: impl Fn(&str) -> Option<Kind>) -> Option<Members<'_>> {
    let members = json
        .iter()
        .map(|(name, member)| Some((name.as_str(), value(member, kind(name)?)?)));
    members.collect()
}

fn value(json: &Value, kind: Kind) -> Option<ast::Value> {
    let text = || json.as_str();
    let all = |kind| {
        let items = json.as_array()?.iter();
        let items = items.map(|item| value(item, kind));
        items.collect::<Option<Vec<_>>>().map(self::set)
    };
    Some(match kind {
        Kind::Address => call(CONSTRUCTORS.ip, text()?)?,
        Kind::Datetime => call(CONSTRUCTORS.datetime, text()?)?,
        Kind::Duration => call(CONSTRUCTORS.duration, text()?)?,
        Kind::Text => string(text()?),
        Kind::Long => json.as_i64()?.into(),
        Kind::Bool => json.as_bool()?.into(),
        Kind::Entity => uid(json)?.into(),
        Kind::Entities => all(Kind::Entity)?,
        Kind::Texts => all(Kind::Text)?,
    })
}

/// Reads an entity uid: `{"type": "Gate::…", "id": "…"}`.
fn uid(json: &Value) -> Option<EntityUID> {
    let [entity_type, id] = exactly(json, ["type", "id"])?;
    let entity_type = TYPES.of_entity(entity_type.as_str()?)?.clone();
    let id = Eid::new(id.as_str()?);
    Some(EntityUID::from_components(entity_type, id, None))
}

/// Returns the members of an object that has these members and no others.
fn exactly<'a, const N: usize>(json: &'a Value, names: [&str; N]) -> Option<[&'a Value; N]> {
    let object = json.as_object().filter(|object| object.len() == N)?;
    let members: Vec<_> = names.iter().filter_map(|name| object.get(*name)).collect();
    members.try_into().ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use cedar_policy_core::ast::RestrictedExpr;
    use serde_json::json;

    use crate::{Bundle, Sources};

    use super::*;

    fn bundle() -> Bundle {
        Bundle::load(&Sources::shipped()).unwrap()
    }

    /// Returns the request and the entities of each shipped test case.
    fn shipped_cases() -> Vec<(Value, Value)> {
        let mut all = Vec::new();
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
                let parts = |case: Value| (case["request"].clone(), case["entities"].clone());
                all.extend(cases.into_iter().map(parts));
            }
        }
        assert!(all.len() > 50);
        all
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
    fn shipped_cases_are_read_as_cedar_reads_them() {
        let bundle = bundle();
        let schema = &bundle.schema.cedar;
        for (request, json) in shipped_cases() {
            let action: cedar_policy::EntityUid =
                request["action"].as_str().unwrap().parse().unwrap();
            let expected =
                Context::from_json_value(request["context"].clone(), Some((schema, &action)));
            let actual = context(&request["context"]);
            assert_eq!(
                facts(&actual.unwrap()),
                facts(&expected.unwrap()),
                "{request}"
            );
            let expected = Entities::from_json_value(json.clone(), Some(schema)).unwrap();
            assert_eq!(entities(&json, &bundle.schema), Some(expected), "{json}");
        }
    }

    #[test]
    fn json_of_another_shape_is_left_to_cedar() {
        let bundle = bundle();
        let (request, json) = shipped_cases().swap_remove(0);
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
            ("/0/uid", json!({"__entity": json[0]["uid"]})),
            ("/0/attrs", json!({"more": 1})),
            ("/0/parents", json!([1])),
            ("/0", json!([])),
            ("", json!({})),
        ] {
            let mut changed = json.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            assert!(entities(&changed, &bundle.schema).is_none(), "{changed}");
        }
    }
}
