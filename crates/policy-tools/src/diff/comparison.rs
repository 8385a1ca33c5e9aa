//! Decides requests with two bundles and finds the policies that cause a different decision.

use std::collections::BTreeSet;

use cedar_policy::PolicyId;
use serde::Serialize;

use cedargate_core::Decision;
use cedargate_policy::analysis::on_large_stack;
use cedargate_policy::{Bundle, PreparedRequest, RequestError};

use super::PolicyDifferences;
use crate::{Error, Result};

/// Two bundles and the differences between their policies.
#[derive(Debug)]
pub struct Comparison<'a> {
    old: &'a Bundle,
    new: &'a Bundle,
    differences: PolicyDifferences,
    /// The ids of the policies that were added, removed or changed in meaning.
    touched: BTreeSet<String>,
}

/// The effect of a different decision on the caller.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// A refused request is allowed.
    Widening,
    /// An allowed request is refused.
    Narrowing,
    /// The effect is the same, and the determining policies, the notices, the errors or the code differ.
    Answer,
}

impl ChangeKind {
    /// Returns the kind of change between two decisions, or `None` if they are equal.
    pub fn between(old: &Decision, new: &Decision) -> Option<Self> {
        match (old.as_cedar(), new.as_cedar()) {
            _ if old.is_same_answer(new) => None,
            (before, after) if before == after => Some(ChangeKind::Answer),
            (_, "allow") => Some(ChangeKind::Widening),
            _ => Some(ChangeKind::Narrowing),
        }
    }
}

/// A request that two bundles decide differently.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedDecision {
    /// The effect on the caller.
    pub kind: ChangeKind,
    /// The sorted ids of the policies that cause the change. Empty if no policy causes it alone.
    pub policies: Vec<String>,
    /// The decision of the old bundle.
    pub old: Decision,
    /// The decision of the new bundle.
    pub new: Decision,
}

/// The decisions of two bundles on one request.
#[derive(Clone, Debug, PartialEq)]
pub enum ComparisonResult {
    /// Both bundles decide alike.
    Same,
    /// The bundles decide differently.
    Changed(ChangedDecision),
    /// The request does not fit the schema of at least one bundle.
    Undecided {
        /// The decision of the old bundle, or the reason why it cannot decide the request.
        old: std::result::Result<Decision, RequestError>,
        /// The decision of the new bundle, or the reason why it cannot decide the request.
        new: std::result::Result<Decision, RequestError>,
    },
}

impl<'a> Comparison<'a> {
    /// Compares the policies of two bundles.
    ///
    /// # Errors
    /// [`Error::Threads`] if no thread starts.
    pub fn of(old: &'a Bundle, new: &'a Bundle) -> Result<Self> {
        let differences =
            on_large_stack(|| PolicyDifferences::between(old, new)).map_err(Error::Threads)?;
        let touched = [
            &differences.added,
            &differences.removed,
            &differences.changed,
        ];
        let touched = touched.into_iter().flatten();
        let ids: BTreeSet<_> = touched
            .filter(|one| !one.is_template)
            .map(|one| one.id.clone())
            .collect();
        Ok(Self {
            old,
            new,
            differences,
            touched: ids,
        })
    }

    /// Returns the differences between the policies.
    pub fn differences(&self) -> &PolicyDifferences {
        &self.differences
    }

    /// Decides one request with both bundles. `read` makes the request for a bundle, or returns an error if
    /// the request does not fit the schema of the bundle.
    pub fn decide(
        &self,
        read: impl Fn(&Bundle) -> std::result::Result<PreparedRequest, RequestError>,
    ) -> ComparisonResult {
        let for_new = read(self.new);
        let for_old = (!self.differences.claims.is_empty()).then(|| read(self.old));
        let (old, new) = match (for_old.as_ref().unwrap_or(&for_new), &for_new) {
            (Ok(for_old), Ok(for_new)) => (self.old.evaluate(for_old), self.new.evaluate(for_new)),
            (old, new) => {
                let answer =
                    |bundle: &Bundle, prepared: &std::result::Result<PreparedRequest, RequestError>| {
                        let prepared = prepared.as_ref().map_err(RequestError::clone)?;
                        Ok(bundle.evaluate(prepared))
                    };
                return ComparisonResult::Undecided {
                    old: answer(self.old, old),
                    new: answer(self.new, new),
                };
            }
        };
        match (ChangeKind::between(&old, &new), for_new) {
            (Some(kind), Ok(prepared)) => ComparisonResult::Changed(ChangedDecision {
                kind,
                policies: self.causes(&prepared, &old, &new),
                old,
                new,
            }),
            _ => ComparisonResult::Same,
        }
    }

    /// Returns the policies that cause a different decision: the first of these lists that is not empty.
    ///
    /// 1. policies that differ and determine exactly one of the two decisions,
    /// 2. policies that determine one of them and, with their difference undone, change the new one,
    /// 3. policies that, with their difference undone, change the new decision,
    /// 4. policies that differ and determine either decision: several of them cause it together.
    fn causes(&self, prepared: &PreparedRequest, old: &Decision, new: &Decision) -> Vec<String> {
        let determines =
            |id: &str, decision: &Decision| decision.policies.iter().any(|one| one == id);
        let part = self.new.analysis().part_for(prepared);
        // A policy whose scope does not match makes no difference.
        let in_scope = |id: &&String| {
            let id = PolicyId::new(id);
            part.analysis().live().policy(&id).is_some()
                || self.old.analysis().is_in_scope(&id, prepared)
        };
        let touched: Vec<_> = self.touched.iter().filter(in_scope).collect();
        let matching = |wanted: &dyn Fn(&str) -> bool| -> Vec<String> {
            let ids = touched.iter().filter(|id| wanted(id));
            ids.map(|id| (*id).clone()).collect()
        };
        let either = |id: &str| determines(id, old) || determines(id, new);
        let one_of_both = |id: &str| determines(id, old) != determines(id, new);
        let changes_new = |id: &str| {
            let undone = part.analysis().with_policy_of(self.old, &PolicyId::new(id));
            undone.is_some_and(|undone| !undone.evaluate(prepared).is_same_answer(new))
        };
        let attempts: [&dyn Fn(&str) -> bool; 4] = [
            &one_of_both,
            &|id| either(id) && changes_new(id),
            &changes_new,
            &either,
        ];
        let found = attempts
            .into_iter()
            .map(matching)
            .find(|ids| !ids.is_empty());
        found.unwrap_or_default()
    }
}

/// Returns the sorted ids of the policies that probably cause a different decision, for callers that know
/// only the two decisions: the forbids that came or went, else the permits. If the effect is the same,
/// the policies that determine exactly one of the decisions, else all that determine them.
pub fn suspects(old: &Decision, new: &Decision) -> Vec<String> {
    let ids =
        |decision: &Decision| -> BTreeSet<String> { decision.policies.iter().cloned().collect() };
    // A deny is determined by forbids alone, an allow by permits alone.
    let (denied, allowed) = match ChangeKind::between(old, new) {
        Some(ChangeKind::Widening) => (ids(old), ids(new)),
        Some(ChangeKind::Narrowing) => (ids(new), ids(old)),
        _ => {
            let only_one = ids(old).symmetric_difference(&ids(new)).cloned().collect();
            (only_one, ids(new))
        }
    };
    let found = if denied.is_empty() { allowed } else { denied };
    found.into_iter().collect()
}
