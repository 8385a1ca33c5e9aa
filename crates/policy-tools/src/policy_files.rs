//! Reads policy files and continues after errors, for tools that report every problem at once.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cedargate_core::{Finding, Severity};

use cedargate_policy::analysis::{
    FolderReader, GATE_SCHEMA_FILE, SITE_SCHEMA_FILE, Source, SourceTexts, no_policies,
};
use cedargate_policy::{DEV_LINKS, Sources};

use crate::{Error, Result};

/// Checks that a path exists. `what` describes it in the message, such as "policy folder". A path that exists
/// and cannot be read passes, because the tool that reads it reports the reason.
///
/// # Errors
/// [`Error::Usage`] if the path or the target of a link does not exist.
pub fn require_path(path: &Path, what: &str) -> Result<()> {
    match path.try_exists() {
        Ok(false) => Err(Error::missing(path, what)),
        _ => Ok(()),
    }
}

/// The policies, links and schema files that could be read, and a finding for each that could not.
#[derive(Debug)]
pub struct PolicyFiles {
    policies: Vec<Source>,
    links: Vec<Source>,
    gate_schema: Option<Source>,
    site_schema: Option<Source>,
    /// Files that cannot be read.
    pub(crate) findings: Vec<Finding>,
    /// Files that were left out on purpose.
    pub(crate) notes: Vec<Finding>,
    /// Link files that were left out on purpose.
    pub(crate) dev_links: Vec<Source>,
    /// Files in the policy folders whose names are neither `*.cedar` nor `*.links.json`.
    pub(crate) unread: Vec<PathBuf>,
    /// The paths that the caller named.
    pub(crate) paths: Vec<PathBuf>,
    /// True for all policies of a gateway, false for a part of them.
    complete: bool,
}

impl PolicyFiles {
    /// Reads policy folders and single files, and both schema files of the folder `schema`.
    ///
    /// Folders are taken to hold all policies of a gateway. If any path is a file, the files are taken as a
    /// part of the policies, and nothing is reported as missing.
    pub fn read(paths: &[PathBuf], schema: &Path) -> Self {
        let mut reader = FolderReader::default();
        let mut only_folders = true;
        for path in paths {
            let is_file = fs::metadata(path).is_ok_and(|metadata| !metadata.is_dir());
            if is_file {
                only_folders = false;
                read_file(&mut reader, path);
                continue;
            }
            let before = (reader.findings.len(), reader.policies.len());
            reader.folder(path, "", &mut BTreeSet::new());
            if before == (reader.findings.len(), reader.policies.len()) {
                reader.findings.push(no_policies(path));
            }
        }
        let complete = only_folders && reader.findings.is_empty();
        let gate_schema = reader.schema(schema, GATE_SCHEMA_FILE);
        let site_schema = reader.schema(schema, SITE_SCHEMA_FILE);
        reader.sort();
        remove_repeated(&mut reader.policies);
        remove_repeated(&mut reader.links);
        Self {
            policies: reader.policies,
            links: reader.links,
            gate_schema,
            site_schema,
            findings: reader.findings,
            notes: Vec::new(),
            dev_links: Vec::new(),
            unread: reader.unread,
            paths: paths.to_owned(),
            complete,
        }
    }

    /// Leaves `dev.links.json` out, as `serve` does, and adds a note about it.
    pub fn leave_out_dev_links(&mut self) {
        let (dev, links): (Vec<_>, _) = std::mem::take(&mut self.links)
            .into_iter()
            .partition(|source| source.name == DEV_LINKS);
        self.links = links;
        let message = "this file is for `cedargate dev`: serve does not read it";
        self.notes.extend(dev.iter().map(|source| {
            let note = Finding::error("dev_links", &*source.display_path, message);
            note.severity(Severity::Note)
                .help("write links for serve in a file of another name")
        }));
        self.dev_links = dev;
    }

    pub(crate) fn texts(&self) -> SourceTexts<'_> {
        SourceTexts {
            policies: &self.policies,
            links: &self.links,
            gate_schema: self.gate_schema.as_ref(),
            site_schema: self.site_schema.as_ref(),
            complete: self.complete,
        }
    }

    /// Returns the files as a gateway would load them, or `None` if they are only a part of the policies or
    /// a file cannot be read.
    pub(crate) fn sources(&self) -> Option<Sources> {
        if !self.complete || !self.findings.is_empty() {
            return None;
        }
        Some(Sources {
            policies: self.policies.clone(),
            links: self.links.clone(),
            gate_schema: self.gate_schema.clone()?,
            site_schema: self.site_schema.clone()?,
        })
    }
}

/// Reads a file that the caller named. Unlike in a folder, a name may begin with a dot.
fn read_file(reader: &mut FolderReader, path: &Path) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if !reader.file_by_name(path, &name) {
        let message = "this is neither a *.cedar nor a *.links.json file";
        let finding = Finding::error("not_a_policy", path.display().to_string(), message);
        let help = "name policy folders and files; tests are named with --tests";
        reader.findings.push(finding.help(help));
    }
}

/// Removes files that were named twice, or together with their folder.
fn remove_repeated(sources: &mut Vec<Source>) {
    let mut seen = BTreeSet::new();
    sources.retain(|source| {
        let path = Path::new(&*source.display_path);
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        seen.insert(folder.join(path.file_name().unwrap_or_default()))
    });
}
