//! Reads Cedar requests and entities from JSON.

use cedar_policy::{Context, Entities, EntityUid, Request};
use serde_json::{Map, Value};

use cedargate_core::nearest;

use crate::members::{member, string};
use crate::schema::SchemaIndex;
use crate::{RequestError, entity_ids, fast_path};

use super::assumed;

/// Reads a request. Also returns the paths of the members that its context lacks.
pub(crate) fn request(
    schema: &SchemaIndex,
    request: &Map<String, Value>,
) -> Result<(Request, Vec<String>), RequestError> {
    let cedar = &schema.cedar;
    let principal = uid(request, "principal")?;
    let resource = uid(request, "resource")?;
    let action = uid(request, "action")?;
    if !cedar.actions().any(|known| *known == action) {
        let known: Vec<_> = cedar.actions().map(ToString::to_string).collect();
        let hint = match nearest(&action.to_string(), known.iter().map(String::as_str)) {
            Some(known) => format!("; did you mean {known}?"),
            None => String::new(),
        };
        let problem = format!(": the schema has no {action}{hint}");
        return Err(RequestError::invalid("action", problem));
    }
    let context = member(request, "context")?;
    check_ids(context)?;
    let (context, assumed) = assumed::completed(context);
    if let Some(context) = fast_path::context(&context) {
        let (principal, resource) = (principal.clone(), resource.clone());
        let request = Request::new(principal, action.clone(), resource, context, Some(cedar));
        if let Ok(request) = request {
            return Ok((request, assumed));
        }
    }
    let context = Context::from_json_value(context.into_owned(), Some((cedar, &action)))
        .map_err(|error| RequestError::invalid("context", chain(&error)))?;
    let request = Request::new(principal, action, resource, context, Some(cedar))
        .map_err(|error| RequestError::invalid("request", chain(&error)))?;
    Ok((request, assumed))
}

pub(crate) fn entities(schema: &SchemaIndex, json: &Value) -> Result<Entities, RequestError> {
    check_ids(json)?;
    if let Some(entities) = fast_path::entities(json, schema) {
        return Ok(entities);
    }
    Entities::from_json_value(json.clone(), Some(&schema.cedar))
        .map_err(|error| RequestError::invalid("entities", chain(&error)))
}

/// Refuses entity ids, at any depth, that the gateway never writes.
fn check_ids(value: &Value) -> Result<(), RequestError> {
    match value {
        Value::Object(members) => {
            if let (Some(Value::String(entity_type)), Some(Value::String(id))) =
                (members.get("type"), members.get("id"))
            {
                check_id(entity_type, id)?;
            }
            members.values().try_for_each(check_ids)
        }
        Value::Array(items) => items.iter().try_for_each(check_ids),
        _ => Ok(()),
    }
}

fn check_id(entity_type: &str, id: &str) -> Result<(), RequestError> {
    match entity_ids::misspelt(entity_type, id) {
        Some(misspelt) => Err(format!("{}; {}", misspelt.message, misspelt.help).into()),
        None => Ok(()),
    }
}

fn uid(request: &Map<String, Value>, name: &str) -> Result<EntityUid, RequestError> {
    let text = string(request, name)?;
    let uid: EntityUid = text.parse().map_err(|error| {
        let problem = format!(": {text:?} is not an entity uid as Cedar writes it: {error}");
        RequestError::invalid(name, problem)
    })?;
    check_id(&uid.type_name().to_string(), uid.id().unescaped())?;
    Ok(uid)
}

/// Returns the messages of an error and its sources, each after a colon. Cedar's outer messages do not
/// name the problem.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = format!(": {error}");
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
