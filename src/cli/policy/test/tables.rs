//! Coverage and mutants in the report for people.

use std::fmt::Write as _;

use cedargate_policy_tools::coverage::{ClauseCoverage, Coverage, TextCoverage};
use cedargate_policy_tools::mutation::{Mutant, MutationReport};

use crate::cli::policy::wording::plural;

const HEADING: &str = "policy";

/// Writes the coverage of each policy, and lists the policies and clauses that no case covers.
pub(super) fn coverage(coverage: &Coverage) -> String {
    let policies = coverage.policies.iter();
    let width = policies
        .map(|one| one.id.len())
        .max()
        .unwrap_or(0)
        .max(HEADING.len());
    let mut text = format!("{HEADING:width$}  determined  clauses\n");
    let clauses_of = |id: &str| coverage.texts.iter().find(|text| text.id == id);
    for policy in &coverage.policies {
        let clauses = clauses_of(&policy.id).map(clauses).unwrap_or_default();
        let determined = match policy.determined {
            0 => "never".to_owned(),
            cases => plural(cases, "case", "cases"),
        };
        line(
            &mut text,
            &format!("{:width$}  {determined:10}  {clauses}", policy.id),
        );
    }
    let is_policy = |id: &str| coverage.policies.iter().any(|policy| policy.id == id);
    let templates = coverage.texts.iter().filter(|text| !is_policy(&text.id));
    for template in templates.filter(|text| !text.clauses.is_empty()) {
        let clauses = clauses(template);
        line(
            &mut text,
            &format!("{:width$}  {:10}  {clauses}", template.id, "(template)"),
        );
    }
    let uncovered = uncovered(coverage);
    if !uncovered.is_empty() {
        text.push_str("not covered:\n");
    }
    for Uncovered {
        file,
        line: at,
        policy,
        what,
    } in uncovered
    {
        line(&mut text, &format!("  {file}:{at}  {policy}: {what}"));
    }
    let _ = writeln!(
        text,
        "coverage: policies {}, clauses {}",
        coverage.policies_covered(),
        coverage.clauses_covered()
    );
    text
}

fn line(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}

fn clauses(text: &TextCoverage) -> String {
    let covered = text.clauses.iter().filter(|clause| clause.is_covered());
    match text.clauses.len() {
        0 => String::new(),
        all => format!("{}/{all}", covered.count()),
    }
}

/// A policy or clause that no case covers.
pub(super) struct Uncovered<'a> {
    pub(super) file: &'a str,
    pub(super) line: usize,
    pub(super) policy: &'a str,
    pub(super) what: String,
}

/// Returns the policies and then the clauses that no case covers.
pub(super) fn uncovered(coverage: &Coverage) -> Vec<Uncovered<'_>> {
    let never = coverage.policies.iter().filter(|one| one.determined == 0);
    let policies = never.map(|policy| Uncovered {
        file: &policy.file,
        line: policy.line,
        policy: &policy.id,
        what: "determined no decision".to_owned(),
    });
    let clauses = coverage.texts.iter().flat_map(|text| {
        let uncovered = text.clauses.iter().filter(|clause| !clause.is_covered());
        uncovered.map(|clause| Uncovered {
            file: &text.file,
            line: clause.lines.start,
            policy: &text.id,
            what: missing(clause),
        })
    });
    policies.chain(clauses).collect()
}

fn missing(clause: &ClauseCoverage) -> String {
    let seen = match (clause.seen_true, clause.seen_false) {
        (0, 0) => "was never evaluated",
        (0, _) => "was never true",
        _ => "was never false",
    };
    let words: Vec<_> = clause.text.split_whitespace().collect();
    format!("{} {seen}", words.join(" "))
}

/// Writes the changes that no case noticed, and the score.
pub(super) fn mutation(mutation: &MutationReport) -> String {
    let mut text = String::new();
    let survivors = || mutation.survivors.iter();
    let unnoticed: Vec<_> = survivors().filter(|one| one.equivalent.is_none()).collect();
    if !unnoticed.is_empty() {
        text.push_str("No case notices these changes:\n");
    }
    for survivor in unnoticed {
        change(&mut text, &survivor.mutant);
    }
    let declared: Vec<_> = survivors()
        .filter_map(|one| Some((&one.mutant, one.equivalent.as_ref()?)))
        .collect();
    if !declared.is_empty() {
        text.push_str("These are declared to make no difference:\n");
    }
    for (mutant, reason) in &declared {
        change(&mut text, mutant);
        let _ = writeln!(text, "    {reason}");
    }
    let _ = writeln!(text, "mutation: {} changes noticed", mutation.score());
    let uncounted = [
        (declared.len(), "make no difference"),
        (mutation.refused.len(), "would not load (--json lists them)"),
    ];
    for (count, what) in uncounted.into_iter().filter(|(count, _)| *count > 0) {
        let _ = writeln!(text, "  {count} more {what}");
    }
    text
}

fn change(text: &mut String, mutant: &Mutant) {
    let Mutant {
        file,
        line,
        policy,
        change,
        ..
    } = mutant;
    let _ = write!(text, "  {file}:{line}  {policy}\n    {change}\n");
}
