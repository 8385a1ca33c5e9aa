//! The files that the configuration refers to.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::problems::{Place, Problems};
use super::section::Located;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// Why a file cannot be used, as a sentence, and what to do.
pub(super) struct Trouble {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Trouble {
    /// Reports it where the file is named.
    pub(super) fn report(self, name: &str, place: &Place, problems: &mut Problems<'_>) {
        let message = format!("`{name}`: {}", self.message);
        problems.add(place, "unreadable_file", message, self.help);
    }
}

/// Where relative paths count from.
pub(super) struct Files {
    folder: PathBuf,
}

impl Files {
    /// Beside the configuration file; without one, the working folder.
    pub(super) fn beside(file: Option<&Path>) -> Self {
        let folder = file.and_then(Path::parent).unwrap_or(Path::new(""));
        Self {
            folder: folder.to_owned(),
        }
    }

    /// The path of a file that the configuration names.
    pub(super) fn resolve(&self, path: &Located<String>) -> PathBuf {
        match path.place {
            Place::File { .. } | Place::Nowhere => self.folder.join(&path.value),
            Place::Variable(_) | Place::Flag(_) => PathBuf::from(&path.value),
        }
    }

    /// A path that nobody named.
    pub(super) fn default(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }
}

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Trouble> {
    content(&open(path)?, path)
}

/// Reads a file that holds a secret: only its owner may have access to it.
pub(super) fn read_secret(path: &Path) -> Result<Vec<u8>, Trouble> {
    let file = open(path)?;
    owner_only(&file, path)?;
    content(&file, path)
}

/// Sees that there is a folder that can be listed.
pub(super) fn folder(path: &Path, help: &str) -> Result<(), Trouble> {
    match std::fs::read_dir(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(Trouble {
            help: Some(help.to_owned()),
            ..unreadable(path, &error)
        }),
    }
}

fn open(path: &Path) -> Result<File, Trouble> {
    File::open(path).map_err(|error| unreadable(path, &error))
}

fn content(file: &File, path: &Path) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(path, &error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= LARGEST) {
        Ok(bytes)
    } else {
        Err(Trouble {
            message: format!("{} is larger than 1 MiB", path.display()),
            help: None,
        })
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Trouble {
    Trouble {
        message: format!("{} cannot be read: {error}", path.display()),
        help: None,
    }
}

#[cfg(unix)]
fn owner_only(file: &File, path: &Path) -> Result<(), Trouble> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
    if metadata.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(Trouble {
        message: format!(
            "{} holds a secret, and others than its owner have access to it",
            path.display()
        ),
        help: Some(format!("chmod 600 {}", path.display())),
    })
}

#[cfg(not(unix))]
fn owner_only(_: &File, _: &Path) -> Result<(), Trouble> {
    Ok(())
}
