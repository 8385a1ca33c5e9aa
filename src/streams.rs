//! Streams of JSON lines beside the log, each to a file of its own: the decision log, with all that is
//! needed to decide again, and the audit stream, with what happened to accounts. Both are sinks of
//! records. Lines are made and written by a thread of their own: a request hands over what they are
//! made of and goes on, and where the thread cannot keep up lines are lost and counted.

mod audit;
mod decisions;
mod file;
mod health;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use crate::event::{Sink, WideEvent};
use cedargate_core::Timestamp;
use cedargate_policy::Mask;
use file::File;
pub use health::{Health, Lost};

/// What an operator says about the decision log.
#[derive(Clone, Debug)]
pub struct DecisionLog {
    /// Where the lines go.
    pub file: PathBuf,
    /// What is kept out of them.
    pub masks: Vec<Mask>,
}

/// What a record becomes in a stream.
trait Lines: Send {
    /// About how many bytes it takes while it waits.
    fn weight(&self) -> usize;

    /// How many lines it becomes.
    fn count(&self) -> usize;

    /// Appends them.
    fn write(&self, lines: &mut Vec<u8>);
}

/// What a stream takes of a record; nothing of those that it has no lines for.
type Take = Box<dyn Fn(&WideEvent) -> Option<Box<dyn Lines>> + Send + Sync>;

/// How many bytes of lines are written at once, if so many wait.
const BATCH: usize = 64 * 1024;

/// How long the end of the process waits for the last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(2);

enum Job {
    Write(Box<dyn Lines>),
    Reopen,
    End,
}

/// An open stream.
pub struct Stream {
    jobs: Sender<Job>,
    ended: Receiver<()>,
    sink: Arc<Taker>,
}

impl Stream {
    /// Opens the decision log: a line a decision.
    ///
    /// # Errors
    /// The file cannot be opened or made, or no thread started.
    pub fn decisions(settings: DecisionLog) -> io::Result<Self> {
        let masks: Arc<[Mask]> = settings.masks.into();
        let take: Take = Box::new(move |event| decisions::Pending::of(event, &masks));
        Self::open(settings.file, "decision log", "decisions", true, take)
    }

    /// Opens the audit stream: a line for each thing that happened to an account.
    ///
    /// # Errors
    /// As [`Stream::decisions`].
    pub fn audit(file: PathBuf) -> io::Result<Self> {
        let take: Take = Box::new(audit::Pending::of);
        Self::open(file, "audit stream", "events", false, take)
    }

    /// A pipe is opened by the thread that writes, since it waits for a reader.
    fn open(
        file: PathBuf,
        name: &'static str,
        items: &'static str,
        wants_input: bool,
        take: Take,
    ) -> io::Result<Self> {
        let file = File::open(file)?;
        let health = Arc::new(Health::new(name, items, file.shown()));
        let (jobs, waiting) = mpsc::channel();
        let (done, ended) = mpsc::channel();
        let writer = Writer {
            file,
            lines: Vec::new(),
            weight: 0,
            health: Arc::clone(&health),
        };
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                writer.run(&waiting);
                // nobody waits for it where the process ends in another way
                let _ = done.send(());
            })?;
        let sink = Arc::new(Taker {
            jobs: jobs.clone(),
            health,
            take,
            wants_input,
        });
        Ok(Self { jobs, ended, sink })
    }

    /// What takes the records.
    pub fn sink(&self) -> Arc<dyn Sink> {
        self.sink.clone()
    }

    /// Returns what writes to an audit stream which policies are in force: since when, their revision,
    /// and how many there are.
    pub fn policies_note(&self) -> impl Fn(Timestamp, &str, usize) + Send + Sync + use<> {
        let taker = Arc::clone(&self.sink);
        move |since, revision, count| {
            taker.hand_over(Box::new(audit::PoliciesLine::new(since, revision, count)));
        }
    }

    /// Whether it can be written, and what was lost.
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.sink.health)
    }

    /// What opens the file again, by its name, after what was decided before it is called: for
    /// whoever renames the file to begin another.
    pub fn reopening(&self) -> impl Fn() + Send + use<> {
        let jobs = self.jobs.clone();
        // it fails only when the log has ended
        move || drop(jobs.send(Job::Reopen))
    }

    /// Writes the last lines; a file that takes none does not keep the process alive. Gives what
    /// there is to say about lines that are missing.
    pub fn finish(self) -> Vec<String> {
        let asked = self.jobs.send(Job::End);
        let written = asked.is_ok() && self.ended.recv_timeout(LAST_LINES).is_ok();
        self.sink.health.last_words(written)
    }
}

/// Hands what lines are made of over to the thread that writes them.
struct Taker {
    jobs: Sender<Job>,
    health: Arc<Health>,
    take: Take,
    wants_input: bool,
}

impl Sink for Taker {
    fn take(&self, event: &WideEvent) {
        if let Some(pending) = (self.take)(event) {
            self.hand_over(pending);
        }
    }

    fn wants_input(&self) -> bool {
        self.wants_input
    }
}

impl Taker {
    fn hand_over(&self, pending: Box<dyn Lines>) {
        let count = pending.count();
        if self.health.admit(pending.weight(), count)
            && self.jobs.send(Job::Write(pending)).is_err()
        {
            let ended = io::Error::other("the thread that writes it has ended");
            self.health.unwritten(&ended, count);
        }
    }
}

struct Writer {
    file: File,
    /// What is written next.
    lines: Vec<u8>,
    /// Of what these lines are made of.
    weight: usize,
    health: Arc<Health>,
}

impl Writer {
    fn run(mut self, waiting: &Receiver<Job>) {
        while let Ok(job) = waiting.recv() {
            let mut next = Some(job);
            while let Some(job) = next {
                match job {
                    Job::Write(pending) => {
                        pending.write(&mut self.lines);
                        self.weight += pending.weight();
                        if self.lines.len() >= BATCH {
                            self.flush();
                        }
                    }
                    Job::Reopen => {
                        self.flush();
                        self.reopen();
                    }
                    Job::End => return self.flush(),
                }
                next = waiting.try_recv().ok();
            }
            self.flush();
            self.health.caught_up();
        }
    }

    fn flush(&mut self) {
        if !self.lines.is_empty() {
            match self.file.append(&self.lines) {
                Ok(()) => self.health.written(),
                Err(unwritten) => self.health.unwritten(&unwritten.error, unwritten.lines),
            }
            self.lines.clear();
        }
        self.health.taken(std::mem::take(&mut self.weight));
    }

    fn reopen(&mut self) {
        match self.file.reopen() {
            Ok(()) => tracing::info!(
                file = self.file.shown(),
                "the {} is open again",
                self.health.name()
            ),
            Err(error) => tracing::error!(
                file = self.file.shown(),
                error = error.to_string(),
                "the {} cannot be opened again: the file that was open is written on",
                self.health.name()
            ),
        }
    }
}

#[cfg(test)]
mod tests;
