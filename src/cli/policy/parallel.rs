//! Work on all processors.

use std::sync::{Mutex, PoisonError};
use std::thread;

/// Gives each item to a worker, one for each processor. A worker adds what it finds to a result of its
/// own, which it begins with `start`; all results are given back, in no order. Items are taken as they
/// are needed, so there may be any number of them.
pub(super) fn fold<I: Send, T: Send>(
    items: impl Iterator<Item = I> + Send,
    start: impl Fn() -> T + Sync,
    add: impl Fn(&mut T, I) + Sync,
) -> Vec<T> {
    let items = Mutex::new(items);
    let next = || {
        let mut items = items.lock().unwrap_or_else(PoisonError::into_inner);
        items.next()
    };
    let work = || {
        let mut result = start();
        while let Some(item) = next() {
            add(&mut result, item);
        }
        result
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        // This thread is a worker too: where the system gives no other, it does all of the work.
        let others: Vec<_> = (1..processors)
            .filter_map(|_| thread::Builder::new().spawn_scoped(scope, work).ok())
            .collect();
        let mut results = vec![work()];
        results.extend(others.into_iter().map(|other| {
            other
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        }));
        results
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_is_worked_on_once() {
        let results = fold(0..1000_u64, Vec::new, |seen, item| seen.push(item));
        let mut seen: Vec<_> = results.concat();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..1000));
    }
}
