//! The decision log and the audit stream of a gateway. They are reopened on SIGHUP.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::failure::Failure;
use super::{output, signals};
use crate::app::policies::{News, Observer};
use crate::event::Sink;
use crate::gate::InForce;
use crate::streams::{DecisionLog, Stream, StreamHealth};
use cedargate_core::Timestamp;

/// The open streams of a gateway.
pub(super) struct Streams {
    decisions: Option<Stream>,
    audit: Option<Stream>,
}

impl Streams {
    /// Opens the streams that are configured.
    ///
    /// # Errors
    /// A file cannot be opened.
    pub(super) fn open(
        decisions: Option<DecisionLog>,
        audit: Option<PathBuf>,
    ) -> Result<Self, Failure> {
        let decisions = decisions.map(|settings| {
            let file = settings.file.clone();
            let opened = Stream::decisions(settings);
            opened.map_err(|error| unopened("decision_log", "decision log", &file, &error))
        });
        let audit = audit.map(|file| {
            let opened = Stream::audit(file.clone());
            opened.map_err(|error| unopened("audit", "audit stream", &file, &error))
        });
        Ok(Self {
            decisions: decisions.transpose()?,
            audit: audit.transpose()?,
        })
    }

    fn all(&self) -> impl Iterator<Item = &Stream> {
        self.decisions.iter().chain(&self.audit)
    }

    /// Returns the sinks that write request events to the streams.
    pub(super) fn sinks(&self) -> impl Iterator<Item = Arc<dyn Sink>> {
        self.all().map(Stream::sink)
    }

    /// Records the policies in force in the audit stream, and returns an observer that also records
    /// there each change of the policies. Without an audit stream it returns `observer`.
    pub(super) fn audited(
        &self,
        in_force: &InForce,
        observer: Arc<dyn Observer>,
    ) -> Arc<dyn Observer> {
        let Some(audit) = &self.audit else {
            return observer;
        };
        let note: Note = Box::new(audit.policies_note());
        record(&note, in_force);
        Arc::new(AuditedObserver { note, observer })
    }

    pub(super) fn health(&self) -> Vec<Arc<StreamHealth>> {
        self.all().map(Stream::health).collect()
    }

    /// Starts to reopen the files on each SIGHUP.
    pub(super) fn reopen_on_hangup(&self) -> Result<(), Failure> {
        for stream in self.all() {
            let (mut hangups, reopen) = (signals::hangups()?, stream.reopener());
            tokio::spawn(async move {
                while hangups.recv().await.is_some() {
                    reopen();
                }
            });
        }
        Ok(())
    }

    /// Writes the lines that still wait, and notes on stderr how many were lost.
    pub(super) fn finish(self) {
        let all = self.decisions.into_iter().chain(self.audit);
        for sentence in all.flat_map(Stream::finish) {
            output::note(&sentence);
        }
    }
}

type Note = Box<dyn Fn(Timestamp, &str, usize) + Send + Sync>;

fn record(note: &Note, in_force: &InForce) {
    let bundle = in_force.bundle();
    note(in_force.since(), bundle.revision(), bundle.entries().len());
}

/// Records each change of the policies in the audit stream before it informs another observer.
struct AuditedObserver {
    note: Note,
    observer: Arc<dyn Observer>,
}

impl Observer for AuditedObserver {
    fn notify(&self, news: &News<'_>) {
        if let News::Replaced(in_force) = news {
            record(&self.note, in_force);
        }
        self.observer.notify(news);
    }
}

fn unopened(code: &'static str, name: &str, file: &Path, error: &io::Error) -> Failure {
    let message = format!("the {name} {} cannot be opened: {error}", file.display());
    Failure::usage(code, message).help("create its folder, and let the gateway write to it")
}
