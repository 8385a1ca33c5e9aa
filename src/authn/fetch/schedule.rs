//! The times at which a JWKS is fetched. The current time is a parameter.

use std::time::Duration;

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

/// The time between two fetches if the issuer sends no `max-age`.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(15 * 60);
/// The bounds of `max-age`: the lower one limits the load on the issuer, the upper one the life of a
/// key that the issuer has withdrawn.
const MIN_AGE: Duration = Duration::from_secs(5 * 60);
const MAX_AGE: Duration = Duration::from_secs(60 * 60);
/// The time between two fetches that unknown keys cause.
const UNKNOWN_KEY_INTERVAL: Duration = MINUTE;
/// The pause after a failed fetch while there are no keys: doubled each time, up to `LAST_RETRY`.
/// While there are keys, it is always `LAST_RETRY`.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = MINUTE;

#[derive(Debug)]
pub(super) struct Schedule {
    /// The time of the next fetch. It stays in the past while a fetch is under way.
    due: Instant,
    /// The last time at which an unknown key caused a fetch.
    requested: Option<Instant>,
    /// The pause after the next failure without keys.
    retry: Duration,
}

impl Schedule {
    /// Makes a schedule whose first fetch is due at once.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            due: now,
            requested: None,
            retry: FIRST_RETRY,
        }
    }

    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Requests a fetch for an unknown key. Returns true if a fetch is under way or is due now.
    /// Unknown keys cause at most one fetch a minute, however many key ids an attacker invents.
    pub(super) fn request_fetch(&mut self, now: Instant) -> bool {
        if self.due <= now {
            return true;
        }
        if self
            .requested
            .is_some_and(|last| now < last + UNKNOWN_KEY_INTERVAL)
        {
            return false;
        }
        self.requested = Some(now);
        self.due = now;
        true
    }

    /// Plans the next fetch after keys were fetched. `max_age` is the freshness that the issuer states.
    pub(super) fn succeeded(&mut self, now: Instant, max_age: Option<Duration>) {
        self.due = now + max_age.unwrap_or(DEFAULT_MAX_AGE).clamp(MIN_AGE, MAX_AGE);
        self.retry = FIRST_RETRY;
    }

    /// Plans the next fetch after a failure.
    pub(super) fn failed(&mut self, now: Instant, has_keys: bool) {
        if has_keys {
            self.due = now + LAST_RETRY;
        } else {
            self.due = now + self.retry;
            self.retry = (self.retry * 2).min(LAST_RETRY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn max_age_of_an_issuer_is_kept_within_bounds() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now);
        assert_eq!(schedule.due(), now);
        for (max_age, wait) in [
            (None, 900),
            (Some(0), 300),
            (Some(299), 300),
            (Some(301), 301),
            (Some(3600), 3600),
            (Some(u64::MAX), 3600),
        ] {
            schedule.succeeded(now, max_age.map(seconds));
            assert_eq!(schedule.due(), now + seconds(wait), "{max_age:?}");
        }
    }

    #[test]
    fn fetch_without_keys_is_retried_after_a_second_and_finally_each_minute() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now);
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            schedule.failed(now, false);
            assert_eq!(schedule.due(), now + seconds(wait));
        }
        schedule.succeeded(now, None);
        schedule.failed(now, true);
        assert_eq!(
            schedule.due(),
            now + seconds(60),
            "keys are there, so the retry is slow"
        );
        schedule.failed(now, false);
        assert_eq!(schedule.due(), now + seconds(1));
    }

    #[test]
    fn request_during_a_fetch_waits_for_that_fetch() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now);
        assert!(schedule.request_fetch(now), "the first fetch");
        schedule.succeeded(now, None);
        assert!(
            schedule.request_fetch(now),
            "the first fetch was not requested"
        );
        assert!(
            schedule.request_fetch(now + seconds(3)),
            "the requested fetch is under way"
        );
        schedule.succeeded(now + seconds(4), None);
        assert!(!schedule.request_fetch(now + seconds(59)));
        assert!(schedule.request_fetch(now + seconds(60)));
    }

    proptest! {
        #[test]
        fn requests_cause_at_most_one_fetch_a_minute(
            steps in prop::collection::vec((0_u64..90_000, any::<Option<bool>>()), 1..200),
        ) {
            let mut now = Instant::now();
            let mut schedule = Schedule::new(now);
            let mut last: Option<Instant> = None;
            for (millis, ends) in steps {
                now += Duration::from_millis(millis);
                match ends {
                    Some(true) if schedule.due() <= now => schedule.succeeded(now, None),
                    Some(false) if schedule.due() <= now => schedule.failed(now, true),
                    _ => {
                        let was_due = schedule.due() <= now;
                        if schedule.request_fetch(now) && !was_due {
                            prop_assert!(last.is_none_or(|last| now - last >= MINUTE));
                            last = Some(now);
                        }
                    }
                }
            }
        }
    }
}
