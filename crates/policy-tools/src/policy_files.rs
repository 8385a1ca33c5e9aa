//! The policies that a person names, read as far as they can be read: for tools that say all that is
//! wrong at once.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cedargate_core::{Finding, Severity};

use cedargate_policy::analysis::{GATE, Reader, SITE, Source, Texts, no_policies};
use cedargate_policy::{DEV_LINKS, Sources};

/// Policies and schema, as far as they can be read.
#[derive(Debug)]
pub struct PolicyFiles {
    policies: Vec<Source>,
    links: Vec<Source>,
    gate_schema: Option<Source>,
    site_schema: Option<Source>,
    /// What cannot be read.
    pub(crate) findings: Vec<Finding>,
    /// What is left out.
    pub(crate) notes: Vec<Finding>,
    /// The files of links that are left out.
    pub(crate) dev_links: Vec<Source>,
    /// The files in the policy folders that nobody reads.
    pub(crate) unread: Vec<PathBuf>,
    /// What was named.
    pub(crate) paths: Vec<PathBuf>,
    /// Whether these are all policies that there are.
    complete: bool,
}

impl PolicyFiles {
    /// Reads policy folders and single files. Folders are taken for all that there is, a file alone
    /// for a part of it: then nothing can be said of what is missing.
    pub fn read(paths: &[PathBuf], schema: &Path) -> Self {
        let mut reader = Reader::default();
        let mut whole = true;
        for path in paths {
            let is_file = fs::metadata(path).is_ok_and(|metadata| !metadata.is_dir());
            if is_file {
                whole = false;
                file(&mut reader, path);
                continue;
            }
            let before = (reader.findings.len(), reader.policies.len());
            reader.folder(path, "", &mut BTreeSet::new());
            if before == (reader.findings.len(), reader.policies.len()) {
                reader.findings.push(no_policies(path));
            }
        }
        let complete = whole && reader.findings.is_empty();
        let gate_schema = reader.schema(schema, GATE);
        let site_schema = reader.schema(schema, SITE);
        reader.sort();
        once(&mut reader.policies);
        once(&mut reader.links);
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

    /// Leaves `dev.links.json` out, as `serve` does, and says so.
    pub fn leave_out_dev_links(&mut self) {
        let (dev, links): (Vec<_>, _) = std::mem::take(&mut self.links)
            .into_iter()
            .partition(|source| source.name == DEV_LINKS);
        self.links = links;
        let message = "this file is for `cedargate dev`: serve does not read it";
        self.notes.extend(dev.iter().map(|source| {
            let note = Finding::error("dev_links", source.shown.clone(), message);
            note.severity(Severity::Note)
                .help("write links for serve in a file of another name")
        }));
        self.dev_links = dev;
    }

    pub(crate) fn texts(&self) -> Texts<'_> {
        Texts {
            policies: &self.policies,
            links: &self.links,
            gate_schema: self.gate_schema.as_ref(),
            site_schema: self.site_schema.as_ref(),
            complete: self.complete,
        }
    }

    /// As a gateway would load it, if all of it could be read.
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

/// A file that is named is read whatever it begins with.
fn file(reader: &mut Reader, path: &Path) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if !reader.named(path, &name) {
        let message = "this is neither a *.cedar nor a *.links.json file";
        let finding = Finding::error("not_a_policy", path.display().to_string(), message);
        let help = "name policy folders and files; tests are named with --tests";
        reader.findings.push(finding.help(help));
    }
}

/// A file that was named twice, or beside its folder, is one file.
fn once(sources: &mut Vec<Source>) {
    let mut seen = BTreeSet::new();
    sources.retain(|source| {
        let path = Path::new(&source.shown);
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        seen.insert(folder.join(path.file_name().unwrap_or_default()))
    });
}
