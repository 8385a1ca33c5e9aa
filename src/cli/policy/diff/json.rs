//! The report for scripts.

use serde::Serialize;

use super::found::{Asked, Found};
use crate::policy::Verdict;
use cedargate_policy_tools::comparison::Kind;
use cedargate_policy_tools::difference::{ClaimDifferences, Differences, Listed, Renamed};

#[derive(Serialize)]
pub(super) struct Report<'a> {
    policies: Policies<'a>,
    claims: &'a ClaimDifferences,
    cases: usize,
    decisions: usize,
    masked: usize,
    changes: Vec<Change<'a>>,
    unasked: Vec<Unasked<'a>>,
    unread: Vec<Unread<'a>>,
}

#[derive(Serialize)]
struct Policies<'a> {
    added: Vec<&'a str>,
    removed: Vec<&'a str>,
    changed: Vec<&'a str>,
    reformatted: Vec<&'a str>,
    renamed: &'a [Renamed],
}

#[derive(Serialize)]
struct Change<'a> {
    kind: Kind,
    #[serde(flatten)]
    asked: &'a Asked,
    policies: &'a [String],
    old: &'a Verdict,
    new: &'a Verdict,
}

#[derive(Serialize)]
struct Unasked<'a> {
    #[serde(flatten)]
    asked: &'a Asked,
    old: Answer<'a>,
    new: Answer<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer<'a> {
    Given(&'a Verdict),
    NotAsked { message: &'a str },
}

#[derive(Serialize)]
struct Unread<'a> {
    line: usize,
    message: &'a str,
}

pub(super) fn report<'a>(differences: &'a Differences, found: &'a Found) -> Report<'a> {
    let ids = |some: &'a [Listed]| some.iter().map(|one| one.id.as_str()).collect();
    let changes = found.groups.iter().flat_map(|((kind, policies), group)| {
        group.first().map(|(_, changed)| Change {
            kind: *kind,
            asked: &changed.asked,
            policies,
            old: &changed.old,
            new: &changed.new,
        })
    });
    let unasked = found.unasked.first().map(|(_, one)| Unasked {
        asked: &one.asked,
        old: answer(&one.old),
        new: answer(&one.new),
    });
    let unread = found.unread.first().map(|(line, message)| Unread {
        line: *line,
        message,
    });
    Report {
        policies: Policies {
            added: ids(&differences.added),
            removed: ids(&differences.removed),
            changed: ids(&differences.changed),
            reformatted: ids(&differences.reformatted),
            renamed: &differences.renamed,
        },
        claims: &differences.claims,
        cases: found.cases,
        decisions: found.decisions,
        masked: found.masked,
        changes: changes.collect(),
        unasked: unasked.collect(),
        unread: unread.collect(),
    }
}

fn answer(given: &Result<Verdict, String>) -> Answer<'_> {
    match given {
        Ok(verdict) => Answer::Given(verdict),
        Err(message) => Answer::NotAsked { message },
    }
}
