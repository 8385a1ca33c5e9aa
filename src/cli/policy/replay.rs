//! `cedargate policy replay`.

mod flips;
mod text;

use std::path::PathBuf;

use clap::Args;

use super::folders::Folders;
use super::lines::{Line, Lines};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::policy::Bundle;
use crate::policy::analysis;
use flips::Flips;

/// Decide recorded requests again, and see which are not decided as they were.
///
/// LOG is what `[decision_log] file` names. Each decision in it is made again by these policies, on
/// what was known then. What differs is widening (deny → allow), narrowing (allow → deny) or answer
/// (other policies, notices, errors or another code). It is counted by policies: the forbids that came
/// or went, else the permits; where the effect is as before, those that determine one of the two
/// answers only, else all of them. A log of any size is read once, in little memory.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  cedargate policy replay decisions.jsonl
  cedargate policy replay decisions.jsonl --policies new/policies --schema new/schema
  zcat decisions-*.jsonl.gz | cedargate policy replay - --json

With --json it prints one object: {\"decisions\", \"same\", \"flips\": [{\"kind\", \"policies\", \"count\",
\"masked\", \"same_bundle\", \"example\"}], \"masked\", \"assumed\", \"unasked\": {\"count\", \"first\"}, \"unread\": {\"count\",
\"first\"}}.

Exit codes: 0 the log was replayed, whatever came of it; 1 policies that do not load; 2 a log that cannot
be read, or without a decision.")]
pub(in crate::cli) struct Arguments {
    /// The decision log; - is stdin.
    log: PathBuf,
    #[command(flatten)]
    folders: Folders,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let bundle = arguments.folders.load()?;
    let mut lines = Lines::open(&arguments.log)?;
    let parts = analysis::fold(&mut lines, Flips::default, |flips, lines| {
        for line in lines {
            replay(&bundle, &line, flips);
        }
    });
    let parts = parts.map_err(Failure::no_thread)?;
    lines.finish()?;
    let mut flips = Flips::default();
    parts.into_iter().for_each(|part| flips.merge(part));
    if arguments.json {
        output::print_json(&flips.report())?;
    } else {
        output::print(&text::report(&flips))?;
    }
    if flips.decisions() == 0 && flips.unread.count() > 0 {
        let log = arguments.log.display().to_string();
        let failure = Failure::file(
            "no_decisions",
            log,
            "no line of this is a recorded decision",
        );
        return Err(failure.help("name the file of `[decision_log] file`"));
    }
    Ok(())
}

fn replay(bundle: &Bundle, line: &Line, flips: &mut Flips) {
    let recorded = match line.recorded() {
        Ok(recorded) => recorded,
        Err(why) => return flips.unread.add(line.number, || why),
    };
    match recorded.inquiry(bundle) {
        Ok(inquiry) => {
            flips.assumed += usize::from(!inquiry.assumed().is_empty());
            let is_of_bundle = recorded.revision == bundle.revision();
            flips.decided(
                line.number,
                &recorded,
                bundle.answer(&inquiry),
                is_of_bundle,
            );
        }
        Err(why) => flips.unasked.add(line.number, || why),
    }
}
