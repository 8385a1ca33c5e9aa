//! `cedargate policy diff`.

mod found;
mod git;
mod json;
mod side;
mod text;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::folders::Folders;
use super::lines::Lines;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output;
use crate::finding::Finding;
use crate::policy::Requirements;
use crate::policy::analysis;
use crate::policy::cases::{self, Case};
use cedargate_policy_tools::comparison::{Comparison, Kind};
use found::Found;

/// Say what a change of the policies does: to them, to the test cases and to recorded decisions.
///
/// OLD and NEW are folders or revisions of the git repository around here; a folder goes before a
/// revision of the same name. Without NEW, OLD is a range such as main..HEAD, or is compared with the
/// folders as they are now. A folder with policies/ in it brings that and, if it has it, its schema/;
/// any other folder is a policy folder, and its schema is that of --schema. A revision has its policies
/// where --policies, and its schema where --schema says.
///
/// A policy is changed in form only if no answer can depend on the change: layout, comments, the order
/// of actions, @description, @owner, @ticket and @x_…. Files and their names do not matter.
///
/// Each test case and each recorded decision is asked of both sides. What is not answered alike is
/// widening (deny → allow), narrowing (allow → deny) or answer (other policies, notices, errors or
/// another code), and is put down to the policies that differ and determine one of the two answers
/// only. Where there is none, each difference is undone alone, and those count which turn the answer.
/// What one of the sides cannot be asked, as its schema is another one, is listed.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  cedargate policy diff main..HEAD --fail-on widening
  cedargate policy diff HEAD                       what is edited and not committed
  cedargate policy diff /etc/cedargate . --log decisions.jsonl
  cedargate policy diff v1.0 v1.1 --json

With --json it prints one object: {\"policies\": {\"added\", \"removed\", \"changed\", \"reformatted\",
\"renamed\"}, \"claims\", \"cases\", \"decisions\", \"masked\", \"changes\": [{\"kind\", \"case\"?, \"decision_id\"?,
\"policies\", \"old\", \"new\"}], \"unasked\", \"unread\"}.

Exit codes: 0 fine; 1 policies or test files that cannot be read, or what --fail-on names; 2 wrong usage.")]
pub(in crate::cli) struct Arguments {
    /// A folder, a revision, or a range of two revisions.
    old: String,
    /// A folder or a revision.
    new: Option<String>,
    #[command(flatten)]
    folders: Folders,
    /// Test files, and folders of them.
    #[arg(long, value_name = "PATH", num_args = 1.., default_value = DEFAULT_TESTS)]
    tests: Vec<PathBuf>,
    /// A decision log whose decisions are asked too; - is stdin.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// End with exit code 1 if an answer widens, or if any is not the same or one side only can be asked.
    #[arg(long, value_enum, value_name = "WHAT")]
    fail_on: Option<FailOn>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

const DEFAULT_TESTS: &str = "./tests/policies";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FailOn {
    /// A request that was refused is allowed.
    Widening,
    /// A request is not answered as before.
    Any,
}

/// How many changes of a group the text shows.
const SHOWN: usize = 3;

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let folders = &arguments.folders;
    let (old, new) = side::sides(&arguments.old, arguments.new.as_deref(), folders)?;
    // What was in force once may not fulfil what is required today.
    let old = old.load(folders, &Requirements::none())?;
    let new = new.load(folders, &folders.requirements()?)?;
    let comparison = Comparison::of(&old, &new).map_err(Failure::policies)?;
    let (cases, wrong) = read_cases(&arguments.tests);
    let shown = if arguments.json { usize::MAX } else { SHOWN };
    let mut found = Found::keeping(shown);
    ask_cases(&comparison, &cases, &mut found)?;
    if let Some(log) = &arguments.log {
        ask_log(&comparison, log, &mut found)?;
    }
    if arguments.json {
        output::print_json(&json::report(comparison.differences(), &found))?;
    } else {
        output::print(&text::report(comparison.differences(), &found))?;
    }
    let mut findings = wrong;
    findings.extend(arguments.fail_on.and_then(|what| failed(what, &found)));
    if findings.is_empty() {
        return Ok(());
    }
    Err(Failure {
        exit: Exit::Finding,
        findings,
    })
}

/// The default folder need not be there.
fn read_cases(paths: &[PathBuf]) -> (Vec<Case>, Vec<Finding>) {
    match paths {
        [only] if *only == Path::new(DEFAULT_TESTS) && !only.exists() => (Vec::new(), Vec::new()),
        _ => {
            let (cases, findings) = cases::read_all(paths);
            (cases, findings.0)
        }
    }
}

fn ask_cases(
    comparison: &Comparison<'_>,
    cases: &[Case],
    found: &mut Found,
) -> Result<(), Failure> {
    let start = || found.another();
    let parts = analysis::fold(cases.iter().enumerate(), start, |found, (at, case)| {
        found.case(at, case, comparison.ask(|bundle| case.inquiry(bundle)));
    });
    let parts = parts.map_err(Failure::no_thread)?;
    parts.into_iter().for_each(|part| found.merge(part));
    Ok(())
}

fn ask_log(comparison: &Comparison<'_>, log: &Path, found: &mut Found) -> Result<(), Failure> {
    let mut lines = Lines::open(log)?;
    let start = || found.another();
    let parts = analysis::fold(&mut lines, start, |found, lines| {
        for line in lines {
            match line.recorded() {
                Ok(recorded) => {
                    let compared = comparison.ask(|bundle| recorded.inquiry(bundle));
                    found.decision(line.number, &recorded, compared);
                }
                Err(why) => found.unread(line.number, why),
            }
        }
    });
    let parts = parts.map_err(Failure::no_thread)?;
    parts.into_iter().for_each(|part| found.merge(part));
    lines.finish()
}

fn failed(what: FailOn, found: &Found) -> Option<Finding> {
    let count = match what {
        FailOn::Widening => found.count(Kind::Widening),
        FailOn::Any => found.changes() + found.unasked_of_one(),
    };
    let (flag, what) = match what {
        FailOn::Widening => ("widening", "would be allowed instead of refused"),
        FailOn::Any => ("any", "would not be answered as before"),
    };
    (count > 0).then(|| {
        let requests = super::counted::plural(count, "request", "requests");
        Finding::error("fail_on", "", format!("{requests} {what}"))
            .help(format!("that is what --fail-on {flag} is about"))
    })
}
