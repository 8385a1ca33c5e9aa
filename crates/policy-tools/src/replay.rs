//! Decides recorded requests again and counts the decisions that differ. The memory that it needs does not
//! grow with the log.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use cedargate_core::Decision;
use cedargate_policy::{Bundle, RecordedDecision};
use serde::Serialize;

use crate::Result;
use crate::decision_log::{self, LogInput, LogLine, LoggedRequest};
use crate::diff::{ChangeKind, suspects};
use crate::sample::Sample;

/// The result of a replay.
#[derive(Debug)]
pub struct ReplayReport {
    /// The number of decisions that are the same.
    pub same: usize,
    /// The number of decisions with values that were kept out of the log.
    pub masked: usize,
    /// The number of decisions of an older release that lack values that policies read today. The weakest
    /// values were assumed.
    pub assumed: usize,
    /// Lines whose request does not fit the schema, each with the reason.
    pub undecided: Sample<usize, String>,
    /// Lines that hold no decision, each with the reason.
    pub unread: Sample<usize, String>,
    groups: BTreeMap<(ChangeKind, Vec<String>), FlipGroup>,
}

/// The decisions that changed in the same way because of the same policies.
#[derive(Debug)]
pub struct FlipGroup {
    /// The number of decisions in the group with values that were kept out of the log.
    pub masked: usize,
    /// The number of decisions in the group that a bundle of the same revision made.
    pub same_bundle: usize,
    /// The decisions in the group. The first is kept as an example.
    pub flips: Sample<usize, Flip>,
}

/// A request whose decision differs from the recorded one.
#[derive(Debug, Serialize)]
pub struct Flip {
    /// The request.
    #[serde(flatten)]
    pub request: LoggedRequest,
    /// The recorded decision.
    pub old: Decision,
    /// The new decision.
    pub new: Decision,
}

/// The number of undecided lines that a report names.
const NAMED_LINES: usize = 5;

/// Decides every recorded request of a log with a bundle, on all cores.
///
/// # Errors
/// [`Error::Usage`](crate::Error::Usage) if the log cannot be read,
/// [`Error::Threads`](crate::Error::Threads) if no thread starts.
pub fn replay(bundle: &Bundle, log: &LogInput) -> Result<ReplayReport> {
    let parts = decision_log::fold(log, ReplayReport::default, |report, line| {
        report.decide(bundle, line);
    });
    let mut report = ReplayReport::default();
    parts?.into_iter().for_each(|part| report.merge(part));
    Ok(report)
}

impl Default for ReplayReport {
    fn default() -> Self {
        Self {
            same: 0,
            masked: 0,
            assumed: 0,
            undecided: Sample::with_limit(NAMED_LINES),
            unread: Sample::with_limit(NAMED_LINES),
            groups: BTreeMap::new(),
        }
    }
}

impl Default for FlipGroup {
    fn default() -> Self {
        Self {
            masked: 0,
            same_bundle: 0,
            flips: Sample::with_limit(1),
        }
    }
}

impl ReplayReport {
    fn decide(&mut self, bundle: &Bundle, line: &LogLine) {
        let recorded = match line.recorded() {
            Ok(recorded) => recorded,
            Err(why) => return self.unread.add(line.number, || why),
        };
        match recorded.prepare(bundle) {
            Ok(prepared) => {
                self.assumed += usize::from(!prepared.assumed().is_empty());
                let same_bundle = recorded.revision == bundle.revision();
                self.add(
                    line.number,
                    &recorded,
                    bundle.evaluate(&prepared),
                    same_bundle,
                );
            }
            Err(why) => self.undecided.add(line.number, || why.to_string()),
        }
    }

    fn add(&mut self, line: usize, recorded: &RecordedDecision, new: Decision, same_bundle: bool) {
        let masked = usize::from(!recorded.hidden.is_empty());
        self.masked += masked;
        let Some(kind) = ChangeKind::between(&recorded.result, &new) else {
            self.same += 1;
            return;
        };
        let key = (kind, suspects(&recorded.result, &new));
        let group = self.groups.entry(key).or_default();
        group.masked += masked;
        group.same_bundle += usize::from(same_bundle);
        group.flips.add(line, || Flip {
            request: LoggedRequest::of(line, recorded),
            old: recorded.result.clone(),
            new,
        });
    }

    fn merge(&mut self, other: Self) {
        self.same += other.same;
        self.masked += other.masked;
        self.assumed += other.assumed;
        for (key, group) in other.groups {
            let mine = self.groups.entry(key).or_default();
            mine.masked += group.masked;
            mine.same_bundle += group.same_bundle;
            mine.flips.merge(group.flips);
        }
        self.undecided.merge(other.undecided);
        self.unread.merge(other.unread);
    }

    /// Returns the number of requests that were decided again.
    pub fn decisions(&self) -> usize {
        let flips = self.groups.values().map(|group| group.flips.count());
        self.same + flips.sum::<usize>()
    }

    /// Returns the number of decisions that changed in this way.
    pub fn count(&self, kind: ChangeKind) -> usize {
        let groups = self.groups.iter().filter(|((one, _), _)| *one == kind);
        groups.map(|(_, group)| group.flips.count()).sum()
    }

    /// Returns the groups of changed decisions with their kind and their policies. They are sorted by kind,
    /// and within a kind by size, the largest first.
    pub fn groups(&self) -> Vec<(ChangeKind, &[String], &FlipGroup)> {
        let groups = self.groups.iter();
        let mut groups: Vec<_> = groups
            .map(|((kind, policies), group)| (*kind, policies.as_slice(), group))
            .collect();
        groups.sort_by_key(|(kind, _, group)| (*kind, Reverse(group.flips.count())));
        groups
    }
}
