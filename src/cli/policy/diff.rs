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

/// Report what a change of the policies does: to them, to the test cases and to recorded decisions.
///
/// OLD and NEW are folders or revisions of the git repository of the current folder; a folder goes before a
/// revision of the same name. Without NEW, OLD is a range such as main..HEAD, or is compared with the
/// folders as they are now. A folder that contains policies/ stands for that and, if it has one, its
/// schema/; any other folder is a policy folder with the schema of --schema. A revision has its policies in
/// the folder of --policies, and its schema in that of --schema.
///
/// A policy is listed as reformatted if the change cannot affect any answer: layout, comments, the order of
/// actions, @description, @owner, @ticket and @x_…. Files and their names do not matter.
///
/// Each test case and each recorded decision is decided by both sides. A different answer is widening
/// (deny → allow), narrowing (allow → deny) or answer (other policies, notices, errors or another code). Its
/// causes are the policies that differ and determine only one of the two answers. If there are none, each
/// changed policy is reverted on its own, and the causes are those whose reversal changes the answer. Requests that do not fit
/// the schema of a side are listed.
#[derive(Args, Debug)]
#[command(
    mut_arg("tests", |arg| arg.num_args(1..)),
    after_help = "\
Examples:
  cedargate policy diff main..HEAD --fail-on widening
  cedargate policy diff HEAD                       what is edited and not committed
  cedargate policy diff /etc/cedargate . --log decisions.jsonl
  cedargate policy diff v1.0 v1.1 --json

--json prints one object: {\"policies\": {\"added\", \"removed\", \"changed\", \"reformatted\",
\"renamed\"}, \"claims\", \"cases\", \"decisions\", \"masked\", \"changes\": [{\"kind\", \"case\"?, \"decision_id\"?,
\"policies\", \"old\", \"new\"}], \"unasked\", \"unread\"}.

Exit codes: 0 fine; 1 policies or test files that cannot be read, or what --fail-on names; 2 wrong usage, or
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
    // Policies that were in force once need not fulfil today's requirements.
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
            "note: {file} is of another version of cedargate; the schema of this program is used instead"
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
            "would not be answered as before",
        ),
    };
    (count > 0).then(|| {
        let requests = plural(count, "request", "requests");
        Finding::error("fail_on", "", format!("{requests} {what}"))
            .help(format!("--fail-on {flag} asks for exit code 1 here"))
    })
}
