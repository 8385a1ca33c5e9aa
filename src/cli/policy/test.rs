//! `cedargate policy test`.

mod equivalents;
mod json;
mod junit;
mod lcov;
mod round;
mod tables;
mod text;
mod watch;

use std::path::{Path, PathBuf};

use clap::Args;

use super::folders::Folders;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output;
use round::Report;

/// Run the test cases of the policies, and see what they leave untested.
///
/// Cases are files in the format of the Cedar CLI's `run-tests`; a case may also say the `notices`
/// and the `code` that the caller must get. Each PATH is a file, or a folder of *.json files.
///
/// --coverage says for each policy whether it determined a decision in some case, and for each
/// top-level clause of its conditions whether it was true and whether it was false in some case that
/// came to it. --mutate changes the policies in the ways that people get wrong, one at a time, and
/// lists the changes that no case notices. A change that makes no difference is declared in
/// equivalent-mutants.toml beside the cases.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  cedargate policy test
  cedargate policy test tests/policies/step-up.json --filter \"a second factor\"
  cedargate policy test --watch
  cedargate policy test --min-coverage 100 --lcov policies.lcov --junit policies.xml
  cedargate policy test --mutate --min-mutation 90

An entry of equivalent-mutants.toml names a change as it is listed, and says why it is none:
  [[equivalent]]
  policy = \"own-factors\"
  change = \"principal is Gate::User → principal\"
  reason = \"the schema lets nobody else ask for these actions\"

With --json it prints one object: {\"cases\", \"passed\", \"failed\", \"failures\": [{\"file\", \"line\",
\"name\", \"expected\", \"actual\", \"differences\", \"explanation\"}], \"coverage\"?, \"mutation\"?,
\"notes\"?, \"findings\"}. It exits with 0 when all is as it should be, with 1 when a case fails, none is found, a
minimum is not reached or an equivalent mutant is none, and with 2 for wrong usage.")]
pub(in crate::cli) struct Arguments {
    /// Test files, and folders of them.
    #[arg(value_name = "PATH", default_value = "./tests/policies")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    folders: Folders,
    /// Only the cases that have this text in their name or in that of their file.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Say what of the policies the cases touch.
    #[arg(long)]
    coverage: bool,
    /// Fail when less than this of the policies, or of their clauses, is covered.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    min_coverage: Option<f64>,
    /// Write the coverage as LCOV.
    #[arg(long, value_name = "FILE")]
    lcov: Option<PathBuf>,
    /// Change the policies, and say which changes no case notices.
    #[arg(long)]
    mutate: bool,
    /// Fail when less than this of the changes is noticed.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    min_mutation: Option<f64>,
    /// Write the outcome of each case as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Run again whenever a policy, a schema or a test file changes, until Ctrl-C.
    #[arg(long)]
    watch: bool,
    /// Print one JSON object instead of sentences.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    fn covers(&self) -> bool {
        self.coverage || self.min_coverage.is_some() || self.lcov.is_some()
    }

    fn mutates(&self) -> bool {
        self.mutate || self.min_mutation.is_some()
    }
}

fn percent(text: &str) -> Result<f64, String> {
    let percent = text.parse().ok().filter(|one| (0.0..=100.0).contains(one));
    percent.ok_or_else(|| "a percentage is a number from 0 to 100".to_owned())
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.watch {
        return watch::run(arguments);
    }
    let report = Report::of(arguments)?;
    write(arguments, &report)?;
    if arguments.json {
        output::print_json(&json::report(&report))?;
    } else {
        output::print(&text::report(&report))?;
    }
    if report.is_fine() {
        return Ok(());
    }
    let told = arguments.json;
    Err(Failure {
        exit: Exit::Finding,
        findings: if told { Vec::new() } else { report.findings },
    })
}

/// Writes the files that were asked for.
fn write(arguments: &Arguments, report: &Report) -> Result<(), Failure> {
    if let Some(file) = &arguments.junit {
        replace(file, &junit::report(report))?;
    }
    if let (Some(file), Some(coverage)) = (&arguments.lcov, &report.coverage) {
        replace(file, &lcov::report(coverage))?;
    }
    Ok(())
}

fn replace(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text).map_err(|error| {
        let message = format!("the report cannot be written: {error}");
        Failure::file("report_write", file.display().to_string(), message)
            .help("name a file in a folder that is there and may be written to")
    })
}
