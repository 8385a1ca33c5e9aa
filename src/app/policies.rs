//! The policies follow their folders: what changes there is loaded off the request threads and put
//! in force in one step; what does not load leaves the last good policies in force.

mod fingerprint;
mod location;
mod watch;

use std::io;
use std::iter;
use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use tokio::sync::oneshot;

use crate::finding::{Finding, Findings};
use crate::gate::{Gate, InForce};
use crate::model::Timestamp;
use crate::policy::{Bundle, Requirements, Sources};

pub use location::{Loaded, Location, Watched};

use watch::{Cause, Due, Watch};

/// Why the policies in force are not those in the folders.
#[derive(Debug)]
pub struct Failure {
    /// What keeps the folders from loading, at least one finding.
    pub findings: Vec<Finding>,
}

/// What a load led to.
#[derive(Clone)]
pub enum Outcome {
    /// The policies were others: these are in force now.
    Replaced(Arc<InForce>),
    /// They are what was in force already.
    Unchanged(Arc<InForce>),
    /// They do not load.
    Failed(Arc<Failure>),
}

/// What the person who runs the gateway is told, once each.
pub enum News<'a> {
    /// Other policies are in force.
    Replaced(&'a InForce),
    /// Somebody asked for a load, and it changed nothing.
    Unchanged(&'a InForce),
    /// What did not load is again what is in force.
    Mended(&'a InForce),
    /// The folders do not load, or no longer for the same reason: these serve on.
    Failed(&'a Failure, &'a InForce),
}

/// Who is told: the log, the terminal.
pub trait Audience: Send + Sync {
    /// Takes the news. Called on the thread that loads.
    fn told(&self, news: &News<'_>);
}

/// How many loads were asked for or caused by a change, by what they led to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// [`Outcome::Replaced`].
    pub replaced: u64,
    /// [`Outcome::Unchanged`].
    pub unchanged: u64,
    /// [`Outcome::Failed`].
    pub failed: u64,
}

/// What is in force, and why that is not what is in the folders, where it is not.
pub struct Status {
    /// The policies in force.
    pub in_force: Arc<InForce>,
    /// Why they are stale, if they are.
    pub failure: Option<Arc<Failure>>,
}

impl Status {
    /// Why the policies are stale, in one sentence.
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
            "policies: {place}{}{more}; revision {} serves on",
            first.message,
            self.in_force.bundle().revision()
        ))
    }
}

/// Why a folder of which a part is missing may be put in force.
pub const CANARIES_OFF: &str = "policies: canary requests are off by [policies] canaries, so a folder that lacks tenant isolation can be put in force";

/// The policies of a gateway, and the thread that loads them.
pub struct Policies {
    shared: Arc<Shared>,
    requests: Sender<Request>,
}

/// A request for a load, and who waits for what it leads to.
struct Request(Option<oneshot::Sender<Outcome>>);

impl Policies {
    /// Follows the folders of what is in force at this gate, until it is dropped.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn follow(
        watched: Watched,
        gate: Arc<Gate>,
        clock: fn() -> Timestamp,
        audience: Arc<dyn Audience>,
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
            audience,
        };
        let (requests, receiver) = mpsc::channel();
        thread::Builder::new()
            .name("reload".to_owned())
            .spawn(move || loader.run(&receiver))?;
        Ok(Self { shared, requests })
    }

    /// Loads, and waits for what that leads to: the load begins after the call. `None` when the
    /// thread that loads has ended.
    pub async fn reload(&self) -> Option<Outcome> {
        let (done, outcome) = oneshot::channel();
        self.requests.send(Request(Some(done))).ok()?;
        outcome.await.ok()
    }

    /// Has the policies loaded, and goes on.
    pub fn request_reload(&self) {
        // without the thread nothing is loaded, and nobody waits for it
        let _ = self.requests.send(Request(None));
    }

    /// What is in force, and whether it is stale.
    pub fn status(&self) -> Status {
        let failure = self.shared.failure();
        Status {
            in_force: self.shared.gate.in_force(),
            failure: failure.clone(),
        }
    }

    /// What an operator should know of how policies are loaded.
    pub fn warning(&self) -> Option<String> {
        (!self.shared.canaries).then(|| CANARIES_OFF.to_owned())
    }

    /// The loads so far.
    pub fn counts(&self) -> Counts {
        let shared = &self.shared;
        Counts {
            replaced: shared.replaced.load(Ordering::Relaxed),
            unchanged: shared.unchanged.load(Ordering::Relaxed),
            failed: shared.failed.load(Ordering::Relaxed),
        }
    }
}

struct Shared {
    gate: Arc<Gate>,
    /// Whether canary requests are decided.
    canaries: bool,
    /// Held while policies are replaced too, so that a status is of one moment.
    failure: Mutex<Option<Arc<Failure>>>,
    replaced: AtomicU64,
    unchanged: AtomicU64,
    failed: AtomicU64,
}

