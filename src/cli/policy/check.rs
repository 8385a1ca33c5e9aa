//! `cedargate policy check`.

use std::cmp::Reverse;
use std::path::PathBuf;

use cedargate_core::{Finding, Severity};
use cedargate_policy::cases;
use cedargate_policy_tools::PolicyFiles;
use cedargate_policy_tools::check::{self, CheckReport, Options};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::flags::PolicyFlags;
use super::reported;
use super::wording::plural;
use crate::cli::failure::Failure;
use crate::cli::{github, output};

/// Report errors and probable mistakes in policies and test cases.
///
/// Errors keep the policies from loading. Findings are probable mistakes in policies that load: a forbid
/// without a notice, a policy that changes no decision, a file that is not read. Notes are information: they
/// are reported with --notes only, and never fail the check. If PATHS has a file, the files are checked as a
/// part of the policies, and nothing is reported as missing.
///
/// With --config, policies are checked as `serve` loads them: each issuer that a policy names must be
/// configured, and dev.links.json is left out.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  cedargate policy check
  cedargate policy check --config prod.toml      also report issuers that are not configured
  cedargate policy check policies/50-ours.cedar  one file
  cedargate policy check --notes                 also for which actions each policy can match
  cedargate policy check --format github         annotations of a GitHub workflow

--json prints one object: {\"ok\", \"policies\", \"findings\": [{\"severity\", \"code\",
\"file\", \"line\", \"column\", \"message\", \"help\"?}]}; severity is error, finding or, with --notes,
note.

Exit codes: 0 fine; 1 an error or, without --warn, a finding; 2 an invalid configuration, or a path that does
not exist.")]
pub(in crate::cli) struct Arguments {
    /// Policy folders or single files, as with --policies.
    #[arg(value_name = "PATHS", conflicts_with = "policies")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    flags: PolicyFlags,
    /// Exit with 1 for errors only, not for findings.
    #[arg(long)]
    warn: bool,
    /// Report notes too, such as the actions for which each policy can match.
    #[arg(long)]
    notes: bool,
    /// Print one JSON object instead of sentences.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Print in the format of another program.
    #[arg(long, value_enum)]
    format: Option<Format>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Workflow commands of GitHub Actions, which shows them beside the lines.
    Github,
}

#[derive(Serialize)]
struct Json<'a> {
    ok: bool,
    policies: usize,
    findings: &'a [Finding],
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let report = report(arguments)?;
    let ok = !report.findings.iter().any(|one| match one.severity {
        Severity::Error => true,
        Severity::Finding => !arguments.warn,
        Severity::Note => false,
    });
    if arguments.json {
        output::print_json(&Json {
            ok,
            policies: report.policies,
            findings: &report.findings,
        })?;
    } else if arguments.format.is_some() {
        output::print(&github::annotations(&report.findings))?;
    } else {
        output::diagnose(&by_severity(&report.findings));
        output::print(&summary(&report, arguments.notes))?;
    }
    if ok { Ok(()) } else { Err(reported()) }
}

fn report(arguments: &Arguments) -> Result<CheckReport, Failure> {
    let inputs = arguments.flags.resolve_with_policies(&arguments.paths)?;
    inputs.require_schema()?;
    let (cases, unreadable) = cases::read_all(&inputs.tests);
    let mut files = PolicyFiles::read(&inputs.policies, &inputs.schema);
    let configuration = inputs.configuration.as_ref();
    if configuration.is_some() {
        files.leave_out_dev_links();
    }
    let options = Options {
        issuers: configuration.map(|one| one.issuers.as_slice()),
        requirements: &inputs.requirements(),
        notes: arguments.notes,
    };
    let mut report = check::run(&files, &options, &cases)?;
    report.findings.extend(unreadable.0);
    Ok(report)
}

/// Sorts errors to the end, where a terminal shows them.
fn by_severity(findings: &[Finding]) -> Vec<Finding> {
    let mut findings = findings.to_vec();
    findings.sort_by_key(|one| Reverse(one.severity));
    findings
}

fn summary(report: &CheckReport, notes: bool) -> String {
    let count = |severity| {
        let all = report.findings.iter();
        all.filter(|finding| finding.severity == severity).count()
    };
    let mut summary = format!(
        "{}: {}, {}",
        plural(report.policies, "policy", "policies"),
        plural(count(Severity::Error), "error", "errors"),
        plural(count(Severity::Finding), "finding", "findings"),
    );
    if notes {
        let notes = plural(count(Severity::Note), "note", "notes");
        summary.push_str(&format!(", {notes}"));
    }
    summary.push('\n');
    summary
}
