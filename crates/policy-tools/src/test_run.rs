//! Runs test cases against policies, and optionally measures coverage and the mutation score.

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
    /// Called from any thread after each mutant, with the number of mutants tried so far and of all mutants.
    pub progress: Option<&'a (dyn Fn(usize, usize) + Sync)>,
}

/// The result of a run.
#[derive(Debug, Default)]
pub struct TestReport {
    /// Each case with its status, in the order of files and cases.
    pub cases: Vec<CaseResult>,
    /// The coverage, if [`Options::coverage`] is set.
    pub coverage: Option<Coverage>,
    /// The mutants, if [`Options::mutation`] is set and all cases passed.
    pub mutation: Option<MutationReport>,
    /// True if [`Options::mutation`] is set and no mutant was tried because of a failing case or a finding.
    pub mutation_skipped: bool,
    /// Notes, which do not fail the run.
    pub notes: Vec<Finding>,
    /// Problems other than failing cases, such as a test file that cannot be read.
    pub findings: Vec<Finding>,
}

/// A test case with its status.
#[derive(Debug)]
pub struct CaseResult {
    /// The case.
    pub case: Case,
    /// The status of the case.
    pub status: CaseStatus,
}

/// The status of a test case after a run.
#[derive(Debug)]
pub enum CaseStatus {
    /// The decision is as expected.
    Passed,
    /// The decision is not as expected.
    Failed(Box<CaseFailure>),
    /// The case is malformed and was not decided.
    Invalid(Finding),
}

/// The difference between the expected and the actual decision of a case.
#[derive(Debug)]
pub struct CaseFailure {
    /// The expected decision.
    pub expected: Expected,
    /// The decision of the policies.
    pub actual: Decision,
    /// A message for each member that differs.
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

/// Reads the test files at `paths`, which are files and folders, and runs their cases. Mutants that an
/// `equivalent-mutants.toml` next to them declares count as making no difference.
///
/// # Errors
/// [`Error::Threads`] if no thread starts. Files that cannot be read, and the absence of cases, are in the
/// report.
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
            "there are no test cases here".to_owned(),
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

    /// Returns the number of cases that passed.
    pub fn passed(&self) -> usize {
        self.cases.len() - self.failed()
    }

    /// Returns the number of cases that failed or are malformed.
    pub fn failed(&self) -> usize {
        let failed = |result: &&CaseResult| !matches!(result.status, CaseStatus::Passed);
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
            let status = match run {
                Ok(run) => {
                    let status = status(bundle, &run);
                    prepared.push(run.case);
                    status
                }
                Err(error) => CaseStatus::Invalid(case.finding(&error)),
            };
            self.cases.push(CaseResult { case, status });
        }
        Ok(prepared)
    }
}

fn status(bundle: &Bundle, run: &CaseRun) -> CaseStatus {
    if run.failures.is_empty() {
        return CaseStatus::Passed;
    }
    CaseStatus::Failed(Box::new(CaseFailure {
        expected: run.case.expected.clone(),
        actual: run.actual.clone(),
        differences: run.failures.clone(),
        explanation: bundle.explain(&run.case.request),
    }))
}
