//! The input of a decision, for the decision log.
//!
//! The Cedar request is kept as it is and converted to JSON when the log is written, so that callers do
//! not wait for the conversion.

use std::sync::Arc;

use cedar_policy::{Entities, Entity, EntityUid};
use serde_json::{Map, Value, json};

use cedargate_core::Means;

use crate::schema::SchemaIndex;
use crate::{AuthorizationRequest, PreparedRequest, means, request};

/// The input of one decision: the request with its context and entities.
#[derive(Debug)]
pub struct DecisionInput {
    principal: EntityUid,
    action: EntityUid,
    resource: EntityUid,
    /// `None` if the request did not conform to the schema.
    prepared: Option<PreparedRequest>,
    strong_acr: Arc<[String]>,
    /// `None` if the caller named no tenant: a [`Caller::Visitor`](crate::Caller::Visitor).
    means: Option<Means>,
    weight: usize,
}

/// The approximate size of an input without groups and claims, in bytes.
const BASE: usize = 4096;
/// The approximate size of an entity id or a set element beside its text, in bytes.
const ELEMENT: usize = 256;

impl DecisionInput {
    pub(crate) fn new(
        request: &AuthorizationRequest<'_>,
        prepared: Option<PreparedRequest>,
        schema: &SchemaIndex,
    ) -> Self {
        Self {
            principal: request::principal(request),
            action: request::action(request),
            resource: request::resource(request),
            prepared,
            strong_acr: request.strong_acr(),
            means: request.means().cloned(),
            weight: weight(request, schema),
        }
    }

    /// Returns the input as JSON: the members `principal`, `action`, `resource`, `context` and `entities` of
    /// test cases. The last two are missing if the request did not conform to the schema.
    pub fn json(&self) -> Map<String, Value> {
        let mut input = Map::new();
        for (name, uid) in [
            ("principal", &self.principal),
            ("action", &self.action),
            ("resource", &self.resource),
        ] {
            input.insert(name.to_owned(), uid.to_string().into());
        }
        if let Some((context, entities)) = self.prepared.as_ref().and_then(context_and_entities) {
            input.insert("context".to_owned(), context);
            input.insert("entities".to_owned(), entities);
        }
        input
    }

    /// Returns the `acr` values that a sign-in at the caller's issuer can reach. The step-ups that a denial
    /// offers depend on them.
    pub fn strong_acr(&self) -> &[String] {
        &self.strong_acr
    }

    /// Returns the ways in which the caller could step up, or `None` if the caller named no tenant.
    pub fn means(&self) -> Option<&Means> {
        self.means.as_ref()
    }

    /// Returns the ways in which the caller could step up, as the member `means` of test cases.
    pub fn means_json(&self) -> Option<Value> {
        self.means.as_ref().map(means::to_json)
    }

    /// Returns the approximate size in memory, in bytes.
    pub fn weight(&self) -> usize {
        self.weight
    }
}

/// Estimates the size of an input in bytes. Queues are limited by size and not by number, because a token
/// can name thousands of groups.
fn weight(request: &AuthorizationRequest<'_>, schema: &SchemaIndex) -> usize {
    let Some(user) = request.user() else {
        return BASE;
    };
    let groups = user.groups.iter().map(|name| name.len() + ELEMENT);
    let claims = schema.claims.iter().map(|(name, _)| {
        let claim = user.claims.get(name);
        claim.map_or(0, |claim| ELEMENT + text(claim))
    });
    BASE + groups.sum::<usize>() + claims.sum::<usize>()
}

fn text(claim: &Value) -> usize {
    match claim {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| ELEMENT + text(item)).sum(),
        _ => 0,
    }
}

/// Returns the JSON of context and entities. Returns `None` if a claim has the name of one of Cedar's JSON
/// escapes, because Cedar does not write such a record.
fn context_and_entities(prepared: &PreparedRequest) -> Option<(Value, Value)> {
    let PreparedRequest {
        cedar_request,
        entities,
        ..
    } = prepared;
    let context = cedar_request.context()?.to_json_value().ok()?;
    let action = cedar_request.action()?;
    let mut list = entities
        .iter()
        // Readers of a test case take the actions from the schema.
        .filter(|entity| entity.uid() != *action)
        .map(|entity| self::entity(entity, entities))
        .collect::<Option<Vec<_>>>()?;
    list.sort_by_cached_key(|entity| entity["uid"].to_string());
    Some((without_escapes(context), list.into()))
}

/// Returns the JSON of an entity with its direct parents, from which its other ancestors follow.
fn entity(entity: &Entity, entities: &Entities) -> Option<Value> {
    let uid = entity.uid();
    let ancestors = || entities.ancestors(&uid).into_iter().flatten();
    let is_direct = |ancestor: &&EntityUid| {
        !ancestors().any(|other| other != *ancestor && entities.is_ancestor_of(ancestor, other))
    };
    let mut parents: Vec<_> = ancestors().filter(is_direct).map(self::uid).collect();
    parents.sort_by_cached_key(Value::to_string);
    let mut json = entity.to_json_value().ok()?;
    Some(json!({
        "uid": self::uid(&uid),
        "attrs": without_escapes(json["attrs"].take()),
        "parents": parents,
    }))
}

fn uid(uid: &EntityUid) -> Value {
    json!({"type": uid.type_name().to_string(), "id": uid.id().unescaped()})
}

/// Replaces Cedar's escapes `__entity` and `__extn` by their values. The schema gives the types, and people
/// write test cases without escapes.
fn without_escapes(value: Value) -> Value {
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
                    .map(|(name, value)| (name, without_escapes(value)))
                    .collect(),
            )
        }
        Value::Array(items) => items.into_iter().map(without_escapes).collect(),
        plain => plain,
    }
}
