//! Counts items and keeps the first few, so that reports need little memory.

use std::collections::BTreeMap;

/// The number of counted items, and the first few items in the order of their positions.
///
/// Samples of parts can be merged in any order. The result equals a single sample of all items.
#[derive(Clone, Debug)]
pub struct Sample<P, T> {
    count: usize,
    limit: usize,
    first: BTreeMap<P, T>,
}

impl<P: Ord, T> Sample<P, T> {
    /// Returns an empty sample that keeps at most `limit` items.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            count: 0,
            limit,
            first: BTreeMap::new(),
        }
    }

    /// Counts one item. `make` is called only if the item is kept.
    pub fn add(&mut self, position: P, make: impl FnOnce() -> T) {
        self.count += 1;
        let last = self.first.last_key_value().map(|(last, _)| last);
        if self.first.len() < self.limit || last.is_some_and(|last| position < *last) {
            self.keep(position, make());
        }
    }

    /// Adds the items of another sample with the same limit.
    pub fn merge(&mut self, other: Self) {
        self.count += other.count;
        for (position, item) in other.first {
            self.keep(position, item);
        }
    }

    fn keep(&mut self, position: P, item: T) {
        self.first.insert(position, item);
        if self.first.len() > self.limit {
            self.first.pop_last();
        }
    }

    /// Returns the number of counted items.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the kept items in the order of their positions.
    pub fn first(&self) -> impl Iterator<Item = (&P, &T)> {
        self.first.iter()
    }

    /// Returns the number of items that were counted and not kept.
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
        fn merged_samples_keep_the_first_items_in_any_order(
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
