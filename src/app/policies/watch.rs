//! When the folders are loaded.
//!
//! They are looked at twice a second, and no notification of the system is relied on: inotify tells
//! nothing of network mounts, has to be set up anew for each folder that comes, goes or is replaced
//! by a link, and loses events when there are many; a look at the shipped folders takes less than a
//! millisecond and has none of these cases.

use std::time::Duration;

use super::fingerprint::Fingerprint;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// Looking takes at most one part in this many of the time, where there are many files or they are
/// far away.
const SHARE: u32 = 20;
/// At so many looks in a row at which the files had changed again, they are loaded all the same.
const MOST_UNSETTLED: u32 = 3;
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
    /// Looks since the last load, or since the first at which they had changed.
    looks: u32,
    pause: Duration,
}

impl Watch {
    /// Of folders that were loaded in this state.
    pub(super) fn new(loaded: Fingerprint) -> Self {
        Self {
            seen: loaded.clone(),
            loaded,
            looks: 0,
            pause: PAUSE,
        }
    }

    /// How long to wait before the next look.
    pub(super) fn pause(&self) -> Duration {
        self.pause
    }

    /// Why to load, if at all, now that this was seen by a look that took so long. What has changed
    /// is loaded when it stays as it is from one look to the next: who writes several files has then
    /// written the last one.
    pub(super) fn due(&mut self, seen: Fingerprint, took: Duration) -> Option<Cause> {
        self.pause = PAUSE.max(took * SHARE);
        let was_changed = self.seen != self.loaded;
        let is_changed = seen != self.loaded;
        let is_settled = seen == self.seen;
        self.seen = seen;
        if was_changed != is_changed {
            self.looks = 0;
        }
        self.looks += 1;
        if is_changed {
            (is_settled || self.looks >= MOST_UNSETTLED).then_some(Cause::Changed)
        } else {
            (self.looks >= READ_AFTER).then_some(Cause::Routine)
        }
    }

    /// They were loaded in this state.
    pub(super) fn loaded(&mut self, state: Fingerprint) {
        self.seen = state.clone();
        self.loaded = state;
        self.looks = 0;
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

    const CHANGED: Option<Cause> = Some(Cause::Changed);

    /// What each look leads to, the folders having been loaded in state `/a`.
    fn looks(states: &[&str]) -> Vec<Option<Cause>> {
        let mut watch = Watch::new(state("/a"));
        let mut look = |name: &&str| {
            let due = watch.due(state(name), Duration::ZERO);
            if due.is_some() {
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
    fn what_never_settles_is_loaded_all_the_same() {
        let due = looks(&["/b", "/c", "/d", "/e", "/f", "/g"]);
        assert_eq!(due, [None, None, CHANGED, None, None, CHANGED]);
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
        assert_eq!(causes, [Cause::Routine; 2]);
    }

    #[test]
    fn slow_looks_are_rarer() {
        let mut watch = Watch::new(state("/a"));
        assert_eq!(watch.pause(), PAUSE);
        watch.due(state("/a"), Duration::from_millis(300));
        assert_eq!(watch.pause(), Duration::from_secs(6));
        watch.due(state("/a"), Duration::from_millis(1));
        assert_eq!(watch.pause(), PAUSE);
    }
}
