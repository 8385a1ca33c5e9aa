//! The clock for the deadlines of the embedded store.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::store::Clock;
use cedargate_core::Timestamp;

/// Returns a clock that follows the system's clock and never goes back while the process runs.
pub(in crate::store) fn system_clock() -> Clock {
    #[allow(
        clippy::disallowed_methods,
        reason = "the embedded store is its own server, and deadlines use the server's clock"
    )]
    let wall = || Timestamp::from(SystemTime::now());
    let start = Instant::now();
    Arc::new(steady(wall, move || start.elapsed()))
}

/// Returns a clock that follows the wall clock forward. When the wall clock jumps back, it continues
/// by the elapsed time, so that a deadline does not move into the future.
fn steady(wall: impl Fn() -> Timestamp, elapsed: impl Fn() -> Duration) -> impl Fn() -> Timestamp {
    let base = Mutex::new((elapsed(), wall()));
    move || {
        let mut base = base.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, time) = *base;
        let ticks = elapsed();
        let steady = time.plus(ticks.saturating_sub(at));
        let now = wall();
        if now < steady {
            return steady;
        }
        *base = (ticks, now);
        now
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn clock_continues_by_elapsed_time_after_the_wall_clock_jumps_back() {
        let start = Timestamp::from_millis(1_000_000_000);
        let wall = Cell::new(start);
        let ticks = Cell::new(Duration::ZERO);
        let clock = steady(|| wall.get(), || ticks.get());
        assert_eq!(clock(), start);

        wall.set(start.plus(HOUR));
        assert_eq!(clock(), start.plus(HOUR), "a jump forward is followed");

        wall.set(start);
        ticks.set(Duration::from_secs(7));
        assert_eq!(clock(), start.plus(HOUR + Duration::from_secs(7)));
    }
}
