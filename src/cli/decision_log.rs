//! The decision log of a process that serves: open from its start to its end, and opened again on
//! SIGHUP.

use std::sync::Arc;

use super::failure::Failure;
use super::{output, signals};
use crate::decision_log::{DecisionLog, Health, Settings};
use crate::record::Sink;

/// The decision log, or none.
pub(super) struct Decisions(Option<DecisionLog>);

impl Decisions {
    /// Opens it where one is wanted.
    pub(super) fn open(settings: Option<Settings>) -> Result<Self, Failure> {
        let open = |settings: Settings| {
            let file = settings.file.display().to_string();
            DecisionLog::open(settings).map_err(|error| {
                let message = format!("the decision log {file} cannot be opened: {error}");
                Failure::usage("decision_log", message)
                    .help("its folder must be there, and the gateway must be allowed to write it")
            })
        };
        settings.map(open).transpose().map(Self)
    }

    /// What takes the records, if anything does.
    pub(super) fn sink(&self) -> Option<Arc<dyn Sink>> {
        self.0.as_ref().map(DecisionLog::sink)
    }

    /// How it does.
    pub(super) fn health(&self) -> Option<Arc<Health>> {
        self.0.as_ref().map(DecisionLog::health)
    }

    /// Opens the file again on each SIGHUP from now on.
    pub(super) fn reopen_on_hangup(&self) -> Result<(), Failure> {
        if let Some(log) = &self.0 {
            let (mut hangups, reopen) = (signals::hangups()?, log.reopening());
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
        for sentence in self.0.into_iter().flat_map(DecisionLog::finish) {
            output::note(&sentence);
        }
    }
}
