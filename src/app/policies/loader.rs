//! The thread that loads policies. There is one, so two loads never overlap.

use std::iter;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use tokio::sync::oneshot;

use super::location::PolicyLocation;
use super::news::{LoadFailure, News, Observer, ReloadOutcome};
use super::watch::{Cause, Due, Watch};
use crate::gate::{Gate, InForce};
use cedargate_core::{Finding, Findings, Timestamp};
use cedargate_policy::{Bundle, Requirements, Sources};

/// A request for a load, with the caller that waits for its outcome, if any.
pub(super) struct Request(pub(super) Option<oneshot::Sender<ReloadOutcome>>);

/// The state that the handle and the thread share.
pub(super) struct Shared {
    pub(super) gate: Arc<Gate>,
    /// True if canary requests are decided at each load.
    pub(super) canaries: bool,
    /// Held while policies are replaced, so that a status never mixes two moments.
    pub(super) failure: Mutex<Option<Arc<LoadFailure>>>,
    pub(super) replaced: AtomicU64,
    pub(super) unchanged: AtomicU64,
    pub(super) failed: AtomicU64,
}

impl Shared {
    pub(super) fn failure(&self) -> MutexGuard<'_, Option<Arc<LoadFailure>>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Loader {
    pub(super) location: PolicyLocation,
    pub(super) watch: Watch,
    pub(super) requirements: Requirements,
    pub(super) shared: Arc<Shared>,
    pub(super) clock: fn() -> Timestamp,
    pub(super) observer: Arc<dyn Observer>,
    /// Policies that were in force before. Requests may still use them.
    pub(super) retired: Vec<Arc<InForce>>,
}

impl Loader {
    /// Polls the folders and serves requests for loads until all senders are dropped.
    pub(super) fn run(mut self, requests: &Receiver<Request>) {
        loop {
            match requests.recv_timeout(self.watch.pause()) {
                Ok(first) => {
                    // One load serves all requests that arrived during the last one.
                    let waiting: Vec<_> = iter::once(first).chain(requests.try_iter()).collect();
                    let outcome = self.load_on_request();
                    for sender in waiting.into_iter().filter_map(|request| request.0) {
                        // The caller may have stopped waiting.
                        let _ = sender.send(outcome.clone());
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.drop_retired();
                    self.poll();
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Drops the policies that were in force before and that no request uses any more. Dropping thousands of
    /// policies takes milliseconds, so it must not be left to the last request that uses them.
    fn drop_retired(&mut self) {
        self.retired.retain(|old| Arc::strong_count(old) > 1);
    }

    fn poll(&mut self) {
        let started = Instant::now();
        let state = self.location.fingerprint();
        match self.watch.due(state, started, started.elapsed()) {
            Some(Due::Load(cause)) => {
                self.load(cause);
            }
            Some(Due::Unsettled) => {
                self.fail(self.location.unsettled(), Cause::Changed);
            }
            None => {}
        }
    }

    /// Loads on request. As for any other load, folders that have changed must settle first.
    fn load_on_request(&mut self) -> ReloadOutcome {
        loop {
            let started = Instant::now();
            let state = self.location.fingerprint();
            self.watch.due(state, started, started.elapsed());
            if self.watch.is_unsettled_for_long() {
                return self.fail(self.location.unsettled(), Cause::Requested);
            }
            if self.watch.has_settled()
                && let Some(outcome) = self.load(Cause::Requested)
            {
                return outcome;
            }
            thread::sleep(self.watch.pause());
        }
    }

    fn fail(&mut self, finding: Finding, cause: Cause) -> ReloadOutcome {
        let findings = vec![finding];
        let outcome = ReloadOutcome::Failed(Arc::new(LoadFailure { findings }));
        self.apply(&outcome, cause);
        outcome
    }

    /// Loads the state that the last poll saw. Returns `None` if the folders have changed since; the
    /// next polls then wait until they settle.
    fn load(&mut self, cause: Cause) -> Option<ReloadOutcome> {
        let (fingerprint, read) = self.location.read_after(self.watch.seen());
        if !self.watch.saw(&fingerprint) {
            return None;
        }
        self.watch.loaded(fingerprint);
        let in_force = self.shared.gate.in_force();
        let loaded =
            read.and_then(|sources| load_if_changed(&sources, &self.requirements, &in_force));
        let outcome = match loaded {
            Ok(None) => ReloadOutcome::Unchanged(in_force),
            Ok(Some(bundle)) => {
                ReloadOutcome::Replaced(Arc::new(InForce::new(bundle, (self.clock)())))
            }
            Err(Findings(findings)) => ReloadOutcome::Failed(Arc::new(LoadFailure { findings })),
        };
        self.apply(&outcome, cause);
        Some(outcome)
    }

    /// Puts the outcome in force, notifies the observer, and counts it. A routine load without news
    /// is not counted.
    fn apply(&mut self, outcome: &ReloadOutcome, cause: Cause) {
        let shared = &self.shared;
        let counter = match outcome {
            ReloadOutcome::Replaced(in_force) => {
                self.retired.push(shared.gate.in_force());
                let mut failure = shared.failure();
                shared.gate.replace(Arc::clone(in_force));
                *failure = None;
                drop(failure);
                self.observer.notify(&News::Replaced(in_force));
                &shared.replaced
            }
            ReloadOutcome::Unchanged(in_force) => {
                let was_stale = shared.failure().take().is_some();
                match cause {
                    _ if was_stale => self.observer.notify(&News::Recovered(in_force)),
                    Cause::Requested => self.observer.notify(&News::Unchanged(in_force)),
                    Cause::Changed => {}
                    Cause::Routine => return,
                }
                &shared.unchanged
            }
            ReloadOutcome::Failed(failure) => {
                let before = shared.failure().replace(Arc::clone(failure));
                let is_news = before.is_none_or(|before| before.findings != failure.findings);
                if is_news {
                    let in_force = shared.gate.in_force();
                    self.observer.notify(&News::Failed(failure, &in_force));
                } else if cause == Cause::Routine {
                    return;
                }
                &shared.failed
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Loads a bundle from these sources. Returns `None` if they are those of the policies in force.
fn load_if_changed(
    sources: &Sources,
    requirements: &Requirements,
    in_force: &InForce,
) -> Result<Option<Bundle>, Findings> {
    if *sources.revision() == *in_force.bundle().revision() {
        return Ok(None);
    }
    // A bundle is never changed, so a panic leaves nothing half done.
    let load = AssertUnwindSafe(|| in_force.bundle().reload(sources, requirements));
    panic::catch_unwind(load)
        .unwrap_or_else(|_| {
            let message = "loading these policies panicked, which is a bug of cedargate";
            let help = "undo the last change to them; stderr names the place of the panic";
            Err(Findings(vec![
                Finding::error("internal", "", message).help(help),
            ]))
        })
        .map(Some)
}
