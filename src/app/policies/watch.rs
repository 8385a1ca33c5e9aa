//! The times at which the folders are loaded.
//!
//! The folders are polled twice a second. Notifications of the system are not used: inotify does not
//! report changes on network mounts, must be set up again for each folder that is created, deleted or
//! replaced by a link, and loses events when there are many. A poll of the shipped folders takes less
//! than a millisecond and has none of these gaps.

use std::time::{Duration, Instant};

use super::fingerprint::Fingerprint;
use super::location::MAX_UNSETTLED;

/// The pause between two polls.
const PAUSE: Duration = Duration::from_millis(500);
/// The pause is at least this many times as long as the last poll took, so that many files or a slow
/// file system do not keep the thread busy.
const PAUSE_FACTOR: u32 = 20;
/// The number of polls without a change after which the files are read all the same. The timestamps
/// of some file systems are too coarse to show each change.
const READ_AFTER: u32 = 20;

/// The reason for a load.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cause {
    /// An operator requested it.
    Requested,
    /// The folders have changed.
    Changed,
    /// The regular read of folders without a visible change.
    Routine,
}

/// Decides, from the state of the folders at each poll, when they are loaded.
pub(super) struct Watch {
    /// The state at the last load.
    loaded: Fingerprint,
    /// The state at the last poll.
    polled: Fingerprint,
    /// The time of the first poll that saw the state of the last one.
    polled_since: Instant,
    /// True if the state of the last poll may be loaded.
    settled: bool,
    /// The number of polls since the last load, or since the state began to differ from it.
    polls: u32,
    unsettled: Option<Unsettled>,
    pause: Duration,
}

/// A period in which the folders keep changing.
struct Unsettled {
    since: Instant,
    is_reported: bool,
}

/// The consequence of a poll.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    /// The folders are to be loaded.
    Load(Cause),
    /// The folders have been changing for [`MAX_UNSETTLED`], which is to be reported.
    Unsettled,
}

impl Watch {
    /// Watches folders that were loaded in this state.
    pub(super) fn new(loaded: Fingerprint) -> Self {
        Self {
            polled: loaded.clone(),
            polled_since: Instant::now(),
            settled: true,
            loaded,
            polls: 0,
            unsettled: None,
            pause: PAUSE,
        }
    }

    /// Returns the time to wait before the next poll.
    pub(super) fn pause(&self) -> Duration {
        self.pause
    }

    /// Returns the consequence of a poll that began at `at`, took `took` and saw `polled`. Folders
    /// that have changed are loaded only after two polls saw the same state, so that a copy of
    /// several files is complete.
    pub(super) fn due(&mut self, polled: Fingerprint, at: Instant, took: Duration) -> Option<Due> {
        self.pause = PAUSE.max(took * PAUSE_FACTOR);
        let was_changed = self.polled != self.loaded;
        if polled != self.polled {
            self.polled = polled;
            self.polled_since = at;
        }
        let is_changed = self.polled != self.loaded;
        if was_changed != is_changed {
            self.polls = 0;
        }
        self.polls += 1;
        self.settled = !is_changed || at.duration_since(self.polled_since) >= PAUSE;
        if self.settled {
            self.unsettled = None;
            let cause = if is_changed {
                Some(Cause::Changed)
            } else {
                (self.polls >= READ_AFTER).then_some(Cause::Routine)
            };
            return cause.map(Due::Load);
        }
        let unsettled = self.unsettled.get_or_insert(Unsettled {
            since: at,
            is_reported: false,
        });
        let is_late = at.duration_since(unsettled.since) >= MAX_UNSETTLED;
        let is_news = is_late && !unsettled.is_reported;
        unsettled.is_reported |= is_news;
        is_news.then_some(Due::Unsettled)
    }

    /// Returns true if the state of the last poll is the loaded one, or was seen by an earlier poll.
    pub(super) fn has_settled(&self) -> bool {
        self.settled
    }

    /// Returns true if the folders have been changing for so long that it was reported.
    pub(super) fn is_unsettled_for_long(&self) -> bool {
        self.unsettled.as_ref().is_some_and(|it| it.is_reported)
    }

