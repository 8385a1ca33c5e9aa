//! The report for scripts.

use cedargate_policy_tools::diff::ChangeKind;
use cedargate_policy_tools::replay::{self, ReplayReport};
use cedargate_policy_tools::sample::Sample;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Report<'a> {
    decisions: usize,
    same: usize,
    flips: Vec<Flips<'a>>,
    masked: usize,
    assumed: usize,
    #[serde(rename = "unasked")]
    undecided: Lines<'a>,
    unread: Lines<'a>,
}

#[derive(Serialize)]
struct Flips<'a> {
    kind: ChangeKind,
    policies: &'a [String],
    count: usize,
    masked: usize,
    same_bundle: usize,
    example: Option<&'a replay::Flip>,
}

/// Lines that were not decided, with the first few of them.
#[derive(Serialize)]
struct Lines<'a> {
    count: usize,
    first: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    line: usize,
    message: &'a str,
}

pub(super) fn report(report: &ReplayReport) -> Report<'_> {
    let groups = report.groups().into_iter();
    let flips = groups.map(|(kind, policies, group)| Flips {
        kind,
        policies,
        count: group.flips.count(),
        masked: group.masked,
        same_bundle: group.same_bundle,
        example: group.flips.first().map(|(_, flip)| flip).next(),
    });
    Report {
        decisions: report.decisions(),
        same: report.same,
        flips: flips.collect(),
        masked: report.masked,
        assumed: report.assumed,
        undecided: lines(&report.undecided),
        unread: lines(&report.unread),
    }
}

fn lines(sample: &Sample<usize, String>) -> Lines<'_> {
    let first = sample.first().map(|(line, message)| Line {
        line: *line,
        message,
    });
    Lines {
        count: sample.count(),
        first: first.collect(),
    }
}
