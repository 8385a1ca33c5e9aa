//! Whether the cases would notice a slip of the hand: each policy is changed in the ways that people
//! get wrong, one at a time, and the cases are run against each change.

mod changes;
mod head;

use std::io;

use cedargate_core::Findings;
use cedargate_policy::analysis::{self, Body, Syntax};
use cedargate_policy::cases::Asked;
use cedargate_policy::{Bundle, PolicyEntry};

/// A change of one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Mutant {
    /// The id of the policy; of the template, if it is the text of one that is changed.
    pub policy: String,
    /// The file in which the change is.
    pub file: String,
    /// The line on which it begins, from 1.
    pub line: usize,
    /// What it is, in one line: with [`Mutant::policy`] it names the mutant, wherever it stands.
    pub change: String,
    /// The policy that is changed, or one of the links of the template.
    entry: usize,
    /// The policy's text as it is then; `None`: it is removed.
    text: Option<String>,
}

/// What became of a mutant.
#[derive(Clone, Debug, PartialEq)]
pub enum MutantOutcome {
    /// Some case fails with it.
    Killed,
    /// No case notices.
    Survived,
    /// It would not load, so nobody can make this slip: why.
    Refused(String),
}

/// Every mutant of its policies, those that come to the same once. Policies that do not count
/// have none: no case could notice.
///
/// # Errors
/// The system starts no thread.
pub fn mutants(bundle: &Bundle) -> io::Result<Vec<Mutant>> {
    let entries: Vec<_> = (0..bundle.entries().len()).collect();
    let mutants = analysis::map(&entries, |index| mutants_of(bundle, *index))?;
    let mut mutants: Vec<_> = mutants.into_iter().flatten().collect();
    mutants.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    Ok(mutants)
}

fn mutants_of(bundle: &Bundle, index: usize) -> Vec<Mutant> {
    let entry = &bundle.entries()[index];
    if entry.shadow {
        return Vec::new();
    }
    let mut mutants = vec![Mutant {
        policy: entry.id.clone(),
        file: entry.file.clone(),
        line: entry.line,
        change: match entry.template {
            Some(_) => "link removed".to_owned(),
            None => "policy removed".to_owned(),
        },
        entry: index,
        text: None,
    }];
    let template = entry.template.as_ref();
    let again = |other: &PolicyEntry| template.is_some() && other.template.as_ref() == template;
    if !bundle.entries()[..index].iter().any(again) {
        mutants.extend(changes_of(bundle, index));
    }
    mutants
}

fn changes_of(bundle: &Bundle, index: usize) -> Vec<Mutant> {
    let entry = &bundle.entries()[index];
    let Some(policy) = bundle.analysis().live().policy(&entry.policy_id()) else {
        return Vec::new();
    };
    let mut seen: Vec<Body> = analysis::body(entry.text()).into_iter().collect();
    let mut mutants = Vec::new();
    for change in changes::of(entry, Syntax::from(policy), bundle.analysis().schema()) {
        let Some(body) = analysis::body(&change.text) else {
            continue;
        };
        if seen.iter().any(|one| one.syntax().says_as(body.syntax())) {
            continue;
        }
        seen.push(body);
        mutants.push(Mutant {
            policy: entry.template.as_ref().unwrap_or(&entry.id).clone(),
            file: entry.text_file().to_owned(),
            line: entry.line_of(entry.text_start() + change.at),
            change: change.said,
            entry: index,
            text: Some(change.text),
        });
    }
    mutants
}

/// Runs cases against mutants of this bundle, all of which hold for the bundle itself. `done` is
/// told of each mutant, from any thread.
///
/// # Errors
/// The system starts no thread.
pub fn run(
    bundle: &Bundle,
    mutants: &[Mutant],
    cases: &[Asked],
    done: impl Fn() + Send + Sync,
) -> io::Result<Vec<MutantOutcome>> {
    analysis::map(mutants, |mutant| {
        let fate = match mutated(bundle, mutant) {
            Err(Findings(why)) => MutantOutcome::Refused(
                why.first()
                    .map_or_else(String::new, |one| one.message.clone()),
            ),
            Ok(mutated) if cases.iter().all(|case| case.holds(&mutated)) => MutantOutcome::Survived,
            Ok(_) => MutantOutcome::Killed,
        };
        done();
        fate
    })
}

fn mutated(bundle: &Bundle, mutant: &Mutant) -> Result<Bundle, Findings> {
    let entry = &bundle.entries()[mutant.entry];
    match &mutant.text {
        Some(text) => bundle.analysis().with_policy_replaced(entry, text),
        None => bundle.analysis().with_policy_removed(entry),
    }
}
