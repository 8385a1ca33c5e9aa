//! Where in its file a case is wrong.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::value::RawValue;

use cedargate_core::{Finding, json};

use super::Case;

impl Case {
    /// A sentence that [`Case::ask`] gave, with its place: the member that it names, if it names one
    /// that is there.
    pub fn finding(&self, why: &str) -> Finding {
        let named = why.strip_prefix('"').and_then(|rest| rest.split_once('"'));
        let span = named.and_then(|(name, _)| {
            let of_request = OF_REQUEST.contains(&name).then_some("request");
            self.member(name).or_else(|| self.member(of_request?))
        });
        let help = match named {
            Some((_, " is missing")) => MEMBERS,
            _ => {
                "the types, their attributes and the actions are in gate.cedarschema, claims in site.cedarschema"
            }
        };
        let message = format!("case {:?} cannot be asked: {why}", self.name);
        Finding::error("test_case", self.file.as_str(), message)
            .at(&self.text, span.unwrap_or_else(|| self.span.clone()))
            .help(help)
    }

    /// The value of one of its members, or of its request's.
    fn member(&self, name: &str) -> Option<Range<usize>> {
        let case = members(self.text.get(self.span.clone())?)?;
        let found = case.get(name).copied().or_else(|| {
            let request = members(case.get("request")?.get())?;
            request.get(name).copied()
        });
        found.map(|raw| json::span(&self.text, raw))
    }
}

const OF_REQUEST: [&str; 4] = ["principal", "action", "resource", "context"];
const MEMBERS: &str = "a case has \"request\" (with \"principal\", \"action\", \"resource\", \"context\"), \"entities\", \"decision\", \"reason\" and \"num_errors\"";

fn members(text: &str) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_str(text).ok()
}
