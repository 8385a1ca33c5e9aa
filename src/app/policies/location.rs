//! Where policies are read from, each time as they were at one moment.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::finding::{Finding, Findings};
use crate::policy::{Bundle, Requirements, Sources};

use super::fingerprint::Fingerprint;

/// How often files are read that change while they are being read.
const READS: usize = 50;
/// The pause between.
const BETWEEN_READS: Duration = Duration::from_millis(10);
/// Between the two looks at the folders that see the same before the first load.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// Folders that change for longer than this are not waited for.
pub(super) const UNSETTLED: Duration = Duration::from_secs(30);

/// Where policies are read from.
#[derive(Clone, Debug)]
pub enum Location {
    /// Two folders.
    Folders {
        /// With `**/*.cedar` and `**/*.links.json`.
        policies: PathBuf,
        /// With `gate.cedarschema` and `site.cedarschema`.
        schema: PathBuf,
        /// True if `dev.links.json` counts: it links the admins of `dev`'s own issuer.
        dev_links: bool,
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
    pub(super) requirements: Requirements,
}

impl Location {
    /// Reads and loads, before anything is in force.
    ///
    /// # Errors
    /// All that keeps the policies from loading.
    pub fn load(self, requirements: Requirements) -> Result<Loaded, Findings> {
        let started = Instant::now();
        loop {
            let (fingerprint, sources) = self.read();
            let read_at = Instant::now();
            let loaded = sources.and_then(|sources| Bundle::load_with(&sources, &requirements));
            // Folders that are being copied are not loaded: a second look must see the same.
            thread::sleep(BETWEEN_LOOKS.saturating_sub(read_at.elapsed()));
            if self.fingerprint() == fingerprint {
                return Ok(Loaded {
                    bundle: loaded?,
                    watched: Watched {
                        location: self,
                        fingerprint,
                        requirements,
                    },
                });
            }
            if started.elapsed() > UNSETTLED {
                return Err(Findings(vec![self.unsettled()]));
            }
        }
    }

    /// The finding about folders that do not stay as they are for long enough to be loaded.
    pub(super) fn unsettled(&self) -> Finding {
        let file = match self {
            Location::Folders { policies, .. } => policies.display().to_string(),
            Location::Program => String::new(),
        };
        let message = "the policies or the schema have been changing for 30 seconds without a pause, so they are not loaded";
        let help = "end what writes them; to change many files, write a new folder and rename it";
        Finding::error("unsettled", file, message).help(help)
    }

    /// The state of the folders now.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        match self {
            // The schema folder has two files that count, none of them in a folder of its own.
            Location::Folders {
                policies, schema, ..
            } => Fingerprint::default()
                .with(policies, usize::MAX)
                .with(schema, 1),
            Location::Program => Fingerprint::default(),
        }
    }

    /// What is in the folders at one moment, and their state at it. A link that is pointed elsewhere
    /// between two files would else give a bundle of one half each, which nobody ever wrote.
    pub(super) fn read(&self) -> (Fingerprint, Result<Sources, Findings>) {
        let (policies, schema, dev_links) = match self {
            Location::Folders {
                policies,
                schema,
                dev_links,
            } => (policies, schema, *dev_links),
            Location::Program => return (self.fingerprint(), Ok(Sources::shipped())),
        };
        let mut before = self.fingerprint();
        for _ in 0..READS {
            let mut sources = Sources::read(policies, schema);
            if let Ok(sources) = &mut sources
                && !dev_links
            {
                sources.leave_out_dev_links();
            }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;
    use crate::policy::GATE_SCHEMA;

    const FILES: usize = 16;
    const VERSIONS: usize = 200;

    /// A volume as Kubernetes mounts it, in its next version: each file is a link through `..data`.
    fn mount(policies: &Path, version: usize) {
        let folder = |version| format!("..v{version}");
        let new = policies.join(folder(version));
        fs::create_dir(&new).unwrap();
        for file in 0..FILES {
            let text = ["// one", "// two"][version % 2];
            fs::write(new.join(format!("{file}.cedar")), text).unwrap();
        }
        symlink(folder(version), policies.join("..new")).unwrap();
        fs::rename(policies.join("..new"), policies.join("..data")).unwrap();
        if version > 0 {
            fs::remove_dir_all(policies.join(folder(version - 1))).unwrap();
        }
    }

    #[test]
    fn a_mixture_of_two_versions_is_never_read() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path();
        fs::write(path.join("gate.cedarschema"), GATE_SCHEMA).unwrap();
        fs::write(path.join("site.cedarschema"), "namespace Site {}").unwrap();
        let policies = path.join("policies");
        fs::create_dir(&policies).unwrap();
        for name in (0..FILES).map(|file| format!("{file}.cedar")) {
            symlink(Path::new("..data").join(&name), policies.join(&name)).unwrap();
        }
        let location = Location::Folders {
            schema: path.to_owned(),
            policies: policies.clone(),
            dev_links: true,
        };
        // It may say that they change too fast, under this much change.
        let revision = || Some(location.read().1.ok()?.revision());
        let whole = [0, 1].map(|version| {
            mount(&policies, version);
            revision().unwrap()
        });
        let mut read = BTreeSet::new();
        thread::scope(|scope| {
            let change = scope.spawn(|| (2..VERSIONS).for_each(|it| mount(&policies, it)));
            while !change.is_finished() {
                read.extend(revision());
            }
        });
        read.extend(revision());
        assert!(
            !read.is_empty() && read.is_subset(&whole.into()),
            "{read:?}"
        );
    }
}
