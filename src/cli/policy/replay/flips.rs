//! The decisions that are not made as they were, counted.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::policy::counted::Counted;
use crate::policy::{Recorded, Verdict};
use cedargate_policy_tools::comparison::{Kind, suspects};

/// What became of the decisions of a log, in whatever order they were made again.
#[derive(Debug)]
pub(super) struct Flips {
    pub(super) same: usize,
    /// Decisions of which something was kept out of the log.
    pub(super) masked: usize,
    /// Decisions of an older release, of which not all was written that policies read today.
    pub(super) assumed: usize,
    groups: BTreeMap<(Kind, Vec<String>), Group>,
    /// Decisions that cannot be made again under this schema, by their lines, and why.
    pub(super) unasked: Counted<usize, String>,
    /// Lines that hold no decision, and why.
    pub(super) unread: Counted<usize, String>,
}

/// Decisions that flip alike.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) masked: usize,
    pub(super) same_bundle: usize,
    pub(super) examples: Counted<usize, Example>,
}

/// A decision that is made otherwise now.
#[derive(Debug, Serialize)]
pub(super) struct Example {
    /// In the log, from 1.
    pub(super) line: usize,
    pub(super) decision_id: String,
    pub(super) principal: String,
    pub(super) action: String,
    pub(super) resource: String,
    pub(super) old: Verdict,
    pub(super) new: Verdict,
}

/// How many lines are named that could not be decided.
const NAMED: usize = 5;

impl Default for Flips {
    fn default() -> Self {
        Self {
            same: 0,
            masked: 0,
            assumed: 0,
            groups: BTreeMap::new(),
            unasked: Counted::keeping(NAMED),
            unread: Counted::keeping(NAMED),
        }
    }
}

impl Default for Group {
    fn default() -> Self {
        Self {
            masked: 0,
            same_bundle: 0,
            examples: Counted::keeping(1),
        }
    }
}

impl Flips {
    /// A decision was made again. `is_of_bundle`: it was made by these very policies.
    pub(super) fn decided(
        &mut self,
        line: usize,
        recorded: &Recorded,
        new: Verdict,
        is_of_bundle: bool,
    ) {
        let masked = usize::from(!recorded.hidden.is_empty());
        self.masked += masked;
        let Some(kind) = Kind::between(&recorded.result, &new) else {
            self.same += 1;
            return;
        };
        let key = (kind, suspects(&recorded.result, &new));
        let group = self.groups.entry(key).or_default();
        group.masked += masked;
        group.same_bundle += usize::from(is_of_bundle);
        group
            .examples
            .add(line, || Example::of(line, recorded, new));
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.same += other.same;
        self.masked += other.masked;
        self.assumed += other.assumed;
        for (key, group) in other.groups {
            let mine = self.groups.entry(key).or_default();
            mine.masked += group.masked;
            mine.same_bundle += group.same_bundle;
            mine.examples.merge(group.examples);
        }
        self.unasked.merge(other.unasked);
        self.unread.merge(other.unread);
    }

    /// How many decisions were made again.
    pub(super) fn decisions(&self) -> usize {
        let flips = self.groups.values().map(|group| group.examples.count());
        self.same + flips.sum::<usize>()
    }

    /// By kind, the most first.
    pub(super) fn groups(&self) -> Vec<(Kind, &[String], &Group)> {
        let groups = self.groups.iter();
        let mut groups: Vec<_> = groups
            .map(|((kind, policies), group)| (*kind, policies.as_slice(), group))
            .collect();
        groups.sort_by_key(|(kind, _, group)| (*kind, Reverse(group.examples.count())));
        groups
    }

    /// The report for scripts.
    pub(super) fn report(&self) -> Report<'_> {
        let flips = self
            .groups()
            .into_iter()
            .map(|(kind, policies, group)| Flip {
                kind,
                policies,
                count: group.examples.count(),
                masked: group.masked,
                same_bundle: group.same_bundle,
                example: group.examples.first().map(|(_, example)| example).next(),
            });
        Report {
            decisions: self.decisions(),
            same: self.same,
            flips: flips.collect(),
            masked: self.masked,
            assumed: self.assumed,
            unasked: Lines::of(&self.unasked),
            unread: Lines::of(&self.unread),
        }
    }
}

impl Example {
    fn of(line: usize, recorded: &Recorded, new: Verdict) -> Self {
        let written = |name: &str| {
            let text = recorded.input().get(name).and_then(|value| value.as_str());
            text.unwrap_or_default().to_owned()
        };
        Self {
            line,
            decision_id: recorded.decision_id.clone(),
            principal: written("principal"),
            action: written("action"),
            resource: written("resource"),
            old: recorded.result.clone(),
            new,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Report<'a> {
    decisions: usize,
    same: usize,
    flips: Vec<Flip<'a>>,
    masked: usize,
    assumed: usize,
    unasked: Lines<'a>,
    unread: Lines<'a>,
}

#[derive(Debug, Serialize)]
struct Flip<'a> {
    kind: Kind,
    policies: &'a [String],
    count: usize,
    masked: usize,
    same_bundle: usize,
    example: Option<&'a Example>,
}

/// Lines of which nothing came, and the first of them.
#[derive(Debug, Serialize)]
struct Lines<'a> {
    count: usize,
    first: Vec<Line<'a>>,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    line: usize,
    message: &'a str,
}

impl<'a> Lines<'a> {
    fn of(counted: &'a Counted<usize, String>) -> Self {
        let first = counted.first().map(|(line, message)| Line {
            line: *line,
            message,
        });
        Self {
            count: counted.count(),
            first: first.collect(),
        }
    }
}
