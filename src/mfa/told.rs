//! Which sessions the audit stream was told of as throttled.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::store::TRIES_WINDOW;
use cedargate_core::{SessionKey, Timestamp, UserId};

/// The most sessions that are remembered in one window. Further ones are not told of.
const MOST: usize = 10_000;

/// The sessions that were told of since the window began.
#[derive(Default)]
pub(super) struct Told(Mutex<Window>);

#[derive(Default)]
struct Window {
    since: Timestamp,
    sessions: HashSet<(UserId, SessionKey)>,
}

impl Told {
    /// Returns true for the first call for a session in a window.
    pub(super) fn is_first(&self, user: &UserId, session: &SessionKey, now: Timestamp) -> bool {
        // Nothing panics while it is held.
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(window.since) >= TRIES_WINDOW {
            window.since = now;
            window.sessions.clear();
        }
        window.sessions.len() < MOST && window.sessions.insert((user.clone(), session.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_is_told_of_once_in_a_window() {
        let told = Told::default();
        let alice: UserId = "corp||alice".parse().unwrap();
        let (one, other) = (SessionKey::of_sid("1"), SessionKey::of_sid("2"));
        let now = Timestamp::from_millis(1_700_000_000_000);
        assert!(told.is_first(&alice, &one, now));
        assert!(!told.is_first(&alice, &one, now));
        assert!(told.is_first(&alice, &other, now));
        assert!(told.is_first(&alice, &one, now.plus(TRIES_WINDOW)));
    }

    #[test]
    fn memory_of_sessions_is_bounded() {
        let told = Told::default();
        let alice: UserId = "corp||alice".parse().unwrap();
        let now = Timestamp::from_millis(1_700_000_000_000);
        let firsts = (0..MOST + 10).filter(|sid| {
            let session = SessionKey::of_sid(&sid.to_string());
            told.is_first(&alice, &session, now)
        });
        assert_eq!(firsts.count(), MOST);
    }
}
