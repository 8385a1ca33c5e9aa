//! `cedargate policy explain`.

mod request_flags;

use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use cedargate_policy::explanation::{self, Explanation};
use cedargate_policy::{Bundle, PreparedRequest, RecordedDecision, Requirements};
use cedargate_policy_tools::request_source;
use clap::{ArgGroup, Args};
use serde::Serialize;

use super::flags::{Inputs, PolicyFlags};
use crate::cli::failure::Failure;
use crate::cli::{now, output};
use request_flags::RequestFlags;

/// Explain why a request is decided as it is, clause by clause, and what would permit it.
///
/// The request is that of a test case, a line of the decision log, a JSON file, or flags. It is decided by
/// the policies in the folders, even if a recorded decision differs. Requirements of --config are ignored.
#[derive(Args, Debug)]
#[command(
    group = ArgGroup::new("request_source").args(["case", "log", "request", "action"]).required(true),
    after_help = "\
Examples:
  a test case:
    cedargate policy explain --case 'a passkey at Example Bank'
  a recorded decision, by its own id or that of the request:
    cedargate policy explain --log decisions.jsonl --id 0198c0de-0000-7000-8000-000000000001
    tail -1 decisions.jsonl | cedargate policy explain --log -
  a JSON file in the form of a test case, {\"request\", \"entities\", \"strong_acr\"?, \"means\"?}:
    cedargate policy explain --request request.json
  flags:
    cedargate policy explain --action beginWebauthnRegistration --factors 1:webauthn_passkey \\
      --user 'corp|2489e9ad-2ee2-8e00-8ec9-32d5f69181c0|alice' --acr phr --auth-age 20m

Exit codes: 0 for any decision; 1 the policies do not load or the test case is invalid; 2 there is no such
request, or a path does not exist."
)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    flags: PolicyFlags,
    /// The name of a test case in --tests.
    #[arg(long, value_name = "NAME", conflicts_with = "RequestFlags")]
    case: Option<String>,
    /// A decision log; - is stdin.
    #[arg(long, value_name = "FILE", conflicts_with = "RequestFlags")]
    log: Option<PathBuf>,
    /// The decision_id or request_id of a line of --log. May be left out if the log has one line.
    #[arg(long, value_name = "ID", requires = "log", conflicts_with_all = ["case", "request", "RequestFlags"])]
    id: Option<String>,
    /// A JSON file with a request; - is stdin.
    #[arg(long, value_name = "FILE", conflicts_with = "RequestFlags")]
    request: Option<PathBuf>,
    #[command(flatten)]
    request_flags: RequestFlags,
    /// Print one JSON object instead of sentences.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    explanation: Explanation,
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<RecordedAnswer>,
}

/// The answer that a decision log recorded for the request.
#[derive(Serialize)]
struct RecordedAnswer {
    decision: &'static str,
    reason: Vec<String>,
    code: Option<String>,
    revision: String,
    /// The paths of values that were kept out of the log.
    hidden: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let inputs = arguments.flags.resolve()?;
    inputs.require_folders()?;
    let bundle = inputs.load(&Requirements::none())?;
    let (prepared, recorded) = request(arguments, &inputs, &bundle)?;
    let explanation = bundle.explain(&prepared);
    let recorded = recorded.map(RecordedAnswer::from);
    if arguments.json {
        return output::print_json(&Report {
            explanation,
            recorded,
        });
    }
    let mut text = explanation::render(&explanation);
    if let Some(recorded) = recorded {
        text.push_str(&recorded.to_string());
    }
    output::print(&text)
}

/// Finds the request that the arguments name. A request of a log comes with its recorded decision.
fn request(
    arguments: &Arguments,
    inputs: &Inputs,
    bundle: &Bundle,
) -> Result<(PreparedRequest, Option<RecordedDecision>), Failure> {
    if let Some(name) = &arguments.case {
        inputs.require_tests()?;
        let prepared = request_source::test_case(bundle, name, &inputs.tests)?;
        return Ok((prepared, None));
    }
    if let Some(log) = &arguments.log {
        let (file, text) = read(log)?;
        let id = arguments.id.as_deref();
        let (prepared, recorded) = request_source::recorded_decision(bundle, &file, &text, id)?;
        return Ok((prepared, Some(recorded)));
    }
    if let Some(request) = &arguments.request {
        let (file, text) = read(request)?;
        let prepared = request_source::json_request(bundle, &file, &text)?;
        return Ok((prepared, None));
    }
    let prepared = arguments.request_flags.prepared(bundle, now());
    let prepared = prepared.map_err(|message| Failure::usage("request", message))?;
    Ok((prepared, None))
}

/// Reads a file, or stdin if it is `-`. Returns its name in messages and its text.
fn read(path: &Path) -> Result<(String, String), Failure> {
    let is_stdin = path == Path::new("-");
    let name = match is_stdin {
        true => "stdin".to_owned(),
        false => path.display().to_string(),
    };
    let read = match is_stdin {
        true => {
            let mut text = String::new();
            io::stdin().lock().read_to_string(&mut text).map(|_| text)
        }
        false => fs::read_to_string(path),
    };
    match read {
        Ok(text) => Ok((name, text)),
        Err(error) => {
            let message = format!("cannot be read: {error}");
            Err(Failure::file("unreadable", name, message))
        }
    }
}

impl From<RecordedDecision> for RecordedAnswer {
    fn from(recorded: RecordedDecision) -> Self {
        Self {
            decision: recorded.result.as_cedar(),
            code: recorded.result.code().map(str::to_owned),
            reason: recorded.result.policies,
            revision: recorded.revision,
            hidden: recorded.hidden,
        }
    }
}

impl fmt::Display for RecordedAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\nRecorded: {}", self.decision)?;
        if let Some(code) = &self.code {
            write!(f, ": {code}")?;
        }
        if !self.reason.is_empty() {
            write!(f, ", by {}", self.reason.join(", "))?;
        }
        writeln!(f, ", revision {}", self.revision)?;
        if !self.hidden.is_empty() {
            let hidden = self.hidden.join(", ");
            writeln!(
                f,
                "Masked in the log, so this result may differ from the recorded one: {hidden}"
            )?;
        }
        Ok(())
    }
}
