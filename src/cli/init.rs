//! `cedargate init`: a site to start from, with policies, cases, keys and a configuration.

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
use crate::finding::{Finding, Severity};
use site::{NewFile, PLACEHOLDER_ISSUER};

/// Write a site of your own: configuration, policies with their cases, schema, keys, a CI workflow.
///
/// The site works as it is written: its cases pass and `cedargate serve` starts. It refuses every
/// token until cedargate.toml names your issuer; `cedargate config check` says where. The keys are
/// new, readable by their owner only, and ignored by git. No file is overwritten: if one of them
/// exists, nothing is written.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  cedargate init
  cedargate init site

It exits with 2 when a file exists already or the folder cannot be written.")]
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
        // A link counts even if it leads nowhere.
        match fs::symlink_metadata(&path) {
            Ok(_) => {
                let message = "this exists already, and `cedargate init` overwrites nothing";
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

/// What was created so far, in the order of creation.
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
            // A folder of secrets is for its owner only, as they are.
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
        let named = |one: &&Path| !one.as_os_str().is_empty();
        let above = folder.ancestors().take_while(named);
        let missing: Vec<_> = above.take_while(|one| !one.exists()).collect();
        for one in missing.into_iter().rev() {
            DirBuilder::new().mode(mode).create(one)?;
            self.folders.push(one.to_owned());
        }
        Ok(())
    }

    /// Removes what was created, so that a second attempt starts from the same folder.
    fn undo(self) {
        for file in &self.files {
            // What cannot be removed stays: the first failure is the one that is reported.
            let _ = fs::remove_file(file);
        }
        for folder in self.folders.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let message = format!("this cannot be written: {error}");
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
A site is in {place}. Its secrets are in keys/, which git ignores: back them up.

{next}
  cedargate policy test     run the cases in tests/policies
  cedargate dev             try the policies on a page, with tokens for testing
  cedargate config check    see what to edit before `cedargate serve`
"
    )
}

/// Notes that a configuration still has the placeholder issuer, and where.
pub(super) fn placeholder_note(config: &Config, file: &Path) -> Option<Finding> {
    let issuers = &config.authn.issuers;
    if !issuers.iter().any(|one| one.issuer == PLACEHOLDER_ISSUER) {
        return None;
    }
    let message = "the issuer is still the placeholder of `cedargate init`: every token is refused";
    let note = Finding::error("placeholder", file.display().to_string(), message)
        .severity(Severity::Note)
        .help("name your identity provider: edit the lines marked EDIT");
    // The value can also come from the environment: then the file has no place to show.
    let text = fs::read_to_string(file).unwrap_or_default();
    Some(match text.find(PLACEHOLDER_ISSUER) {
        Some(at) => note.at(&text, at..at + PLACEHOLDER_ISSUER.len()),
        None => note,
    })
}
