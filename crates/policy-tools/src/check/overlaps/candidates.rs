//! The policies with which a policy is compared. Comparing each policy with every other one would take a
//! time that grows with the square of their number, so the others are found by what they have in common.

use std::collections::{BTreeSet, HashMap};

use cedar_policy::{Effect, EntityUid};

use cedargate_policy::analysis::NormalForm;

use super::ComparedPolicy;
use super::head::{Head, Scope};

/// The entities that a head names for the principal and for the resource.
type Named<'c> = (Option<&'c EntityUid>, Option<&'c EntityUid>);

/// All that two policies must have in common to be alike.
#[derive(Eq, Hash, PartialEq)]
struct Likeness<'c> {
    forbids: bool,
    shadow: bool,
    principal: &'c Scope,
    resource: &'c Scope,
    actions: &'c BTreeSet<EntityUid>,
    condition: &'c NormalForm,
}

/// The policies with heads that name the same entities.
#[derive(Default)]
struct Covering<'c> {
    all: Vec<usize>,
    /// The policies whose condition every other condition implies.
    unconditional: Vec<usize>,
    /// The others, by the parts of which a condition that implies theirs has at least one.
    by_part: HashMap<&'c NormalForm, Vec<usize>>,
}

/// Finds the other policies that can be the reason for a finding about a policy.
pub(super) struct Candidates<'c> {
    /// The first policy of each kind.
    alike: HashMap<Likeness<'c>, usize>,
    covering: HashMap<Named<'c>, Covering<'c>>,
    /// The first of the permits with each head, in their order.
    permits: HashMap<Named<'c>, Vec<usize>>,
}

impl<'c> Candidates<'c> {
    pub(super) fn of(compared: &'c [ComparedPolicy<'_>]) -> Self {
        let mut candidates = Self {
            alike: HashMap::new(),
            covering: HashMap::new(),
            permits: HashMap::new(),
        };
        let frequencies = frequencies(compared);
        let mut heads: HashMap<&Head, usize> = HashMap::new();
        for (index, one) in compared.iter().enumerate() {
            candidates.alike.entry(one.likeness()).or_insert(index);
            let covering = candidates.covering.entry(one.head.named()).or_default();
            covering.all.push(index);
            match needed_parts(&one.condition, &frequencies) {
                None => covering.unconditional.push(index),
                Some(parts) => {
                    for part in parts {
                        covering.by_part.entry(part).or_default().push(index);
                    }
                }
            }
            let permits = one.effect() == Effect::Permit && !one.annotations.shadow;
            if permits && *heads.entry(&one.head).or_insert(index) == index {
                let permits = candidates.permits.entry(one.head.named());
                permits.or_default().push(index);
            }
        }
        candidates
    }

    /// Returns the first policy that differs from this one at most in its annotations. It may be this one.
    pub(super) fn alike(&self, one: &ComparedPolicy<'_>) -> Vec<usize> {
        let first = self.alike.get(&one.likeness());
        first.copied().into_iter().collect()
    }

    /// Returns the policies that may match every request that this one can match, in their order.
    pub(super) fn covering(&self, one: &ComparedPolicy<'_>) -> Vec<usize> {
        let parts: BTreeSet<_> = one.condition.all_parts().into_iter().collect();
        let mut found = Vec::new();
        for named in wider(&one.head) {
            let Some(covering) = self.covering.get(&named) else {
                continue;
            };
            if one.condition.has_never() {
                // A condition that is never true implies every other one.
                found.extend(&covering.all);
                continue;
            }
            found.extend(&covering.unconditional);
            let by_part = parts.iter().filter_map(|part| covering.by_part.get(*part));
            found.extend(by_part.flatten());
        }
        sorted(found)
    }

    /// Returns the first permit with each head that may match every request that this one can match, in
    /// their order. Of permits with the same head, the first is the reason or none is.
    pub(super) fn wider_permits(&self, one: &ComparedPolicy<'_>) -> Vec<usize> {
        if one.effect() != Effect::Permit {
            return Vec::new();
        }
        let named = wider(&one.head);
        let permits = named.iter().filter_map(|named| self.permits.get(named));
        sorted(permits.flatten().copied().collect())
    }
}

/// Returns what a head can name that covers this one: for the principal and for the resource each, the same
/// entity or none.
fn wider(head: &Head) -> BTreeSet<Named<'_>> {
    let (principal, resource) = head.named();
    let principals = [None, principal].into_iter();
    let named = principals.flat_map(|principal| [(principal, None), (principal, resource)]);
    named.collect()
}

fn sorted(mut indexes: Vec<usize>) -> Vec<usize> {
    indexes.sort_unstable();
    indexes.dedup();
    indexes
}

impl Head {
    fn named(&self) -> Named<'_> {
        (self.principal.entity(), self.resource.entity())
    }
}

impl ComparedPolicy<'_> {
    fn likeness(&self) -> Likeness<'_> {
        Likeness {
            forbids: self.effect() == Effect::Forbid,
            shadow: self.annotations.shadow,
            principal: &self.head.principal,
            resource: &self.head.resource,
            actions: &self.head.actions,
            condition: &self.condition,
        }
    }
}

/// Returns the number of conditions that have each part.
fn frequencies<'c>(compared: &'c [ComparedPolicy<'_>]) -> HashMap<&'c NormalForm, usize> {
    let mut frequencies = HashMap::new();
    for part in compared.iter().flat_map(|one| one.condition.all_parts()) {
        *frequencies.entry(part).or_default() += 1;
    }
    frequencies
}

/// Returns parts of which a condition must have at least one to imply this condition, unless it is never
/// true. Returns `None` if every condition implies this one.
fn needed_parts<'c>(
    condition: &'c NormalForm,
    frequencies: &HashMap<&'c NormalForm, usize>,
) -> Option<Vec<&'c NormalForm>> {
    match condition {
        NormalForm::Part { .. } => Some(vec![condition]),
        NormalForm::All(all) => {
            // Each of them must be implied, so any will do. The rarest selects best.
            let needed = all.iter().filter_map(|one| needed_parts(one, frequencies));
            needed.min_by_key(|parts| {
                let frequency = parts.iter().filter_map(|part| frequencies.get(*part));
                frequency.sum::<usize>()
            })
        }
        NormalForm::Any(any) => {
            let needed = any.iter().map(|one| needed_parts(one, frequencies));
            let needed = needed.collect::<Option<Vec<_>>>()?;
            Some(needed.concat())
        }
    }
}
