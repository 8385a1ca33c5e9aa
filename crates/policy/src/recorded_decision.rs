//! Lines of the decision log, read to decide them again.

use serde_json::error::Category;
use serde_json::{Map, Value};

use cedargate_core::{Decision, Effect, Means, Timestamp, json};

use crate::members::{member, object, string, strings};
use crate::{Bundle, PreparedRequest, RequestError, means};

/// A line of the decision log: a request and its decision.
#[derive(Clone, Debug)]
pub struct RecordedDecision {
    /// The id of the decision, a UUIDv7.
    pub decision_id: String,
    /// The id of the HTTP request, as in the response header and in the request event.
    pub request_id: String,
    /// The moment of the request.
    pub timestamp: Timestamp,
    /// The revision of the bundle that made the decision.
    pub revision: String,
    /// The decision.
    pub result: Decision,
    /// The paths that were masked or erased in the log. If there are any, the same policies may decide the
    /// request differently now.
    pub hidden: Vec<String>,
    input: Map<String, Value>,
    strong_acr: Vec<String>,
    /// `None` in lines of older releases.
    means: Option<Means>,
}

/// The nesting limit: more levels than any line has.
const DEPTH: usize = 32;

impl RecordedDecision {
    /// Parses one line. Unknown members are ignored, because later releases may add some.
    ///
    /// # Errors
    /// The line is cut off or not JSON, or a member is missing or malformed.
    pub fn read(line: &str) -> Result<Self, RequestError> {
        let line = json::parse(line.as_bytes(), DEPTH).map_err(|error| not_a_line(&error))?;
        let line = line.as_object().ok_or("it is not a JSON object")?;
        let masked = strings(member(line, "masked")?, "masked")?;
        let erased = strings(member(line, "erased")?, "erased")?;
        let timestamp = string(line, "timestamp")?;
        Ok(Self {
            decision_id: string(line, "decision_id")?.to_owned(),
            request_id: string(line, "request_id")?.to_owned(),
            timestamp: timestamp.parse().map_err(|_| {
                let problem = format!(": {timestamp:?} is not a time such as 2026-01-15T09:00:00Z");
                RequestError::invalid("timestamp", problem)
            })?,
            revision: string(object(member(line, "bundle")?, "bundle")?, "revision")?.to_owned(),
            result: result(object(member(line, "result")?, "result")?)?,
            hidden: [masked, erased].concat(),
            input: object(member(line, "input")?, "input")?.clone(),
            strong_acr: strings(member(line, "strong_acr")?, "strong_acr")?,
            means: means::read(line)?,
        })
    }

    /// Returns the input of the decision as the line has it: the members of [`DecisionInput::json`].
    ///
    /// [`DecisionInput::json`]: crate::DecisionInput::json
    pub fn input(&self) -> &Map<String, Value> {
        &self.input
    }

    /// Prepares the request for bundles with the schema of this one.
    ///
    /// # Errors
    /// The request does not conform to this schema, or did not conform to the one that it was decided
    /// with.
    pub fn prepare(&self, bundle: &Bundle) -> Result<PreparedRequest, RequestError> {
        let entities = self.input.get("entities").ok_or_else(|| {
            let error = self.result.errors.first();
            let error = error.map_or_else(String::new, |error| format!(": {error}"));
            format!("it has no entities, because the request did not conform to the schema{error}")
        })?;
        let prepared = PreparedRequest::from_json(bundle, &self.input, entities)?;
        let prepared = prepared.with_strong_acr(self.strong_acr.clone());
        Ok(prepared.with_means(self.means.clone()))
    }
}

fn result(object: &Map<String, Value>) -> Result<Decision, RequestError> {
    let errors = strings(member(object, "errors")?, "errors")?;
    let effect = match string(object, "decision")? {
        "allow" => Effect::Allow,
        "deny" => Effect::Deny(string(object, "code")?.to_owned()),
        other => {
            let problem = format!(" is \"allow\" or \"deny\", not {other:?}");
            return Err(RequestError::invalid("decision", problem));
        }
    };
    Ok(Decision {
        effect,
        policies: strings(member(object, "reasons")?, "reasons")?,
        notices: strings(member(object, "notices")?, "notices")?,
        errors,
        failed: Vec::new(),
        shadow: None,
    })
}

fn not_a_line(error: &serde_json::Error) -> String {
    match error.classify() {
        Category::Eof => "it is cut off: its end is missing".to_owned(),
        _ => format!("it is not a line of a decision log: {error}"),
    }
}
