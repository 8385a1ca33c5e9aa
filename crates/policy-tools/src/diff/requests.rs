//! Test cases and recorded decisions that two bundles decide differently.

use std::collections::BTreeMap;

use cedargate_core::Decision;
use cedargate_policy::cases::Case;
use cedargate_policy::{RecordedDecision, RequestError, analysis};
use serde::Serialize;

use super::{ChangeKind, ChangedDecision, Comparison, ComparisonResult};
use crate::decision_log::{self, LogInput, LoggedRequest};
use crate::sample::Sample;
use crate::{Error, Result};

/// The order of requests in a report: test cases before recorded decisions, each by number.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum RequestPosition {
    /// The index of a test case.
    Case(usize),
    /// The line of a decision log.
    Line(usize),
}

/// A test case or recorded decision, as a report names it.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum ComparedRequest {
    /// A test case.
    Case {
        /// The name of the case.
        case: String,
        /// The test file.
        file: String,
        /// The line on which the case begins, from 1.
        line: usize,
    },
    /// A recorded decision.
    Decision(LoggedRequest),
}

/// A request that the bundles decide differently.
#[derive(Clone, Debug)]
pub struct RequestChange {
    /// The request.
    pub request: ComparedRequest,
    /// The decision of the old bundle.
    pub old: Decision,
    /// The decision of the new bundle.
    pub new: Decision,
}

/// A request that does not fit the schema of at least one side.
#[derive(Clone, Debug)]
pub struct UndecidedRequest {
    /// The request.
    pub request: ComparedRequest,
    /// The decision of the old bundle, or the reason why it cannot decide the request.
    pub old: std::result::Result<Decision, RequestError>,
    /// The decision of the new bundle, or the reason why it cannot decide the request.
    pub new: std::result::Result<Decision, RequestError>,
}

/// The result of deciding requests with both bundles.
#[derive(Clone, Debug)]
pub struct RequestDifferences {
    /// The changes by their kind and the policies that cause them.
    pub groups: BTreeMap<(ChangeKind, Vec<String>), Sample<RequestPosition, RequestChange>>,
    /// The requests that at least one side could not decide.
    pub undecided: Sample<RequestPosition, UndecidedRequest>,
    /// The number of requests that exactly one side could decide.
    pub decided_by_one_side: usize,
    /// Lines of the log that hold no decision, each with the reason.
    pub unread: Sample<usize, String>,
    /// The number of test cases.
    pub cases: usize,
    /// The number of recorded decisions.
    pub decisions: usize,
    /// The number of recorded decisions with values that were kept out of the log.
    pub masked: usize,
    limit: usize,
}

/// Decides test cases and, if there is a log, its recorded decisions with both sides, on all cores. The
/// report keeps at most `limit` requests of each group.
///
/// # Errors
/// [`Error::Usage`] if the log cannot be read, [`Error::Threads`] if no thread starts.
pub fn compare(
    comparison: &Comparison<'_>,
    cases: &[Case],
    log: Option<&LogInput>,
    limit: usize,
) -> Result<RequestDifferences> {
    let start = || RequestDifferences::with_limit(limit);
    let mut all = start();
    let parts = analysis::fold(cases.iter().enumerate(), start, |part, (index, case)| {
        part.add_case(
            index,
            case,
            comparison.decide(|bundle| case.prepare_request(bundle)),
        );
    });
    all.merge(parts.map_err(Error::Threads)?);
    if let Some(log) = log {
        let parts = decision_log::fold(log, start, |part, line| match line.recorded() {
            Ok(recorded) => {
                let compared = comparison.decide(|bundle| recorded.prepare(bundle));
                part.add_decision(line.number, &recorded, compared);
            }
            Err(why) => part.unread.add(line.number, || why),
        });
        all.merge(parts?);
    }
    Ok(all)
}

impl RequestDifferences {
    fn with_limit(limit: usize) -> Self {
        Self {
            groups: BTreeMap::new(),
            undecided: Sample::with_limit(limit),
            decided_by_one_side: 0,
            unread: Sample::with_limit(limit),
            cases: 0,
            decisions: 0,
            masked: 0,
            limit,
        }
    }

    fn add_case(&mut self, index: usize, case: &Case, compared: ComparisonResult) {
        self.cases += 1;
        self.add(RequestPosition::Case(index), compared, || {
            ComparedRequest::Case {
                case: case.name.clone(),
                file: case.file.clone(),
                line: case.line,
            }
        });
    }

    fn add_decision(
        &mut self,
        line: usize,
        recorded: &RecordedDecision,
        compared: ComparisonResult,
    ) {
        self.decisions += 1;
        self.masked += usize::from(!recorded.hidden.is_empty());
        self.add(RequestPosition::Line(line), compared, || {
            ComparedRequest::Decision(LoggedRequest::of(line, recorded))
        });
    }

    fn add(
        &mut self,
        position: RequestPosition,
        compared: ComparisonResult,
        request: impl FnOnce() -> ComparedRequest,
    ) {
        match compared {
            ComparisonResult::Same => {}
            ComparisonResult::Changed(ChangedDecision {
                kind,
                policies,
                old,
                new,
            }) => self
                .group((kind, policies))
                .add(position, || RequestChange {
                    request: request(),
                    old,
                    new,
                }),
            ComparisonResult::Undecided { old, new } => {
                self.decided_by_one_side += usize::from(old.is_ok() || new.is_ok());
                self.undecided.add(position, || UndecidedRequest {
                    request: request(),
                    old,
                    new,
                });
            }
        }
    }

    fn group(
        &mut self,
        key: (ChangeKind, Vec<String>),
    ) -> &mut Sample<RequestPosition, RequestChange> {
        let group = self.groups.entry(key);
        group.or_insert_with(|| Sample::with_limit(self.limit))
    }

    fn merge(&mut self, parts: Vec<Self>) {
        for part in parts {
            for (key, group) in part.groups {
                self.group(key).merge(group);
            }
            self.undecided.merge(part.undecided);
            self.decided_by_one_side += part.decided_by_one_side;
            self.unread.merge(part.unread);
            self.cases += part.cases;
            self.decisions += part.decisions;
            self.masked += part.masked;
        }
    }

    /// Returns the number of requests that changed in this way.
    pub fn count(&self, kind: ChangeKind) -> usize {
        let groups = self.groups.iter().filter(|((one, _), _)| *one == kind);
        groups.map(|(_, group)| group.count()).sum()
    }

    /// Returns the number of requests that are decided differently.
    pub fn changes(&self) -> usize {
        self.groups.values().map(Sample::count).sum()
    }
}
