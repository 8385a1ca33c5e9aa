//! Counts of things that are too many to keep, with the first few of them.

use std::collections::BTreeMap;

/// A count, and the first few of the counted things by their positions.
///
/// Samples of parts can be merged in any order: the result is the same as that of one sample of all.
#[derive(Clone, Debug)]
pub struct Sample<P, T> {
    count: usize,
    limit: usize,
    first: BTreeMap<P, T>,
}

impl<P: Ord, T> Sample<P, T> {
    /// Returns an empty sample that keeps at most `limit` things.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            count: 0,
            limit,
            first: BTreeMap::new(),
        }
    }

    /// Counts one thing. `make` is called only if the thing is kept.
    pub fn add(&mut self, position: P, make: impl FnOnce() -> T) {
        self.count += 1;
        let last = self.first.last_key_value().map(|(last, _)| last);
        if self.first.len() < self.limit || last.is_some_and(|last| position < *last) {
            self.keep(position, make());
        }
    }

    /// Adds everything that another sample with the same limit counted.
    pub fn merge(&mut self, other: Self) {
        self.count += other.count;
        for (position, one) in other.first {
            self.keep(position, one);
        }
    }

    fn keep(&mut self, position: P, one: T) {
        self.first.insert(position, one);
        if self.first.len() > self.limit {
            self.first.pop_last();
        }
    }

    /// Returns how many things were counted.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the things that were kept, in the order of their positions.
    pub fn first(&self) -> impl Iterator<Item = (&P, &T)> {
        self.first.iter()
    }

    /// Returns how many things were counted and not kept.
    pub fn omitted(&self) -> usize {
        self.count - self.first.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn merged_samples_keep_the_first_things_in_any_order(
            positions in prop::collection::hash_set(0_u8..40, 0..30), parts in 1_usize..4, limit in 0_usize..5,
        ) {
            let mut samples = vec![Sample::with_limit(limit); parts];
            for (at, position) in positions.iter().enumerate() {
                samples[at % parts].add(*position, || u32::from(*position));
            }
            let mut all = Sample::with_limit(limit);
            samples.into_iter().for_each(|one| all.merge(one));
            let mut expected: Vec<_> = positions.iter().copied().collect();
            expected.sort_unstable();
            expected.truncate(limit);
            prop_assert_eq!(all.first().map(|(position, _)| *position).collect::<Vec<_>>(), expected);
            prop_assert_eq!(all.count(), positions.len());
        }
    }
}
