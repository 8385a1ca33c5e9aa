//! `cedargate policy format`.

use std::path::PathBuf;

use cedargate_core::Finding;
use cedargate_policy_tools::format::{self, FormatReport, LINE_WIDTH, Mode};
use clap::Args;
use serde::Serialize;

use super::flags::PolicyFlags;
use super::reported;
use super::wording::plural;
use crate::cli::failure::Failure;
use crate::cli::output;

/// Format policy files with Cedar's own formatter.
///
/// Comments and annotations are kept. A file is either replaced as a whole or left unchanged. It is left
/// unchanged if it does not parse, a policy in it is larger than 512 KiB, or the formatter would lose a comment.
#[derive(Args, Debug)]
#[command(
    mut_arg("schema", |arg| arg.hide(true)),
    mut_arg("tests", |arg| arg.hide(true)),
    after_help = "\
Examples:
  cedargate policy format
  cedargate policy format policies/50-ours.cedar
  cedargate policy format --check            list the files that are not formatted, and write nothing

--json prints one object: {\"ok\", \"files\", \"changed\", \"findings\"}; \"changed\" lists the
files that were written or, with --check, are not formatted.

Exit codes: 0 fine; 1 a file cannot be formatted or, with --check, is not formatted; 2 wrong usage, or a path
that does not exist.")]
pub(in crate::cli) struct Arguments {
    /// Policy folders or single files, as with --policies.
    #[arg(value_name = "PATHS", conflicts_with = "policies")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    flags: PolicyFlags,
    /// Write nothing, and exit with 1 if a file is not formatted.
    #[arg(long)]
    check: bool,
    /// The longest line, in columns. Cedar's own tools have the same default.
    #[arg(long, value_name = "COLUMNS", default_value_t = LINE_WIDTH)]
    line_width: usize,
    /// Print one JSON object instead of sentences.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Json<'a> {
    ok: bool,
    files: usize,
    changed: Vec<String>,
    findings: &'a [Finding],
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let inputs = arguments.flags.resolve_with_policies(&arguments.paths)?;
    let mode = if arguments.check {
        Mode::Check
    } else {
        Mode::Write
    };
    let report = format::format_files(&inputs.policies, arguments.line_width, mode);
    let ok = report.findings.is_empty();
    if arguments.json {
        output::print_json(&Json {
            ok,
            files: report.files,
            changed: changed(&report).collect(),
            findings: &report.findings,
        })?;
    } else {
        output::diagnose(&report.findings);
        output::print(&summary(mode, &report))?;
    }
    if ok { Ok(()) } else { Err(reported()) }
}

fn changed(report: &FormatReport) -> impl Iterator<Item = String> {
    report.changed.iter().map(|path| path.display().to_string())
}

fn summary(mode: Mode, report: &FormatReport) -> String {
    let (verb, result) = match mode {
        Mode::Check => ("not formatted", "not formatted"),
        Mode::Write => ("formatted", "changed"),
    };
    let mut lines: Vec<_> = changed(report)
        .map(|file| format!("{verb}: {file}"))
        .collect();
    let files = plural(report.files, "file", "files");
    lines.push(format!("{} of {files} {result}\n", report.changed.len()));
    lines.join("\n")
}
