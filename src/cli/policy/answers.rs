//! Answers of policies, and how two of them differ, in words.

use super::counted::plural;
use crate::policy::Verdict;
use cedargate_policy_tools::comparison::Kind;

/// What a kind of change is called over the list of them.
pub(super) fn heading(kind: Kind) -> &'static str {
    match kind {
        Kind::Widening => "WIDENING, deny → allow",
        Kind::Narrowing => "NARROWING, allow → deny",
        Kind::Answer => "ANSWER, allow or deny as before",
    }
}

/// The policies that something is put down to.
pub(super) fn named(policies: &[String]) -> String {
    if policies.is_empty() {
        "no policy alone".to_owned()
    } else {
        policies.join(", ")
    }
}

/// An answer in a line, beside another one: of its notices and errors those that the other has not.
pub(super) fn told(verdict: &Verdict, other: &Verdict) -> String {
    let mut told = match &verdict.code {
        Some(code) => format!("{} ({code})", verdict.decision),
        None => verdict.decision.to_owned(),
    };
    if !verdict.reason.is_empty() {
        told = format!("{told} by {}", verdict.reason.join(", "));
    }
    // An answer that is turned has other notices anyway.
    if verdict.decision == other.decision && verdict.notices != other.notices {
        told = format!("{told}, {}", own_notices(verdict, other));
    }
    for error in verdict
        .errors
        .iter()
        .filter(|one| !other.errors.contains(one))
    {
        told = format!("{told}; {error}");
    }
    told
}

fn own_notices(verdict: &Verdict, other: &Verdict) -> String {
    let own: Vec<_> = verdict
        .notices
        .iter()
        .filter(|one| !other.notices.contains(one))
        .map(|one| format!("{one:?}"))
        .collect();
    match own.len() {
        0 if verdict.notices.is_empty() => "no notice".to_owned(),
        0 => plural(verdict.notices.len(), "notice", "notices"),
        1 => format!("notice {}", own.concat()),
        _ => format!("notices {}", own.join(" ")),
    }
}
