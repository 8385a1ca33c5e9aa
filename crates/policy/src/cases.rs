//! Test cases as data: JSON files in the format of the Cedar CLI's `run-tests`, with the further members
//! `notices`, `code`, `strong_acr` and `means`.
//!
//! [`read_all`] reads the cases of folders, [`Case::run`] runs one case, and [`run_all`] runs many on all
//! cores. Cases are decided by the code that decides requests.

mod folder;
mod place;
mod prepared;

use std::fs;
use std::ops::Range;
use std::path::{Component, Path};
use std::sync::Arc;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use cedargate_core::{Decision, Finding, Findings, json};

use crate::members::{member, object};
use crate::{Bundle, PreparedRequest, RequestError};

pub use folder::read_all;
pub use prepared::{CaseRun, Expected, PreparedCase, run_all};

/// The result of running one case.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseOutcome {
    /// The `name` of the case, else its position in the file, from 1.
    pub name: String,
    /// The decision. `None` if the case is invalid.
    pub actual: Option<Decision>,
    /// The differences, a message for each member that is not as expected. Empty if the case passed.
    pub failures: Vec<String>,
}

impl CaseOutcome {
    /// Returns true if the decision is as expected.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// A case of a test file. Any bundle can run it.
#[derive(Clone, Debug)]
pub struct Case {
    /// The `name` of the case, else its position in the file, from 1.
    pub name: String,
    /// The path of the file, as the user gave it.
    pub file: String,
    /// The line on which the case begins, from 1.
    pub line: usize,
    json: Value,
    entities: Result<Value, RequestError>,
    /// The text of the whole file.
    pub text: Arc<str>,
    /// The range of the case in `text`, in bytes.
    pub span: Range<usize>,
}

/// Reads the cases in the text of a test file.
///
/// `file` is the path for findings. `folder` is the folder of the file: the member `entities` of a case may
/// name another file in it.
///
/// # Errors
/// The text is not a JSON array, or repeats a member. An invalid case is not an error here but when it
/// runs.
pub fn read(file: &str, text: &str, folder: &Path) -> Result<Vec<Case>, Findings> {
    let strict = json::parse(text.as_bytes(), DEPTH);
    let cases = strict.and_then(|_| serde_json::from_str::<Vec<&RawValue>>(text));
    let cases = cases.map_err(|error| Findings(vec![not_a_list(file, text, &error)]))?;
    let cases = cases.into_iter().enumerate();
    let whole: Arc<str> = text.into();
    Ok(cases
        .map(|(index, raw)| {
            let json: Value = serde_json::from_str(raw.get()).unwrap_or_default();
            let name = json["name"].as_str().map(str::to_owned);
            let span = json::span(text, raw);
            Case {
                name: name.unwrap_or_else(|| (index + 1).to_string()),
                file: file.to_owned(),
                line: text
                    .get(..span.start)
                    .unwrap_or_default()
                    .matches('\n')
                    .count()
                    + 1,
                entities: entities(&json, folder),
                json,
                text: Arc::clone(&whole),
                span,
            }
        })
        .collect())
}

/// Reads the cases in the text of a test file with [`read`], and runs each.
///
/// # Errors
/// The errors of [`read`].
pub fn run(
    bundle: &Bundle,
    file: &str,
    text: &str,
    folder: &Path,
) -> Result<Vec<CaseOutcome>, Findings> {
    let cases = read(file, text, folder)?;
    Ok(cases.iter().map(|case| case.run(bundle)).collect())
}

fn not_a_list(file: &str, text: &str, error: &serde_json::Error) -> Finding {
    let at = json::place(text, error);
    let finding = Finding::error("test_syntax", file, format!("not a list of cases: {error}"));
    let help = "a test file is a JSON array, as `cedar run-tests` reads it";
    finding.at(text, at..at + 1).help(help)
}

/// The nesting limit: more levels than any case has.
const DEPTH: usize = 32;

impl Case {
    /// Runs the case: decides its request and compares the decision with the expected one.
    pub fn run(&self, bundle: &Bundle) -> CaseOutcome {
        let (actual, failures) = match self.prepare(bundle) {
            Ok(prepared) => {
                let (actual, failures) = prepared.run(bundle);
                (Some(actual), failures)
            }
            Err(error) => (None, vec![error.to_string()]),
        };
        CaseOutcome {
            name: self.name.clone(),
            actual,
            failures,
        }
    }

    /// Prepares the case for all bundles with the schema of this one.
    ///
    /// # Errors
    /// A member is missing, malformed, or does not conform to the schema.
    pub fn prepare(&self, bundle: &Bundle) -> Result<PreparedCase, RequestError> {
        Ok(PreparedCase {
            expected: Expected::read(self.members()?)?,
            request: self.prepare_request(bundle)?,
        })
    }

    /// Prepares the request of the case, whatever the case expects.
    ///
    /// # Errors
    /// A member is missing, malformed, or does not conform to the schema.
    pub fn prepare_request(&self, bundle: &Bundle) -> Result<PreparedRequest, RequestError> {
        let request = object(member(self.members()?, "request")?, "request")?;
        let entities = self.entities.as_ref().map_err(RequestError::clone)?;
        PreparedRequest::from_json(bundle, request, entities)?.with_step_ups(self.members()?)
    }

    /// Returns the member `request` as the file has it, or `null` if the case has none.
    pub fn request(&self) -> &Value {
        &self.json["request"]
    }

    /// Returns the entities, read from another file if the case names one.
    ///
    /// # Errors
    /// The member is missing, or its file cannot be read.
    pub fn entities(&self) -> Result<&Value, &RequestError> {
        self.entities.as_ref()
    }

    /// Returns the expected decision.
    ///
    /// # Errors
    /// A member is missing or malformed.
    pub fn expected(&self) -> Result<Expected, RequestError> {
        Expected::read(self.members()?)
    }

    fn members(&self) -> Result<&Map<String, Value>, RequestError> {
        members(&self.json)
    }
}

fn members(case: &Value) -> Result<&Map<String, Value>, RequestError> {
    case.as_object()
        .ok_or_else(|| "a case must be a JSON object".into())
}

/// Returns the entities of a case, from the case itself or from the file that it names.
fn entities(case: &Value, folder: &Path) -> Result<Value, RequestError> {
    let member = member(members(case)?, "entities")?;
    let Value::String(path) = member else {
        return Ok(member.clone());
    };
    let text = read_in_folder(path, folder)?;
    let parsed = json::parse(text.as_bytes(), DEPTH);
    parsed.map_err(|error| format!("{path}: {error}").into())
}

/// Reads a file in the folder of the test file. Symbolic links must not lead out of the folder.
fn read_in_folder(path: &str, folder: &Path) -> Result<String, RequestError> {
    let invalid = |problem: String| RequestError::invalid("entities", problem);
    let outside = || invalid(format!(": {path:?} is not in the folder of the test file"));
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if !Path::new(path).components().all(inside) {
        return Err(outside());
    }
    let unreadable = |error| invalid(format!(": {path} cannot be read: {error}"));
    let folder = folder.canonicalize().map_err(unreadable)?;
    let file = folder.join(path).canonicalize().map_err(unreadable)?;
    if !file.starts_with(&folder) {
        return Err(outside());
    }
    fs::read_to_string(file).map_err(unreadable)
}
