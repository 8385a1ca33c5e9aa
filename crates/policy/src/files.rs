//! The policy and the schema folder as texts. The only file of this part that reads a disk.

mod given;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cedargate_core::{Finding, Findings};

use super::{load, shipped};

pub use given::{Given, GivenFile};

/// What a bundle is made from: the content of the policy and the schema folder, in one order
/// whatever the file system's is.
#[derive(Clone, Debug)]
pub struct Sources {
    /// `policies/**/*.cedar`.
    pub policies: Vec<Source>,
    /// `policies/**/*.links.json`.
    pub links: Vec<Source>,
    /// `schema/gate.cedarschema`.
    pub gate_schema: Source,
    /// `schema/site.cedarschema`.
    pub site_schema: Source,
}

/// What can be looked at of it.
#[derive(Clone, Copy)]
pub struct Texts<'a> {
    pub policies: &'a [Source],
    pub links: &'a [Source],
    pub gate_schema: Option<&'a Source>,
    pub site_schema: Option<&'a Source>,
    /// Whether these are all policies that there are.
    pub complete: bool,
}

/// One file.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path within its folder, with `/`: the same wherever the folder is.
    pub name: String,
    /// The path that a person knows it by.
    pub shown: String,
    pub text: Arc<str>,
}

impl Sources {
    /// Reads both folders. Files that are not named as policies, links or schema are left alone, and
    /// so is whatever begins with a dot (where editors and mounted volumes keep their own copies).
    pub fn read(policies: &Path, schema: &Path) -> Result<Self, Findings> {
        let mut reader = Reader::default();
        reader.folder(policies, "", &mut BTreeSet::new());
        let gate_schema = reader.schema(schema, GATE);
        let site_schema = reader.schema(schema, SITE);
        reader.finish(policies, gate_schema, site_schema)
    }

    /// Leaves `dev.links.json` out: it makes members of a group of `dev`'s own issuer administrators, and
    /// another issuer may have that name.
    pub fn leave_out_dev_links(&mut self) {
        self.links.retain(|source| source.name != DEV_LINKS);
    }

    /// The revision of the bundle that they make, if they make one: as [`Bundle::revision`].
    ///
    /// [`Bundle::revision`]: super::Bundle::revision
    pub fn revision(&self) -> Arc<str> {
        load::revision(self)
    }

    pub fn texts(&self) -> Texts<'_> {
        Texts {
            policies: &self.policies,
            links: &self.links,
            gate_schema: Some(&self.gate_schema),
            site_schema: Some(&self.site_schema),
            complete: true,
        }
    }

    /// The policies and the schema that the program was built with.
    pub fn shipped() -> Self {
        Self::of(shipped::POLICIES, shipped::SITE_SCHEMA)
    }

    /// Texts that come from no folder: files of the policy folder by their path in it, and
    /// `site.cedarschema`.
    pub fn of(files: &[(&str, &str)], site_schema: &str) -> Self {
        let source = |folder: &str, name: &str, text: &str| Source {
            name: name.to_owned(),
            shown: format!("{folder}/{name}"),
            text: text.into(),
        };
        let named = |ending: &str| {
            let mut some: Vec<_> = files
                .iter()
                .filter(|(name, _)| name.ends_with(ending))
                .map(|(name, text)| source("policies", name, text))
                .collect();
            some.sort_by(|a, b| a.name.cmp(&b.name));
            some
        };
        Self {
            policies: named(POLICIES),
            links: named(LINKS),
            gate_schema: source("schema", "gate.cedarschema", shipped::GATE_SCHEMA),
            site_schema: source("schema", "site.cedarschema", site_schema),
        }
    }

    /// All files, in their one order.
    pub fn all(&self) -> impl Iterator<Item = &Source> {
        let schemas = [&self.gate_schema, &self.site_schema];
        self.policies.iter().chain(&self.links).chain(schemas)
    }
}

