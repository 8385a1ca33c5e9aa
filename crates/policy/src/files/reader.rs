//! Reading the files of a folder, with a finding for each file that cannot be read.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use cedargate_core::{Finding, Findings};

use super::{LINKS_SUFFIX, POLICY_SUFFIX, Source, Sources, no_policies};
use crate::parallel;

/// The name of a schema file, and the help if the file is missing.
pub struct SchemaFile {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
}

/// The greatest size of a file. A larger one was not written by hand.
const MOST_BYTES: usize = 4 << 20;

/// Reads a file of about this length, up to one byte more than the greatest size.
fn read(path: &Path, length: u64) -> io::Result<Vec<u8>> {
    let capacity = usize::try_from(length)
        .unwrap_or(MOST_BYTES)
        .min(MOST_BYTES);
    let mut bytes = Vec::with_capacity(capacity + 1);
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
        let mut found = Vec::new();
        self.find(folder, within, above, &mut found);
        // Most of the time is spent waiting for the system.
        let read = parallel::spread(&found, Found::read);
        for read in read {
            match read {
                Ok(source) if source.name.ends_with(LINKS_SUFFIX) => self.links.push(source),
                Ok(source) => self.policies.push(source),
                Err(finding) => self.findings.push(*finding),
            }
        }
    }

    /// Finds the files of a folder, in the order in which problems with them are reported.
    fn find(
        &mut self,
        folder: &Path,
        within: &str,
        above: &mut BTreeSet<PathBuf>,
        found: &mut Vec<Found>,
    ) {
        let listing = fs::canonicalize(folder).and_then(|real| {
            let mut entries = fs::read_dir(folder)?
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<io::Result<Vec<_>>>()?;
            entries.sort();
            Ok((real, entries))
        });
        let (real, entries) = match listing {
            Ok(listing) => listing,
            Err(error) => return found.push(Found::Problem(unreadable(folder, &error))),
        };
        if !above.insert(real.clone()) {
            let message = "this link leads back to a folder that it is in";
            let finding = refused("not_a_file", folder, message, "remove the link");
            return found.push(Found::Problem(finding));
        }
        for path in entries {
            self.find_entry(path, within, above, found);
        }
        above.remove(&real);
    }

    fn find_entry(
        &mut self,
        path: PathBuf,
        within: &str,
        above: &mut BTreeSet<PathBuf>,
        found: &mut Vec<Found>,
    ) {
        let Some(file_name) = path.file_name() else {
            return;
        };
        let Some(file_name) = file_name.to_str() else {
            let message = "the name of this file is not UTF-8";
            let finding = refused("not_utf8", &path, message, "rename it");
            return found.push(Found::Problem(finding));
        };
        if file_name.starts_with('.') {
            return;
        }
        let name = format!("{within}{file_name}");
        if name.ends_with(LINKS_SUFFIX) || name.ends_with(POLICY_SUFFIX) {
            return found.push(Found::File { path, name });
        }
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {
                self.find(&path, &format!("{name}/"), above, found);
            }
            Ok(_) => self.unread.push(path),
            // Editors make backup copies and dangling links with this suffix, and remove them again.
            Err(_) if file_name.ends_with('~') => {}
            Err(error) => found.push(Found::Problem(unreadable(&path, &error))),
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
        let read = read_source(path, name);
        self.or_report(read)
    }

    /// Returns the content of a file as a text. Refuses a file that is too large, empty or not UTF-8.
    pub(super) fn source(&mut self, path: &Path, name: String, bytes: Vec<u8>) -> Option<Source> {
        let read = source(path, name, bytes);
        self.or_report(read)
    }

    fn or_report(&mut self, read: Result<Source, Box<Finding>>) -> Option<Source> {
        read.map_err(|finding| self.findings.push(*finding)).ok()
    }

    pub(super) fn refuse(
        &mut self,
        code: &'static str,
        path: &Path,
        message: impl Into<String>,
        help: &'static str,
    ) {
        self.findings.push(refused(code, path, message, help));
    }
}

/// A file of a policy folder that is to be read, or a problem.
enum Found {
    File { path: PathBuf, name: String },
    Problem(Finding),
}

impl Found {
    fn read(&self) -> Result<Source, Box<Finding>> {
        match self {
            Found::File { path, name } => read_source(path, name.clone()),
            Found::Problem(finding) => Err(Box::new(finding.clone())),
        }
    }
}

fn read_source(path: &Path, name: String) -> Result<Source, Box<Finding>> {
    source(path, name, bytes(path)?)
}

fn source(path: &Path, name: String, bytes: Vec<u8>) -> Result<Source, Box<Finding>> {
    if bytes.len() > MOST_BYTES {
        let message = format!("this file is larger than {} MiB", MOST_BYTES >> 20);
        let help = "split it into several files";
        return Err(refused("too_large", path, message, help).into());
    }
    let text = utf8(path, bytes)?;
    if text.trim().is_empty() {
        let help = "if it was being written just now, try again; else delete it";
        return Err(refused("empty_file", path, "this file is empty", help).into());
    }
    Ok(Source::new(name, path.display().to_string(), text.into()))
}

fn bytes(path: &Path) -> Result<Vec<u8>, Box<Finding>> {
    // Checked before the file is opened, because opening a pipe would wait for a writer.
    let read = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => read(path, metadata.len()),
        Ok(metadata) => {
            let kind = if metadata.is_dir() {
                "a folder"
            } else {
                "not a regular file"
            };
            let message = format!(
                "this is {kind}, although its name is that of a policy, links or schema file"
            );
            return Err(refused("not_a_file", path, message, "rename it").into());
        }
        Err(error) => Err(error),
    };
    read.map_err(|error| unreadable(path, &error).into())
}

fn utf8(path: &Path, bytes: Vec<u8>) -> Result<String, Box<Finding>> {
    let finding = |code, message: &str| Finding::error(code, path.display().to_string(), message);
    match String::from_utf8(bytes) {
        Ok(text) if !text.starts_with('\u{feff}') => Ok(text),
        Ok(text) => {
            let message = "this file begins with a byte order mark, which Cedar does not read";
            let finding = finding("byte_order_mark", message).at(&text, 0..0);
            Err(finding
                .help("save it as UTF-8 without a byte order mark (BOM)")
                .into())
        }
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let before = String::from_utf8_lossy(&error.as_bytes()[..at]).into_owned();
            let finding = finding("not_utf8", "this file is not UTF-8 from here on");
            Err(finding.at(&before, at..at).help("save it as UTF-8").into())
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Finding {
    let message = format!("cannot be read: {error}");
    let help = "check that it exists and that cedargate may read it";
    refused("unreadable", path, message, help)
}

fn refused(
    code: &'static str,
    path: &Path,
    message: impl Into<String>,
    help: &'static str,
) -> Finding {
    Finding::error(code, path.display().to_string(), message).help(help)
}
