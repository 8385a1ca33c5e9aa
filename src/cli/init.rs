//! `cedargate init`: writes a new site with policies, cases, keys and a configuration.

mod site;

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::{Exit, Failure};
use super::new_file::{self, OWNER_ONLY};
use super::output;
use crate::config::Config;
use cedargate_core::{Finding, Severity};
use site::{NewFile, PLACEHOLDER_ISSUER};

/// Write a site of your own: configuration, policies with their cases, schema, keys, a CI workflow.
///
/// The site works without an edit: its cases pass and `cedargate serve` starts. The gateway refuses
/// every token until cedargate.toml names your issuer; `cedargate config check` shows the line to
/// edit. The keys are new, readable by their owner only, and ignored by git. If a file of the site
/// exists already, the command writes nothing.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  cedargate init
  cedargate init site

It exits with 2 if a file exists already or the folder cannot be written.")]
pub(super) struct Arguments {
    /// The folder of the site; it is created if it does not exist.
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let folder = &arguments.folder;
    let files = site::files().map_err(|error| Failure::usage("randomness", error.to_string()))?;
    refuse_existing(folder, &files)?;
    let mut written = Written::default();
    if let Err(failure) = written.write(folder, &files) {
        written.undo();
        return Err(failure);
    }
    output::print(&next_steps(folder))
}

/// Reports every file that exists already.
fn refuse_existing(folder: &Path, files: &[NewFile]) -> Result<(), Failure> {
    let mut findings = Vec::new();
    for file in files {
        let path = folder.join(&file.path);
        // A symbolic link counts even if its target does not exist.
        match fs::symlink_metadata(&path) {
            Ok(_) => {
                let message = "this file exists already, and `cedargate init` overwrites nothing";
                let path = path.display().to_string();
                findings.push(Finding::error("exists", path, message));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(unwritable(&path, &error)),
        }
    }
    if findings.is_empty() {
        return Ok(());
    }
    let failure = Failure {
        exit: Exit::Usage,
        findings,
    };
    Err(failure.help("nothing was written: name another folder, or move these files away"))
}

/// The files and folders that were created so far, in the order of creation.
#[derive(Default)]
struct Written {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Written {
    fn write(&mut self, folder: &Path, files: &[NewFile]) -> Result<(), Failure> {
        for file in files {
            let path = folder.join(&file.path);
            self.create(&path, file)
                .map_err(|error| unwritable(&path, &error))?;
        }
        Ok(())
    }

    fn create(&mut self, path: &Path, file: &NewFile) -> io::Result<()> {
        if let Some(parent) = path.parent() {
            // Only the owner may list a folder of secrets.
            let mode = if file.mode == OWNER_ONLY {
                0o700
            } else {
                0o755
            };
            self.create_folder(parent, mode)?;
        }
        new_file::create(path, &file.content, file.mode)?;
        self.files.push(path.to_owned());
        Ok(())
    }

    fn create_folder(&mut self, folder: &Path, mode: u32) -> io::Result<()> {
        // The last ancestor of a relative path is empty.
        let not_empty = |ancestor: &&Path| !ancestor.as_os_str().is_empty();
        let ancestors = folder.ancestors().take_while(not_empty);
        let missing: Vec<_> = ancestors.take_while(|folder| !folder.exists()).collect();
        for folder in missing.into_iter().rev() {
            DirBuilder::new().mode(mode).create(folder)?;
            self.folders.push(folder.to_owned());
        }
        Ok(())
    }

    /// Removes the created files and folders, so that a second attempt starts from the same folder.
    fn undo(self) {
        for file in &self.files {
            // An error here is ignored: the user gets the error that made the write fail.
            let _ = fs::remove_file(file);
        }
        for folder in self.folders.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let message = format!("this file cannot be written: {error}");
    Failure::file("site", path.display().to_string(), message)
        .help("nothing was written: name a folder that you may write to")
}

fn next_steps(folder: &Path) -> String {
    let (place, next) = if folder == Path::new(".") {
        ("this folder".to_owned(), "Next:".to_owned())
    } else {
        let folder = folder.display();
        (format!("{folder}"), format!("Next, in {folder}:"))
    };
    format!(
        "\
The site is in {place}. Its secrets are in keys/, which git ignores: back them up.

{next}
  cedargate policy test     run the cases in tests/policies
  cedargate dev             try the policies on a page, with tokens for testing
  cedargate config check    see the lines to edit before `cedargate serve`
"
    )
}

/// Returns a note with its place if the configuration still has the placeholder issuer.
pub(super) fn placeholder_note(config: &Config, file: &Path) -> Option<Finding> {
    let issuers = &config.authn.issuers;
    if !issuers
        .iter()
        .any(|issuer| issuer.issuer == PLACEHOLDER_ISSUER)
    {
        return None;
    }
    let message = "the issuer is still the placeholder of `cedargate init`: every token is refused";
    let note = Finding::error("placeholder", file.display().to_string(), message)
        .severity(Severity::Note)
        .help("edit the lines marked EDIT: they name your identity provider");
    // If the value comes from the environment, the note has no line.
    let text = fs::read_to_string(file).unwrap_or_default();
    Some(match text.find(PLACEHOLDER_ISSUER) {
        Some(at) => note.at(&text, at..at + PLACEHOLDER_ISSUER.len()),
        None => note,
    })
}
