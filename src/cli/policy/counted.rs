//! Things that are too many to keep: they are counted, and the first few are kept.

use std::collections::BTreeMap;

/// How many there were, and the first of them by their places, in whatever order they came.
#[derive(Clone, Debug)]
pub(super) struct Counted<P, T> {
    count: usize,
    most: usize,
    first: BTreeMap<P, T>,
}

impl<P: Ord, T> Counted<P, T> {
    /// None yet. At most `most` are kept.
    pub(super) fn keeping(most: usize) -> Self {
        Self {
            count: 0,
            most,
            first: BTreeMap::new(),
        }
    }

    /// One more; it is made only if it is kept.
    pub(super) fn add(&mut self, place: P, make: impl FnOnce() -> T) {
        self.count += 1;
        let last = self.first.last_key_value().map(|(last, _)| last);
        if self.first.len() < self.most || last.is_some_and(|last| place < *last) {
            self.keep(place, make());
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.count += other.count;
        for (place, one) in other.first {
            self.keep(place, one);
        }
    }

    fn keep(&mut self, place: P, one: T) {
        self.first.insert(place, one);
        if self.first.len() > self.most {
            self.first.pop_last();
        }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Those that are kept, in the order of their places.
    pub(super) fn first(&self) -> impl Iterator<Item = (&P, &T)> {
        self.first.iter()
    }

    /// How many there are beside those that are kept.
    pub(super) fn more(&self) -> usize {
        self.count - self.first.len()
    }
}

/// `1 case`, `2 cases`.
pub(super) fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_are_kept_in_whatever_order_and_parts_they_come(
            places in prop::collection::hash_set(0_u8..40, 0..30), parts in 1_usize..4, most in 0_usize..5,
        ) {
            let mut counted = vec![Counted::keeping(most); parts];
            for (at, place) in places.iter().enumerate() {
                counted[at % parts].add(*place, || u32::from(*place));
            }
            let mut all = Counted::keeping(most);
            counted.into_iter().for_each(|one| all.merge(one));
            let mut expected: Vec<_> = places.iter().copied().collect();
            expected.sort_unstable();
            expected.truncate(most);
            prop_assert_eq!(all.first().map(|(place, _)| *place).collect::<Vec<_>>(), expected);
            prop_assert_eq!(all.count(), places.len());
        }
    }
}
