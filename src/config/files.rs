//! The files that the configuration names.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::problems::{Place, Problems};
use super::section::Located;

/// The size of the largest file that is read, in bytes.
const MAX_FILE_SIZE: u64 = 1024 * 1024;

/// A file that cannot be used.
pub(super) struct FileProblem {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl FileProblem {
    /// Reports the problem at the place that names the file.
    pub(super) fn report(self, name: &str, place: &Place, problems: &mut Problems<'_>) {
        let message = format!("`{name}`: {}", self.message);
        problems.add(place, "unreadable_file", message, self.help);
    }
}

/// The folder that relative paths are resolved against.
pub(super) struct Files {
    folder: PathBuf,
}

impl Files {
    /// Uses the folder of the configuration file, or the working folder if there is no file.
    pub(super) fn beside(file: Option<&Path>) -> Self {
        let folder = file.and_then(Path::parent).unwrap_or(Path::new(""));
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Returns the path of a file that the configuration names.
    pub(super) fn resolve(&self, path: &Located<String>) -> PathBuf {
        match path.place {
            Place::File { .. } | Place::Nowhere => self.folder.join(&path.value),
            Place::Variable(_) | Place::Flag(_) => PathBuf::from(&path.value),
        }
    }

    /// Returns a path that is not configured.
    pub(super) fn default(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, FileProblem> {
    content(&open(path)?, path)
}

/// Reads a file that holds a secret. Returns an error if users other than its owner can access it.
pub(super) fn read_secret(path: &Path) -> Result<Vec<u8>, FileProblem> {
    let file = open(path)?;
    owner_only(&file, path)?;
    content(&file, path)
}

/// Checks that a folder can be listed.
pub(super) fn folder(path: &Path, help: &str) -> Result<(), FileProblem> {
    match std::fs::read_dir(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(FileProblem {
            help: Some(help.to_owned()),
            ..unreadable(path, &error)
        }),
    }
}

fn open(path: &Path) -> Result<File, FileProblem> {
    File::open(path).map_err(|error| unreadable(path, &error))
}

fn content(file: &File, path: &Path) -> Result<Vec<u8>, FileProblem> {
    let mut bytes = Vec::new();
    file.take(MAX_FILE_SIZE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(path, &error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_FILE_SIZE) {
        Ok(bytes)
    } else {
        Err(FileProblem {
            message: format!("{} is larger than 1 MiB", path.display()),
            help: None,
        })
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> FileProblem {
    FileProblem {
        message: format!("{} cannot be read: {error}", path.display()),
        help: None,
    }
}

#[cfg(unix)]
fn owner_only(file: &File, path: &Path) -> Result<(), FileProblem> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
    if metadata.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(FileProblem {
        message: format!(
            "{} holds a secret, but users other than its owner can access it",
            path.display()
        ),
        help: Some(format!("run chmod 600 {}", path.display())),
    })
}

#[cfg(not(unix))]
fn owner_only(_: &File, _: &Path) -> Result<(), FileProblem> {
    Ok(())
}
