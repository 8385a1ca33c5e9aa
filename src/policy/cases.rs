//! Tests that admins write beside their policies: files in the format of the Cedar CLI's
//! `run-tests`, with our `notices` and `code`. They are decided by what decides requests.

use std::fs;
use std::path::{Component, Path};

use cedar_policy::{Context, Entities, EntityUid, Request};
use serde_json::{Map, Value};

use crate::finding::{Finding, Findings, nearest};
use crate::model::json;
use crate::record::Effect;

use super::decision::Judged;
use super::{Bundle, ids};

/// What became of one case.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The case's `name`, else its position in the file, from 1.
    pub name: String,
    /// What the policies said; `None` when the case could not be asked.
    pub actual: Option<Actual>,
    /// Why the case failed, a sentence for each member that is not as expected. Empty: it passed.
    pub failures: Vec<String>,
}

impl Outcome {
    /// Whether all was as expected.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// What the policies said to a case.
#[derive(Clone, Debug, PartialEq)]
pub struct Actual {
    /// `allow` or `deny`. An evaluation error refuses, whatever the Cedar CLI makes of it.
    pub decision: &'static str,
    /// The determining policies, sorted.
    pub reason: Vec<String>,
    /// Their notices.
    pub notices: Vec<String>,
    /// The code that the caller would be answered with; none for an allow. Issuers are not known
    /// here, so a denial is `step_up_required` if an authenticator that is enrolled would do.
    pub code: Option<String>,
    /// Evaluation errors.
    pub errors: Vec<String>,
}

/// Runs the cases in the text of a test file. `folder` is where it is: `entities` may name another
/// file in there. `file` is how findings name it.
///
/// An error is about the file as a whole; a case that cannot be asked is an outcome.
pub fn run(
    bundle: &Bundle,
    file: &str,
    text: &str,
    folder: &Path,
) -> Result<Vec<Outcome>, Findings> {
    let read = json::parse(text.as_bytes(), DEPTH).and_then(serde_json::from_value::<Vec<Value>>);
    let cases = read.map_err(|error| {
        let lines = text
            .split_inclusive('\n')
            .take(error.line().saturating_sub(1));
        let at = lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
        let finding = Finding::error("test_syntax", file, format!("not a list of cases: {error}"));
        let help = "a test file is a JSON array, as `cedar run-tests` reads it";
        Findings(vec![finding.at(text, at..at + 1).help(help)])
    })?;
    let cases = cases.iter().enumerate();
    Ok(cases
        .map(|(index, case)| outcome(bundle, index, case, folder))
        .collect())
}

/// More than the entities of any request, which are records in records.
const DEPTH: usize = 32;

fn outcome(bundle: &Bundle, index: usize, case: &Value, folder: &Path) -> Outcome {
    let name = match case["name"].as_str() {
        Some(name) => name.to_owned(),
        None => (index + 1).to_string(),
    };
    match Case::read(bundle, case, folder) {
        Ok(case) => {
            let judged = bundle.judge(&case.request, &case.entities, &[]);
            let actual = Actual::of(judged);
            Outcome {
                name,
                failures: case.expected.differs(&actual),
                actual: Some(actual),
            }
        }
        Err(why) => Outcome {
            name,
            actual: None,
            failures: vec![why],
        },
    }
}

impl Actual {
    fn of(judged: Judged) -> Self {
        let (decision, code) = match judged.effect {
            Effect::Allow => ("allow", None),
            Effect::Deny(code) => ("deny", Some(code)),
            Effect::StepUp(_) => ("deny", Some("step_up_required".to_owned())),
            Effect::Failed => ("deny", Some("policy_error".to_owned())),
        };
        Self {
            decision,
            reason: judged.policies,
            notices: judged.notices,
            code,
            errors: judged.errors,
        }
    }
}

struct Case {
    request: Request,
    entities: Entities,
    expected: Expected,
}

struct Expected {
    decision: String,
    /// A subset of the determining policies.
    reason: Vec<String>,
    /// Exactly so many evaluation errors.
    num_errors: u64,
    /// Exactly these, in order.
    notices: Option<Vec<String>>,
    code: Option<String>,
}

impl Case {
    fn read(bundle: &Bundle, case: &Value, folder: &Path) -> Result<Self, String> {
        let case = case.as_object().ok_or("a case is a JSON object")?;
        let expected = Expected::read(case)?;
        let request = member(case, "request")?;
        let request = request.as_object().ok_or("\"request\" is a JSON object")?;
        Ok(Self {
            request: self::request(bundle, request)?,
            entities: entities(bundle, member(case, "entities")?, folder)?,
            expected,
        })
    }
}

impl Expected {
    fn read(case: &Map<String, Value>) -> Result<Self, String> {
        let decision = string(case, "decision")?;
        if !matches!(decision, "allow" | "deny") {
            return Err(format!(
                "\"decision\" is \"allow\" or \"deny\", not {decision:?}"
            ));
        }
        let num_errors = member(case, "num_errors")?.as_u64();
        Ok(Self {
            decision: decision.to_owned(),
            reason: strings(member(case, "reason")?, "reason")?,
            num_errors: num_errors.ok_or("\"num_errors\" is a whole number")?,
            notices: case
                .get("notices")
                .map(|value| strings(value, "notices"))
                .transpose()?,
            code: case
                .get("code")
                .map(|_| string(case, "code").map(str::to_owned))
                .transpose()?,
        })
    }

