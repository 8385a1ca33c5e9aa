//! The clock of the embedded store's deadlines.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::store::Clock;
use cedargate_core::Timestamp;

/// The system's clock, as the store's own server clock: it never goes back while the process lives.
pub(in crate::store) fn system_clock() -> Clock {
    #[allow(
        clippy::disallowed_methods,
        reason = "the embedded store is its own server, and deadlines use the server's clock"
    )]
    let wall = || Timestamp::from(SystemTime::now());
    let start = Instant::now();
    Arc::new(steady(wall, move || start.elapsed()))
}

/// The wall clock while it goes forward; when it jumps back, what has elapsed since goes on, so
/// that nothing is valid for longer than it was given.
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
    fn a_jump_back_stretches_no_deadline() {
        let start = Timestamp::from_millis(1_000_000_000);
        let wall = Cell::new(start);
        let ticks = Cell::new(Duration::ZERO);
        let clock = steady(|| wall.get(), || ticks.get());
        assert_eq!(clock(), start);

        wall.set(start.plus(HOUR));
        assert_eq!(clock(), start.plus(HOUR), "forward is followed");

        wall.set(start);
        ticks.set(Duration::from_secs(7));
        assert_eq!(clock(), start.plus(HOUR + Duration::from_secs(7)));
    }
}
