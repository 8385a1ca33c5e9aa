//! When a JWKS is fetched. Pure: the moment is handed in.

use std::time::Duration;

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

/// Until keys are fetched again, when their issuer does not say.
const USUAL: Duration = Duration::from_secs(15 * 60);
/// The bounds of what an issuer can say by `Cache-Control`: it neither makes us hammer it nor keeps
/// a key that it withdraws alive for long.
const SHORTEST: Duration = Duration::from_secs(5 * 60);
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// Between two fetches for keys that are not known.
const ASKED_EVERY: Duration = MINUTE;
/// After a failed fetch without keys in hand: doubled each time, up to the last, which is also what
/// it is with keys, when there is no hurry.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = MINUTE;

/// When the next fetch is due.
#[derive(Debug)]
pub(super) struct Pace {
    /// Stays in the past while a fetch is under way.
    due: Instant,
    /// When a key that was not known last brought a fetch about.
    asked: Option<Instant>,
    /// After the next failure without keys.
    retry: Duration,
}

impl Pace {
    /// The first fetch is due at once.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            due: now,
            asked: None,
            retry: FIRST_RETRY,
        }
    }

    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// A key is not known. Whether a fetch is under way, or is due now because of it: at most one a
    /// minute, whoever makes up how many key ids.
    pub(super) fn ask(&mut self, now: Instant) -> bool {
        if self.due <= now {
            return true;
        }
        if self.asked.is_some_and(|last| now < last + ASKED_EVERY) {
            return false;
        }
        self.asked = Some(now);
        self.due = now;
        true
    }

    /// Keys came, and their issuer calls them fresh for so long.
    pub(super) fn fetched(&mut self, now: Instant, max_age: Option<Duration>) {
        self.due = now + max_age.unwrap_or(USUAL).clamp(SHORTEST, LONGEST);
        self.retry = FIRST_RETRY;
    }

    /// None came.
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
    fn what_an_issuer_says_counts_within_bounds() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert_eq!(pace.due(), now);
        for (max_age, wait) in [
            (None, 900),
            (Some(0), 300),
            (Some(299), 300),
            (Some(301), 301),
            (Some(3600), 3600),
            (Some(u64::MAX), 3600),
        ] {
            pace.fetched(now, max_age.map(seconds));
            assert_eq!(pace.due(), now + seconds(wait), "{max_age:?}");
        }
    }

    #[test]
    fn without_keys_it_is_tried_again_soon_and_then_each_minute() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            pace.failed(now, false);
            assert_eq!(pace.due(), now + seconds(wait));
        }
        pace.fetched(now, None);
        pace.failed(now, true);
        assert_eq!(pace.due(), now + seconds(60), "with keys there is no hurry");
        pace.failed(now, false);
        assert_eq!(pace.due(), now + seconds(1));
    }

    #[test]
    fn who_asks_while_a_fetch_is_under_way_waits_for_that_one() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert!(pace.ask(now), "the first fetch");
        pace.fetched(now, None);
        assert!(pace.ask(now), "which took nobody's turn");
        assert!(pace.ask(now + seconds(3)), "the one that was asked for");
        pace.fetched(now + seconds(4), None);
        assert!(!pace.ask(now + seconds(59)));
        assert!(pace.ask(now + seconds(60)));
    }

    proptest! {
        /// Fetches take any time, succeed or fail; callers ask whenever they like.
        #[test]
        fn asking_brings_about_at_most_one_fetch_a_minute(
            steps in prop::collection::vec((0_u64..90_000, any::<Option<bool>>()), 1..200),
        ) {
            let mut now = Instant::now();
            let mut pace = Pace::new(now);
            let mut last: Option<Instant> = None;
            for (millis, ends) in steps {
                now += Duration::from_millis(millis);
                match ends {
                    Some(true) if pace.due() <= now => pace.fetched(now, None),
                    Some(false) if pace.due() <= now => pace.failed(now, true),
                    _ => {
                        let was_due = pace.due() <= now;
                        if pace.ask(now) && !was_due {
                            prop_assert!(last.is_none_or(|last| now - last >= MINUTE));
                            last = Some(now);
                        }
                    }
                }
            }
        }
    }
}