    fn differs(&self, actual: &Actual) -> Vec<String> {
        let mut failures = Vec::new();
        if self.decision != actual.decision {
            failures.push(format!(
                "decision: expected {:?}, was {:?}",
                self.decision, actual.decision
            ));
        }
        for id in self.reason.iter().filter(|id| !actual.reason.contains(id)) {
            failures.push(format!(
                "reason: {id:?} did not determine the decision, {:?} did",
                actual.reason
            ));
        }
        if self.num_errors != actual.errors.len() as u64 {
            failures.push(format!(
                "num_errors: expected {}, was {:?}",
                self.num_errors, actual.errors
            ));
        }
        if self
            .notices
            .as_ref()
            .is_some_and(|notices| *notices != actual.notices)
        {
            failures.push(format!(
                "notices: expected {:?}, was {:?}",
                self.notices, actual.notices
            ));
        }
        if self.code.is_some() && self.code != actual.code {
            failures.push(format!(
                "code: expected {:?}, was {:?}",
                self.code, actual.code
            ));
        }
        failures
    }
}

pub(super) fn request(bundle: &Bundle, request: &Map<String, Value>) -> Result<Request, String> {
    let schema = &bundle.vocabulary.schema;
    let principal = uid(request, "principal")?;
    let resource = uid(request, "resource")?;
    let action = uid(request, "action")?;
    if !schema.actions().any(|known| *known == action) {
        let known: Vec<_> = schema.actions().map(ToString::to_string).collect();
        let hint = match nearest(&action.to_string(), known.iter().map(String::as_str)) {
            Some(known) => format!("; did you mean {known}?"),
            None => String::new(),
        };
        return Err(format!("\"action\": the schema has no {action}{hint}"));
    }
    let context = member(request, "context")?;
    spelling(context)?;
    let context = Context::from_json_value(context.clone(), Some((schema, &action)))
        .map_err(|error| format!("\"context\": {}", chain(&error)))?;
    Request::new(principal, action, resource, context, Some(schema))
        .map_err(|error| format!("\"request\": {}", chain(&error)))
}

pub(super) fn entities(bundle: &Bundle, given: &Value, folder: &Path) -> Result<Entities, String> {
    let read;
    let entities = match given {
        Value::String(path) => {
            let text = beside(path, folder)?;
            read =
                json::parse(text.as_bytes(), DEPTH).map_err(|error| format!("{path}: {error}"))?;
            &read
        }
        given => given,
    };
    spelling(entities)?;
    Entities::from_json_value(entities.clone(), Some(&bundle.vocabulary.schema))
        .map_err(|error| format!("\"entities\": {}", chain(&error)))
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

/// Refuses ids that the gateway would never write, wherever they are.
fn spelling(value: &Value) -> Result<(), String> {
    match value {
        Value::Object(members) => {
            if let (Some(Value::String(entity_type)), Some(Value::String(id))) =
                (members.get("type"), members.get("id"))
            {
                correct(entity_type, id)?;
            }
            members.values().try_for_each(spelling)
        }
        Value::Array(items) => items.iter().try_for_each(spelling),
        _ => Ok(()),
    }
}

fn correct(entity_type: &str, id: &str) -> Result<(), String> {
    match ids::misspelt(entity_type, id) {
        Some(wrong) => Err(format!("{}; {}", wrong.message, wrong.help)),
        None => Ok(()),
    }
}

fn uid(request: &Map<String, Value>, name: &str) -> Result<EntityUid, String> {
    let text = string(request, name)?;
    let uid: EntityUid = text.parse().map_err(|error| {
        format!("\"{name}\": {text:?} is no entity as Cedar writes it: {error}")
    })?;
    correct(&uid.type_name().to_string(), uid.id().unescaped())?;
    Ok(uid)
}

fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a Value, String> {
    object
        .get(name)
        .ok_or_else(|| format!("{name:?} is missing"))
}

fn string<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    member(object, name)?
        .as_str()
        .ok_or_else(|| format!("{name:?} is not a string"))
}

fn strings(value: &Value, name: &str) -> Result<Vec<String>, String> {
    let texts = value.as_array().and_then(|items| {
        items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect()
    });
    texts.ok_or_else(|| format!("{name:?} is not a list of strings"))
}

/// An error with what is below it: Cedar's outer messages alone say little.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        text = format!("{text}: {error}");
        below = error.source();
    }
    text
}
