//! Tests that admins write beside their policies: files in the format of the Cedar CLI's
//! `run-tests`, with our `notices` and `code`. They are decided by what decides requests.

mod asked;
mod folder;
mod place;

use std::fs;
use std::ops::Range;
use std::path::{Component, Path};
use std::sync::Arc;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use cedargate_core::{Finding, Findings, json};

use super::Bundle;
use super::inquiry::{Inquiry, Verdict, member};

pub use asked::{Answered, Asked, Expected, run_all};
pub use folder::read_all;

/// What became of one case.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The case's `name`, else its position in the file, from 1.
    pub name: String,
    /// What the policies said; `None` when the case could not be asked.
    pub actual: Option<Verdict>,
    /// Why the case failed, a sentence for each member that is not as expected. Empty: it passed.
    pub failures: Vec<String>,
}

impl Outcome {
    /// Whether all was as expected.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// One case of a test file, as it is written: it can be asked of any bundle.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its `name`, else its position in the file, from 1.
    pub name: String,
    /// The file, as the person named it.
    pub file: String,
    /// The line on which it begins, from 1.
    pub line: usize,
    written: Value,
    entities: Result<Value, String>,
    /// All of its file, and where in it the case stands, in bytes.
    /// All of the file.
    pub text: Arc<str>,
    /// Where the case stands in it, in bytes.
    pub span: Range<usize>,
}

/// Reads the cases in the text of a test file. `folder` is where it is: `entities` may name another
/// file in there. `file` is how findings name it.
///
/// # Errors
/// About the file as a whole. What is wrong with a case is its outcome.
pub fn read(file: &str, text: &str, folder: &Path) -> Result<Vec<Case>, Findings> {
    let strict = json::parse(text.as_bytes(), DEPTH);
    let cases = strict.and_then(|_| serde_json::from_str::<Vec<&RawValue>>(text));
    let cases = cases.map_err(|error| Findings(vec![no_list(file, text, &error)]))?;
    let cases = cases.into_iter().enumerate();
    let whole: Arc<str> = text.into();
    Ok(cases
        .map(|(index, raw)| {
            let written: Value = serde_json::from_str(raw.get()).unwrap_or_default();
            let name = written["name"].as_str().map(str::to_owned);
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
                entities: entities(&written, folder),
                written,
                text: Arc::clone(&whole),
                span,
            }
        })
        .collect())
}

/// Runs the cases in the text of a test file: [`read`], and [`Case::run`] for each.
///
/// # Errors
/// As [`read`].
pub fn run(
    bundle: &Bundle,
    file: &str,
    text: &str,
    folder: &Path,
) -> Result<Vec<Outcome>, Findings> {
    let cases = read(file, text, folder)?;
    Ok(cases.iter().map(|case| case.run(bundle)).collect())
}

fn no_list(file: &str, text: &str, error: &serde_json::Error) -> Finding {
    let lines = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1));
    let at = lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
    let finding = Finding::error("test_syntax", file, format!("not a list of cases: {error}"));
    let help = "a test file is a JSON array, as `cedar run-tests` reads it";
    finding.at(text, at..at + 1).help(help)
}

/// More than the entities of any request, which are records in records.
const DEPTH: usize = 32;

impl Case {
    /// Asks a bundle, and compares.
    pub fn run(&self, bundle: &Bundle) -> Outcome {
        let (failures, actual) = match self.ask(bundle) {
            Ok(asked) => {
                let (actual, failures) = asked.run(bundle);
                (failures, Some(actual))
            }
            Err(why) => (vec![why], None),
        };
        Outcome {
            name: self.name.clone(),
            actual,
            failures,
        }
    }

    /// Reads what it asks and expects, once for all bundles with this one's schema.
    ///
    /// # Errors
    /// A sentence that names the member which is wrong, and what is wrong with it.
    pub fn ask(&self, bundle: &Bundle) -> Result<Asked, String> {
        Ok(Asked {
            expected: Expected::read(self.members()?)?,
            inquiry: self.inquiry(bundle)?,
        })
    }

    /// What it asks.
    ///
    /// # Errors
    /// A sentence that names the member which is wrong, and what is wrong with it.
    pub fn inquiry(&self, bundle: &Bundle) -> Result<Inquiry, String> {
        let request = member(self.members()?, "request")?;
        let request = request.as_object().ok_or("\"request\" is a JSON object")?;
        let entities = self.entities.as_ref().map_err(String::clone)?;
        Inquiry::read(bundle, request, entities)?.with_step_ups(self.members()?)
    }

    /// What it asks, as it is written; nothing where it does not say.
    pub fn request(&self) -> &Value {
        &self.written["request"]
    }

    /// Returns its entities, read from another file if the case names one.
    ///
    /// # Errors
    /// A sentence that says why there are none.
    pub fn entities(&self) -> Result<&Value, &str> {
        self.entities.as_ref().map_err(String::as_str)
    }

    /// Returns what the case expects.
    ///
    /// # Errors
    /// A sentence that names the member which is missing or malformed.
    pub fn expected(&self) -> Result<Expected, String> {
        Expected::read(self.members()?)
    }

    fn members(&self) -> Result<&Map<String, Value>, String> {
        let case = self.written.as_object();
        case.ok_or_else(|| "a case is a JSON object".to_owned())
    }
}

/// The entities of a case: in place, or in another file.
fn entities(case: &Value, folder: &Path) -> Result<Value, String> {
    let case = case.as_object().ok_or("a case is a JSON object")?;
    let given = member(case, "entities")?;
    let Value::String(path) = given else {
        return Ok(given.clone());
    };
    let text = beside(path, folder)?;
    json::parse(text.as_bytes(), DEPTH).map_err(|error| format!("{path}: {error}"))
}

/// The text of a file in the test file's folder, links followed.
fn beside(path: &str, folder: &Path) -> Result<String, String> {
    let outside = || format!("\"entities\": {path:?} is not in the folder of the test file");
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if !Path::new(path).components().all(inside) {
        return Err(outside());
    }
    let unreadable = |error| format!("\"entities\": {path} cannot be read: {error}");
    let folder = folder.canonicalize().map_err(unreadable)?;
    let file = folder.join(path).canonicalize().map_err(unreadable)?;
    if !file.starts_with(&folder) {
        return Err(outside());
    }
    fs::read_to_string(file).map_err(unreadable)
}