/// The links of `cedargate dev`, which `serve` does not read.
pub const DEV_LINKS: &str = "dev.links.json";
pub const POLICIES: &str = ".cedar";
pub const LINKS: &str = ".links.json";

/// A schema file, and what to do where there is none.
pub struct SchemaFile {
    name: &'static str,
    help: &'static str,
}

pub const GATE: SchemaFile = SchemaFile {
    name: "gate.cedarschema",
    help: "`cedargate policy schema --write` writes it",
};
pub const SITE: SchemaFile = SchemaFile {
    name: "site.cedarschema",
    help: "it declares the claims that policies may ask for; without any: namespace Site { type Claims = {}; }",
};

/// A policy folder without policies.
pub fn no_policies(folder: &Path) -> Finding {
    let message = "there is no *.cedar file in this folder, so nothing would be permitted";
    Finding::error("no_policies", folder.display().to_string(), message)
        .help("name the folder with the policies, or begin with the shipped ones")
}

/// A file that is larger is no policy that somebody wrote.
const MOST_BYTES: usize = 4 << 20;

/// What is in a file, cut off where it is too large.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path)?;
    file.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads what can be read, and says what cannot.
#[derive(Default)]
pub struct Reader {
    pub policies: Vec<Source>,
    pub links: Vec<Source>,
    pub findings: Vec<Finding>,
    /// The files in the policy folders that are neither.
    pub unread: Vec<PathBuf>,
}

impl Reader {
    /// What was read, if nothing is wrong with it. `policies` is what a person calls the policy folder.
    fn finish(
        mut self,
        policies: &Path,
        gate_schema: Option<Source>,
        site_schema: Option<Source>,
    ) -> Result<Sources, Findings> {
        if self.findings.is_empty() && self.policies.is_empty() {
            self.findings.push(no_policies(policies));
        }
        match (gate_schema, site_schema) {
            (Some(gate_schema), Some(site_schema)) if self.findings.is_empty() => {
                self.sort();
                Ok(Sources {
                    policies: self.policies,
                    links: self.links,
                    gate_schema,
                    site_schema,
                })
            }
            _ => {
                self.findings.sort_by(|a, b| a.file.cmp(&b.file));
                Err(Findings(self.findings))
            }
        }
    }

    pub fn sort(&mut self) {
        self.policies.sort_by(|a, b| a.name.cmp(&b.name));
        self.links.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// Reads what is in a folder. `within` is its path in the policy folder; `above` are the folders
    /// that it is in, so that a link which leads back to one of them ends there.
    pub fn folder(&mut self, folder: &Path, within: &str, above: &mut BTreeSet<PathBuf>) {
        let listed = fs::canonicalize(folder).and_then(|real| {
            let mut entries = fs::read_dir(folder)?
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<io::Result<Vec<_>>>()?;
            entries.sort();
            Ok((real, entries))
        });
        let (real, entries) = match listed {
            Ok(listed) => listed,
            Err(error) => return self.unreadable(folder, &error),
        };
        if !above.insert(real.clone()) {
            let message = "this link leads back to a folder that it is in";
            return self.refuse("not_a_file", folder, message, "remove the link");
        }
        for path in entries {
            self.entry(&path, within, above);
        }
        above.remove(&real);
    }

    fn entry(&mut self, path: &Path, within: &str, above: &mut BTreeSet<PathBuf>) {
        let Some(file_name) = path.file_name() else {
            return;
        };
        let Some(file_name) = file_name.to_str() else {
            let message = "the name of this file is not UTF-8";
            return self.refuse("not_utf8", path, message, "rename it");
        };
        if file_name.starts_with('.') {
            return;
        }
        let name = format!("{within}{file_name}");
        if self.named(path, &name) {
            return;
        }
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.folder(path, &format!("{name}/"), above),
            Ok(_) => self.unread.push(path.to_owned()),
            // an editor's backup copy that is gone again, or a link of its to nothing
            Err(_) if file_name.ends_with('~') => {}
            Err(error) => self.unreadable(path, &error),
        }
    }

