//! The sessions whose throttling was reported to the audit stream.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::store::TRIES_WINDOW;
use cedargate_core::{SessionKey, Timestamp, UserId};

/// The maximum number of sessions in one window. Further ones are not reported.
const MAX_SESSIONS: usize = 10_000;

/// The sessions that were reported since the current window began.
#[derive(Default)]
pub(super) struct ReportedSessions(Mutex<Window>);

#[derive(Default)]
struct Window {
    since: Timestamp,
    sessions: HashSet<(UserId, SessionKey)>,
}

impl ReportedSessions {
    /// Returns true for the first call for a session in a window, and remembers the session.
    pub(super) fn is_first(&self, user: &UserId, session: &SessionKey, now: Timestamp) -> bool {
        // No code panics while it holds the lock.
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(window.since) >= TRIES_WINDOW {
            window.since = now;
            window.sessions.clear();
        }
        window.sessions.len() < MAX_SESSIONS
            && window.sessions.insert((user.clone(), session.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_is_reported_once_in_a_window() {
        let reported = ReportedSessions::default();
        let alice: UserId = "corp||alice".parse().unwrap();
        let (first, second) = (SessionKey::of_sid("1"), SessionKey::of_sid("2"));
        let now = Timestamp::from_millis(1_700_000_000_000);
        assert!(reported.is_first(&alice, &first, now));
        assert!(!reported.is_first(&alice, &first, now));
        assert!(reported.is_first(&alice, &second, now));
        assert!(reported.is_first(&alice, &first, now.plus(TRIES_WINDOW)));
    }

    #[test]
    fn number_of_reported_sessions_is_bounded() {
        let reported = ReportedSessions::default();
        let alice: UserId = "corp||alice".parse().unwrap();
        let now = Timestamp::from_millis(1_700_000_000_000);
        let firsts = (0..MAX_SESSIONS + 10).filter(|sid| {
            let session = SessionKey::of_sid(&sid.to_string());
            reported.is_first(&alice, &session, now)
        });
        assert_eq!(firsts.count(), MAX_SESSIONS);
    }
}
