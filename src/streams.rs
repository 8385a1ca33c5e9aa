//! Streams of JSON lines, each to a file of its own: the decision log, which has all that is needed to
//! repeat each decision, and the audit stream of changes to accounts. Both are sinks of request events.
//!
//! Each stream has a thread that formats and writes its lines. A request only hands the data over. If the
//! thread cannot keep up, lines are lost and counted.

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
use audit::ChangeLines;
use cedargate_core::Timestamp;
use cedargate_policy::Mask;
use decisions::DecisionLines;
use file::File;
pub use health::{LostLines, StreamHealth};

/// The settings of the decision log.
#[derive(Clone, Debug)]
pub struct DecisionLog {
    pub file: PathBuf,
    /// The fields of the input that are left out of the lines.
    pub masks: Vec<Mask>,
}

/// The data of one or more lines, waiting to be written.
trait PendingLines: Send {
    /// Returns the approximate size in memory, in bytes.
    fn weight(&self) -> usize;

    /// Returns the number of lines.
    fn count(&self) -> usize;

    /// Appends the lines as JSON.
    fn write(&self, lines: &mut Vec<u8>);
}

/// Returns the lines of a request event, or `None` if the event has none in this stream.
type SelectLines = Box<dyn Fn(&WideEvent) -> Option<Box<dyn PendingLines>> + Send + Sync>;

/// The number of bytes that are collected before they are written.
const BATCH_BYTES: usize = 64 * 1024;

/// The time that the process waits at its end for the last lines to be written.
const FINISH_TIMEOUT: Duration = Duration::from_secs(2);

enum Job {
    Write(Box<dyn PendingLines>),
    Reopen,
    End,
}

/// An open stream.
pub struct Stream {
    jobs: Sender<Job>,
    ended: Receiver<()>,
    sink: Arc<StreamSink>,
}

impl Stream {
    /// Opens the decision log, which has one line for each decision.
    ///
    /// # Errors
    /// The file cannot be opened or created, or the thread cannot be started.
    pub fn decisions(settings: DecisionLog) -> io::Result<Self> {
        let masks: Arc<[Mask]> = settings.masks.into();
        let select: SelectLines = Box::new(move |event| DecisionLines::of(event, &masks));
        Self::open(settings.file, "decision log", "decisions", true, select)
    }

    /// Opens the audit stream, which has one line for each change of an account.
    ///
    /// # Errors
    /// The file cannot be opened or created, or the thread cannot be started.
    pub fn audit(file: PathBuf) -> io::Result<Self> {
        let select: SelectLines = Box::new(ChangeLines::of);
        Self::open(file, "audit stream", "events", false, select)
    }

    /// Starts a stream. `name` and `items` are the words for the stream and its lines in messages.
    fn open(
        file: PathBuf,
        name: &'static str,
        items: &'static str,
        wants_input: bool,
        select: SelectLines,
    ) -> io::Result<Self> {
        let file = File::open(file)?;
        let health = Arc::new(StreamHealth::new(name, items, file.display_path()));
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
                // Sending fails only if the process ends without `finish`.
                let _ = done.send(());
            })?;
        let sink = Arc::new(StreamSink {
            jobs: jobs.clone(),
            health,
            select,
            wants_input,
        });
        Ok(Self { jobs, ended, sink })
    }

    pub fn sink(&self) -> Arc<dyn Sink> {
        self.sink.clone()
    }

    /// Returns a function that records in an audit stream which policies are in force. Its arguments are
    /// the time of the change, the revision, and the number of policies.
    pub fn policies_note(&self) -> impl Fn(Timestamp, &str, usize) + Send + Sync + use<> {
        let sink = Arc::clone(&self.sink);
        move |since, revision, count| {
            sink.hand_over(Box::new(audit::PoliciesLine::new(since, revision, count)));
        }
    }

    pub fn health(&self) -> Arc<StreamHealth> {
        Arc::clone(&self.sink.health)
    }

    /// Returns a function that opens the file again by its name, for log rotation. Lines handed over
    /// before the call go to the file that was open.
    pub fn reopener(&self) -> impl Fn() + Send + use<> {
        let jobs = self.jobs.clone();
        // Sending fails only after the stream has ended.
        move || drop(jobs.send(Job::Reopen))
    }

    /// Writes the last lines, and returns messages about missing ones. A file that cannot be written
    /// delays the end of the process by two seconds at most.
    pub fn finish(self) -> Vec<String> {
        let sent = self.jobs.send(Job::End);
        let finished = sent.is_ok() && self.ended.recv_timeout(FINISH_TIMEOUT).is_ok();
        self.sink.health.final_messages(finished)
    }
}

/// Hands lines over to the writing thread.
struct StreamSink {
    jobs: Sender<Job>,
    health: Arc<StreamHealth>,
    select: SelectLines,
    wants_input: bool,
}

impl Sink for StreamSink {
    fn take(&self, event: &WideEvent) {
        if let Some(pending) = (self.select)(event) {
            self.hand_over(pending);
        }
    }

    fn wants_input(&self) -> bool {
        self.wants_input
    }
}

impl StreamSink {
    fn hand_over(&self, pending: Box<dyn PendingLines>) {
        let count = pending.count();
        if self.health.admit(pending.weight(), count)
            && self.jobs.send(Job::Write(pending)).is_err()
        {
            let ended = io::Error::other("the writing thread has ended");
            self.health.record_failure(&ended, count);
        }
    }
}

struct Writer {
    file: File,
    /// The lines that are written next.
    lines: Vec<u8>,
    /// The weight of the data that these lines were made from.
    weight: usize,
    health: Arc<StreamHealth>,
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
                        if self.lines.len() >= BATCH_BYTES {
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
                Ok(()) => self.health.record_success(),
                Err(unwritten) => self
                    .health
                    .record_failure(&unwritten.error, unwritten.lines),
            }
            self.lines.clear();
        }
        self.health.release(std::mem::take(&mut self.weight));
    }

    fn reopen(&mut self) {
        match self.file.reopen() {
            Ok(()) => tracing::info!(
                file = self.file.display_path(),
                "the {} was opened again",
                self.health.name()
            ),
            Err(error) => tracing::error!(
                file = self.file.display_path(),
                error = error.to_string(),
                "the {} cannot be opened again: lines still go to the file that was open before",
                self.health.name()
            ),
        }
    }
}

#[cfg(test)]
mod tests;
