//! Requests from test cases, from the decision log, and from the input of earlier decisions.

use serde_json::{Map, Value};

use cedargate_core::json;

use crate::members::member;
use crate::{Bundle, DecisionInput, RecordedDecision, RequestError};

use super::PreparedRequest;

/// The nesting limit: more levels than any request has.
const DEPTH: usize = 32;

impl PreparedRequest {
    /// Parses a test case, or a line of the decision log. A test case has `request` and `entities`, and
    /// may have `strong_acr` and `means`; what it expects is ignored.
    ///
    /// # Errors
    /// The text is not such a JSON object, or a member is missing, malformed, or does not conform to the
    /// schema.
    pub fn parse(bundle: &Bundle, text: &str) -> Result<Self, RequestError> {
        let value = json::parse(text.as_bytes(), DEPTH)
            .map_err(|error| format!("this is not valid JSON: {error}"))?;
        let object = value.as_object();
        let object = object.ok_or("this is not a JSON object with \"request\" and \"entities\"")?;
        match object.get("input") {
            Some(_) if !object.contains_key("request") => {
                RecordedDecision::read(text)?.prepare(bundle)
            }
            _ => case(bundle, object),
        }
    }

    /// Prepares the input of an earlier decision, to decide it again.
    ///
    /// # Errors
    /// The input does not conform to the schema, or the earlier request did not.
    pub fn from_input(bundle: &Bundle, input: &DecisionInput) -> Result<Self, RequestError> {
        let request = input.json();
        let entities = request.get("entities");
        let entities = entities.ok_or("the request did not conform to the schema")?;
        let prepared = PreparedRequest::from_json(bundle, &request, entities)?;
        let prepared = prepared.with_strong_acr(input.strong_acr().to_vec());
        Ok(prepared.with_means(input.means().cloned()))
    }
}

fn case(bundle: &Bundle, object: &Map<String, Value>) -> Result<PreparedRequest, RequestError> {
    let request = crate::members::object(member(object, "request")?, "request")?;
    let entities = member(object, "entities")?;
    if entities.is_string() {
        let problem = " is not a list; only a test file may name another file";
        return Err(RequestError::invalid("entities", problem));
    }
    PreparedRequest::from_json(bundle, request, entities)?.with_step_ups(object)
}
