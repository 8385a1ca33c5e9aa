//! How the policies stand to a request.

use cedar_policy::EntityUid;

use super::super::inquiry::{Inquiry, Verdict};
use super::super::nesting;
use super::super::syntax::{Head, Part, Reader, Syntax};
use super::super::{Bundle, Clause, Look, PolicyEntry, Seen};
use super::{Asked, Explained, ExplainedClause, Explanation, HeadPart};

/// How many permits are named that came near and whose heads do not match.
const NEAREST: usize = 3;

/// A policy, how it stands to the request, and how near it came.
struct Candidate<'b> {
    entry: &'b PolicyEntry,
    look: Look,
    determined: bool,
}

impl Candidate<'_> {
    fn applies(&self) -> bool {
        self.look.in_scope() && !self.look.clauses.iter().any(Clause::fails)
    }

    /// It is evaluated and fails, which refuses whatever the others say.
    fn errs(&self) -> bool {
        let mut clauses = self.look.clauses.iter();
        self.look.in_scope() && clauses.any(|clause| matches!(clause.seen, Seen::Error(_)))
    }

    /// How far it is from applying. A permit of another action is farther than any of this one.
    fn distance(&self) -> (bool, usize) {
        let heads = [self.look.principal, self.look.action, self.look.resource];
        let heads = heads.into_iter().filter(|matches| !matches).count();
        let clauses = self.look.clauses.iter().filter(|clause| clause.fails());
        (!self.look.action, heads + clauses.count())
    }
}

impl Bundle {
    /// Says why an inquiry is decided as it is. Decides by what decides requests.
    pub fn explain(&self, inquiry: &Inquiry) -> Explanation {
        let (request, entities) = (&inquiry.request, &inquiry.entities);
        let judged = self.judge(request, entities, inquiry.step_ups());
        let would_permit = self.would_permit(inquiry, &judged.effect);
        let verdict = Verdict::of(judged);
        let candidates = self.candidates(inquiry, &verdict);
        let policies = nesting::with_room_for(self.depth, || {
            let reader = Reader::of(request, entities);
            let explained = candidates
                .into_iter()
                .filter_map(|one| self.explained(one, &reader));
            explained.collect()
        });
        let named = |uid: Option<&EntityUid>| uid.map(ToString::to_string).unwrap_or_default();
        Explanation {
            request: Asked {
                principal: named(request.principal()),
                action: named(request.action()),
                resource: named(request.resource()),
            },
            verdict,
            revision: self.revision.to_string(),
            policies,
            would_permit,
        }
    }

    /// The policies that are worth a word, in their order.
    fn candidates(&self, inquiry: &Inquiry, verdict: &Verdict) -> Vec<Candidate<'_>> {
        let looks = self.look(inquiry).into_iter();
        let all = looks.map(|(entry, look)| Candidate {
            determined: verdict.reason.contains(&entry.id),
            entry,
            look,
        });
        let (mut first, others): (Vec<_>, Vec<_>) =
            all.partition(|one| one.determined || (one.errs() && !one.entry.shadow));
        let mut nearest = Vec::new();
        let mut rest = others;
        if first.is_empty() && verdict.decision == "deny" {
            let permits = |one: &Candidate<'_>| one.entry.effect == "permit" && !one.entry.shadow;
            (nearest, rest) = rest.into_iter().partition(permits);
            // A stable sort: the order of ids decides between those that are as near.
            nearest.sort_by_key(Candidate::distance);
            let of_this_action = nearest.iter().any(|one| one.look.action);
            let mut strangers = 0;
            nearest.retain(|one| {
                strangers += usize::from(!one.look.in_scope());
                one.look.in_scope()
                    || (strangers <= NEAREST && (one.look.action || !of_this_action))
            });
        }
        rest.retain(|one| one.look.in_scope());
        first.extend(nearest);
        first.extend(rest);
        first
    }

    fn explained(&self, candidate: Candidate<'_>, reader: &Reader<'_>) -> Option<Explained> {
        let applies = candidate.applies();
        let Candidate {
            entry,
            look,
            determined,
        } = candidate;
        let policy = self.policies().policy(&entry.policy_id())?;
        let heads = Head::ALL.into_iter().filter(|head| !match head {
            Head::Principal => look.principal,
            Head::Action => look.action,
            Head::Resource => look.resource,
        });
        let head = heads.map(|head| HeadPart {
            text: head.text(policy),
            needed: reader.need(policy, Part::Head(head), true),
        });
        let head = head.collect();
        let refuses = determined && entry.effect == "forbid";
        let purpose = match entry.effect {
            "forbid" if !refuses => " for it to forbid",
            _ => "",
        };
        let written = Syntax::from(policy).clauses().into_iter();
        let clauses = written.zip(look.clauses).filter_map(|(part, clause)| {
            let part = Part::Clause(part);
            let fails = clause.fails();
            let wanted = match clause.seen {
                Seen::NotReached => return None,
                Seen::True if fails || refuses => Some(false),
                Seen::False if fails || refuses => Some(true),
                _ => None,
            };
            let observed = reader.observed(policy, part).into_iter();
            Some(ExplainedClause {
                fails,
                text: clause.text,
                line: clause.line,
                unless: clause.unless,
                seen: clause.seen,
                observed: observed.map(|one| (one.path, one.value)).collect(),
                needed: wanted
                    .and_then(|wanted| reader.need(policy, part, wanted))
                    .map(|needed| format!("{needed}{purpose}")),
            })
        });
        let clauses = clauses.collect();
        Some(Explained {
            id: entry.id.clone(),
            effect: entry.effect,
            determined,
            applies,
            shadow: entry.shadow,
            file: entry.file.clone(),
            line: entry.line,
            notice: entry.annotations.get("notice").cloned(),
            text: entry.text().to_owned(),
            text_file: entry.text_file().to_owned(),
            head,
            clauses,
        })
    }
}