    /// Returns the state that the last poll saw.
    pub(super) fn seen(&self) -> Fingerprint {
        self.polled.clone()
    }

    /// Returns true if the last poll saw this state.
    pub(super) fn saw(&self, state: &Fingerprint) -> bool {
        self.polled == *state
    }

    /// Notes that the folders were loaded in this state.
    pub(super) fn loaded(&mut self, state: Fingerprint) {
        self.polled = state.clone();
        self.loaded = state;
        self.polls = 0;
        self.unsettled = None;
        self.settled = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Returns a state that differs for each name.
    fn state(name: &str) -> Fingerprint {
        Fingerprint::default().with(Path::new(name), 0)
    }

    const CHANGED: Option<Due> = Some(Due::Load(Cause::Changed));

    /// Polls these states, one each half second, after a load in state `/a`. Returns the consequences.
    fn polls(states: &[&str]) -> Vec<Option<Due>> {
        let mut watch = Watch::new(state("/a"));
        let mut at = Instant::now();
        let mut poll = |name: &&str| {
            at += PAUSE;
            let due = watch.due(state(name), at, Duration::ZERO);
            if let Some(Due::Load(_)) = due {
                watch.loaded(state(name));
            }
            due
        };
        states.iter().map(&mut poll).collect()
    }

    #[test]
    fn change_is_loaded_once_after_it_has_settled() {
        let due = polls(&["/a", "/b", "/b", "/b"]);
        assert_eq!(due, [None, None, CHANGED, None]);
        assert_eq!(polls(&["/b", "/c", "/c"]), [None, None, CHANGED]);
    }

    #[test]
    fn change_that_is_undone_before_it_settles_is_not_loaded() {
        assert_eq!(polls(&["/b", "/a", "/b", "/a"]), [None; 4]);
    }

    #[test]
    fn folder_that_never_settles_is_never_loaded_and_is_reported_once() {
        let names: Vec<_> = (0..200).map(|at| format!("/{at}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let due = polls(&names);
        let reported: Vec<_> = (0..200).filter(|at| due[*at].is_some()).collect();
        assert_eq!(reported, [60], "after 30 seconds");
        assert_eq!(due[60], Some(Due::Unsettled));
    }

    #[test]
    fn folder_is_unsettled_for_long_from_the_report_until_it_settles() {
        let mut watch = Watch::new(state("/a"));
        let mut at = Instant::now();
        let mut poll = |name: &str| {
            at += PAUSE;
            watch.due(state(name), at, Duration::ZERO);
            watch.is_unsettled_for_long()
        };
        let long: Vec<_> = (0..80).map(|it| poll(&format!("/{it}"))).collect();
        assert_eq!(long.iter().position(|it| *it), Some(60));
        assert!(long[60..].iter().all(|it| *it));
        assert!(!poll("/79"), "the folder has settled");
    }

    #[test]
    fn folder_that_settles_after_the_report_is_loaded() {
        let mut names: Vec<_> = (0..80).map(|at| format!("/{at}")).collect();
        names.push("/79".to_owned());
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let due = polls(&names);
        assert_eq!(due[60], Some(Due::Unsettled));
        assert_eq!(due[80], CHANGED);
    }

    #[test]
    fn folder_without_a_change_is_read_every_20_polls() {
        let read_after = READ_AFTER as usize;
        let due = polls(&["/a"].repeat(2 * read_after));
        let (at, causes): (Vec<_>, Vec<_>) = (1..)
            .zip(due)
            .filter_map(|(at, due)| Some((at, due?)))
            .unzip();
        assert_eq!(at, [read_after, 2 * read_after]);
        assert_eq!(causes, [Due::Load(Cause::Routine); 2]);
    }

    #[test]
    fn slow_poll_makes_the_pause_longer() {
        let mut watch = Watch::new(state("/a"));
        assert_eq!(watch.pause(), PAUSE);
        let now = Instant::now();
        watch.due(state("/a"), now, Duration::from_millis(300));
        assert_eq!(watch.pause(), Duration::from_secs(6));
        watch.due(state("/a"), now, Duration::from_millis(1));
        assert_eq!(watch.pause(), PAUSE);
    }
}
