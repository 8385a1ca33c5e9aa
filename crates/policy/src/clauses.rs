//! How a policy comes to match or not: its head, and each clause of its conditions.

use super::nesting;
use super::syntax::{Reader, Syntax};
use super::{Bundle, Inquiry, PolicyEntry};

/// A top-level clause of a policy's conditions: one of those that `when` joins with `&&`, or that
/// `unless` joins with `||`.
#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    /// As it is written, without `when` and `unless`.
    pub text: String,
    /// Where it begins in its file, from 1.
    pub line: usize,
    /// It stands in `unless`: the policy applies where it is false.
    pub unless: bool,
    /// What it was for the request in question.
    pub seen: Seen,
}

/// What a clause was for a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// It held.
    True,
    /// It did not.
    False,
    /// It could not be evaluated.
    Error(String),
    /// It errs, but a clause before it had settled already that the policy does not apply.
    NotReached,
}

impl Clause {
    /// Whether it keeps the policy from applying.
    pub fn fails(&self) -> bool {
        match self.seen {
            Seen::True => self.unless,
            Seen::False => !self.unless,
            Seen::Error(_) => true,
            Seen::NotReached => false,
        }
    }
}

/// How a policy stands to a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Whether its head matches the principal.
    pub principal: bool,
    /// Whether its head matches the action.
    pub action: bool,
    /// Whether its head matches the resource.
    pub resource: bool,
    /// The clauses of its conditions, in their order, whether or not the head matches.
    pub clauses: Vec<Clause>,
}

impl Look {
    /// Whether the head matches.
    pub fn in_scope(&self) -> bool {
        self.principal && self.action && self.resource
    }
}

impl Bundle {
    /// How each policy stands to an inquiry, in the order of ids; shadow policies too.
    pub fn look(&self, inquiry: &Inquiry) -> Vec<(&PolicyEntry, Look)> {
        nesting::with_room_for(self.depth, || {
            let reader = Reader::of(&inquiry.request, &inquiry.entities);
            self.entries
                .iter()
                .filter_map(|entry| Some((entry, self.look_at(entry, &reader)?)))
                .collect()
        })
    }

    fn look_at(&self, entry: &PolicyEntry, reader: &Reader<'_>) -> Option<Look> {
        let policy = self.policies().policy(&entry.policy_id())?;
        let scope = reader.scope(policy);
        let mut settled = false;
        let clauses = Syntax::from(policy).clauses().into_iter().map(|part| {
            let seen = match reader.value(policy, part) {
                Ok(true) => Seen::True,
                Ok(false) => Seen::False,
                Err(_) if settled => Seen::NotReached,
                Err(error) => Seen::Error(error),
            };
            let span = part.span();
            let clause = Clause {
                text: entry.part(span.clone()).to_owned(),
                line: entry.line_of(span.start),
                unless: part.unless,
                seen,
            };
            settled |= clause.fails();
            clause
        });
        Some(Look {
            principal: scope.principal,
            action: scope.action,
            resource: scope.resource,
            clauses: clauses.collect(),
        })
    }
}
