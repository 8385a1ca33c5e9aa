//! How a stream does: what waits, what was lost, and what an operator is told of it.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many bytes wait at most, about: of 8 000 decisions or so, while a disk is busy.
const WAITING: usize = 32 * 1024 * 1024;

/// Shared by the requests, the thread that writes, and the admin listener.
#[derive(Debug)]
pub struct Health {
    /// What it is called, and what its lines are of.
    name: &'static str,
    items: &'static str,
    file: String,
    /// How many bytes wait.
    waiting: AtomicUsize,
    too_slow: AtomicU64,
    unwritable: AtomicU64,
    /// Lines are being lost, as too many wait.
    losing: AtomicBool,
    trouble: Mutex<Option<Trouble>>,
}

/// Why the file cannot be written, and how many lines had been lost to that when it began.
#[derive(Debug)]
struct Trouble {
    why: String,
    lost_before: u64,
}

/// How many lines are missing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lost {
    /// More waited than there is room for.
    pub too_slow: u64,
    /// The file could not be written.
    pub unwritable: u64,
}

impl Health {
    pub(super) fn new(name: &'static str, items: &'static str, file: String) -> Self {
        Self {
            name,
            items,
            file,
            waiting: AtomicUsize::new(0),
            too_slow: AtomicU64::new(0),
            unwritable: AtomicU64::new(0),
            losing: AtomicBool::new(false),
            trouble: Mutex::new(None),
        }
    }

    /// What the stream is called.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How many lines are missing since the start.
    pub fn lost(&self) -> Lost {
        Lost {
            too_slow: self.too_slow.load(Ordering::Relaxed),
            unwritable: self.unwritable.load(Ordering::Relaxed),
        }
    }

    /// What an operator should know while it lasts.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(trouble) = &*self.trouble() {
            let Trouble { why, .. } = trouble;
            warnings.push(format!(
                "{}: {} cannot be written: {why}",
                self.name, self.file
            ));
        }
        if self.losing.load(Ordering::Relaxed) {
            warnings.push(format!(
                "{}: {} are lost, as {} takes them too slowly",
                self.name, self.items, self.file
            ));
        }
        warnings
    }

    /// Whether there is room for what has this weight. If not, so many lines are lost.
    pub(super) fn admit(&self, weight: usize, lines: usize) -> bool {
        let before = self.waiting.fetch_add(weight, Ordering::Relaxed);
        // One that is heavier than all the room is taken where nothing else waits.
        if before == 0 || before.saturating_add(weight) <= WAITING {
            return true;
        }
        self.taken(weight);
        self.too_slow.fetch_add(lines as u64, Ordering::Relaxed);
        if !self.losing.swap(true, Ordering::Relaxed) {
            tracing::error!(
                file = self.file,
                "{} are lost: the {} takes them too slowly",
                self.items,
                self.name
            );
        }
        false
    }

    /// What has this weight waits no longer.
    pub(super) fn taken(&self, weight: usize) {
        self.waiting.fetch_sub(weight, Ordering::Relaxed);
    }

    /// Nothing waits any more.
    pub(super) fn caught_up(&self) {
        if self.losing.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                file = self.file,
                lost = self.lost().too_slow,
                "the {} has caught up: so many {} were lost since the start",
                self.name,
                self.items
            );
        }
    }

    /// Lines were written.
    pub(super) fn written(&self) {
        let Some(trouble) = self.trouble().take() else {
            return;
        };
        tracing::warn!(
            file = self.file,
            lost = self.lost().unwritable - trouble.lost_before,
            "the {} is written again: so many {} were lost",
            self.name,
            self.items
        );
    }

    /// Lines could not be written, and are lost.
    pub(super) fn unwritten(&self, error: &io::Error, lines: usize) {
        let lost_before = self.unwritable.fetch_add(lines as u64, Ordering::Relaxed);
        let mut trouble = self.trouble();
        if trouble.is_none() {
            tracing::error!(
                file = self.file,
                error = error.to_string(),
                "{} are lost: the {} cannot be written",
                self.items,
                self.name
            );
            let why = error.to_string();
            *trouble = Some(Trouble { why, lost_before });
        }
    }

    /// What there is to say at the end of the process.
    pub(super) fn last_words(&self, written: bool) -> Vec<String> {
        let mut words = Vec::new();
        if !written {
            words.push(format!("the last {} are not in {}", self.items, self.file));
        }
        let Lost {
            too_slow,
            unwritable,
        } = self.lost();
        if too_slow + unwritable > 0 {
            words.push(format!(
                "{} {} are missing in {}",
                too_slow + unwritable,
                self.items,
                self.file
            ));
        }
        words
    }

    fn trouble(&self) -> std::sync::MutexGuard<'_, Option<Trouble>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
