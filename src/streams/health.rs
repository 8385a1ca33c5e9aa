//! The health of a stream: the size of its queue, lost lines, and messages for the operator.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The approximate size of the queue in bytes. It holds about 8 000 decisions while a disk is busy.
const QUEUE_BYTES: usize = 32 * 1024 * 1024;

/// The health of a stream. The requests, the writing thread and the admin listener share it.
#[derive(Debug)]
pub struct StreamHealth {
    /// The word for the stream in messages.
    name: &'static str,
    /// The word for its lines in messages, in the plural.
    items: &'static str,
    file: String,
    /// The number of bytes in the queue.
    waiting: AtomicUsize,
    too_slow: AtomicU64,
    unwritable: AtomicU64,
    /// True while lines are lost because the queue is full.
    losing: AtomicBool,
    write_failure: Mutex<Option<WriteFailure>>,
}

/// A period in which the file cannot be written.
#[derive(Debug)]
struct WriteFailure {
    error: String,
    /// The number of unwritable lines before the period.
    lost_before: u64,
}

/// The number of lines that were lost since the start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LostLines {
    /// Lines lost because the queue was full.
    pub too_slow: u64,
    /// Lines lost because the file could not be written.
    pub unwritable: u64,
}

impl StreamHealth {
    pub(super) fn new(name: &'static str, items: &'static str, file: String) -> Self {
        Self {
            name,
            items,
            file,
            waiting: AtomicUsize::new(0),
            too_slow: AtomicU64::new(0),
            unwritable: AtomicU64::new(0),
            losing: AtomicBool::new(false),
            write_failure: Mutex::new(None),
        }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn lost(&self) -> LostLines {
        LostLines {
            too_slow: self.too_slow.load(Ordering::Relaxed),
            unwritable: self.unwritable.load(Ordering::Relaxed),
        }
    }

    /// Returns the present problems, for the readiness report.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(failure) = &*self.write_failure() {
            warnings.push(format!(
                "{}: {} cannot be written: {}",
                self.name, self.file, failure.error
            ));
        }
        if self.losing.load(Ordering::Relaxed) {
            warnings.push(format!(
                "{}: {} are lost because writing to {} is too slow",
                self.name, self.items, self.file
            ));
        }
        warnings
    }

    /// Reserves room in the queue. Returns false if there is none, and then counts the lines as lost.
    pub(super) fn admit(&self, weight: usize, lines: usize) -> bool {
        let before = self.waiting.fetch_add(weight, Ordering::Relaxed);
        // An empty queue accepts every entry, also one that is larger than the queue.
        if before == 0 || before.saturating_add(weight) <= QUEUE_BYTES {
            return true;
        }
        self.release(weight);
        self.too_slow.fetch_add(lines as u64, Ordering::Relaxed);
        if !self.losing.swap(true, Ordering::Relaxed) {
            tracing::error!(
                file = self.file,
                "{} are lost because writing the {} is too slow",
                self.items,
                self.name
            );
        }
        false
    }

    /// Frees room in the queue.
    pub(super) fn release(&self, weight: usize) {
        self.waiting.fetch_sub(weight, Ordering::Relaxed);
    }

    /// Ends a period of lost lines, once the queue is empty.
    pub(super) fn caught_up(&self) {
        if self.losing.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                file = self.file,
                lost = self.lost().too_slow,
                "the {} has caught up: the field `lost` counts the {} lost since the start",
                self.name,
                self.items
            );
        }
    }

    /// Ends a period in which the file could not be written.
    pub(super) fn record_success(&self) {
        let Some(failure) = self.write_failure().take() else {
            return;
        };
        tracing::warn!(
            file = self.file,
            lost = self.lost().unwritable - failure.lost_before,
            "the {} can be written again: the field `lost` counts the {} lost until now",
            self.name,
            self.items
        );
    }

    /// Counts lines that could not be written. Logs the first error of a period.
    pub(super) fn record_failure(&self, error: &io::Error, lines: usize) {
        let lost_before = self.unwritable.fetch_add(lines as u64, Ordering::Relaxed);
        let mut failure = self.write_failure();
        if failure.is_none() {
            tracing::error!(
                file = self.file,
                error = error.to_string(),
                "{} are lost: the {} cannot be written",
                self.items,
                self.name
            );
            *failure = Some(WriteFailure {
                error: error.to_string(),
                lost_before,
            });
        }
    }

    /// Returns the messages about missing lines for the end of the process.
    pub(super) fn final_messages(&self, finished: bool) -> Vec<String> {
        let mut messages = Vec::new();
        if !finished {
            messages.push(format!("the last {} are not in {}", self.items, self.file));
        }
        let LostLines {
            too_slow,
            unwritable,
        } = self.lost();
        if too_slow + unwritable > 0 {
            messages.push(format!(
                "{} {} are missing in {}",
                too_slow + unwritable,
                self.items,
                self.file
            ));
        }
        messages
    }

    fn write_failure(&self) -> MutexGuard<'_, Option<WriteFailure>> {
        self.write_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
