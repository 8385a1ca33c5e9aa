//! Explains the policies that matter for a decision, in the order of their importance.

use cedar_policy::{EntityUid, Policy};

use cedargate_core::Decision;

use crate::nesting;
use crate::syntax::{PartEvaluator, PolicyPart, ScopeConstraint, Syntax};
use crate::{Bundle, ClauseOutcome, ClauseTrace, PolicyEntry, PolicyTrace, PreparedRequest};

use super::{ExplainedClause, ExplainedPolicy, ExplainedRequest, Explanation, ScopePart};

/// The greatest number of listed permits whose scope does not match.
const NEAREST: usize = 3;

/// A policy that the explanation may list.
struct Candidate<'b> {
    entry: &'b PolicyEntry,
    trace: PolicyTrace,
    determined: bool,
}

impl Candidate<'_> {
    fn applies(&self) -> bool {
        self.trace.in_scope() && !self.trace.clauses.iter().any(ClauseTrace::fails)
    }

    /// Returns true if the evaluation fails, which denies the request whatever other policies say.
    fn is_failed(&self) -> bool {
        let mut clauses = self.trace.clauses.iter();
        self.trace.in_scope()
            && clauses.any(|clause| matches!(clause.outcome, ClauseOutcome::Error(_)))
    }

    /// Returns the order of the permits by the number of parts that keep them from applying. Permits for
    /// other actions come last.
    fn distance(&self) -> (bool, usize) {
        let scope = [self.trace.principal, self.trace.action, self.trace.resource];
        let mismatches = scope.into_iter().filter(|matches| !matches).count();
        let clauses = self.trace.clauses.iter().filter(|clause| clause.fails());
        (!self.trace.action, mismatches + clauses.count())
    }
}

impl Bundle {
    /// Decides a request with [`Bundle::evaluate`], and explains the decision.
    pub fn explain(&self, request: &PreparedRequest) -> Explanation {
        let decision = self.evaluate(request);
        let would_permit = self.would_permit(request, &decision.effect);
        let candidates = self.candidates(request, &decision);
        let policies = nesting::with_stack_for_depth(self.depth, || {
            let evaluator = PartEvaluator::of(&request.cedar_request, &request.entities);
            let explained = candidates
                .into_iter()
                .filter_map(|candidate| self.explained(candidate, &evaluator));
            explained.collect()
        });
        let text = |uid: Option<&EntityUid>| uid.map(ToString::to_string).unwrap_or_default();
        Explanation {
            request: ExplainedRequest {
                principal: text(request.cedar_request.principal()),
                action: text(request.cedar_request.action()),
                resource: text(request.cedar_request.resource()),
            },
            decision,
            revision: self.revision.to_string(),
            policies,
            would_permit,
        }
    }

    /// Returns the policies to list, in the order of [`Explanation::policies`].
    fn candidates(&self, request: &PreparedRequest, decision: &Decision) -> Vec<Candidate<'_>> {
        let traces = self.trace(request).into_iter();
        let all = traces.map(|(entry, trace)| Candidate {
            determined: decision.policies.contains(&entry.id),
            entry,
            trace,
        });
        let is_first = |policy: &Candidate<'_>| {
            policy.determined || (policy.is_failed() && !policy.entry.shadow)
        };
        let (mut first, mut rest): (Vec<_>, Vec<_>) = all.partition(is_first);
        let mut nearest = Vec::new();
        if first.is_empty() && !decision.is_allow() {
            let is_permit =
                |policy: &Candidate<'_>| policy.entry.effect == "permit" && !policy.entry.shadow;
            (nearest, rest) = rest.into_iter().partition(is_permit);
            // The sort is stable, so permits at the same distance stay in the order of ids.
            nearest.sort_by_key(Candidate::distance);
            let some_match_action = nearest.iter().any(|permit| permit.trace.action);
            let mut out_of_scope = 0;
            nearest.retain(|permit| {
                out_of_scope += usize::from(!permit.trace.in_scope());
                permit.trace.in_scope()
                    || (out_of_scope <= NEAREST && (permit.trace.action || !some_match_action))
            });
        }
        rest.retain(|policy| policy.trace.in_scope());
        first.extend(nearest);
        first.extend(rest);
        first
    }

    fn explained(
        &self,
        candidate: Candidate<'_>,
        evaluator: &PartEvaluator<'_>,
    ) -> Option<ExplainedPolicy> {
        let applies = candidate.applies();
        let Candidate {
            entry,
            trace,
            determined,
        } = candidate;
        let policy = self.policies().policy(&entry.policy_id())?;
        let mismatches = ScopeConstraint::ALL.into_iter().filter(|head| !match head {
            ScopeConstraint::Principal => trace.principal,
            ScopeConstraint::Action => trace.action,
            ScopeConstraint::Resource => trace.resource,
        });
        let head = mismatches.map(|head| ScopePart {
            text: head.text(policy),
            needed: evaluator.need(policy, PolicyPart::Scope(head), true),
        });
        let head = head.collect();
        let role = match (entry.effect, determined) {
            ("forbid", true) => Role::DeterminingForbid,
            ("forbid", false) => Role::OtherForbid,
            _ => Role::Permit,
        };
        let clauses = explained_clauses(policy, trace.clauses, role, evaluator);
        Some(ExplainedPolicy {
            id: entry.id.clone(),
            effect: entry.effect,
            determined,
            applies,
            shadow: entry.shadow,
            file: entry.file.to_string(),
            line: entry.line,
            notice: entry.annotations.get("notice").map(str::to_owned),
            text: entry.text().to_owned(),
            text_file: entry.text_file().to_owned(),
            head,
            clauses,
        })
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Role {
    Permit,
    DeterminingForbid,
    OtherForbid,
}

fn explained_clauses(
    policy: &Policy,
    traces: Vec<ClauseTrace>,
    role: Role,
    evaluator: &PartEvaluator<'_>,
) -> Vec<ExplainedClause> {
    let purpose = match role {
        Role::OtherForbid => " for it to forbid",
        Role::Permit | Role::DeterminingForbid => "",
    };
    let clauses = Syntax::from(policy).clauses().into_iter().zip(traces);
    let explained = clauses.filter_map(|(part, clause)| {
        let part = PolicyPart::Clause(part);
        let fails = clause.fails();
        let explains = fails || role == Role::DeterminingForbid;
        let wanted = match clause.outcome {
            ClauseOutcome::NotReached => return None,
            ClauseOutcome::True if explains => Some(false),
            ClauseOutcome::False if explains => Some(true),
            _ => None,
        };
        let observed = evaluator.observed(policy, part).into_iter();
        Some(ExplainedClause {
            fails,
            text: clause.text,
            line: clause.line,
            unless: clause.unless,
            outcome: clause.outcome,
            observed: observed
                .map(|attribute| (attribute.path, attribute.value))
                .collect(),
            needed: wanted
                .and_then(|wanted| evaluator.need(policy, part, wanted))
                .map(|needed| format!("{needed}{purpose}")),
        })
    });
    explained.collect()
}
