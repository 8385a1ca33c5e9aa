//! The decision log: one JSON line a decision, with all that is needed to decide it again. It is a
//! sink of records. Lines are made and written by a thread of its own: a request hands over what it
//! was decided on and goes on, and where the thread cannot keep up decisions are lost and counted.

mod file;
mod health;
mod line;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use crate::policy::Mask;
use crate::record::{Event, Sink};
use file::File;
pub use health::{Health, Lost};
use line::Pending;

/// What an operator says about it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the lines go.
    pub file: PathBuf,
    /// What is kept out of them.
    pub masks: Vec<Mask>,
}

/// How many bytes of lines are written at once, if so many wait.
const BATCH: usize = 64 * 1024;

/// How long the end of the process waits for the last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(2);

enum Job {
    Write(Pending),
    Reopen,
    End,
}

/// The open decision log.
pub struct DecisionLog {
    jobs: Sender<Job>,
    ended: Receiver<()>,
    health: Arc<Health>,
}

impl DecisionLog {
    /// Opens the file and starts the thread that writes it. A pipe is opened by that thread, since
    /// it waits for a reader.
    ///
    /// # Errors
    /// The file cannot be opened or made, or no thread started.
    pub fn open(settings: Settings) -> io::Result<Self> {
        let file = File::open(settings.file)?;
        let health = Arc::new(Health::new(file.shown()));
        let (jobs, waiting) = mpsc::channel();
        let (done, ended) = mpsc::channel();
        let writer = Writer {
            file,
            lines: Vec::new(),
            weight: 0,
            masks: settings.masks,
            health: Arc::clone(&health),
        };
        thread::Builder::new()
            .name("decision log".to_owned())
            .spawn(move || {
                writer.run(&waiting);
                // nobody waits for it where the process ends in another way
                let _ = done.send(());
            })?;
        Ok(Self {
            jobs,
            ended,
            health,
        })
    }

    /// What takes the records.
    pub fn sink(&self) -> Arc<dyn Sink> {
        Arc::new(Decisions {
            jobs: self.jobs.clone(),
            health: Arc::clone(&self.health),
        })
    }

    /// Whether it can be written, and what was lost.
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
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
        self.health.last_words(written)
    }
}

/// Hands decisions over to the thread that writes them.
struct Decisions {
    jobs: Sender<Job>,
    health: Arc<Health>,
}

impl Sink for Decisions {
    fn take(&self, event: &Event) {
        if event.decisions.is_empty() {
            return;
        }
        let pending = Pending::of(event);
        let lines = pending.lines();
        if self.health.admit(pending.weight, lines) && self.jobs.send(Job::Write(pending)).is_err()
        {
            let ended = io::Error::other("the thread that writes it has ended");
            self.health.unwritten(&ended, lines);
        }
    }

    fn wants_input(&self) -> bool {
        true
    }
}

struct Writer {
    file: File,
    /// What is written next.
    lines: Vec<u8>,
    /// Of the decisions that these lines are of.
    weight: usize,
    masks: Vec<Mask>,
    health: Arc<Health>,
}

impl Writer {
    fn run(mut self, waiting: &Receiver<Job>) {
        while let Ok(job) = waiting.recv() {
            let mut next = Some(job);
            while let Some(job) = next {
                match job {
                    Job::Write(pending) => {
                        pending.write(&self.masks, &mut self.lines);
                        self.weight += pending.weight;
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
            Ok(()) => tracing::info!(file = self.file.shown(), "the decision log is open again"),
            Err(error) => tracing::error!(
                file = self.file.shown(),
                error = error.to_string(),
                "the decision log cannot be opened again: the file that was open is written on"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
