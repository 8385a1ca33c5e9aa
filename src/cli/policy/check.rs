//! `cedargate policy check`.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::cli::failure::{Exit, Failure};
use crate::cli::{github, output};
use crate::config;
use crate::finding::{Finding, Severity};
use crate::policy::cases;
use cedargate_policy_tools::PolicyFiles;
use cedargate_policy_tools::check::{self as checks, Report};

/// Say everything that is wrong with policies, and what is probably not what was meant.
///
/// Errors are what does not load. Findings load and are probably mistakes: an explanation that is
/// missing, a policy that changes nothing, a file that is not read. Notes are good to know and fail
/// nothing. A policy file that is named alone is checked as a part: nothing is said of what it lacks.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  cedargate policy check
  cedargate policy check --config prod.toml      issuers that it does not name are findings too
  cedargate policy check policies/50-ours.cedar  one file
  cedargate policy check --format github         annotations of a GitHub workflow

With --json it prints one object: {\"ok\", \"policies\", \"findings\": [{\"severity\", \"code\",
\"file\", \"line\", \"column\", \"message\", \"help\"?}]}; severity is error, finding or note.
It exits with 1 when there is an error or, without --warn, a finding; with 2 when the
configuration is wrong.")]
pub(in crate::cli) struct Arguments {
    /// Policy folders or single files [default: the configuration's folder, else ./policies]
    #[arg(value_name = "PATHS")]
    paths: Vec<PathBuf>,
    /// The schema folder [default: the configuration's, else ./schema]
    #[arg(long, value_name = "FOLDER")]
    schema: Option<PathBuf>,
    /// Test files, or folders of them [default: ./tests/policies if it is there]
    #[arg(long, value_name = "PATH")]
    tests: Vec<PathBuf>,
    /// Check as `serve` with this configuration loads them: hold the issuers that policies name against
    /// its own, require what its [policies] requires, and leave dev.links.json out. Nothing else of it
    /// is looked at.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Let findings pass: exit with 1 for errors only.
    #[arg(long)]
    warn: bool,
    /// Print one JSON object instead of sentences.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Print for another program.
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

/// Where the tests are unless something else is said.
const TESTS: &str = "./tests/policies";

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
        output::print(&summary(&report))?;
    }
    if ok {
        return Ok(());
    }
    // They have been told already.
    Err(Failure {
        exit: Exit::Finding,
        findings: Vec::new(),
    })
}

fn report(arguments: &Arguments) -> Result<Report, Failure> {
    let configuration = arguments
        .config
        .as_deref()
        .map(|file| config::load_for_policies(std::env::vars_os(), file))
        .transpose()
        .map_err(Failure::configuration)?;
    let configured = configuration.as_ref();
    let mut paths = arguments.paths.clone();
    if paths.is_empty() {
        paths.push(configured.map_or_else(|| "./policies".into(), |one| one.policies.clone()));
    }
    let schema = arguments.schema.clone();
    let schema = schema
        .or_else(|| configured.map(|one| one.schema.clone()))
        .unwrap_or_else(|| "./schema".into());
    let mut tests = arguments.tests.clone();
    if tests.is_empty() && Path::new(TESTS).is_dir() {
        tests.push(TESTS.into());
    }
    let (cases, unreadable) = cases::read_all(&tests);
    let mut survey = PolicyFiles::read(&paths, &schema);
    if configured.is_some() {
        survey.leave_out_dev_links();
    }
    let issuers = configured.map(|one| one.issuers.as_slice());
    let requirements = configured.map(|one| one.requirements.clone());
    let requirements = requirements.unwrap_or_default();
    let mut report = checks::report(&survey, issuers, &requirements, &cases);
    report.findings.extend(unreadable.0);
    Ok(report)
}

/// What matters most stands last, where a terminal ends.
fn by_severity(findings: &[Finding]) -> Vec<Finding> {
    let mut findings = findings.to_vec();
    findings.sort_by_key(|one| Reverse(one.severity));
    findings
}

fn summary(report: &Report) -> String {
    let count = |severity, one: &str, many: &str| {
        let all = report.findings.iter();
        match all.filter(|finding| finding.severity == severity).count() {
            1 => format!("1 {one}"),
            count => format!("{count} {many}"),
        }
    };
    let policies = match report.policies {
        1 => "1 policy".to_owned(),
        many => format!("{many} policies"),
    };
    format!(
        "{policies}: {}, {}, {}\n",
        count(Severity::Error, "error", "errors"),
        count(Severity::Finding, "finding", "findings"),
        count(Severity::Note, "note", "notes")
    )
}
