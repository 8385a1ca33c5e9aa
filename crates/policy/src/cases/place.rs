//! Findings about invalid cases.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::value::RawValue;

use cedargate_core::{Finding, json};

use crate::RequestError;

use super::Case;

impl Case {
    /// Returns a finding for an error of [`Case::prepare`]. Its place is the invalid member, or else the
    /// whole case.
    pub fn finding(&self, error: &RequestError) -> Finding {
        let span = error.member().and_then(|name| {
            let of_request = OF_REQUEST.contains(&name).then_some("request");
            self.member(name).or_else(|| self.member(of_request?))
        });
        let help = match error {
            RequestError::Missing { .. } => MEMBERS,
            _ => {
                "the types, their attributes and the actions are in gate.cedarschema, claims in site.cedarschema"
            }
        };
        let message = format!("case {:?} is invalid: {error}", self.name);
        Finding::error("test_case", self.file.as_str(), message)
            .at(&self.text, span.unwrap_or_else(|| self.span.clone()))
            .help(help)
    }

    /// Returns the range of the value of a member of the case or of its request.
    fn member(&self, name: &str) -> Option<Range<usize>> {
        let case = members(self.text.get(self.span.clone())?)?;
        let value = case.get(name).copied().or_else(|| {
            let request = members(case.get("request")?.get())?;
            request.get(name).copied()
        });
        value.map(|raw| json::span(&self.text, raw))
    }
}

const OF_REQUEST: [&str; 4] = ["principal", "action", "resource", "context"];
const MEMBERS: &str = "a case has \"request\" (with \"principal\", \"action\", \"resource\", \"context\"), \"entities\", \"decision\", \"reason\" and \"num_errors\"";

fn members(text: &str) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_str(text).ok()
}
