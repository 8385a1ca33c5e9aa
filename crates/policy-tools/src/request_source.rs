//! Finds the request to explain: a test case by its name, a line of a decision log by its id, or a JSON
//! object.

use std::path::PathBuf;

use cedargate_core::{Finding, Findings, json, nearest};
use cedargate_policy::cases::{self, Case};
use cedargate_policy::{Bundle, PreparedRequest, RecordedDecision, RequestError};

use crate::{Error, Result};

/// The nesting limit of the JSON: more levels than any request has.
const MAX_DEPTH: usize = 32;

/// Finds the test case with this name in test files and folders of them.
///
/// # Errors
/// [`Error::Usage`] if no case or several cases have the name, [`Error::Invalid`] if the case is malformed
/// or may be in a file that cannot be read.
pub fn test_case(bundle: &Bundle, name: &str, tests: &[PathBuf]) -> Result<PreparedRequest> {
    let (cases, findings) = cases::read_all(tests);
    let named: Vec<&Case> = cases.iter().filter(|case| case.name == name).collect();
    let case = match named[..] {
        [case] => case,
        [] if !findings.0.is_empty() => return Err(Error::Invalid(findings)),
        [] => return Err(no_case(name, tests, &cases)),
        _ => return Err(several_cases(name, &named)),
    };
    case.prepare_request(bundle)
        .map_err(|error| Error::Invalid(Findings(vec![case.finding(&error)])))
}

fn no_case(name: &str, tests: &[PathBuf], cases: &[Case]) -> Error {
    let paths: Vec<_> = tests
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let message = format!("there is no case named {name:?}");
    let error = Error::usage("no_case", paths.join(", "), message);
    match nearest(name, cases.iter().map(|case| case.name.as_str())) {
        Some(near) => error.help(format!("did you mean {near:?}?")),
        None => error.help(format!(
            "name one of the {} cases there, or another test file or folder",
            cases.len()
        )),
    }
}

fn several_cases(name: &str, named: &[&Case]) -> Error {
    let places = named
        .iter()
        .map(|case| format!("{}:{}", case.file, case.line));
    let places: Vec<_> = places.collect();
    let message = format!(
        "{} cases are named {name:?}: {}",
        named.len(),
        places.join(", ")
    );
    Error::usage("many_cases", "", message)
        .help("name the test file of the case, or give each case a unique name")
}

/// Parses a request in the form of a test case: `{"request", "entities", "strong_acr"?, "means"?}`.
/// `file` is the name that messages use.
///
/// # Errors
/// [`Error::Usage`] if the text is not such an object or does not fit the schema.
pub fn json_request(bundle: &Bundle, file: &str, text: &str) -> Result<PreparedRequest> {
    if let Err(error) = json::parse(text.as_bytes(), MAX_DEPTH) {
        let at = json::place(text, &error);
        let finding = Finding::error("request_syntax", file, format!("not a request: {error}"));
        return Err(Error::Usage(Findings(vec![finding.at(text, at..at + 1)])));
    }
    PreparedRequest::parse(bundle, text).map_err(|error| {
        Error::usage("request", file, error.to_string())
            .help("write the request like a test case: {\"request\", \"entities\"}")
    })
}

/// Finds a recorded decision in the text of a decision log: by its `decision_id` or `request_id`, or
/// without an `id` if the log has one line. `file` is the name that messages use.
///
/// # Errors
/// [`Error::Usage`] if no line or several lines match, or the line holds no decision that fits the schema.
pub fn recorded_decision(
    bundle: &Bundle,
    file: &str,
    text: &str,
    id: Option<&str>,
) -> Result<(PreparedRequest, RecordedDecision)> {
    let log = Log { file, text };
    let (line, recorded) = match id {
        Some(id) => log.find(id)?,
        None => log.only()?,
    };
    let prepared = recorded.prepare(bundle);
    let prepared = prepared.map_err(|error| log.wrong_line(line, &error))?;
    Ok((prepared, recorded))
}

/// The text of a decision log.
struct Log<'a> {
    file: &'a str,
    text: &'a str,
}

impl<'a> Log<'a> {
    /// Returns the lines that are not blank, with their numbers from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &'a str)> + use<'a> {
        let lines = self.text.lines().enumerate();
        lines
            .map(|(index, line)| (index + 1, line))
            .filter(|(_, line)| !line.trim().is_empty())
    }

    fn only(&self) -> Result<(usize, RecordedDecision)> {
        let mut lines = self.lines();
        match (lines.next(), lines.next()) {
            (Some((number, line)), None) => Ok((number, self.read(number, line)?)),
            (None, _) => Err(Error::usage(
                "empty_log",
                self.file,
                "the log has no decision",
            )),
            _ => {
                let message = "the log has several decisions";
                Err(Error::usage("many_decisions", self.file, message)
                    .help("name a decision by its decision_id or request_id with --id"))
            }
        }
    }

    fn find(&self, id: &str) -> Result<(usize, RecordedDecision)> {
        let mut of_request = Vec::new();
        for (number, line) in self.lines().filter(|(_, line)| line.contains(id)) {
            let recorded = self.read(number, line)?;
            if recorded.decision_id == id {
                return Ok((number, recorded));
            }
            if recorded.request_id == id {
                of_request.push((number, recorded));
            }
        }
        match of_request.len() {
            1 => Ok(of_request.remove(0)),
            0 => {
                let message = format!("no decision has the decision_id or request_id {id:?}");
                Err(Error::usage("no_decision", self.file, message).help(
                    "both ids are members of the line; the request_id is in the request event and in X-Request-ID too",
                ))
            }
            many => {
                let ids: Vec<_> = of_request
                    .iter()
                    .map(|(number, one)| format!("{} (line {number})", one.decision_id))
                    .collect();
                let message = format!("{many} decisions were made for request {id}");
                Err(Error::usage("many_decisions", self.file, message)
                    .help(format!("name one by its decision_id: {}", ids.join(", "))))
            }
        }
    }

    fn read(&self, number: usize, line: &str) -> Result<RecordedDecision> {
        RecordedDecision::read(line).map_err(|error| self.wrong_line(number, &error))
    }

    fn wrong_line(&self, number: usize, error: &RequestError) -> Error {
        let mut finding = Finding::error("log_line", self.file, error.to_string());
        (finding.line, finding.column) = (number, 1);
        Error::Usage(Findings(vec![finding]))
    }
}
