//! The evaluation of policies part by part: the scope, and each clause of the conditions.

use crate::nesting;
use crate::syntax::{PartEvaluator, Syntax};
use crate::{Bundle, PolicyEntry, PreparedRequest};

/// The evaluation of a top-level clause of a policy's conditions: an operand of `&&` in `when`, or of `||`
/// in `unless`.
#[derive(Clone, Debug, PartialEq)]
pub struct ClauseTrace {
    /// The text of the clause, without `when` and `unless`.
    pub text: String,
    /// The line on which it begins in its file, from 1.
    pub line: usize,
    /// True for a clause of `unless`: the policy applies if the clause is false.
    pub unless: bool,
    /// The outcome for the request.
    pub outcome: ClauseOutcome,
}

/// The outcome of a clause for a request.
#[derive(Clone, Debug, PartialEq)]
pub enum ClauseOutcome {
    /// The clause is true.
    True,
    /// The clause is false.
    False,
    /// The evaluation failed with this message.
    Error(String),
    /// The clause would fail, but Cedar does not evaluate it, because an earlier clause keeps the policy
    /// from applying.
    NotReached,
}

impl ClauseTrace {
    /// Returns true if the clause keeps the policy from applying.
    pub fn fails(&self) -> bool {
        match self.outcome {
            ClauseOutcome::True => self.unless,
            ClauseOutcome::False => !self.unless,
            ClauseOutcome::Error(_) => true,
            ClauseOutcome::NotReached => false,
        }
    }
}

/// The evaluation of a policy for a request.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyTrace {
    /// True if the scope of the policy matches the principal.
    pub principal: bool,
    /// True if the scope matches the action.
    pub action: bool,
    /// True if the scope matches the resource.
    pub resource: bool,
    /// The clauses of the conditions in their order, also if the scope does not match.
    pub clauses: Vec<ClauseTrace>,
}

impl PolicyTrace {
    /// Returns true if the scope matches.
    pub fn in_scope(&self) -> bool {
        self.principal && self.action && self.resource
    }
}

impl Bundle {
    /// Evaluates each policy part by part, shadow policies included, in the order of ids.
    pub fn trace(&self, request: &PreparedRequest) -> Vec<(&PolicyEntry, PolicyTrace)> {
        nesting::with_stack_for_depth(self.depth, || {
            let evaluator = PartEvaluator::of(&request.cedar_request, &request.entities);
            self.entries
                .iter()
                .filter_map(|entry| Some((entry, self.trace_policy(entry, &evaluator)?)))
                .collect()
        })
    }

    fn trace_policy(
        &self,
        entry: &PolicyEntry,
        evaluator: &PartEvaluator<'_>,
    ) -> Option<PolicyTrace> {
        let policy = self.policies().policy(&entry.policy_id())?;
        let scope = evaluator.scope(policy);
        let mut failed_before = false;
        let clauses = Syntax::from(policy).clauses().into_iter().map(|part| {
            let outcome = match evaluator.clause(policy, part) {
                Ok(true) => ClauseOutcome::True,
                Ok(false) => ClauseOutcome::False,
                Err(_) if failed_before => ClauseOutcome::NotReached,
                Err(error) => ClauseOutcome::Error(error),
            };
            let span = part.span();
            let clause = ClauseTrace {
                text: entry.part(span.clone()).to_owned(),
                line: entry.line_of(span.start),
                unless: part.unless,
                outcome,
            };
            failed_before |= clause.fails();
            clause
        });
        Some(PolicyTrace {
            principal: scope.principal,
            action: scope.action,
            resource: scope.resource,
            clauses: clauses.collect(),
        })
    }
}
