//! The report for scripts. Members may be added and are never removed.

use cedargate_core::{Decision, Finding};
use cedargate_policy::Explanation;
use cedargate_policy::cases::Expected;
use cedargate_policy_tools::coverage::{Coverage, Share};
use cedargate_policy_tools::mutation::{Mutant, MutationReport, Survivor};
use cedargate_policy_tools::test_run::{CaseResult, CaseStatus, TestReport};
use serde::Serialize;

use super::tables::uncovered;

#[derive(Serialize)]
pub(super) struct Json<'a> {
    cases: usize,
    passed: usize,
    failed: usize,
    failures: Vec<FailedCase<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<CoverageSummary<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mutation: Option<MutationSummary<'a>>,
    #[serde(skip_serializing_if = "<[Finding]>::is_empty")]
    notes: &'a [Finding],
    findings: &'a [Finding],
}

/// A case that did not pass. A malformed case has a place and one difference, and nothing else.
#[derive(Serialize)]
struct FailedCase<'a> {
    file: &'a str,
    line: usize,
    name: &'a str,
    expected: Option<&'a Expected>,
    actual: Option<&'a Decision>,
    differences: Vec<&'a str>,
    explanation: Option<&'a Explanation>,
}

#[derive(Serialize)]
struct CoverageSummary<'a> {
    policies: Count,
    clauses: Count,
    uncovered: Vec<Uncovered<'a>>,
}

#[derive(Serialize)]
struct Count {
    covered: usize,
    total: usize,
}

#[derive(Serialize)]
struct Uncovered<'a> {
    file: &'a str,
    line: usize,
    policy: &'a str,
    what: String,
}

#[derive(Serialize)]
struct MutationSummary<'a> {
    mutants: usize,
    killed: usize,
    survivors: Vec<Changed<'a>>,
    not_viable: Vec<Changed<'a>>,
    score: f64,
}

#[derive(Serialize)]
struct Changed<'a> {
    file: &'a str,
    line: usize,
    policy: &'a str,
    change: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    equivalent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
}

pub(super) fn report(report: &TestReport) -> Json<'_> {
    Json {
        cases: report.cases.len(),
        passed: report.passed(),
        failed: report.failed(),
        failures: report.cases.iter().filter_map(failure).collect(),
        coverage: report.coverage.as_ref().map(covered),
        mutation: report.mutation.as_ref().map(mutated),
        notes: &report.notes,
        findings: &report.findings,
    }
}

fn failure(CaseResult { case, status }: &CaseResult) -> Option<FailedCase<'_>> {
    let failure = FailedCase {
        file: &case.file,
        line: case.line,
        name: &case.name,
        expected: None,
        actual: None,
        differences: Vec::new(),
        explanation: None,
    };
    match status {
        CaseStatus::Passed => None,
        CaseStatus::Failed(failed) => Some(FailedCase {
            expected: Some(&failed.expected),
            actual: Some(&failed.actual),
            differences: failed.differences.iter().map(String::as_str).collect(),
            explanation: Some(&failed.explanation),
            ..failure
        }),
        CaseStatus::Invalid(finding) => Some(FailedCase {
            line: finding.line,
            differences: vec![&finding.message],
            ..failure
        }),
    }
}

fn covered(coverage: &Coverage) -> CoverageSummary<'_> {
    let uncovered = uncovered(coverage).into_iter();
    CoverageSummary {
        policies: counted(coverage.policies_covered()),
        clauses: counted(coverage.clauses_covered()),
        uncovered: uncovered
            .map(|one| Uncovered {
                file: one.file,
                line: one.line,
                policy: one.policy,
                what: one.what,
            })
            .collect(),
    }
}

fn counted(share: Share) -> Count {
    Count {
        covered: share.part,
        total: share.whole,
    }
}

fn mutated(mutation: &MutationReport) -> MutationSummary<'_> {
    let survivors = mutation.survivors.iter();
    let refused = mutation.refused.iter();
    MutationSummary {
        mutants: mutation.mutants(),
        killed: mutation.killed,
        survivors: survivors
            .map(|Survivor { mutant, equivalent }| Changed {
                equivalent: equivalent.as_deref(),
                ..changed(mutant)
            })
            .collect(),
        not_viable: refused
            .map(|(mutant, why)| Changed {
                why: Some(why),
                ..changed(mutant)
            })
            .collect(),
        score: mutation.score().percent(),
    }
}

fn changed(mutant: &Mutant) -> Changed<'_> {
    Changed {
        file: &mutant.file,
        line: mutant.line,
        policy: &mutant.policy,
        change: &mutant.change,
        equivalent: None,
        why: None,
    }
}
