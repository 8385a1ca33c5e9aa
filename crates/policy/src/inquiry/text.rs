//! An inquiry that somebody sends, or that was kept.

use serde_json::{Map, Value};

use crate::{Bundle, Recorded, means};
use cedargate_core::{DecisionInput, json};

use super::{Inquiry, member};

/// More than the entities of any request, which are records in records.
const DEPTH: usize = 32;

impl Inquiry {
    /// From a JSON object as a test case is, with `request` and `entities`, and perhaps `strong_acr` and
    /// `means`; or from a line of the decision log. What a case expects is passed over.
    ///
    /// # Errors
    /// A sentence that names the member which is wrong, and what is wrong with it.
    pub fn parse(bundle: &Bundle, text: &str) -> Result<Self, String> {
        let value = json::parse(text.as_bytes(), DEPTH)
            .map_err(|error| format!("this is not JSON that can be read: {error}"))?;
        let object = value.as_object();
        let object = object.ok_or("this is not a JSON object with \"request\" and \"entities\"")?;
        match object.get("input") {
            Some(_) if !object.contains_key("request") => Recorded::read(text)?.inquiry(bundle),
            _ => case(bundle, object),
        }
    }

    /// What a decision was made on, to be asked again.
    ///
    /// # Errors
    /// Why it does not fit the schema.
    pub fn again(bundle: &Bundle, input: &dyn DecisionInput) -> Result<Self, String> {
        let asked = input.json();
        let entities = asked.get("entities");
        let entities = entities.ok_or("no Cedar request could be made of it")?;
        let inquiry = Inquiry::read(bundle, &asked, entities)?;
        let inquiry = inquiry.with_strong_acr(input.strong_acr().to_vec());
        let means = input
            .means()
            .map(|means| Map::from_iter([("means".to_owned(), means)]));
        Ok(inquiry.with_means(means::read(&means.unwrap_or_default())?))
    }
}

fn case(bundle: &Bundle, object: &Map<String, Value>) -> Result<Inquiry, String> {
    let request = member(object, "request")?;
    let request = request.as_object().ok_or("\"request\" is a JSON object")?;
    let entities = member(object, "entities")?;
    if entities.is_string() {
        return Err("\"entities\" is a list here: only a test file may name another file".into());
    }
    Inquiry::read(bundle, request, entities)?.with_step_ups(object)
}
