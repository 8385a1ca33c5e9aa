//! The writing thread. It commits the waiting steps together, with one fsync, and then answers them.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redb::{Database, ReadableDatabase as _, ReadableTable as _, WriteTransaction};
use tokio::sync::oneshot;

use super::file::StoreFile;
use super::steps::StepResult;
use super::tables::{COUNTS, PENDING, Tables, live};
use crate::store::{Clock, Error};
use cedargate_core::Timestamp;

/// The number of steps that may wait. A further one is refused: the disk is too slow for the load.
const QUEUE: usize = 1024;
/// The number of steps that may share a commit.
const STEPS_PER_COMMIT: usize = 128;
/// The interval at which expired entries are removed.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// The message after a panic of the thread.
const STOPPED: &str = "the embedded store has stopped writing: restart the gateway";

/// The reason why a step has no outcome. The messages are for the log.
#[derive(Debug)]
pub(super) enum Failure {
    /// The step changed nothing.
    NotDone(String),
    /// The disk failed during the commit: the change may have been stored.
    AtCommit(String),
    /// The step could not read or write a record, and changed nothing.
    Record(Error),
}

impl Failure {
    pub(super) fn into_cause(self) -> String {
        match self {
            Failure::NotDone(cause) | Failure::AtCommit(cause) => cause,
            Failure::Record(error) => error.to_string(),
        }
    }
}

impl From<Failure> for Error {
    /// Converts the failure of a step whose repetition is harmless.
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Record(error) => error,
            failure => Error::unavailable(failure.into_cause()),
        }
    }
}

pub(super) struct Writer {
    /// `None` only while the writer is dropped.
    queue: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<()>>,
}

enum Message {
    Step(Box<dyn Job>),
    Reopen,
}

impl Writer {
    pub(super) fn start(file: Arc<StoreFile>, clock: Clock) -> io::Result<Self> {
        let (queue, waiting) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || run(&file, &clock, &waiting))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Runs a step and returns its outcome once the commit is on the disk. The step runs to its end even
    /// if the caller drops the future.
    pub(super) async fn write<R, F>(&self, step: F) -> Result<R, Failure>
    where
        R: Send + 'static,
        F: FnOnce(&mut Tables<'_>, Timestamp) -> StepResult<R> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = QueuedStep {
            step: Some(step),
            outcome: None,
            reply,
        };
        let message = Message::Step(Box::new(job));
        match self.queue.as_ref().map(|queue| queue.try_send(message)) {
            Some(Ok(())) => answer
                .await
                .unwrap_or_else(|_| Err(Failure::AtCommit(STOPPED.to_owned()))),
            Some(Err(TrySendError::Full(_))) => Err(Failure::NotDone(
                "the embedded store's queue is full: the disk is too slow for the load".to_owned(),
            )),
            Some(Err(TrySendError::Disconnected(_))) | None => {
                Err(Failure::NotDone(STOPPED.to_owned()))
            }
        }
    }

    /// Asks the thread to open the file again. If the queue is full, the request is dropped, and the next
    /// commit that fails reopens the file.
    pub(super) fn reopen(&self) {
        if let Some(queue) = &self.queue {
            let _full = queue.try_send(Message::Reopen);
        }
    }
}

impl Drop for Writer {
    /// Waits for the last commit, so that the file is closed once the store is dropped.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// A step and the channel for its outcome.
trait Job: Send {
    fn run(&mut self, tables: &mut Tables<'_>, now: Timestamp) -> Result<(), redb::Error>;
    fn answer(self: Box<Self>, committed: Result<(), Failure>);
}

struct QueuedStep<F, R> {
    step: Option<F>,
    outcome: Option<Result<R, Error>>,
    reply: oneshot::Sender<Result<R, Failure>>,
}

impl<F, R> Job for QueuedStep<F, R>
where
    R: Send,
    F: FnOnce(&mut Tables<'_>, Timestamp) -> StepResult<R> + Send,
{
    fn run(&mut self, tables: &mut Tables<'_>, now: Timestamp) -> Result<(), redb::Error> {
        if let Some(step) = self.step.take() {
            self.outcome = Some(step(tables, now)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), Failure>) {
        let Self { outcome, reply, .. } = *self;
        let answer = committed.and_then(|()| match outcome {
            Some(outcome) => outcome.map_err(Failure::Record),
            None => Err(Failure::NotDone("the step was not run".to_owned())),
        });
        // Sending fails only if the caller has dropped the future.
        let _ = reply.send(answer);
    }
}

fn run(file: &StoreFile, clock: &Clock, waiting: &Receiver<Message>) {
    let mut next_sweep = Instant::now();
    loop {
        if Instant::now() >= next_sweep {
            if let Err(cause) = file.with(|database| sweep(database, clock())) {
                tracing::error!("{cause}");
                file.reopen();
            }
            next_sweep = Instant::now() + SWEEP_INTERVAL;
        }
        let first = match waiting.recv_timeout(next_sweep.saturating_duration_since(Instant::now()))
        {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut jobs = Vec::new();
        let mut reopen = false;
        for message in std::iter::once(first)
            .chain(waiting.try_iter())
            .take(STEPS_PER_COMMIT)
        {
            match message {
                Message::Step(job) => jobs.push(job),
                Message::Reopen => reopen = true,
            }
        }
        if reopen {
            file.reopen();
        }
        if !jobs.is_empty() {
            commit(file, clock, jobs);
        }
    }
}

/// Commits all jobs or none, and answers them.
fn commit(file: &StoreFile, clock: &Clock, mut jobs: Vec<Box<dyn Job>>) {
    let mut committing = false;
    let outcome = file.with(|database| {
        let transaction = begin(database)?;
        {
            let mut tables = Tables::open(&transaction)?;
            for job in &mut jobs {
                // Each step gets the current time, so that its deadlines do not depend on the steps before.
                job.run(&mut tables, clock())?;
            }
        }
        committing = true;
        Ok(transaction.commit()?)
    });
    if let Err(cause) = &outcome {
        tracing::error!("{cause}");
        file.reopen();
    }
    for job in jobs {
        job.answer(outcome.clone().map_err(|cause| {
            if committing {
                Failure::AtCommit(cause)
            } else {
                Failure::NotDone(cause)
            }
        }));
    }
}

/// Begins a transaction with two-phase commit. After a crash with one-phase commit, redb trusts a
/// checksum, and a client could forge it through a device name.
fn begin(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    Ok(transaction)
}

/// Removes expired pending ceremonies and counts. Writes only if there are some.
fn sweep(database: &Database, now: Timestamp) -> Result<(), redb::Error> {
    let snapshot = database.begin_read()?;
    let mut any_expired = false;
    for entry in snapshot.open_table(PENDING)?.iter()? {
        let (begun, deadline, _, _) = entry?.1.value();
        any_expired |= !live(begun, deadline, now);
    }
    for entry in snapshot.open_table(COUNTS)?.iter()? {
        let (since, until, _, _) = entry?.1.value();
        any_expired |= !live(since, until, now);
    }
    if !any_expired {
        return Ok(());
    }
    let transaction = begin(database)?;
    transaction
        .open_table(PENDING)?
        .retain(|_, (begun, deadline, _, _)| live(begun, deadline, now))?;
    transaction
        .open_table(COUNTS)?
        .retain(|_, (since, until, _, _)| live(since, until, now))?;
    Ok(transaction.commit()?)
}
