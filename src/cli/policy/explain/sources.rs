//! Where the request to explain comes from.

use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::failure::{Exit, Failure};
use crate::finding::{Finding, Findings, nearest};
use crate::model::json;
use crate::policy::cases::{self, Case};
use crate::policy::{Bundle, Inquiry, Recorded};

const DEFAULT_TESTS: &str = "./tests/policies";
/// More than any request is nested.
const DEPTH: usize = 32;

/// A request, and what it was answered before.
pub(super) struct Asked {
    pub(super) inquiry: Inquiry,
    pub(super) recorded: Option<Then>,
}

impl Asked {
    /// A request that nobody recorded.
    pub(super) fn now(inquiry: Inquiry) -> Self {
        Self {
            inquiry,
            recorded: None,
        }
    }
}

/// What a decision log says of a request.
#[derive(Serialize)]
pub(super) struct Then {
    decision: &'static str,
    reason: Vec<String>,
    code: Option<String>,
    revision: String,
    /// The paths of what was kept out of the log.
    hidden: Vec<String>,
}

impl From<Recorded> for Then {
    fn from(recorded: Recorded) -> Self {
        Self {
            decision: recorded.result.decision,
            reason: recorded.result.reason,
            code: recorded.result.code,
            revision: recorded.revision,
            hidden: recorded.hidden,
        }
    }
}

impl fmt::Display for Then {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\nRecorded: {}", self.decision)?;
        if let Some(code) = &self.code {
            write!(f, ": {code}")?;
        }
        if !self.reason.is_empty() {
            write!(f, ", by {}", self.reason.join(", "))?;
        }
        writeln!(f, ", of revision {}", self.revision)?;
        if !self.hidden.is_empty() {
            let hidden = self.hidden.join(", ");
            writeln!(
                f,
                "Not in the log, so it may have been decided on otherwise: {hidden}"
            )?;
        }
        Ok(())
    }
}

/// The case of this name.
pub(super) fn case(bundle: &Bundle, name: &str, tests: Option<&Path>) -> Result<Asked, Failure> {
    let tests = tests.unwrap_or(Path::new(DEFAULT_TESTS));
    let (cases, findings) = cases::read_all(&[PathBuf::from(tests)]);
    let named: Vec<&Case> = cases.iter().filter(|case| case.name == name).collect();
    let case = match named[..] {
        [case] => case,
        // It may be in a file that cannot be read.
        [] if !findings.0.is_empty() => return Err(Failure::policies(findings)),
        [] => return Err(no_case(name, tests, &cases)),
        _ => return Err(many(name, &named)),
    };
    let inquiry = case.inquiry(bundle).map_err(|sentence| {
        let message = format!("case {name:?}: {sentence}");
        let mut finding = Finding::error("test_case", case.file.as_str(), message);
        (finding.line, finding.column) = (case.line, 1);
        Failure::policies(Findings(vec![finding]))
    })?;
    Ok(Asked::now(inquiry))
}

fn no_case(name: &str, tests: &Path, cases: &[Case]) -> Failure {
    let file = tests.display().to_string();
    let failure = Failure::file("no_case", file, format!("there is no case named {name:?}"));
    match nearest(name, cases.iter().map(|case| case.name.as_str())) {
        Some(near) => failure.help(format!("did you mean {near:?}?")),
        None => failure.help(format!(
            "name one of the {} cases there, or another folder or file with --tests",
            cases.len()
        )),
    }
}

fn many(name: &str, named: &[&Case]) -> Failure {
    let places = named
        .iter()
        .map(|case| format!("{}:{}", case.file, case.line));
    let places: Vec<_> = places.collect();
    let message = format!(
        "{} cases are named {name:?}: {}",
        named.len(),
        places.join(", ")
    );
    Failure::usage("many_cases", message).help(
        "name the file of the one that is meant with --tests, or give them names of their own",
    )
}

/// A JSON object in a file.
pub(super) fn file(bundle: &Bundle, path: &Path) -> Result<Asked, Failure> {
    let text = read(path)?;
    let shown = shown(path);
    if let Err(error) = json::parse(text.as_bytes(), DEPTH) {
        let at = json::place(&text, &error);
        let finding = Finding::error("request_syntax", shown, format!("not a request: {error}"));
        return Err(Failure {
            exit: Exit::Usage,
            findings: vec![finding.at(&text, at..at + 1)],
        });
    }
    let inquiry = Inquiry::parse(bundle, &text).map_err(|sentence| {
        Failure::file("request", shown, sentence)
            .help("write it as a test case is: {\"request\", \"entities\"}")
    })?;
    Ok(Asked::now(inquiry))
}

/// A recorded decision.
pub(super) fn log(bundle: &Bundle, path: &Path, id: Option<&str>) -> Result<Asked, Failure> {
    let text = read(path)?;
    let lines = text.lines().enumerate();
    let mut lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let (at, recorded) = match id {
        Some(id) => find(path, lines, id)?,
        None => match (lines.next(), lines.next()) {
            (Some((at, line)), None) => (at, one(path, at, line)?),
            (None, _) => {
                return Err(Failure::file(
                    "empty_log",
                    shown(path),
                    "there is no decision in it",
                ));
            }
            _ => {
                let message = "there are several decisions in it";
                return Err(Failure::file("many_decisions", shown(path), message)
                    .help("name one by its decision_id or request_id with --id"));
            }
        },
    };
    let inquiry = recorded
        .inquiry(bundle)
        .map_err(|sentence| wrong_line(path, at, sentence))?;
    Ok(Asked {
        inquiry,
        recorded: Some(recorded.into()),
    })
}

fn find<'l>(
    path: &Path,
    lines: impl Iterator<Item = (usize, &'l str)>,
    id: &str,
) -> Result<(usize, Recorded), Failure> {
    let mut found = Vec::new();
    for (at, line) in lines.filter(|(_, line)| line.contains(id)) {
        let recorded = one(path, at, line)?;
        if recorded.decision_id == id {
            return Ok((at, recorded));
        }
        if recorded.request_id == id {
            found.push((at, recorded));
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Failure::file(
            "no_decision",
            shown(path),
            format!("no decision has the decision_id or request_id {id:?}"),
        )
        .help(
            "the id is a member of the line, of the wide event, and of the answer as X-Request-ID",
        )),
        many => {
            let ids: Vec<_> = found
                .iter()
                .map(|(at, one)| format!("{} (line {})", one.decision_id, at + 1))
                .collect();
            let message = format!("{many} decisions were made for request {id}");
            Err(Failure::file("many_decisions", shown(path), message)
                .help(format!("name one by its decision_id: {}", ids.join(", "))))
        }
    }
}

fn one(path: &Path, at: usize, line: &str) -> Result<Recorded, Failure> {
    Recorded::read(line).map_err(|sentence| wrong_line(path, at, sentence))
}

fn wrong_line(path: &Path, at: usize, sentence: String) -> Failure {
    let mut failure = Failure::file("log_line", shown(path), sentence);
    for finding in &mut failure.findings {
        (finding.line, finding.column) = (at + 1, 1);
    }
    failure
}

fn shown(path: &Path) -> String {
    if is_stdin(path) {
        "stdin".to_owned()
    } else {
        path.display().to_string()
    }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn read(path: &Path) -> Result<String, Failure> {
    let read = if is_stdin(path) {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    read.map_err(|error| {
        Failure::file(
            "unreadable",
            shown(path),
            format!("cannot be read: {error}"),
        )
    })
}
