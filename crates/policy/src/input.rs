//! What a bundle was asked, kept to be written down. What Cedar was given is moved here as it is, and
//! becomes JSON where nobody waits for it.

use std::sync::Arc;

use cedar_policy::{Entities, Entity, EntityUid, Request};
use serde_json::{Map, Value, json};

use cedargate_core::{DecisionInput, Means};

use super::Question;
use super::means;
use super::request;
use super::schema::SchemaIndex;

/// A question as Cedar was asked it.
#[derive(Debug)]
pub(super) struct Input {
    principal: EntityUid,
    action: EntityUid,
    resource: EntityUid,
    /// None: the question did not fit the schema.
    facts: Option<(Request, Entities)>,
    strong_acr: Arc<[String]>,
    means: Option<Means>,
    weight: usize,
}

/// What an input takes that nobody has made long, in bytes.
const PLAIN: usize = 4096;
/// What an entity's id or an element of a set takes beside its text, in bytes.
const ELEMENT: usize = 256;

impl Input {
    pub(super) fn new(
        question: &Question<'_>,
        facts: Option<(Request, Entities)>,
        schema: &SchemaIndex,
    ) -> Self {
        Self {
            principal: request::principal(question),
            action: request::action(question),
            resource: request::resource(question),
            facts,
            strong_acr: match question.user() {
                Some(user) => Arc::clone(&user.strong_acr),
                None => Arc::default(),
            },
            means: question.means().cloned(),
            weight: weight(question, schema),
        }
    }
}

/// A token can name thousands of groups: so inputs are weighed, not counted.
fn weight(question: &Question<'_>, schema: &SchemaIndex) -> usize {
    let Some(user) = question.user() else {
        return PLAIN;
    };
    let groups = user.groups.iter().map(|name| name.len() + ELEMENT);
    let claims = schema.claims.iter().map(|(name, _)| {
        let claim = user.claims.get(name);
        claim.map_or(0, |claim| ELEMENT + text(claim))
    });
    PLAIN + groups.sum::<usize>() + claims.sum::<usize>()
}

fn text(claim: &Value) -> usize {
    match claim {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| ELEMENT + text(item)).sum(),
        _ => 0,
    }
}

impl DecisionInput for Input {
    fn json(&self) -> Map<String, Value> {
        let mut input = Map::new();
        for (name, uid) in [
            ("principal", &self.principal),
            ("action", &self.action),
            ("resource", &self.resource),
        ] {
            input.insert(name.to_owned(), uid.to_string().into());
        }
        if let Some((context, entities)) = self.facts.as_ref().and_then(written) {
            input.insert("context".to_owned(), context);
            input.insert("entities".to_owned(), entities);
        }
        input
    }

    fn strong_acr(&self) -> &[String] {
        &self.strong_acr
    }

    fn means(&self) -> Option<Value> {
        self.means.as_ref().map(means::written)
    }

    fn weight(&self) -> usize {
        self.weight
    }
}

/// Context and entities. `None` where Cedar cannot write them: a claim is called as Cedar's JSON
/// calls its escapes.
fn written((request, entities): &(Request, Entities)) -> Option<(Value, Value)> {
    let context = request.context()?.to_json_value().ok()?;
    let action = request.action()?;
    let mut written = entities
        .iter()
        // The schema has the actions, and every reader of a test case knows them from there.
        .filter(|entity| entity.uid() != *action)
        .map(|entity| self::entity(entity, entities))
        .collect::<Option<Vec<_>>>()?;
    written.sort_by_cached_key(|entity| entity["uid"].to_string());
    Some((implicit(context), written.into()))
}

/// With the parents that it was given: what these are in follows from them.
fn entity(entity: &Entity, entities: &Entities) -> Option<Value> {
    let uid = entity.uid();
    let above = || entities.ancestors(&uid).into_iter().flatten();
    let mut parents: Vec<_> = above()
        .filter(|one| !above().any(|other| other != *one && entities.is_ancestor_of(one, other)))
        .map(self::uid)
        .collect();
    parents.sort_by_cached_key(Value::to_string);
    let mut written = entity.to_json_value().ok()?;
    Some(json!({
        "uid": self::uid(&uid),
        "attrs": implicit(written["attrs"].take()),
        "parents": parents,
    }))
}

fn uid(uid: &EntityUid) -> Value {
    json!({"type": uid.type_name().to_string(), "id": uid.id().unescaped()})
}

/// Without the escapes that say of a value what the schema says already: as people write test cases.
fn implicit(value: Value) -> Value {
    match value {
        Value::Object(mut members) => {
            if let Some(entity) = members.remove("__entity") {
                return entity;
            }
            if let Some(mut call) = members.remove("__extn") {
                return call["arg"].take();
            }
            let members = members.into_iter();
            Value::Object(
                members
                    .map(|(name, value)| (name, implicit(value)))
                    .collect(),
            )
        }
        Value::Array(items) => items.into_iter().map(implicit).collect(),
        plain => plain,
    }
}
