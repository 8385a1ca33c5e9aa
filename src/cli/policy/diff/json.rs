//! The report for scripts.

use cedargate_core::Decision;
use cedargate_policy::RequestError;
use cedargate_policy_tools::diff::{
    ChangeKind, ClaimDifferences, ComparedRequest, ListedPolicy, PolicyDifferences, RenamedPolicy,
    RequestDifferences,
};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Report<'a> {
    policies: Policies<'a>,
    claims: &'a ClaimDifferences,
    cases: usize,
    decisions: usize,
    masked: usize,
    changes: Vec<Change<'a>>,
    #[serde(rename = "unasked")]
    undecided: Vec<Undecided<'a>>,
    unread: Vec<Unread<'a>>,
}

#[derive(Serialize)]
struct Policies<'a> {
    added: Vec<&'a str>,
    removed: Vec<&'a str>,
    changed: Vec<&'a str>,
    reformatted: Vec<&'a str>,
    renamed: &'a [RenamedPolicy],
}

#[derive(Serialize)]
struct Change<'a> {
    kind: ChangeKind,
    #[serde(flatten)]
    request: &'a ComparedRequest,
    policies: &'a [String],
    old: &'a Decision,
    new: &'a Decision,
}

#[derive(Serialize)]
struct Undecided<'a> {
    #[serde(flatten)]
    request: &'a ComparedRequest,
    old: Outcome<'a>,
    new: Outcome<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<'a> {
    Decided(&'a Decision),
    NotDecided { message: String },
}

#[derive(Serialize)]
struct Unread<'a> {
    line: usize,
    message: &'a str,
}

pub(super) fn report<'a>(
    differences: &'a PolicyDifferences,
    requests: &'a RequestDifferences,
) -> Report<'a> {
    let ids = |listed: &'a [ListedPolicy]| listed.iter().map(|one| one.id.as_str()).collect();
    let changes = requests
        .groups
        .iter()
        .flat_map(|((kind, policies), group)| {
            group.first().map(|(_, changed)| Change {
                kind: *kind,
                request: &changed.request,
                policies,
                old: &changed.old,
                new: &changed.new,
            })
        });
    let undecided = requests.undecided.first().map(|(_, one)| Undecided {
        request: &one.request,
        old: outcome(&one.old),
        new: outcome(&one.new),
    });
    let unread = requests.unread.first().map(|(line, message)| Unread {
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
        cases: requests.cases,
        decisions: requests.decisions,
        masked: requests.masked,
        changes: changes.collect(),
        undecided: undecided.collect(),
        unread: unread.collect(),
    }
}

fn outcome(result: &Result<Decision, RequestError>) -> Outcome<'_> {
    match result {
        Ok(decision) => Outcome::Decided(decision),
        Err(error) => Outcome::NotDecided {
            message: error.to_string(),
        },
    }
}
