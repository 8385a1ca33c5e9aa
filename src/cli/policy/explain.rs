//! `cedargate policy explain`.

mod flags;
mod sources;

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::{now, output};
use crate::policy::explanation::{self, Explanation};

use super::folders::Folders;
use flags::Flags;
use sources::Asked;

/// Say why a request is decided as it is, clause by clause, and what would get it in.
///
/// The request is that of a test case, of a line in the decision log, of a JSON file, or of flags.
/// It is decided by the policies in the folders, whatever it was answered before.
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
  a JSON file as a test case is, {\"request\", \"entities\", \"strong_acr\"?, \"means\"?}:
    cedargate policy explain --request request.json
  flags:
    cedargate policy explain --action beginWebauthnRegistration --factors 1:webauthn_passkey \\
      --user 'corp|2489e9ad-2ee2-8e00-8ec9-32d5f69181c0|alice' --acr phr --auth-age 20m

Exit codes: 0 whatever the decision is; 1 if the policies do not load or the test case is wrong; 2 if
there is no such request."
)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    folders: Folders,
    /// The name of a test case.
    #[arg(long, value_name = "NAME", conflicts_with = "Flags")]
    case: Option<String>,
    /// The test file, or the folder of them, that the case is in [default: ./tests/policies]
    #[arg(long, value_name = "PATH", requires = "case", conflicts_with_all = ["log", "request", "Flags"])]
    tests: Option<PathBuf>,
    /// A decision log; - is stdin.
    #[arg(long, value_name = "FILE", conflicts_with = "Flags")]
    log: Option<PathBuf>,
    /// The decision_id or request_id in it; may be left out where it has one line.
    #[arg(long, value_name = "ID", requires = "log", conflicts_with_all = ["case", "request", "Flags"])]
    id: Option<String>,
    /// A JSON file with a request; - is stdin.
    #[arg(long, value_name = "FILE", conflicts_with = "Flags")]
    request: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    explanation: Explanation,
    /// What it was answered when it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<sources::Then>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let bundle = arguments.folders.load_any()?;
    let Asked { inquiry, recorded } = match arguments {
        Arguments {
            case: Some(name),
            tests,
            ..
        } => sources::case(&bundle, name, tests.as_deref())?,
        Arguments {
            log: Some(file),
            id,
            ..
        } => sources::log(&bundle, file, id.as_deref())?,
        Arguments {
            request: Some(file),
            ..
        } => sources::file(&bundle, file)?,
        Arguments { flags, .. } => {
            let inquiry = flags.inquiry(&bundle, now());
            Asked::now(inquiry.map_err(|sentence| Failure::usage("request", sentence))?)
        }
    };
    let explanation = bundle.explain(&inquiry);
    if arguments.json {
        return output::print_json(&Report {
            explanation,
            recorded,
        });
    }
    let mut text = explanation::render(&explanation);
    if let Some(then) = recorded {
        text.push_str(&then.to_string());
    }
    output::print(&text)
}
