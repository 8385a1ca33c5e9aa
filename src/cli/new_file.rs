//! Creates files without overwriting any, and generates peppers.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::authn::signing::NoRandomness;

/// The mode of a file that holds a secret.
pub(super) const OWNER_ONLY: u32 = 0o600;

/// The length of a pepper in bytes: the output length of the hash that it keys.
pub(super) const PEPPER_BYTES: usize = 32;

/// Generates a key for hashing backup codes.
///
/// # Errors
/// The system gave no random bytes.
pub(super) fn pepper() -> Result<Vec<u8>, NoRandomness> {
    let mut bytes = vec![0; PEPPER_BYTES];
    aws_lc_rs::rand::fill(&mut bytes)
        .map(|()| bytes)
        .map_err(|_| NoRandomness)
}

/// Creates a file with its whole content, or creates none. The file has this mode from the start.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if the file exists; another kind if it cannot be written.
pub(super) fn create(file: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let new: PathBuf = file.with_extension(format!("new-{}", Uuid::new_v4()));
    let mut opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&new)?;
    let written = opened
        .write_all(bytes)
        .and_then(|()| opened.sync_all())
        // A rename would replace a file that another process created meanwhile; a link fails.
        .and_then(|()| fs::hard_link(&new, file));
    fs::remove_file(&new)?;
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn existing_file_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        create(&file, b"first", OWNER_ONLY).unwrap();
        let error = create(&file, b"second", OWNER_ONLY).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&file).unwrap(), b"first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn two_peppers_differ() {
        assert_ne!(pepper().unwrap(), pepper().unwrap());
    }
}
