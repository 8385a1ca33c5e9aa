//! Reading the files of a folder, with a finding for each file that cannot be read.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use cedargate_core::{Finding, Findings};

use super::{LINKS_SUFFIX, POLICY_SUFFIX, Source, Sources, no_policies};

/// The name of a schema file, and the help if the file is missing.
pub struct SchemaFile {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
}

/// The greatest size of a file. A larger one was not written by hand.
const MOST_BYTES: usize = 4 << 20;

/// Reads a file up to one byte more than the greatest size.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path)?;
    file.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads policy, links and schema files, and collects findings about those that cannot be read.
#[derive(Default)]
pub struct FolderReader {
    /// The policy files that were read.
    pub policies: Vec<Source>,
    /// The links files that were read.
    pub links: Vec<Source>,
    /// The problems of all files so far.
    pub findings: Vec<Finding>,
    /// The files in the policy folders that are neither policy nor links files.
    pub unread: Vec<PathBuf>,
}

impl FolderReader {
    /// Returns the sources. `policies` is the path of the policy folder in findings.
    ///
    /// # Errors
    /// Returns the findings if a file could not be read, or if there is no policy file.
    pub(super) fn finish(
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

    /// Sorts the policy files and the links files by name.
    pub fn sort(&mut self) {
        self.policies.sort_by(|a, b| a.name.cmp(&b.name));
        self.links.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// Reads the policy and links files of a folder and of the folders in it. `within` is the path of the
    /// folder in the policy folder, empty or with a `/` at its end. `above` has the folders that contain
    /// it, so that a symbolic link to one of them is refused.
    pub fn folder(&mut self, folder: &Path, within: &str, above: &mut BTreeSet<PathBuf>) {
        let listing = fs::canonicalize(folder).and_then(|real| {
            let mut entries = fs::read_dir(folder)?
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<io::Result<Vec<_>>>()?;
            entries.sort();
            Ok((real, entries))
        });
        let (real, entries) = match listing {
            Ok(listing) => listing,
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
        if self.file_by_name(path, &name) {
            return;
        }
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.folder(path, &format!("{name}/"), above),
            Ok(_) => self.unread.push(path.to_owned()),
            // Editors make backup copies and dangling links with this suffix, and remove them again.
            Err(_) if file_name.ends_with('~') => {}
            Err(error) => self.unreadable(path, &error),
        }
    }

    /// Reads the file if its name is that of a policy or links file. Returns false for other names.
    pub fn file_by_name(&mut self, path: &Path, name: &str) -> bool {
        if name.ends_with(LINKS_SUFFIX) {
            let read = self.file(path, name.to_owned());
            self.links.extend(read);
        } else if name.ends_with(POLICY_SUFFIX) {
            self.policy(path, name);
        } else {
            return false;
        }
        true
    }

    /// Reads a policy file, whatever its name is.
    pub fn policy(&mut self, path: &Path, name: &str) {
        let read = self.file(path, name.to_owned());
        self.policies.extend(read);
    }

    /// Reads a schema file of a folder. Returns `None` if it cannot be read, with a finding.
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

    /// Returns the content of a file as a text. Refuses a file that is too large, empty or not UTF-8.
    pub(super) fn source(&mut self, path: &Path, name: String, bytes: Vec<u8>) -> Option<Source> {
        let bytes = self.sized(path, bytes)?;
        let text = self.utf8(path, bytes)?;
        if text.trim().is_empty() {
            let help = "if it was being written just now, try again; else delete it";
            self.refuse("empty_file", path, "this file is empty", help);
            return None;
        }
        let display_path = path.display().to_string();
        let text = text.into();
        Some(Source {
            name,
            display_path,
            text,
        })
    }

    fn bytes(&mut self, path: &Path) -> Option<Vec<u8>> {
        // Checked before the file is opened, because opening a pipe would wait for a writer.
        let read = match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => read(path),
            Ok(metadata) => {
                let kind = if metadata.is_dir() {
                    "a folder"
                } else {
                    "not a regular file"
                };
                let message = format!(
                    "this is {kind}, although its name is that of a policy, links or schema file"
                );
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
                finding("not_utf8", "this file is not UTF-8 from here on")
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
            "check that it exists and that cedargate may read it",
        );
    }

    pub(super) fn refuse(
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
