//! `cedargate policy diff`.

mod json;
mod text;

use std::path::PathBuf;

use cedargate_core::Finding;
use cedargate_policy::{Bundle, Requirements, cases};
use cedargate_policy_tools::decision_log::LogInput;
use cedargate_policy_tools::diff::{self, ChangeKind, Comparison, RequestDifferences, Side, Sides};
use clap::{Args, ValueEnum};

use super::flags::PolicyFlags;
use super::wording::plural;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output;

/// Report how policies differ, and which test cases and recorded decisions they decide differently.
///
/// OLD and NEW are folders or revisions of the git repository of the current folder; a folder takes
/// precedence over a revision of the same name. Without NEW, OLD is a range such as main..HEAD, or is compared with the
/// folders as they are now. In a folder that contains policies/, the policies are read from there, and the
/// schema from schema/ if it exists; any other folder is a policy folder with the schema of --schema. The
/// policies of a revision are in the folder of --policies, and its schema is in that of --schema.
///
/// A policy is listed as reformatted if the change cannot affect any answer: layout, comments, the order of
/// actions, @description, @owner, @ticket and @x_…. Files and their names do not matter.
///
/// Each test case and each recorded decision is decided by both sides. A different answer is widening
/// (deny → allow), narrowing (allow → deny) or answer (other policies, notices, errors or another code). Its
/// causes are the policies that differ and determine only one of the two answers. If there are no such
/// policies, each changed policy is reverted on its own, and the causes are those whose reversal changes the
/// answer. Requests that do not fit the schema of a side are listed as undecided.
#[derive(Args, Debug)]
#[command(
    mut_arg("tests", |arg| arg.num_args(1..)),
    after_help = "\
Examples:
  cedargate policy diff main..HEAD --fail-on widening
  cedargate policy diff HEAD                       changes that are not committed
  cedargate policy diff /etc/cedargate . --log decisions.jsonl
  cedargate policy diff v1.0 v1.1 --json

--json prints one object: {\"policies\": {\"added\", \"removed\", \"changed\", \"reformatted\",
\"renamed\"}, \"claims\", \"cases\", \"decisions\", \"masked\", \"changes\": [{\"kind\", \"case\"?, \"decision_id\"?,
\"policies\", \"old\", \"new\"}], \"unasked\", \"unread\"}.
\"unasked\" lists the undecided requests.

Exit codes: 0 fine; 1 policies or test files cannot be read, or --fail-on applies; 2 wrong usage, or
a path or revision that does not exist.")]
pub(in crate::cli) struct Arguments {
    /// A folder, a revision, or a range of two revisions.
    old: String,
    /// A folder or a revision.
    new: Option<String>,
    #[command(flatten)]
    flags: PolicyFlags,
    /// A decision log whose requests are decided by both sides, too; - is stdin.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// widening: exit with 1 if a refused request is allowed now. any: exit with 1 if an answer differs, or
    /// if only one side can decide a request.
    #[arg(long, value_enum, value_name = "WHAT")]
    fail_on: Option<FailOn>,
    /// Print one JSON object instead of sentences.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FailOn {
    /// A refused request is allowed.
    Widening,
    /// A request gets another answer, or is decided by one side only.
    Any,
}

/// The number of changes of a group that the text shows.
const SHOWN: usize = 3;

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let inputs = arguments.flags.resolve()?;
    let sides = Sides::named(
        &arguments.old,
        arguments.new.as_deref(),
        inputs.policy_folder()?,
        &inputs.schema,
    )?;
    // Older policies need not fulfil the requirements of the current configuration.
    let old = load(&sides.old, &Requirements::none())?;
    let new = load(&sides.new, &inputs.requirements())?;
    let comparison = Comparison::of(&old, &new)?;
    let (cases, unreadable) = cases::read_all(&inputs.tests);
    let log = arguments.log.as_deref().map(LogInput::named);
    let limit = if arguments.json { usize::MAX } else { SHOWN };
    let requests = diff::compare(&comparison, &cases, log.as_ref(), limit)?;
    if arguments.json {
        output::print_json(&json::report(comparison.differences(), &requests))?;
    } else {
        output::print(&text::report(comparison.differences(), &requests))?;
    }
    let mut findings = unreadable.0;
    findings.extend(arguments.fail_on.and_then(|what| failed(what, &requests)));
    if findings.is_empty() {
        return Ok(());
    }
    Err(Failure {
        exit: Exit::Finding,
        findings,
    })
}

fn load(side: &Side, requirements: &Requirements) -> Result<Bundle, Failure> {
    let side = side.read()?;
    if let Some(file) = &side.replaced_schema {
        output::note(&format!(
            "note: {file} is from another version of cedargate; the schema of this version is used instead"
        ));
    }
    Bundle::load_with(&side.sources, requirements).map_err(Failure::policies)
}

fn failed(what: FailOn, requests: &RequestDifferences) -> Option<Finding> {
    let (count, flag, what) = match what {
        FailOn::Widening => (
            requests.count(ChangeKind::Widening),
            "widening",
            "would be allowed instead of refused",
        ),
        FailOn::Any => (
            requests.changes() + requests.decided_by_one_side,
            "any",
            "would get another answer",
        ),
    };
    (count > 0).then(|| {
        let requests = plural(count, "request", "requests");
        Finding::error("fail_on", "", format!("{requests} {what}"))
            .help(format!("--fail-on {flag} makes this exit code 1"))
    })
}
