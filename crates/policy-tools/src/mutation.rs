//! Makes typical mistakes in policies, one at a time, and runs the test cases against each changed policy.
//! A change that no case notices shows a rule that no case tests.

mod changes;
mod equivalents;
mod head;

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use cedargate_core::Findings;
use cedargate_policy::Bundle;
use cedargate_policy::analysis::{self, PolicyOrTemplate, Syntax};
use cedargate_policy::cases::PreparedCase;

use crate::coverage::Share;
use crate::{Error, Result};

pub use equivalents::EquivalentMutants;

/// A policy with one change.
#[derive(Clone, Debug, PartialEq)]
pub struct Mutant {
    /// The id of the policy, or of the template whose text is changed.
    pub policy: String,
    /// The file of the changed text.
    pub file: String,
    /// The line on which the change begins, from 1.
    pub line: usize,
    /// The change in one line. The change and [`Mutant::policy`] identify the mutant, even if the policy
    /// moves to another place.
    pub change: String,
    /// The index of the changed policy, or of one link of the changed template.
    entry: usize,
    /// The changed text of the policy, or `None` if the policy is removed.
    text: Option<String>,
}

/// The result of the test cases with a mutant.
#[derive(Clone, Debug, PartialEq)]
pub enum MutantOutcome {
    /// At least one case fails with the mutant.
    Killed,
    /// Every case passes with the mutant.
    Survived,
    /// The mutant does not load, for this reason. The gateway would refuse such a mistake.
    Refused(String),
}

/// The outcomes of all mutants of a bundle.
#[derive(Debug, Default)]
pub struct MutationReport {
    /// The number of mutants that a case noticed.
    pub killed: usize,
    /// The mutants that no case noticed.
    pub survivors: Vec<Survivor>,
    /// The mutants that do not load, each with the reason.
    pub refused: Vec<(Mutant, String)>,
}

/// A mutant that no case noticed.
#[derive(Debug)]
pub struct Survivor {
    /// The mutant.
    pub mutant: Mutant,
    /// The reason why the mutant makes no difference, if an `equivalent-mutants.toml` declares it.
    pub equivalent: Option<String>,
}

impl MutationReport {
    /// Returns the number of mutants that load.
    pub fn mutants(&self) -> usize {
        self.killed + self.survivors.len()
    }

    /// Returns the share of noticed mutants among those that make a difference.
    pub fn score(&self) -> Share {
        let equivalent = |survivor: &&Survivor| survivor.equivalent.is_some();
        Share {
            part: self.killed,
            whole: self.mutants() - self.survivors.iter().filter(equivalent).count(),
        }
    }
}

