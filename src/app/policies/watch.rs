//! When the folders are loaded.
//!
//! They are looked at twice a second, and no notification of the system is relied on: inotify tells
//! nothing of network mounts, has to be set up anew for each folder that comes, goes or is replaced
//! by a link, and loses events when there are many; a look at the shipped folders takes less than a
//! millisecond and has none of these cases.

use std::time::{Duration, Instant};

use super::fingerprint::Fingerprint;
use super::location::UNSETTLED;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// Looking takes at most one part in this many of the time, where there are many files or they are
/// far away.
const SHARE: u32 = 20;
/// At so many looks at which nothing had changed, the files are read all the same: for file systems
/// whose times are too coarse to show each change.
const READ_AFTER: u32 = 20;

/// Why the folders are loaded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cause {
    /// Somebody asked.
    Asked,
    /// They have changed.
    Changed,
    /// It is time to see whether they have, though it does not show.
    Routine,
}

/// Tells by the state of the folders whether they are to be loaded.
pub(super) struct Watch {
    /// As they were loaded last.
    loaded: Fingerprint,
    /// As they were at the last look.
    seen: Fingerprint,
    /// The first of the last looks that saw them so.
    seen_since: Instant,
    /// True if what was seen last may be loaded.
    settled: bool,
    /// Looks since the last load, or since the first at which they had changed.
    looks: u32,
    /// Since when they have been changing, and whether somebody was told.
    unsettled: Option<(Instant, bool)>,
    pause: Duration,
}

/// The consequence of a look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    /// The folders are to be loaded.
    Load(Cause),
    /// They have been changing for too long, which is said once.
    Unsettled,
}

impl Watch {
    /// Of folders that were loaded in this state.
    pub(super) fn new(loaded: Fingerprint) -> Self {
        Self {
            seen: loaded.clone(),
            seen_since: Instant::now(),
            settled: true,
            loaded,
            looks: 0,
            unsettled: None,
            pause: PAUSE,
        }
    }

    /// How long to wait before the next look.
    pub(super) fn pause(&self) -> Duration {
        self.pause
    }

    /// Returns what a look leads to that began at `at`, took so long and saw this. A folder that has
    /// changed is loaded when two looks saw the same state, and never before: whoever copies several
    /// files has then copied the last one.
    pub(super) fn due(&mut self, seen: Fingerprint, at: Instant, took: Duration) -> Option<Due> {
        self.pause = PAUSE.max(took * SHARE);
        let was_changed = self.seen != self.loaded;
        if seen != self.seen {
            self.seen = seen;
            self.seen_since = at;
        }
        let is_changed = self.seen != self.loaded;
        if was_changed != is_changed {
            self.looks = 0;
        }
        self.looks += 1;
        self.settled = !is_changed || at.duration_since(self.seen_since) >= PAUSE;
        if self.settled {
            self.unsettled = None;
            let cause = if is_changed {
                Some(Cause::Changed)
            } else {
                (self.looks >= READ_AFTER).then_some(Cause::Routine)
            };
            return cause.map(Due::Load);
        }
        let (since, told) = self.unsettled.get_or_insert((at, false));
        let is_news = !*told && at.duration_since(*since) >= UNSETTLED;
        *told |= is_news;
        is_news.then_some(Due::Unsettled)
    }

    /// Returns true if the last look saw the folders as they were loaded, or as an earlier look did.
    pub(super) fn has_settled(&self) -> bool {
        self.settled
    }

    /// Returns true if the folders have been changing for so long that somebody was told.
    pub(super) fn is_unsettled_for_long(&self) -> bool {
        self.unsettled.is_some_and(|(_, told)| told)
    }

    /// Returns true if the last look saw this state.
    pub(super) fn saw(&self, state: &Fingerprint) -> bool {
        self.seen == *state
    }

    /// They were loaded in this state.
    pub(super) fn loaded(&mut self, state: Fingerprint) {
        self.seen = state.clone();
        self.loaded = state;
        self.looks = 0;
        self.unsettled = None;
        self.settled = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// A state like no other one with another name.
    fn state(name: &str) -> Fingerprint {
        Fingerprint::default().with(Path::new(name), 0)
    }

    const CHANGED: Option<Due> = Some(Due::Load(Cause::Changed));

    /// Returns the consequence of each look, one every half second, the folders having been loaded in state `/a`.
    fn looks(states: &[&str]) -> Vec<Option<Due>> {
        let mut watch = Watch::new(state("/a"));
        let mut at = Instant::now();
        let mut look = |name: &&str| {
            at += PAUSE;
            let due = watch.due(state(name), at, Duration::ZERO);
            if let Some(Due::Load(_)) = due {
                watch.loaded(state(name));
            }
            due
        };
        states.iter().map(&mut look).collect()
    }

    #[test]
    fn a_change_is_loaded_once_when_it_has_settled() {
        let due = looks(&["/a", "/b", "/b", "/b"]);
        assert_eq!(due, [None, None, CHANGED, None]);
        assert_eq!(looks(&["/b", "/c", "/c"]), [None, None, CHANGED]);
    }

    #[test]
    fn a_change_that_is_undone_before_it_settles_is_none() {
        assert_eq!(looks(&["/b", "/a", "/b", "/a"]), [None; 4]);
    }

    #[test]
    fn folder_that_never_settles_is_never_loaded_and_told_of_once() {
        let names: Vec<_> = (0..200).map(|at| format!("/{at}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let due = looks(&names);
        let told: Vec<_> = (0..200).filter(|at| due[*at].is_some()).collect();
        assert_eq!(told, [60], "after 30 seconds");
        assert_eq!(due[60], Some(Due::Unsettled));
    }

    #[test]
    fn folder_is_unsettled_for_long_from_when_it_is_told_until_it_settles() {
        let mut watch = Watch::new(state("/a"));
        let mut at = Instant::now();
        let mut look = |name: &str| {
            at += PAUSE;
            watch.due(state(name), at, Duration::ZERO);
            watch.is_unsettled_for_long()
        };
        let long: Vec<_> = (0..80).map(|it| look(&format!("/{it}"))).collect();
        assert_eq!(long.iter().position(|it| *it), Some(60));
        assert!(long[60..].iter().all(|it| *it));
        assert!(!look("/79"), "it has settled");
    }

    #[test]
    fn folder_that_settles_late_is_loaded_then() {
        let mut names: Vec<_> = (0..80).map(|at| format!("/{at}")).collect();
        names.push("/79".to_owned());
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let due = looks(&names);
        assert_eq!(due[60], Some(Due::Unsettled));
        assert_eq!(due[80], CHANGED);
    }

    #[test]
    fn without_a_change_it_is_read_from_time_to_time() {
        let read_after = READ_AFTER as usize;
        let due = looks(&["/a"].repeat(2 * read_after));
        let (at, causes): (Vec<_>, Vec<_>) = (1..)
            .zip(due)
            .filter_map(|(at, due)| Some((at, due?)))
            .unzip();
        assert_eq!(at, [read_after, 2 * read_after]);
        assert_eq!(causes, [Due::Load(Cause::Routine); 2]);
    }

    #[test]
    fn slow_looks_are_rarer() {
        let mut watch = Watch::new(state("/a"));
        assert_eq!(watch.pause(), PAUSE);
        let now = Instant::now();
        watch.due(state("/a"), now, Duration::from_millis(300));
        assert_eq!(watch.pause(), Duration::from_secs(6));
        watch.due(state("/a"), now, Duration::from_millis(1));
        assert_eq!(watch.pause(), PAUSE);
    }
}
