//! A run of the cases, for a person.

use std::fmt::Write as _;

use serde_json::Value;

use super::round::{End, Failed, Ran, Report};
use super::tables;
use crate::finding::Finding;
use crate::policy::explanation;

/// Each case that failed, and why; then coverage and mutation.
pub(super) fn report(report: &Report) -> String {
    let mut text = String::new();
    for ran in &report.cases {
        case(&mut text, ran);
    }
    for note in &report.notes {
        let _ = writeln!(text, "{note}\n");
    }
    text.push_str(&summary(report));
    if let Some(coverage) = &report.coverage {
        let _ = write!(text, "\n{}", tables::coverage(coverage));
    }
    if let Some(mutation) = &report.mutation {
        let _ = write!(text, "\n{}", tables::mutation(mutation));
    }
    if report.mutation_is_off {
        text.push_str("\nmutation: not run, as something is wrong already\n");
    }
    text
}

/// Each case that failed in two lines.
pub(super) fn compact(report: &Report) -> String {
    let mut text = String::new();
    for Ran { case, end } in &report.cases {
        let why = match end {
            End::Passed => continue,
            End::Failed(failed) => failed.differences.join("\n  "),
            End::NotAsked(finding) => finding.message.clone(),
        };
        let _ = writeln!(
            text,
            "FAILED {} ({}:{})\n  {why}",
            case.name, case.file, case.line
        );
    }
    for finding in &report.findings {
        let _ = writeln!(text, "{finding}");
    }
    text.push_str(&summary(report));
    text
}

fn summary(report: &Report) -> String {
    let (all, passed, failed) = (report.cases.len(), report.passed(), report.failed());
    let cases = if all == 1 { "case" } else { "cases" };
    format!("{all} {cases}: {passed} passed, {failed} failed\n")
}

fn case(text: &mut String, Ran { case, end }: &Ran) {
    match end {
        End::Passed => {}
        End::Failed(failed) => {
            let _ = writeln!(text, "FAILED {} ({}:{})", case.name, case.file, case.line);
            text.push_str(&details(case.request(), failed));
            text.push('\n');
        }
        End::NotAsked(finding) => {
            let _ = writeln!(text, "FAILED {}\n{}\n", case.name, indented(finding));
        }
    }
}

fn indented(finding: &Finding) -> String {
    finding
        .to_string()
        .lines()
        .map(|line| format!("  {line}\n"))
        .collect()
}

/// What differs, what was asked, and why it was decided so.
pub(super) fn details(request: &Value, failed: &Failed) -> String {
    let mut text = String::new();
    for difference in &failed.differences {
        let _ = writeln!(text, "  {difference}");
    }
    let _ = writeln!(text, "  context: {}\n", request["context"]);
    for line in explanation::render(&failed.explanation).lines() {
        let _ = writeln!(text, "{}", format!("    {line}").trim_end());
    }
    text
}
