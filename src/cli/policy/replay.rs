//! `cedargate policy replay`.

mod json;
mod text;

use std::path::PathBuf;

use cedargate_policy_tools::decision_log::LogInput;
use cedargate_policy_tools::replay;
use clap::Args;

use super::flags::PolicyFlags;
use crate::cli::failure::Failure;
use crate::cli::output;

/// Decide recorded requests again, and report which are decided differently.
///
/// LOG is the file of `[decision_log] file`. Each request in it is decided again by these policies, with the
/// recorded entities and context. A different answer is widening (deny → allow), narrowing (allow → deny) or answer (other
/// policies, notices, errors or another code). Differences are counted by the policies that probably cause
/// them: the forbids that came or went, else the permits; if the effect is the same, the policies that
/// determine only one of the two answers, else all of them. The memory that a replay needs does not grow with the log.
#[derive(Args, Debug)]
#[command(
    mut_arg("tests", |arg| arg.hide(true)),
    after_help = "\
Examples:
  cedargate policy replay decisions.jsonl
  cedargate policy replay decisions.jsonl --policies new/policies --schema new/schema
  zcat decisions-*.jsonl.gz | cedargate policy replay - --json

--json prints one object: {\"decisions\", \"same\", \"flips\": [{\"kind\", \"policies\", \"count\",
\"masked\", \"same_bundle\", \"example\"}], \"masked\", \"assumed\", \"unasked\": {\"count\", \"first\"}, \"unread\": {\"count\",
\"first\"}}. \"unasked\" has the undecided lines: their requests do not fit the schema.

Exit codes: 0 the log was replayed, even if answers differ; 1 the policies do not load; 2 the log cannot be
read or has no decision, or a path that does not exist.")]
pub(in crate::cli) struct Arguments {
    /// The decision log; - is stdin.
    log: PathBuf,
    #[command(flatten)]
    flags: PolicyFlags,
    /// Print one JSON object instead of sentences.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let inputs = arguments.flags.resolve()?;
    inputs.require_folders()?;
    let bundle = inputs.load(&inputs.requirements())?;
    let log = LogInput::named(&arguments.log);
    let report = replay::replay(&bundle, &log)?;
    if arguments.json {
        output::print_json(&json::report(&report))?;
    } else {
        output::print(&text::report(&report))?;
    }
    if report.decisions() == 0 && report.unread.count() > 0 {
        let message = "no line of this file is a recorded decision";
        let failure = Failure::file("no_decisions", log.name(), message);
        return Err(failure.help("name the file of `[decision_log] file`"));
    }
    Ok(())
}
