//! Evaluates the policies of a set that can apply to a request.
//!
//! Cedar's authorizer evaluates every policy of a set for each request. An [`Engine`] finds the policies
//! whose scope matches through an index, evaluates only their conditions, and gives the same result. It
//! uses the evaluator of cedar-policy-core, which promises no stable interface. Cedar's authorizer is here
//! too, as [`Engine::evaluate_all`]: the tests compare both.

mod candidate;
mod condition;
mod index;
mod scope;
mod view;

use std::collections::HashSet;
use std::sync::Arc;

use cedar_policy::{
    AuthorizationError, Authorizer, Decision, Entities, PolicyId, PolicySet, Request,
};
use cedar_policy_core::ast;
use cedar_policy_core::entities as core;
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;

use crate::syntax::Reads;

use candidate::Candidate;
use index::Index;
use view::RequestView;

/// A policy set that decides requests.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    set: PolicySet,
    index: Arc<Index>,
    changes: Changes,
    reads: Reads,
}

/// The differences between a set and its index. A set that differs from another one in a few policies
/// shares the index of the other one.
#[derive(Clone, Debug, Default)]
struct Changes {
    /// The policies of the index that are not in the set, or are different there.
    removed: HashSet<PolicyId>,
    /// The policies of the set that are not in the index, in an index of their own.
    added: Arc<Index>,
}

/// A set shares an index if at most one policy in this many has changed since the index was made.
const MOST_CHANGED: usize = 8;
/// The number of policies below which an index is always made anew.
const FEW: usize = 256;

/// The result of evaluating a policy set for a request.
#[derive(Debug, PartialEq)]
pub(crate) struct Evaluation {
    /// True if a permit is satisfied and no forbid. A policy that fails counts as not satisfied.
    pub(crate) allows: bool,
    /// The ids of the determining policies, sorted: the satisfied forbids, or the satisfied permits if
    /// there are none.
    pub(crate) determining: Vec<PolicyId>,
    /// The policies whose evaluation failed, sorted by id, with Cedar's messages.
    pub(crate) failed: Vec<(PolicyId, String)>,
}

impl Engine {
    /// Makes the index of a policy set.
    pub(crate) fn new(set: PolicySet) -> Self {
        let index: Index = set.policies().map(Candidate::new).collect();
        let mut engine = Self {
            reads: Reads::default(),
            set,
            index: Arc::new(index),
            changes: Changes::default(),
        };
        engine.read();
        engine
    }

    /// Makes the index of a set that differs from the set of this engine in the policies with these ids. The
    /// index of this engine is shared, unless too much has changed since it was made.
    pub(crate) fn for_changed_set(&self, set: PolicySet, changed: &[PolicyId]) -> Self {
        let policies = self.index.policies().len();
        let changes = self.changes.removed.len() + self.changes.added.policies().len();
        if policies < FEW || (changes + changed.len()) * MOST_CHANGED > policies {
            return Self::new(set);
        }
        let mut engine = Self {
            set,
            index: Arc::clone(&self.index),
            changes: self.changes.clone(),
            reads: self.reads,
        };
        engine.mark_changed(changed);
        engine
    }

    /// Returns the reads of all conditions.
    pub(crate) fn reads(&self) -> Reads {
        self.reads
    }

    /// Returns the policy set.
    pub(crate) fn set(&self) -> &PolicySet {
        &self.set
    }

