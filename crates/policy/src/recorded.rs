//! A line of the decision log, read back: what was asked, so that it can be asked again, and what
//! came of it.

use serde_json::error::Category;
use serde_json::{Map, Value};

use cedargate_core::{Means, Timestamp, json};

use super::Bundle;
use super::inquiry::{Inquiry, Verdict, member, string, strings};
use super::means;

/// A recorded decision.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its own id, a UUIDv7.
    pub decision_id: String,
    /// Of the request that it was made for, as the caller and the wide event know it.
    pub request_id: String,
    /// When the request came.
    pub timestamp: Timestamp,
    /// The revision of the bundle that decided.
    pub revision: String,
    /// What the policies said then.
    pub result: Verdict,
    /// The paths of what was kept out of the log, masked or erased. Where there are some, the same
    /// policies may say something else today.
    pub hidden: Vec<String>,
    input: Map<String, Value>,
    strong_acr: Vec<String>,
    /// Lines of older releases have none.
    means: Option<Means>,
}

/// More than any line is nested.
const DEPTH: usize = 32;

impl Recorded {
    /// Reads one line. Members that are not known are passed over: later versions may add some.
    ///
    /// # Errors
    /// A sentence that names the member which is wrong, and what is wrong with it.
    pub fn read(line: &str) -> Result<Self, String> {
        let line = json::parse(line.as_bytes(), DEPTH).map_err(|error| no_line(&error))?;
        let line = object(&line, "a decision")?;
        let masked = strings(member(line, "masked")?, "masked")?;
        let erased = strings(member(line, "erased")?, "erased")?;
        let timestamp = string(line, "timestamp")?;
        Ok(Self {
            decision_id: string(line, "decision_id")?.to_owned(),
            request_id: string(line, "request_id")?.to_owned(),
            timestamp: timestamp.parse().map_err(|_| {
                format!("\"timestamp\": {timestamp:?} is not a time such as 2026-01-15T09:00:00Z")
            })?,
            revision: string(object(member(line, "bundle")?, "\"bundle\"")?, "revision")?
                .to_owned(),
            result: result(object(member(line, "result")?, "\"result\"")?)?,
            hidden: [masked, erased].concat(),
            input: object(member(line, "input")?, "\"input\"")?.clone(),
            strong_acr: strings(member(line, "strong_acr")?, "strong_acr")?,
            means: means::read(line)?,
        })
    }

    /// What was asked, as it is written.
    pub fn input(&self) -> &Map<String, Value> {
        &self.input
    }

    /// What was asked, held against the schema of this bundle.
    ///
    /// # Errors
    /// A sentence that says what of it does not fit, or that there was no Cedar request then either.
    pub fn inquiry(&self, bundle: &Bundle) -> Result<Inquiry, String> {
        let entities = self.input.get("entities").ok_or_else(|| {
            let why = self.result.errors.first();
            let why = why.map_or_else(String::new, |why| format!(": {why}"));
            format!("it has no entities, as no Cedar request could be made then{why}")
        })?;
        let inquiry = Inquiry::read(bundle, &self.input, entities)?;
        let inquiry = inquiry.with_strong_acr(self.strong_acr.clone());
        Ok(inquiry.with_means(self.means.clone()))
    }
}

fn result(written: &Map<String, Value>) -> Result<Verdict, String> {
    let decision = match string(written, "decision")? {
        "allow" => "allow",
        "deny" => "deny",
        other => {
            return Err(format!(
                "\"decision\" is \"allow\" or \"deny\", not {other:?}"
            ));
        }
    };
    let list = |name| strings(member(written, name)?, name);
    Ok(Verdict {
        decision,
        reason: list("reasons")?,
        notices: list("notices")?,
        code: match member(written, "code")? {
            Value::Null => None,
            _ => Some(string(written, "code")?.to_owned()),
        },
        errors: list("errors")?,
    })
}

fn no_line(error: &serde_json::Error) -> String {
    match error.classify() {
        Category::Eof => "it is cut off: its end is missing".to_owned(),
        _ => format!("it is not a line of a decision log: {error}"),
    }
}

fn object<'a>(value: &'a Value, name: &str) -> Result<&'a Map<String, Value>, String> {
    let object = value.as_object();
    object.ok_or_else(|| format!("{name} is a JSON object"))
}
