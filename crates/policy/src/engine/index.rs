//! The index of a policy set.

use cedar_policy_core::ast::{PrincipalConstraint, ResourceConstraint};

use super::candidate::Candidate;
use super::condition::{ByCondition, Leading};
use super::scope::{Constraint, Level};
use super::view::RequestView;

/// The policies of a set by their scopes: by action, then principal, then resource, then an equality that
/// their conditions begin with.
#[derive(Debug, Default)]
pub(super) struct Index {
    policies: Vec<Candidate>,
    by_action: Level<Level<Level<ByCondition>>>,
    /// The positions of the policies that have no place in the index.
    unindexed: Vec<u32>,
    /// True if some policy has several places in the index.
    has_repeated: bool,
}

impl Index {
    /// Returns the policies that the request can satisfy: each whose scope matches, but those whose
    /// conditions begin with an equality that is false. All others are not satisfied and do not fail.
    pub(super) fn matching(&self, view: &RequestView<'_>) -> impl Iterator<Item = &Candidate> {
        let mut found = Vec::new();
        self.by_action.matching(&view.action, &mut |by_principal| {
            by_principal.matching(&view.principal, &mut |by_resource| {
                by_resource.matching(&view.resource, &mut |by_condition| {
                    by_condition.matching(view, &mut found);
                });
            });
        });
        if self.has_repeated {
            found.sort_unstable();
            found.dedup();
        }
        found.into_iter().map(|at| self.at(at))
    }

    /// Returns all policies.
    pub(super) fn policies(&self) -> &[Candidate] {
        &self.policies
    }

    /// Returns the policies whose scope must be evaluated.
    pub(super) fn unindexed(&self) -> impl Iterator<Item = &Candidate> {
        self.unindexed.iter().map(|at| self.at(*at))
    }

    fn at(&self, at: u32) -> &Candidate {
        &self.policies[at as usize]
    }

    fn add(&mut self, candidate: Candidate) {
        let at = u32::try_from(self.policies.len()).expect("memory does not hold so many policies");
        let policy = &candidate.policy;
        let principal = PrincipalConstraint::into_inner(policy.principal_constraint());
        let resource = ResourceConstraint::into_inner(policy.resource_constraint());
        let scope = Constraint::of_entity(principal).zip(Constraint::of_entity(resource));
        match scope {
            Some((principal, resource)) => {
                let leading = Leading::of(policy.non_scope_constraints());
                let actions = Constraint::of_action(policy.action_constraint());
                let principals = leading.principals(principal);
                let resources = leading.resources(resource);
                self.has_repeated |=
                    actions.len() > 1 || principals.len() > 1 || resources.len() > 1;
                for action in actions {
                    let by_principal = self.by_action.entry(action);
                    for principal in &principals {
                        let by_resource = by_principal.entry(principal.clone());
                        for resource in &resources {
                            let by_condition = by_resource.entry(resource.clone());
                            by_condition.add(leading.equality.as_ref(), at);
                        }
                    }
                }
            }
            None => self.unindexed.push(at),
        }
        self.policies.push(candidate);
    }
}

impl FromIterator<Candidate> for Index {
    fn from_iter<I: IntoIterator<Item = Candidate>>(policies: I) -> Self {
        let mut index = Self::default();
        for policy in policies {
            index.add(policy);
        }
        index
    }
}