    /// Changes the policies with these ids in the set. The index stays and is shared with the engines that
    /// this one was cloned from.
    ///
    /// # Errors
    /// Returns the error of `change`. The engine must not be used any more then.
    pub(crate) fn change<'a, E>(
        &mut self,
        ids: impl IntoIterator<Item = &'a PolicyId>,
        change: impl FnOnce(&mut PolicySet) -> Result<(), E>,
    ) -> Result<(), E> {
        change(&mut self.set)?;
        self.mark_changed(ids);
        Ok(())
    }

    /// Notes that the policies with these ids in the set are not those of the index.
    fn mark_changed<'a>(&mut self, ids: impl IntoIterator<Item = &'a PolicyId>) {
        let ids: HashSet<_> = ids.into_iter().collect();
        let changed = ids.iter().filter_map(|id| self.set.policy(id));
        let changed = changed.map(Candidate::new);
        let added = self.changes.added.policies().iter();
        let kept = added.filter(|added| !ids.contains(&added.id)).cloned();
        self.changes.added = Arc::new(kept.chain(changed).collect());
        self.changes.removed.extend(ids.into_iter().cloned());
        self.read();
    }

    /// Collects the reads of all conditions.
    fn read(&mut self) {
        let mut reads = Reads::default();
        let indexed = self.index.policies().iter();
        indexed
            .filter(|policy| !self.is_removed(policy))
            .chain(self.changes.added.policies())
            .for_each(|policy| reads |= policy.reads);
        // The scope of these is evaluated, so the groups of the action must be among the entities.
        let added = &self.changes.added;
        reads.action |= self.index.unindexed().chain(added.unindexed()).count() > 0;
        self.reads = reads;
    }

    fn is_removed(&self, policy: &Candidate) -> bool {
        !self.changes.removed.is_empty() && self.changes.removed.contains(&policy.id)
    }

    /// Evaluates the policies whose scope matches the request.
    pub(crate) fn evaluate(&self, request: &Request, entities: &Entities) -> Evaluation {
        self.evaluate_parts(request.as_ref(), entities.as_ref(), None)
    }

    /// Evaluates the policies whose scope matches the request. `action` is its action with the groups, if
    /// it is not among the entities: a condition that reads the action does not see the groups then.
    pub(crate) fn evaluate_parts(
        &self,
        request: &ast::Request,
        entities: &core::Entities,
        action: Option<&ast::Entity>,
    ) -> Evaluation {
        let extensions = Extensions::all_available();
        let evaluator = Evaluator::new(request.clone(), entities, extensions);
        let mut outcomes = Outcomes::default();
        if let Some(view) = RequestView::new(request, entities, action) {
            let matching = self.index.matching(&view);
            let matching = matching.filter(|policy| !self.is_removed(policy));
            for policy in matching.chain(self.changes.added.matching(&view)) {
                outcomes.add(policy, policy.condition_holds(&evaluator));
            }
        }
        let unindexed = self.index.unindexed();
        let unindexed = unindexed.filter(|policy| !self.is_removed(policy));
        for policy in unindexed.chain(self.changes.added.unindexed()) {
            outcomes.add(policy, policy.applies(&evaluator));
        }
        outcomes.into_evaluation()
    }

    /// Evaluates all policies with Cedar's authorizer. The result is that of [`Engine::evaluate`].
    pub(crate) fn evaluate_all(&self, request: &Request, entities: &Entities) -> Evaluation {
        let response = Authorizer::new().is_authorized(request, &self.set, entities);
        let diagnostics = response.diagnostics();
        let mut determining: Vec<_> = diagnostics.reason().cloned().collect();
        determining.sort_unstable();
        let failed = diagnostics.errors().map(|error| {
            let AuthorizationError::PolicyEvaluationError(failed) = error;
            (failed.policy_id().clone(), error.to_string())
        });
        let mut failed: Vec<_> = failed.collect();
        failed.sort_unstable();
        Evaluation {
            allows: response.decision() == Decision::Allow,
            determining,
            failed,
        }
    }
}

/// The outcomes of the evaluated policies.
#[derive(Default)]
struct Outcomes {
    permits: Vec<PolicyId>,
    forbids: Vec<PolicyId>,
    failed: Vec<(PolicyId, String)>,
}

impl Outcomes {
    fn add(&mut self, policy: &Candidate, outcome: Result<bool, String>) {
        match outcome {
            Ok(false) => {}
            Ok(true) if policy.forbids => self.forbids.push(policy.id.clone()),
            Ok(true) => self.permits.push(policy.id.clone()),
            Err(error) => self.failed.push((policy.id.clone(), error)),
        }
    }

    fn into_evaluation(mut self) -> Evaluation {
        let allows = self.forbids.is_empty() && !self.permits.is_empty();
        let mut determining = if allows { self.permits } else { self.forbids };
        determining.sort_unstable();
        self.failed.sort_unstable();
        Evaluation {
            allows,
            determining,
            failed: self.failed,
        }
    }
}

#[cfg(test)]
mod tests;
