//! The input of a decision, for the decision log.
//!
//! The facts are kept as they are. The Cedar request is made of them, and JSON of that, when the log is
//! written, so that callers do not wait for it.

use std::sync::Arc;

use cedar_policy::{Entities, Entity, EntityUid};
use serde_json::{Map, Value, json};

use cedargate_core::Means;

use crate::request::OwnedRequest;
use crate::schema::SchemaIndex;
use crate::{AuthorizationRequest, PreparedRequest, means, request};

/// The input of one decision: the request with its context and entities.
#[derive(Debug)]
pub struct DecisionInput {
    request: OwnedRequest,
    schema: Arc<SchemaIndex>,
    weight: usize,
}

impl DecisionInput {
    pub(crate) fn new(request: &AuthorizationRequest<'_>, schema: &Arc<SchemaIndex>) -> Self {
        Self {
            request: OwnedRequest::new(request),
            schema: Arc::clone(schema),
            weight: request
                .user()
                .map_or(request::BASE, |user| request::user_weight(user)),
        }
    }

    /// Returns the input as JSON: the members `principal`, `action`, `resource`, `context` and `entities` of
    /// test cases. The last two are missing if the request did not conform to the schema.
    pub fn json(&self) -> Map<String, Value> {
        let request = self.request.get();
        let mut input = Map::new();
        for (name, uid) in [
            ("principal", request::principal(&request)),
            ("action", request::action(&request)),
            ("resource", request::resource(&request)),
        ] {
            input.insert(name.to_owned(), uid.to_string().into());
        }
        let prepared = PreparedRequest::with_schema(&self.schema, &request).ok();
        if let Some((context, entities)) = prepared.as_ref().and_then(context_and_entities) {
            input.insert("context".to_owned(), context);
            input.insert("entities".to_owned(), entities);
        }
        input
    }

    /// Returns the `acr` values that a sign-in at the caller's issuer can reach. The step-ups that a denial
    /// offers depend on them.
    pub fn strong_acr(&self) -> &[String] {
        self.request.strong_acr()
    }

    /// Returns the ways in which the caller could step up, or `None` if the caller named no tenant.
    pub fn means(&self) -> Option<&Means> {
        self.request.means()
    }

    /// Returns the ways in which the caller could step up, as the member `means` of test cases.
    pub fn means_json(&self) -> Option<Value> {
        self.means().map(means::to_json)
    }

    /// Returns the approximate size in memory, in bytes.
    pub fn weight(&self) -> usize {
        self.weight
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
