//! The report for people.

use std::fmt::Write as _;

use cedargate_core::Finding;
use cedargate_policy::explanation;
use cedargate_policy_tools::test_run::{CaseFailure, CaseResult, CaseStatus, TestReport};
use serde_json::Value;

use super::tables;
use crate::cli::policy::wording::plural;

/// Writes each failed case with the reason, the summary, the coverage and the mutants.
pub(super) fn report(report: &TestReport) -> String {
    let mut text = String::new();
    for result in &report.cases {
        case(&mut text, result);
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
    if report.mutation_skipped {
        text.push_str("\nmutation: not run, because of the failures\n");
    }
    text
}

/// Writes each failed case in two lines, and the summary.
pub(super) fn compact(report: &TestReport) -> String {
    let mut text = String::new();
    for CaseResult { case, status } in &report.cases {
        let why = match status {
            CaseStatus::Passed => continue,
            CaseStatus::Failed(failed) => failed.differences.join("\n  "),
            CaseStatus::Invalid(finding) => finding.message.clone(),
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

fn summary(report: &TestReport) -> String {
    let cases = plural(report.cases.len(), "case", "cases");
    let (passed, failed) = (report.passed(), report.failed());
    format!("{cases}: {passed} passed, {failed} failed\n")
}

fn case(text: &mut String, CaseResult { case, status }: &CaseResult) {
    match status {
        CaseStatus::Passed => {}
        CaseStatus::Failed(failed) => {
            let _ = writeln!(text, "FAILED {} ({}:{})", case.name, case.file, case.line);
            text.push_str(&details(case.request(), failed));
            text.push('\n');
        }
        CaseStatus::Invalid(finding) => {
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

/// Writes what differs, the context of the request, and the explanation of the decision.
pub(super) fn details(request: &Value, failed: &CaseFailure) -> String {
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