    /// Reads a file if its name is that of policies or links, and says whether it is.
    pub fn named(&mut self, path: &Path, name: &str) -> bool {
        if name.ends_with(LINKS) {
            let read = self.file(path, name.to_owned());
            self.links.extend(read);
        } else if name.ends_with(POLICIES) {
            self.policy(path, name);
        } else {
            return false;
        }
        true
    }

    pub fn policy(&mut self, path: &Path, name: &str) {
        let read = self.file(path, name.to_owned());
        self.policies.extend(read);
    }

    pub fn schema(&mut self, folder: &Path, file: SchemaFile) -> Option<Source> {
        let path = folder.join(file.name);
        if !fs::exists(&path).unwrap_or(true) {
            self.refuse("unreadable", &path, "there is no such file", file.help);
            return None;
        }
        self.file(&path, file.name.to_owned())
    }

    fn file(&mut self, path: &Path, name: String) -> Option<Source> {
        let bytes = self.bytes(path)?;
        self.source(path, name, bytes)
    }

    /// What is in a file, if it is a text that can be read.
    fn source(&mut self, path: &Path, name: String, bytes: Vec<u8>) -> Option<Source> {
        let bytes = self.sized(path, bytes)?;
        let text = self.utf8(path, bytes)?;
        if text.trim().is_empty() {
            let help = "if it was being written just now, try again; else delete it";
            self.refuse("empty_file", path, "this file is empty", help);
            return None;
        }
        let shown = path.display().to_string();
        let text = text.into();
        Some(Source { name, shown, text })
    }

    fn bytes(&mut self, path: &Path) -> Option<Vec<u8>> {
        // Asked before it is opened: opening a pipe would wait for whoever writes to it.
        let read = match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => read(path),
            Ok(metadata) => {
                let kind = if metadata.is_dir() {
                    "a folder"
                } else {
                    "no regular file"
                };
                let message = format!("this is {kind}, and its name is that of a file to read");
                self.refuse("not_a_file", path, message, "rename it");
                return None;
            }
            Err(error) => Err(error),
        };
        match read {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.unreadable(path, &error);
                None
            }
        }
    }

    fn sized(&mut self, path: &Path, bytes: Vec<u8>) -> Option<Vec<u8>> {
        if bytes.len() > MOST_BYTES {
            let message = format!("this file is larger than {} MiB", MOST_BYTES >> 20);
            self.refuse("too_large", path, message, "split it into several files");
            return None;
        }
        Some(bytes)
    }

    fn utf8(&mut self, path: &Path, bytes: Vec<u8>) -> Option<String> {
        let finding =
            |code, message: &str| Finding::error(code, path.display().to_string(), message);
        let refused = match String::from_utf8(bytes) {
            Ok(text) if !text.starts_with('\u{feff}') => return Some(text),
            Ok(text) => {
                let message = "this file begins with a byte order mark, which Cedar does not read";
                finding("byte_order_mark", message)
                    .at(&text, 0..0)
                    .help("save it as UTF-8 without a byte order mark (BOM)")
            }
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let before = String::from_utf8_lossy(&error.as_bytes()[..at]).into_owned();
                finding("not_utf8", "from here on this is not UTF-8")
                    .at(&before, at..at)
                    .help("save it as UTF-8")
            }
        };
        self.findings.push(refused);
        None
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        let message = format!("cannot be read: {error}");
        self.refuse(
            "unreadable",
            path,
            message,
            "see that it is there and may be read",
        );
    }

    fn refuse(
        &mut self,
        code: &'static str,
        path: &Path,
        message: impl Into<String>,
        help: &'static str,
    ) {
        let finding = Finding::error(code, path.display().to_string(), message).help(help);
        self.findings.push(finding);
    }
}