/// Tries every mutant of a bundle against cases that pass with the bundle itself. Survivors that
/// `equivalents` declares are marked. `progress` is called from any thread, with the number of mutants
/// tried so far and the number of all mutants.
///
/// # Errors
/// [`Error::Threads`] if no thread starts.
pub fn measure(
    bundle: &Bundle,
    cases: &[PreparedCase],
    equivalents: &mut EquivalentMutants,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<MutationReport> {
    let mutants = mutants(bundle)?;
    let tried = AtomicUsize::new(0);
    let outcomes = run(bundle, &mutants, cases, || {
        progress(tried.fetch_add(1, Ordering::Relaxed) + 1, mutants.len());
    })?;
    let mut report = MutationReport::default();
    for (mutant, outcome) in mutants.into_iter().zip(outcomes) {
        match outcome {
            MutantOutcome::Killed => report.killed += 1,
            MutantOutcome::Refused(why) => report.refused.push((mutant, why)),
            MutantOutcome::Survived => report.survivors.push(Survivor {
                equivalent: equivalents.take(&mutant),
                mutant,
            }),
        }
    }
    Ok(report)
}

/// Returns every mutant of the policies of a bundle. Equivalent changes are returned once. Shadow policies
/// have no mutants, because no case can notice a change of one.
///
/// # Errors
/// [`Error::Threads`] if no thread starts.
pub fn mutants(bundle: &Bundle) -> Result<Vec<Mutant>> {
    let mut texts = HashSet::new();
    // The links of a template share its text, which is changed once.
    let entries = bundle.entries().iter().enumerate();
    let entries: Vec<_> = entries
        .map(|(index, entry)| {
            let is_first = entry.template.as_ref().is_none_or(|id| texts.insert(id));
            (index, is_first)
        })
        .collect();
    let mutants = analysis::map(&entries, |(index, is_first)| {
        mutants_of(bundle, *index, *is_first)
    });
    let mutants = mutants.map_err(Error::Threads)?;
    let mut mutants: Vec<_> = mutants.into_iter().flatten().collect();
    mutants.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    Ok(mutants)
}

fn mutants_of(bundle: &Bundle, index: usize, is_first_with_text: bool) -> Vec<Mutant> {
    let entry = &bundle.entries()[index];
    if entry.shadow {
        return Vec::new();
    }
    let mut mutants = vec![Mutant {
        policy: entry.id.clone(),
        file: entry.file.to_string(),
        line: entry.line,
        change: match entry.template {
            Some(_) => "link removed".to_owned(),
            None => "policy removed".to_owned(),
        },
        entry: index,
        text: None,
    }];
    if is_first_with_text {
        mutants.extend(changes_of(bundle, index));
    }
    mutants
}

fn changes_of(bundle: &Bundle, index: usize) -> Vec<Mutant> {
    let entry = &bundle.entries()[index];
    let Some(policy) = bundle.analysis().live().policy(&entry.policy_id()) else {
        return Vec::new();
    };
    let mut seen: Vec<PolicyOrTemplate> = analysis::parse_one(entry.text()).into_iter().collect();
    let mut mutants = Vec::new();
    for change in changes::of(entry, Syntax::from(policy), bundle.analysis().schema()) {
        let Some(body) = analysis::parse_one(&change.text) else {
            continue;
        };
        if seen
            .iter()
            .any(|one| one.syntax().is_equivalent_to(body.syntax()))
        {
            continue;
        }
        seen.push(body);
        mutants.push(Mutant {
            policy: entry.template.as_ref().unwrap_or(&entry.id).clone(),
            file: entry.text_file().to_owned(),
            line: entry.line_of(entry.text_start() + change.at),
            change: change.description,
            entry: index,
            text: Some(change.text),
        });
    }
    mutants
}

/// Runs cases that pass with `bundle` against mutants of it, and returns an outcome for each mutant. A case
/// is decided again only if the scope of a changed policy matches its request, before or after the change.
/// `done` is called from any thread after each mutant.
///
/// # Errors
/// [`Error::Threads`] if no thread starts.
pub fn run(
    bundle: &Bundle,
    mutants: &[Mutant],
    cases: &[PreparedCase],
    done: impl Fn() + Send + Sync,
) -> Result<Vec<MutantOutcome>> {
    let parts = analysis::map(cases, |case| bundle.analysis().part_for(&case.request));
    let parts = parts.map_err(Error::Threads)?;
    let cases: Vec<_> = cases.iter().zip(&parts).collect();
    let outcomes = analysis::map(mutants, |mutant| {
        let outcome = outcome(bundle, mutant, &cases);
        done();
        outcome.unwrap_or_else(|Findings(why)| {
            let first = why.first().map(|one| one.message.clone());
            MutantOutcome::Refused(first.unwrap_or_default())
        })
    });
    outcomes.map_err(Error::Threads)
}

/// Runs cases, each with the part of the bundle that decides its request.
fn outcome(
    bundle: &Bundle,
    mutant: &Mutant,
    cases: &[(&PreparedCase, &Bundle)],
) -> std::result::Result<MutantOutcome, Findings> {
    let entry = &bundle.entries()[mutant.entry];
    let replacement = match &mutant.text {
        Some(text) => bundle.analysis().replacement(entry, text)?,
        None => bundle.analysis().removal(entry)?,
    };
    for (case, part) in cases {
        if replacement.touches(part, &case.request) && !case.holds(&replacement.apply(part)?) {
            return Ok(MutantOutcome::Killed);
        }
    }
    Ok(MutantOutcome::Survived)
}
