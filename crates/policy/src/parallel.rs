//! Work on all cores, on stacks large enough for loading policies.

use std::io;
use std::thread;

use rayon::iter::{IntoParallelRefIterator as _, ParallelBridge as _, ParallelIterator as _};
use rayon::slice::ParallelSlice as _;
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

/// The number of items for which starting threads is worth the time.
const FEW: usize = 64;

/// Calls `work` with each item and returns the results in the order of the items: on all cores if there are
/// many, or else on this thread, whose stack must be large enough for loading policies. This thread also does
/// all of the work if the system cannot start another one.
pub fn spread<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Send + Sync) -> Vec<R> {
    // Large enough that taking one costs little, small enough that all cores end together.
    let size = (items.len() / 64).clamp(1, 256);
    spread_chunks(items, size, |items| items.iter().map(&work).collect())
}

/// Calls `work` with chunks of items, which returns a result for each item, and returns all results in the
/// order of the items. Uses threads as [`spread`] does.
pub(crate) fn spread_chunks<T: Sync, R: Send>(
    items: &[T],
    size: usize,
    work: impl Fn(&[T]) -> Vec<R> + Send + Sync,
) -> Vec<R> {
    if items.len() <= FEW {
        return work(items);
    }
    let all = || items.par_chunks(size).flat_map_iter(&work).collect();
    if rayon::current_thread_index().is_some() {
        // This is a worker already, and shares the work with the others.
        return all();
    }
    match workers() {
        Ok(workers) => workers.install(all),
        Err(_) => items.chunks(size).flat_map(&work).collect(),
    }
}

/// Does two parts of the work on `items` items at the same time if there are many items, or else one after the
/// other.
pub(crate) fn both<A: Send, B>(
    items: usize,
    one: impl FnOnce() -> A + Send,
    other: impl FnOnce() -> B,
) -> (A, B) {
    if items <= FEW {
        return (one(), other());
    }
    thread::scope(|scope| {
        let started = scope.spawn(one);
        let other = other();
        let one = started.join();
        (
            one.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            other,
        )
    })
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
