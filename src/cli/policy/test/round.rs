//! One run of the cases, and what came of it.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::Arguments;
use super::equivalents::Equivalents;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::finding::{Finding, Findings};
use crate::policy::cases::{self, Answered, Asked, Case, Expected};
use crate::policy::{Bundle, Explanation, Inquiry, Verdict};
use cedargate_policy_tools::coverage::{Coverage, Share};
use cedargate_policy_tools::mutation::{self, Mutant, MutantOutcome};

/// What came of a run.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) cases: Vec<Ran>,
    pub(super) coverage: Option<Coverage>,
    pub(super) mutation: Option<Mutation>,
    /// It was asked for, and not run: while a case fails, it tells nothing of a change.
    pub(super) mutation_is_off: bool,
    /// What is good to know, and wrong with nothing.
    pub(super) notes: Vec<Finding>,
    /// Whatever else is wrong.
    pub(super) findings: Vec<Finding>,
}

/// What became of a case.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) case: Case,
    pub(super) end: End,
}

#[derive(Debug)]
pub(super) enum End {
    Passed,
    Failed(Box<Failed>),
    /// The case itself is wrong.
    NotAsked(Finding),
}

/// A case that came out otherwise.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) expected: Expected,
    pub(super) actual: Verdict,
    /// A sentence for each member that differs.
    pub(super) differences: Vec<String>,
    pub(super) explanation: Explanation,
}

/// What became of the mutants.
#[derive(Debug, Default)]
pub(super) struct Mutation {
    pub(super) killed: usize,
    pub(super) survivors: Vec<Survivor>,
    /// Those that would not load, and why.
    pub(super) refused: Vec<(Mutant, String)>,
}

#[derive(Debug)]
pub(super) struct Survivor {
    pub(super) mutant: Mutant,
    /// Why it makes no difference, if that is declared.
    pub(super) equivalent: Option<String>,
}

impl Report {
    /// Runs the cases.
    ///
    /// # Errors
    /// What is wrong with the machine. What is wrong with policies or cases is in the report.
    pub(super) fn of(arguments: &Arguments) -> Result<Self, Failure> {
        let mut report = Self::default();
        match arguments.folders.load() {
            Ok(bundle) => report.run(&bundle, arguments)?,
            Err(failure) => report.findings = failure.findings,
        }
        Ok(report)
    }

    /// Whether nothing is wrong.
    pub(super) fn is_fine(&self) -> bool {
        self.findings.is_empty() && self.failed() == 0
    }

    pub(super) fn passed(&self) -> usize {
        self.cases.len() - self.failed()
    }

    pub(super) fn failed(&self) -> usize {
        let failed = |one: &&Ran| !matches!(one.end, End::Passed);
        self.cases.iter().filter(failed).count()
    }

    fn run(&mut self, bundle: &Bundle, arguments: &Arguments) -> Result<(), Failure> {
        let (mut cases, Findings(findings)) = cases::read_all(&arguments.paths);
        self.findings = findings;
        let found = cases.len();
        if let Some(text) = &arguments.filter {
            cases.retain(|case| case.name.contains(text) || case.file.contains(text));
        }
        if cases.is_empty() && self.findings.is_empty() {
            self.findings.push(no_cases(arguments, found));
        }
        let answers = cases::run_all(bundle, &cases).map_err(Failure::no_thread)?;
        let told = cases.iter().zip(&answers).filter_map(|(case, answer)| {
            let answered = answer.as_ref().ok()?;
            Some((case, answered.asked.inquiry.assumed()))
        });
        self.notes = cedargate_policy_tools::check::assumed::assumed_notes(told);
        let mut asked = Vec::new();
        for (case, answer) in cases.into_iter().zip(answers) {
            let end = match answer {
                Ok(answered) => {
                    let end = end(bundle, &answered);
                    asked.push(answered.asked);
                    end
                }
                Err(why) => End::NotAsked(case.finding(&why)),
            };
            self.cases.push(Ran { case, end });
        }
        let sound = self.is_fine();
        if arguments.covers() {
            self.cover(bundle, &asked, arguments.min_coverage)?;
        }
        match (arguments.mutates(), sound) {
            (true, true) => self.mutate(bundle, &asked, arguments)?,
            (wanted, _) => self.mutation_is_off = wanted,
        }
        Ok(())
    }

