//! Runs test cases against policies and, if asked, measures coverage and the mutation score.

use std::path::PathBuf;

use cedargate_core::{Decision, Finding, Findings};
use cedargate_policy::cases::{self, Case, CaseRun, Expected, PreparedCase};
use cedargate_policy::{Bundle, Explanation, PreparedRequest};

use crate::check::old_cases;
use crate::coverage::Coverage;
use crate::mutation::{self, EquivalentMutants, MutationReport};
use crate::{Error, Result};

/// The options of a run.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// Runs only the cases that have this text in their name or in the name of their file.
    pub filter: Option<&'a str>,
    /// Measures which policies and clauses the cases exercise.
    pub coverage: bool,
    /// Changes the policies and counts the changes that no case notices.
    pub mutation: bool,
    /// Called from any thread after each mutant, with how many were tried and how many there are.
    pub progress: Option<&'a (dyn Fn(usize, usize) + Sync)>,
}

/// The result of a run.
#[derive(Debug, Default)]
pub struct TestReport {
    /// Each case with its outcome, in the order of files and cases.
    pub cases: Vec<CaseResult>,
    /// The coverage, if it was asked for.
    pub coverage: Option<Coverage>,
    /// The mutants, if they were asked for and all cases passed.
    pub mutation: Option<MutationReport>,
    /// True if mutants were asked for and not tried: a run with a failing case says nothing about them.
    pub mutation_skipped: bool,
    /// Remarks that fail nothing.
    pub notes: Vec<Finding>,
    /// Problems beside failing cases, such as a test file that cannot be read.
    pub findings: Vec<Finding>,
}

/// A test case with its outcome.
#[derive(Debug)]
pub struct CaseResult {
    /// The case.
    pub case: Case,
    /// Its outcome.
    pub outcome: CaseOutcome,
}

/// The outcome of a test case.
#[derive(Debug)]
pub enum CaseOutcome {
    /// The policies decided as the case expects.
    Passed,
    /// The policies decided otherwise.
    Failed(Box<CaseFailure>),
    /// The case is malformed and was not decided.
    Invalid(Finding),
}

/// The difference between what a case expects and how it was decided.
#[derive(Debug)]
pub struct CaseFailure {
    /// The expected decision.
    pub expected: Expected,
    /// The decision of the policies.
    pub actual: Decision,
    /// One sentence for each member that differs.
    pub differences: Vec<String>,
    /// The explanation of the decision.
    pub explanation: Explanation,
}

/// Runs cases against a bundle.
///
/// # Errors
/// [`Error::Threads`] if no thread starts. Malformed and failing cases are in the report.
pub fn run(bundle: &Bundle, cases: Vec<Case>, options: &Options<'_>) -> Result<TestReport> {
    let mut report = TestReport::default();
    report.run(bundle, filtered(cases, options), &[], options)?;
    Ok(report)
}

/// Reads the test files at `paths`, which are files and folders, and runs their cases. Mutants that the
/// `equivalent-mutants.toml` files beside them declare count as making no difference.
///
/// # Errors
/// As [`run`]. Files that cannot be read, and the absence of cases, are in the report.
pub fn run_files(bundle: &Bundle, paths: &[PathBuf], options: &Options<'_>) -> Result<TestReport> {
    let (all, Findings(findings)) = cases::read_all(paths);
    let mut report = TestReport {
        findings,
        ..TestReport::default()
    };
    let found = all.len();
    let cases = filtered(all, options);
    if cases.is_empty() && report.findings.is_empty() {
        report.findings.push(no_cases(paths, options.filter, found));
    }
    report.run(bundle, cases, paths, options)?;
    Ok(report)
}

fn filtered(mut cases: Vec<Case>, options: &Options<'_>) -> Vec<Case> {
    if let Some(text) = options.filter {
        cases.retain(|case| case.name.contains(text) || case.file.contains(text));
    }
    cases
}

fn no_cases(paths: &[PathBuf], filter: Option<&str>, found: usize) -> Finding {
    let paths: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let (message, help) = match filter {
        Some(text) if found > 0 => (
            format!("none of {found} cases has {text:?} in its name or in that of its file"),
            "the filter is case-sensitive",
        ),
        _ => (
            "there are no cases here, so nothing was tested".to_owned(),
            "name test files, or folders with *.json files of cases as `cedar run-tests` reads them",
        ),
    };
    Finding::error("no_cases", paths.join(", "), message).help(help)
}

impl TestReport {
    /// Returns the report of a run that did not take place because the policies do not load.
    pub fn not_loaded(findings: Findings) -> Self {
        Self {
            findings: findings.0,
            ..Self::default()
        }
    }

    /// Returns true if every case passed and nothing else is wrong.
    pub fn is_ok(&self) -> bool {
        self.findings.is_empty() && self.failed() == 0
    }

    /// Returns how many cases passed.
    pub fn passed(&self) -> usize {
        self.cases.len() - self.failed()
    }

    /// Returns how many cases failed or are malformed.
    pub fn failed(&self) -> usize {
        let failed = |one: &&CaseResult| !matches!(one.outcome, CaseOutcome::Passed);
        self.cases.iter().filter(failed).count()
    }

    fn run(
        &mut self,
        bundle: &Bundle,
        cases: Vec<Case>,
        paths: &[PathBuf],
        options: &Options<'_>,
    ) -> Result<()> {
        let prepared = self.decide(bundle, cases)?;
        let all_passed = self.is_ok();
        if options.coverage {
            let requests: Vec<&PreparedRequest> =
                prepared.iter().map(|case| &case.request).collect();
            self.coverage = Some(Coverage::measure(bundle, &requests)?);
        }
        if options.mutation && all_passed {
            let mut equivalents = EquivalentMutants::read(paths, &mut self.findings);
            let progress = options.progress.unwrap_or(&|_, _| {});
            let report = mutation::measure(bundle, &prepared, &mut equivalents, progress)?;
            self.findings.extend(equivalents.unused());
            self.mutation = Some(report);
        }
        self.mutation_skipped = options.mutation && !all_passed;
        Ok(())
    }

    /// Decides the cases and returns those that are well-formed.
    fn decide(&mut self, bundle: &Bundle, cases: Vec<Case>) -> Result<Vec<PreparedCase>> {
        let runs = cases::run_all(bundle, &cases).map_err(Error::Threads)?;
        let assumed = cases.iter().zip(&runs).filter_map(|(case, run)| {
            let run = run.as_ref().ok()?;
            Some((case, run.case.request.assumed()))
        });
        self.notes = old_cases::notes(assumed);
        let mut prepared = Vec::new();
        for (case, run) in cases.into_iter().zip(runs) {
            let outcome = match run {
                Ok(run) => {
                    let outcome = outcome(bundle, &run);
                    prepared.push(run.case);
                    outcome
                }
                Err(why) => CaseOutcome::Invalid(case.finding(&why)),
            };
            self.cases.push(CaseResult { case, outcome });
        }
        Ok(prepared)
    }
}

fn outcome(bundle: &Bundle, answered: &CaseRun) -> CaseOutcome {
    if answered.failures.is_empty() {
        return CaseOutcome::Passed;
    }
    CaseOutcome::Failed(Box::new(CaseFailure {
        expected: answered.case.expected.clone(),
        actual: answered.actual.clone(),
        differences: answered.failures.clone(),
        explanation: bundle.explain(&answered.case.request),
    }))
}
