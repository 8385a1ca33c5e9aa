//! A run of the cases, for a script. Members are only ever added.

use serde::Serialize;

use super::round::{End, Mutation, Ran, Report, Survivor};
use super::tables::uncovered;
use crate::finding::Finding;
use crate::policy::cases::Expected;
use crate::policy::{Explanation, Verdict};
use cedargate_policy_tools::coverage::{Coverage, Share};
use cedargate_policy_tools::mutation::Mutant;

#[derive(Serialize)]
pub(super) struct Json<'a> {
    cases: usize,
    passed: usize,
    failed: usize,
    failures: Vec<Failure<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<Covered<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mutation: Option<Mutated<'a>>,
    #[serde(skip_serializing_if = "<[Finding]>::is_empty")]
    notes: &'a [Finding],
    findings: &'a [Finding],
}

/// Of a case that is itself wrong, only the place and the difference are known.
#[derive(Serialize)]
struct Failure<'a> {
    file: &'a str,
    line: usize,
    name: &'a str,
    expected: Option<&'a Expected>,
    actual: Option<&'a Verdict>,
    differences: Vec<&'a str>,
    explanation: Option<&'a Explanation>,
}

#[derive(Serialize)]
struct Covered<'a> {
    policies: Counted,
    clauses: Counted,
    uncovered: Vec<Uncovered<'a>>,
}

#[derive(Serialize)]
struct Counted {
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
struct Mutated<'a> {
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

pub(super) fn report(report: &Report) -> Json<'_> {
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

fn failure(Ran { case, end }: &Ran) -> Option<Failure<'_>> {
    let failure = Failure {
        file: &case.file,
        line: case.line,
        name: &case.name,
        expected: None,
        actual: None,
        differences: Vec::new(),
        explanation: None,
    };
    match end {
        End::Passed => None,
        End::Failed(failed) => Some(Failure {
            expected: Some(&failed.expected),
            actual: Some(&failed.actual),
            differences: failed.differences.iter().map(String::as_str).collect(),
            explanation: Some(&failed.explanation),
            ..failure
        }),
        End::NotAsked(finding) => Some(Failure {
            line: finding.line,
            differences: vec![&finding.message],
            ..failure
        }),
    }
}

fn covered(coverage: &Coverage) -> Covered<'_> {
    let uncovered = uncovered(coverage).into_iter();
    Covered {
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

fn counted(share: Share) -> Counted {
    Counted {
        covered: share.part,
        total: share.whole,
    }
}

fn mutated(mutation: &Mutation) -> Mutated<'_> {
    let survivors = mutation.survivors.iter();
    let refused = mutation.refused.iter();
    Mutated {
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
