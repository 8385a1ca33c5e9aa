//! The place that policies are read from. Each read sees the files as they were at one moment.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use cedargate_core::{Finding, Findings};
use cedargate_policy::{Bundle, Requirements, Sources};

use super::fingerprint::Fingerprint;

/// The most attempts at reading files that change during the read, and the pause between two attempts.
const MAX_READS: usize = 50;
const BETWEEN_READS: Duration = Duration::from_millis(10);
/// The time for which the folders must stay the same before the first load.
const FIRST_SETTLE_TIME: Duration = Duration::from_millis(100);
/// The longest wait for folders that keep changing.
pub(super) const MAX_UNSETTLED: Duration = Duration::from_secs(30);

/// The place that policies are read from.
#[derive(Clone, Debug)]
pub enum PolicyLocation {
    Folders {
        /// The folder of `**/*.cedar` and `**/*.links.json`.
        policies: PathBuf,
        /// The folder of `gate.cedarschema` and `site.cedarschema`.
        schema: PathBuf,
        /// True if `dev.links.json` is read, which links the admins of the issuer in `cedargate dev`.
        dev_links: bool,
    },
    /// The shipped policies, which are part of the program and never change.
    Shipped,
}

/// The first bundle, with the location to watch for changes.
pub struct Loaded {
    pub bundle: Bundle,
    pub watched: Watched,
}

/// A location, with its state at the last load.
pub struct Watched {
    pub(super) location: PolicyLocation,
    pub(super) fingerprint: Fingerprint,
    pub(super) requirements: Requirements,
}

impl PolicyLocation {
    /// Loads the first bundle.
    ///
    /// # Errors
    /// The files cannot be read, keep changing, or do not load; all findings are returned at once.
    pub fn load(self, requirements: Requirements) -> Result<Loaded, Findings> {
        let started = Instant::now();
        loop {
            let (fingerprint, sources) = self.read();
            let read_at = Instant::now();
            let loaded = sources.and_then(|sources| Bundle::load_with(&sources, &requirements));
            // A changed fingerprint means that the files may still be being copied.
            thread::sleep(FIRST_SETTLE_TIME.saturating_sub(read_at.elapsed()));
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
            if started.elapsed() > MAX_UNSETTLED {
                return Err(Findings(vec![self.unsettled()]));
            }
        }
    }

    /// Returns the finding for folders that never stop changing for long enough to be loaded.
    pub(super) fn unsettled(&self) -> Finding {
        let file = match self {
            PolicyLocation::Folders { policies, .. } => policies.display().to_string(),
            PolicyLocation::Shipped => String::new(),
        };
        let message = "the policies or the schema have been changing for 30 seconds without a pause, so they are not loaded";
        let help = "stop the program that writes them; to change many files, write a new folder and rename it";
        Finding::error("unsettled", file, message).help(help)
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        match self {
            // The two schema files are directly in their folder.
            PolicyLocation::Folders {
                policies, schema, ..
            } => Fingerprint::default()
                .with(policies, usize::MAX)
                .with(schema, 1),
            PolicyLocation::Shipped => Fingerprint::default(),
        }
    }

    /// Reads the files as they were at one moment, and returns that state with them. Otherwise, a
    /// symbolic link that is replaced between two files would mix two versions in one bundle.
    pub(super) fn read(&self) -> (Fingerprint, Result<Sources, Findings>) {
        self.read_after(self.fingerprint())
    }

    /// Reads the files like [`PolicyLocation::read`]. `before` is their state shortly before the call, so
    /// that it need not be taken again.
    pub(super) fn read_after(
        &self,
        mut before: Fingerprint,
    ) -> (Fingerprint, Result<Sources, Findings>) {
        let (policies, schema, dev_links) = match self {
            PolicyLocation::Folders {
                policies,
                schema,
                dev_links,
            } => (policies, schema, *dev_links),
            PolicyLocation::Shipped => return (self.fingerprint(), Ok(Sources::shipped())),
        };
        for _ in 0..MAX_READS {
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
        let message = "the files in this folder change faster than they can be read";
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
    use cedargate_policy::GATE_SCHEMA;

    const FILES: usize = 16;
    const VERSIONS: usize = 200;

    /// Mounts the next version of a volume as Kubernetes does: each file is a link through `..data`.
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
    fn mixture_of_two_versions_is_never_read() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path();
        fs::write(path.join("gate.cedarschema"), GATE_SCHEMA).unwrap();
        fs::write(path.join("site.cedarschema"), "namespace Site {}").unwrap();
        let policies = path.join("policies");
        fs::create_dir(&policies).unwrap();
        for name in (0..FILES).map(|file| format!("{file}.cedar")) {
            symlink(Path::new("..data").join(&name), policies.join(&name)).unwrap();
        }
        let location = PolicyLocation::Folders {
            schema: path.to_owned(),
            policies: policies.clone(),
            dev_links: true,
        };
        // A read may give up, because the files change this fast.
        let revision = || Some(location.read().1.ok()?.revision());
        let whole = [0, 1].map(|version| {
            mount(&policies, version);
            revision().unwrap()
        });
        let mut read = BTreeSet::new();
        thread::scope(|scope| {
            let change =
                scope.spawn(|| (2..VERSIONS).for_each(|version| mount(&policies, version)));
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