    fn cover(
        &mut self,
        bundle: &Bundle,
        asked: &[Asked],
        least: Option<f64>,
    ) -> Result<(), Failure> {
        let inquiries: Vec<&Inquiry> = asked.iter().map(|one| &one.inquiry).collect();
        let coverage = Coverage::measure(bundle, &inquiries).map_err(Failure::no_thread)?;
        let shares = [
            ("policies", coverage.policies_covered()),
            ("clauses", coverage.clauses_covered()),
        ];
        for (what, share) in shares {
            let Some(least) = least.filter(|least| !share.reaches(*least)) else {
                continue;
            };
            let message = format!(
                "the cases cover {} % of the {what}, and --min-coverage asks for {least} %",
                share.percent()
            );
            let finding = Finding::error("coverage", "", message);
            let help = "--coverage lists what no case covers: write cases for it";
            self.findings.push(finding.help(help));
        }
        self.coverage = Some(coverage);
        Ok(())
    }

    fn mutate(
        &mut self,
        bundle: &Bundle,
        asked: &[Asked],
        arguments: &Arguments,
    ) -> Result<(), Failure> {
        let mut equivalents = Equivalents::read(&arguments.paths, &mut self.findings);
        let mutants = mutation::mutants(bundle).map_err(Failure::no_thread)?;
        let tried = AtomicUsize::new(0);
        let fates = mutation::run(bundle, &mutants, asked, || {
            let tried = tried.fetch_add(1, Ordering::Relaxed) + 1;
            output::progress(&format!("{tried} of {} changes tried", mutants.len()));
        });
        output::progress("");
        let mut mutation = Mutation::default();
        for (mutant, fate) in mutants.into_iter().zip(fates.map_err(Failure::no_thread)?) {
            match fate {
                MutantOutcome::Killed => mutation.killed += 1,
                MutantOutcome::Refused(why) => mutation.refused.push((mutant, why)),
                MutantOutcome::Survived => mutation.survivors.push(Survivor {
                    equivalent: equivalents.take(&mutant),
                    mutant,
                }),
            }
        }
        self.findings.extend(equivalents.stale());
        let score = mutation.score();
        if let Some(least) = arguments
            .min_mutation
            .filter(|least| !score.reaches(*least))
        {
            let message = format!(
                "the cases notice {} % of the changes, and --min-mutation asks for {least} %",
                score.percent()
            );
            let finding = Finding::error("mutation", "", message);
            let help = "write cases that notice the changes that are listed, or say in equivalent-mutants.toml why one makes no difference";
            self.findings.push(finding.help(help));
        }
        self.mutation = Some(mutation);
        Ok(())
    }
}

impl Mutation {
    /// All that would load.
    pub(super) fn mutants(&self) -> usize {
        self.killed + self.survivors.len()
    }

    /// Of the mutants that make a difference, those that were killed.
    pub(super) fn score(&self) -> Share {
        let equivalent = |one: &&Survivor| one.equivalent.is_some();
        Share {
            part: self.killed,
            whole: self.mutants() - self.survivors.iter().filter(equivalent).count(),
        }
    }
}

fn end(bundle: &Bundle, answered: &Answered) -> End {
    if answered.failures.is_empty() {
        return End::Passed;
    }
    End::Failed(Box::new(Failed {
        expected: answered.asked.expected.clone(),
        actual: answered.actual.clone(),
        differences: answered.failures.clone(),
        explanation: bundle.explain(&answered.asked.inquiry),
    }))
}

fn no_cases(arguments: &Arguments, found: usize) -> Finding {
    let paths: Vec<_> = arguments
        .paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let (message, help) = match &arguments.filter {
        Some(text) if found > 0 => (
            format!("none of {found} cases has {text:?} in its name or in that of its file"),
            "upper and lower case are told apart",
        ),
        _ => (
            "there are no cases here, so nothing was tested".to_owned(),
            "name test files, or folders with *.json files of cases as `cedar run-tests` reads them",
        ),
    };
    Finding::error("no_cases", paths.join(", "), message).help(help)
}
