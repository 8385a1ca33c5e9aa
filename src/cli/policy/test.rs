//! `cedargate policy test`.

mod json;
mod junit;
mod lcov;
mod tables;
mod text;
mod watch;

use std::path::{Path, PathBuf};

use cedargate_core::Finding;
use cedargate_policy_tools::Error;
use cedargate_policy_tools::coverage::Share;
use cedargate_policy_tools::test_run::{self, Options, TestReport};
use clap::Args;

use super::flags::{Inputs, PolicyFlags};
use super::reported;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output;

/// Run the test cases of the policies, and report untested policies and clauses.
///
/// Test files have the format of the Cedar CLI's `run-tests`; a case may also expect the `notices` and the
/// `code` of the answer. Each PATH is a file, or a folder of *.json files.
///
/// --coverage reports for each policy in how many cases it determined the decision, and for each top-level
/// clause of its conditions whether it was true in one case and false in another. --mutate makes typical
/// mistakes in the policies, one change at a time, and lists the changes that no case notices. Declare a
/// change that makes no difference in equivalent-mutants.toml, next to the test files.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  cedargate policy test
  cedargate policy test tests/policies/step-up.json --filter \"a second factor\"
  cedargate policy test --watch
  cedargate policy test --min-coverage 100 --lcov policies.lcov --junit policies.xml
  cedargate policy test --mutate --min-mutation 90

An entry of equivalent-mutants.toml has a change as --mutate lists it, and the reason why it makes no difference:
  [[equivalent]]
  policy = \"own-factors\"
  change = \"principal is Gate::User → principal\"
  reason = \"in the schema, only users have these actions\"

--json prints one object: {\"cases\", \"passed\", \"failed\", \"failures\": [{\"file\", \"line\",
\"name\", \"expected\", \"actual\", \"differences\", \"explanation\"}], \"coverage\"?, \"mutation\"?,
\"notes\"?, \"findings\"}.

Exit codes: 0 all cases pass; 1 policies do not load, a case fails, there is no case, a minimum is not
reached, or a declared change is no longer listed; 2 wrong usage, or a path that does not exist.")]
pub(in crate::cli) struct Arguments {
    /// Test files, and folders of them, as with --tests.
    #[arg(value_name = "PATH", conflicts_with = "tests")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    flags: PolicyFlags,
    /// Run only the cases that have this text in their name or in the name of their file.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Report which policies and clauses the cases exercise.
    #[arg(long)]
    coverage: bool,
    /// Fail if the cases cover a smaller share of the policies or of their clauses.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    min_coverage: Option<f64>,
    /// Write the coverage as LCOV.
    #[arg(long, value_name = "FILE")]
    lcov: Option<PathBuf>,
    /// Change the policies, and list the changes that no case notices.
    #[arg(long)]
    mutate: bool,
    /// Fail if the cases notice a smaller share of the changes.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    min_mutation: Option<f64>,
    /// Write the result of each case as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Run again whenever a policy, schema or test file changes, until Ctrl-C.
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
    let inputs = arguments.flags.resolve_with_tests(&arguments.paths)?;
    inputs.require_folders()?;
    inputs.require_tests()?;
    if arguments.watch {
        return watch::run(arguments, &inputs);
    }
    let report = report(arguments, &inputs)?;
    write(arguments, &report)?;
    if arguments.json {
        output::print_json(&json::report(&report))?;
    } else {
        output::print(&text::report(&report))?;
    }
    if report.is_ok() {
        return Ok(());
    }
    if arguments.json {
        return Err(reported());
    }
    Err(Failure {
        exit: Exit::Finding,
        findings: report.findings,
    })
}

/// Runs the cases and compares the results with the minimums.
fn report(arguments: &Arguments, inputs: &Inputs) -> Result<TestReport, Failure> {
    let bundle = match inputs.load(&inputs.requirements()) {
        Ok(bundle) => bundle,
        Err(Error::Invalid(findings)) => return Ok(TestReport::not_loaded(findings)),
        Err(error) => return Err(error.into()),
    };
    let progress = |tried, all| output::progress(&format!("{tried} of {all} changes tried"));
    let options = Options {
        filter: arguments.filter.as_deref(),
        coverage: arguments.covers(),
        mutation: arguments.mutates(),
        progress: Some(&progress),
    };
    let report = test_run::run_files(&bundle, &inputs.tests, &options);
    if options.mutation {
        output::progress("");
    }
    let mut report = report?;
    let shortfalls = shortfalls(arguments, &report);
    report.findings.extend(shortfalls);
    Ok(report)
}

/// Returns a finding for each minimum that is not reached.
fn shortfalls(arguments: &Arguments, report: &TestReport) -> Vec<Finding> {
    let below = |share: Share, minimum: Option<f64>| minimum.filter(|least| !share.reaches(*least));
    let mut findings = Vec::new();
    if let Some(coverage) = &report.coverage {
        for (what, share) in [
            ("policies", coverage.policies_covered()),
            ("clauses", coverage.clauses_covered()),
        ] {
            if let Some(least) = below(share, arguments.min_coverage) {
                let message = format!(
                    "the cases cover {} % of the {what}, and --min-coverage is {least} %",
                    share.percent()
                );
                let help =
                    "write cases for the policies and clauses that --coverage lists as not covered";
                findings.push(Finding::error("coverage", "", message).help(help));
            }
        }
    }
    if let Some(score) = report.mutation.as_ref().map(|mutation| mutation.score())
        && let Some(least) = below(score, arguments.min_mutation)
    {
        let message = format!(
            "the cases notice {} % of the changes, and --min-mutation is {least} %",
            score.percent()
        );
        let help = "write cases that notice the listed changes, or declare a change that makes no difference in equivalent-mutants.toml";
        findings.push(Finding::error("mutation", "", message).help(help));
    }
    findings
}

/// Writes the report files that the flags name.
fn write(arguments: &Arguments, report: &TestReport) -> Result<(), Failure> {
    if let Some(file) = &arguments.junit {
        replace(file, &junit::report(report)?)?;
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
            .help("name a file in a folder that exists and is writable")
    })
}
