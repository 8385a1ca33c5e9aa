//! Where policies are read from, each time as they were at one moment.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::finding::{Finding, Findings};
use crate::policy::{Bundle, Sources};

use super::fingerprint::Fingerprint;

/// How often files are read that change while they are being read.
const READS: usize = 50;
/// The pause between.
const BETWEEN_READS: Duration = Duration::from_millis(10);

/// Where policies are read from.
#[derive(Clone, Debug)]
pub enum Location {
    /// Two folders.
    Folders {
        /// With `**/*.cedar` and `**/*.links.json`.
        policies: PathBuf,
        /// With `gate.cedarschema` and `site.cedarschema`.
        schema: PathBuf,
    },
    /// The shipped ones, from inside the program: they never change.
    Program,
}

/// A first bundle, and what is to be followed from there.
pub struct Loaded {
    /// The bundle.
    pub bundle: Bundle,
    /// What it was made from.
    pub watched: Watched,
}

/// A location, as it was when it was loaded last.
pub struct Watched {
    pub(super) location: Location,
    pub(super) fingerprint: Fingerprint,
}

impl Location {
    /// Reads and loads, before anything is in force.
    ///
    /// # Errors
    /// All that keeps the policies from loading.
    pub fn load(self) -> Result<Loaded, Findings> {
        let (fingerprint, sources) = self.read();
        Ok(Loaded {
            bundle: Bundle::load(&sources?)?,
            watched: Watched {
                location: self,
                fingerprint,
            },
        })
    }

    /// The state of the folders now.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        match self {
            // The schema folder has two files that count, none of them in a folder of its own.
            Location::Folders { policies, schema } => Fingerprint::default()
                .with(policies, usize::MAX)
                .with(schema, 1),
            Location::Program => Fingerprint::default(),
        }
    }

    /// What is in the folders at one moment, and their state at it. A link that is pointed elsewhere
    /// between two files would else give a bundle of one half each, which nobody ever wrote.
    pub(super) fn read(&self) -> (Fingerprint, Result<Sources, Findings>) {
        let (policies, schema) = match self {
            Location::Folders { policies, schema } => (policies, schema),
            Location::Program => return (self.fingerprint(), Ok(Sources::shipped())),
        };
        let mut before = self.fingerprint();
        for _ in 0..READS {
            let sources = Sources::read(policies, schema);
            let after = self.fingerprint();
            if after == before {
                return (before, sources);
            }
            before = after;
            thread::sleep(BETWEEN_READS);
        }
        let message = "the files in here change faster than they can be read";
        let help = "write the new files beside the old ones, then rename them";
        let finding = Finding::error("changing", policies.display().to_string(), message);
        (before, Err(Findings(vec![finding.help(help)])))
    }
}