impl Shared {
    fn failure(&self) -> MutexGuard<'_, Option<Arc<Failure>>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread that loads: one load at a time, by construction.
struct Loader {
    location: Location,
    watch: Watch,
    requirements: Requirements,
    shared: Arc<Shared>,
    clock: fn() -> Timestamp,
    audience: Arc<dyn Audience>,
}

impl Loader {
    fn run(mut self, requests: &Receiver<Request>) {
        loop {
            match requests.recv_timeout(self.watch.pause()) {
                Ok(first) => {
                    // Whoever asked while a load ran is answered by one more.
                    let waiting: Vec<_> = iter::once(first).chain(requests.try_iter()).collect();
                    let outcome = self.load_as_asked();
                    for done in waiting.into_iter().filter_map(|it| it.0) {
                        // who asked may have hung up
                        let _ = done.send(outcome.clone());
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn look(&mut self) {
        let started = Instant::now();
        let seen = self.location.fingerprint();
        match self.watch.due(seen, started, started.elapsed()) {
            Some(Due::Load(cause)) => {
                self.load(cause);
            }
            Some(Due::Unsettled) => {
                self.fail(self.location.unsettled(), Cause::Changed);
            }
            None => {}
        }
    }

    /// Somebody asked for a load. Folders that have changed must settle first, as for a load that
    /// nobody asked for.
    fn load_as_asked(&mut self) -> Outcome {
        loop {
            let started = Instant::now();
            let seen = self.location.fingerprint();
            self.watch.due(seen, started, started.elapsed());
            if self.watch.is_unsettled_for_long() {
                return self.fail(self.location.unsettled(), Cause::Asked);
            }
            if self.watch.has_settled()
                && let Some(outcome) = self.load(Cause::Asked)
            {
                return outcome;
            }
            thread::sleep(self.watch.pause());
        }
    }

    fn fail(&mut self, finding: Finding, cause: Cause) -> Outcome {
        let findings = vec![finding];
        let outcome = Outcome::Failed(Arc::new(Failure { findings }));
        self.take(&outcome, cause);
        outcome
    }

    /// Loads what the last look saw. `None` if the folders have changed since: the next looks tell when
    /// they settle.
    fn load(&mut self, cause: Cause) -> Option<Outcome> {
        let (fingerprint, read) = self.location.read();
        if !self.watch.saw(&fingerprint) {
            return None;
        }
        self.watch.loaded(fingerprint);
        let in_force = self.shared.gate.in_force();
        let outcome = match read.and_then(|sources| make(&sources, &self.requirements, &in_force)) {
            Ok(None) => Outcome::Unchanged(in_force),
            Ok(Some(bundle)) => Outcome::Replaced(Arc::new(InForce::new(bundle, (self.clock)()))),
            Err(findings) => Outcome::Failed(Arc::new(Failure {
                findings: findings.0,
            })),
        };
        self.take(&outcome, cause);
        Some(outcome)
    }

    /// Puts it in force, remembers it, counts it and tells it. What is done as a matter of routine
    /// and finds nothing new counts for nothing.
    fn take(&self, outcome: &Outcome, cause: Cause) {
        let shared = &self.shared;
        let counter = match outcome {
            Outcome::Replaced(in_force) => {
                let mut failure = shared.failure();
                shared.gate.replace(Arc::clone(in_force));
                *failure = None;
                drop(failure);
                self.audience.told(&News::Replaced(in_force));
                &shared.replaced
            }
            Outcome::Unchanged(in_force) => {
                let was_stale = shared.failure().take().is_some();
                match cause {
                    _ if was_stale => self.audience.told(&News::Mended(in_force)),
                    Cause::Asked => self.audience.told(&News::Unchanged(in_force)),
                    Cause::Changed => {}
                    Cause::Routine => return,
                }
                &shared.unchanged
            }
            Outcome::Failed(failure) => {
                let before = shared.failure().replace(Arc::clone(failure));
                let is_news = before.is_none_or(|before| before.findings != failure.findings);
                if is_news {
                    let in_force = shared.gate.in_force();
                    self.audience.told(&News::Failed(failure, &in_force));
                } else if cause == Cause::Routine {
                    return;
                }
                &shared.failed
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The bundle of these sources; `None` when it is the one in force.
fn make(
    sources: &Sources,
    requirements: &Requirements,
    in_force: &InForce,
) -> Result<Option<Bundle>, Findings> {
    if *sources.revision() == *in_force.bundle().revision() {
        return Ok(None);
    }
    panic::catch_unwind(|| Bundle::load_with(sources, requirements))
        .unwrap_or_else(|_| {
            let message = "loading these policies panicked, which is a bug of cedargate";
            let help = "undo the last change to them; stderr says where it happened";
            Err(Findings(vec![
                Finding::error("internal", "", message).help(help),
            ]))
        })
        .map(Some)
}
