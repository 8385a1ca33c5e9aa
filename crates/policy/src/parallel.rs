//! Work on all cores, on stacks large enough for loading policies.

use std::io;

use rayon::iter::{IntoParallelRefIterator as _, ParallelBridge as _, ParallelIterator as _};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::nesting;

/// Calls `work` with each item and returns the results in the order of the items.
///
/// # Errors
/// Returns an error if the system cannot start the threads.
pub fn map<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> R + Send + Sync,
) -> io::Result<Vec<R>> {
    Ok(workers()?.install(|| items.par_iter().map(work).collect()))
}

/// Adds each item to one of several results, each of which `start` makes, and returns all results, in
/// no order. Items are taken as they are needed, so there may be any number of them.
///
/// # Errors
/// Returns an error if the system cannot start the threads.
pub fn fold<I: Send, T: Send>(
    items: impl Iterator<Item = I> + Send,
    start: impl Fn() -> T + Send + Sync,
    add: impl Fn(&mut T, I) + Send + Sync,
) -> io::Result<Vec<T>> {
    Ok(workers()?.install(|| {
        let results = items.par_bridge().fold(&start, |mut result, item| {
            add(&mut result, item);
            result
        });
        results.collect()
    }))
}

fn workers() -> io::Result<ThreadPool> {
    let builder = ThreadPoolBuilder::new().stack_size(nesting::STACK_BYTES);
    builder.build().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fold_adds_each_item_once() {
        let results = fold(0..1000_u64, Vec::new, |seen, item| seen.push(item)).unwrap();
        let mut seen: Vec<_> = results.concat();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..1000));
    }
}
