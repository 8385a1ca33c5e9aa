//! Reloads policies when their folders change. A thread of its own loads them and replaces the
//! policies in force at once. If they do not load, the last good policies stay in force.

mod fingerprint;
mod loader;
mod location;
mod news;
mod watch;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use tokio::sync::oneshot;

use crate::gate::{Gate, InForce};
use cedargate_core::Timestamp;

pub use location::{Loaded, PolicyLocation, Watched};
pub use news::{LoadFailure, News, Observer, ReloadOutcome};

use loader::{Loader, Request, Shared};
use watch::Watch;

/// The numbers of loads by their outcome. Routine loads without news are not counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ReloadCounts {
    pub replaced: u64,
    pub unchanged: u64,
    pub failed: u64,
}

/// The policies in force at one moment, and the failure of the last load, if it failed.
pub struct PolicyStatus {
    pub in_force: Arc<InForce>,
    pub failure: Option<Arc<LoadFailure>>,
}

impl PolicyStatus {
    /// Returns one sentence that says why the policies are stale, or `None` if they are not.
    pub fn reason(&self) -> Option<String> {
        let findings = &self.failure.as_ref()?.findings;
        let first = findings.first()?;
        let place = match (first.file.as_str(), first.line) {
            ("", _) => String::new(),
            (file, 0) => format!("{file}: "),
            (file, line) => format!("{file}:{line}:{}: ", first.column),
        };
        let more = match findings.len() {
            1 => String::new(),
            all => format!(" (and {} more)", all - 1),
        };
        Some(format!(
            "policies: {place}{}{more}; revision {} stays in force",
            first.message,
            self.in_force.bundle().revision()
        ))
    }
}

/// The warning for a gateway whose canary requests are turned off.
pub const CANARIES_OFF: &str = "policies: canary requests are turned off by [policies] canaries, so policies without tenant isolation can be put in force";

/// The policies of a gateway. Its thread, which loads them, ends when this is dropped.
pub struct Policies {
    shared: Arc<Shared>,
    requests: Sender<Request>,
}

impl Policies {
    /// Starts the thread that reloads the policies of this gate from `watched`.
    ///
    /// # Errors
    /// The system cannot start a thread.
    pub fn follow(
        watched: Watched,
        gate: Arc<Gate>,
        clock: fn() -> Timestamp,
        observer: Arc<dyn Observer>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            gate,
            canaries: watched.requirements.canaries,
            failure: Mutex::default(),
            replaced: AtomicU64::new(0),
            unchanged: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        });
        let loader = Loader {
            location: watched.location,
            watch: Watch::new(watched.fingerprint),
            requirements: watched.requirements.clone(),
            shared: Arc::clone(&shared),
            clock,
            observer,
            retired: Vec::new(),
        };
        let (requests, receiver) = mpsc::channel();
        thread::Builder::new()
            .name("reload".to_owned())
            .spawn(move || loader.run(&receiver))?;
        Ok(Self { shared, requests })
    }

    /// Loads the policies and waits for the outcome. The load begins after the call. Returns `None`
    /// if the thread that loads has ended.
    pub async fn reload(&self) -> Option<ReloadOutcome> {
        let (sender, outcome) = oneshot::channel();
        self.requests.send(Request(Some(sender))).ok()?;
        outcome.await.ok()
    }

    /// Requests a load and does not wait for it.
    pub fn request_reload(&self) {
        // Sending fails only if the thread has ended; the caller cannot help that.
        let _ = self.requests.send(Request(None));
    }

    pub fn status(&self) -> PolicyStatus {
        let failure = self.shared.failure();
        PolicyStatus {
            in_force: self.shared.gate.in_force(),
            failure: failure.clone(),
        }
    }

    /// Returns [`CANARIES_OFF`] if canary requests are turned off.
    pub fn warning(&self) -> Option<String> {
        (!self.shared.canaries).then(|| CANARIES_OFF.to_owned())
    }

    pub fn counts(&self) -> ReloadCounts {
        let shared = &self.shared;
        ReloadCounts {
            replaced: shared.replaced.load(Ordering::Relaxed),
            unchanged: shared.unchanged.load(Ordering::Relaxed),
            failed: shared.failed.load(Ordering::Relaxed),
        }
    }
}
