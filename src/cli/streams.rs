//! The streams of a process that serves: open from its start to its end, and opened again on SIGHUP.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::failure::Failure;
use super::{output, signals};
use crate::app::policies::{Audience, News};
use crate::gate::InForce;
use crate::model::Timestamp;
use crate::record::Sink;
use crate::streams::{DecisionLog, Health, Stream};

/// The streams that are wanted.
pub(super) struct Streams {
    decisions: Option<Stream>,
    audit: Option<Stream>,
}

impl Streams {
    /// Opens those that are wanted.
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

    /// What takes the records.
    pub(super) fn sinks(&self) -> impl Iterator<Item = Arc<dyn Sink>> {
        self.all().map(Stream::sink)
    }

    /// Tells the audit stream, too, which policies are in force: these now, and others when they
    /// replace them.
    pub(super) fn also_told(
        &self,
        in_force: &InForce,
        audience: Arc<dyn Audience>,
    ) -> Arc<dyn Audience> {
        let Some(audit) = &self.audit else {
            return audience;
        };
        let note: Note = Box::new(audit.policies_note());
        tell(&note, in_force);
        Arc::new(AlsoAudited { note, audience })
    }

    /// How they do.
    pub(super) fn health(&self) -> Vec<Arc<Health>> {
        self.all().map(Stream::health).collect()
    }

    /// Opens the files again on each SIGHUP from now on.
    pub(super) fn reopen_on_hangup(&self) -> Result<(), Failure> {
        for stream in self.all() {
            let (mut hangups, reopen) = (signals::hangups()?, stream.reopening());
            tokio::spawn(async move {
                while hangups.recv().await.is_some() {
                    reopen();
                }
            });
        }
        Ok(())
    }

    /// Writes what is left, and says what is missing.
    pub(super) fn finish(self) {
        let all = self.decisions.into_iter().chain(self.audit);
        for sentence in all.flat_map(Stream::finish) {
            output::note(&sentence);
        }
    }
}

type Note = Box<dyn Fn(Timestamp, &str, usize) + Send + Sync>;

fn tell(note: &Note, in_force: &InForce) {
    let bundle = in_force.bundle();
    note(in_force.since(), bundle.revision(), bundle.len());
}

/// An audience beside which the audit stream hears of each change.
struct AlsoAudited {
    note: Note,
    audience: Arc<dyn Audience>,
}

impl Audience for AlsoAudited {
    fn told(&self, news: &News<'_>) {
        if let News::Replaced(in_force) = news {
            tell(&self.note, in_force);
        }
        self.audience.told(news);
    }
}

fn unopened(code: &'static str, name: &str, file: &Path, error: &io::Error) -> Failure {
    let message = format!("the {name} {} cannot be opened: {error}", file.display());
    Failure::usage(code, message)
        .help("its folder must be there, and the gateway must be allowed to write it")
}
