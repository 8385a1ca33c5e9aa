//! The data folder of `dev`: the store, and the secrets that are made on the first start.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use secrecy::SecretSlice;

use crate::authn::signing::{NoRandomness, SigningKey};
use crate::cli::failure::Failure;
use crate::cli::new_file::{self, OWNER_ONLY, PEPPER_BYTES};

const SIGNING_KEY: &str = "signing-key.p8";
const STEP_UP_KEY: &str = "step-up-key.p8";
const PEPPER: &str = "pepper.key";

/// The secrets of a data folder.
pub(super) struct Data {
    /// Signs what a sign-in would give.
    pub(super) signing_key: SigningKey,
    /// Signs what a step-up gives.
    pub(super) step_up_key: SigningKey,
    pub(super) pepper: SecretSlice<u8>,
}

impl Data {
    /// Opens a data folder, for its owner alone; makes it, and its secrets, if they are not there.
    pub(super) fn open(folder: &Path) -> Result<Self, Failure> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| unusable(folder, &error))?;
        let key = |name| {
            let file = folder.join(name);
            let pkcs8 = read_or_make(&file, SigningKey::generate)?;
            parse(&file, &pkcs8)
        };
        let pepper = read_or_make(&folder.join(PEPPER), new_file::pepper)?;
        if pepper.len() < PEPPER_BYTES {
            let file = folder.join(PEPPER).display().to_string();
            return Err(Failure::file("pepper", file, "it is shorter than 32 bytes")
                .help("delete it: a new one is made, and the backup codes so far stop working"));
        }
        Ok(Self {
            signing_key: key(SIGNING_KEY)?,
            step_up_key: key(STEP_UP_KEY)?,
            pepper: SecretSlice::from(pepper),
        })
    }
}

/// The signing key of a data folder that `dev` has made.
pub(in crate::cli) fn signing_key(folder: &Path) -> Result<SigningKey, Failure> {
    let file = folder.join(SIGNING_KEY);
    match fs::read(&file) {
        Ok(pkcs8) => parse(&file, &pkcs8),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Failure::file(
            "signing_key",
            file.display().to_string(),
            "there is no development key here",
        )
        .help("start `cedargate dev` once, or name its data folder with --data")),
        Err(error) => Err(unusable(&file, &error)),
    }
}

fn parse(file: &Path, pkcs8: &[u8]) -> Result<SigningKey, Failure> {
    SigningKey::parse(pkcs8).map_err(|error| {
        Failure::file(
            "signing_key",
            file.display().to_string(),
            format!("it {error}"),
        )
        .help("delete it: a new one is made by `cedargate dev`, and older tokens stop working")
    })
}

fn read_or_make(
    file: &Path,
    make: impl FnOnce() -> Result<Vec<u8>, NoRandomness>,
) -> Result<Vec<u8>, Failure> {
    match fs::read(file) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let bytes = make().map_err(|error| Failure::usage("randomness", error.to_string()))?;
            match new_file::create(file, &bytes, OWNER_ONLY) {
                // Another process made the secret first: both use that one.
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    Err(unusable(file, &error))
                }
                _ => fs::read(file).map_err(|error| unusable(file, &error)),
            }
        }
        Err(error) => Err(unusable(file, &error)),
    }
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    Failure::file(
        "data",
        path.display().to_string(),
        format!("it cannot be used: {error}"),
    )
    .help("name a folder that you may write to with --data")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn secrets_are_made_once_and_are_their_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("deep/data");
        Data::open(&data).unwrap();
        let first = fs::read(data.join(SIGNING_KEY)).unwrap();
        Data::open(&data).unwrap();
        assert_eq!(fs::read(data.join(SIGNING_KEY)).unwrap(), first);
        assert_eq!(mode(&data), 0o700);
        assert_eq!(mode(&data.join(SIGNING_KEY)), 0o600);
        assert_eq!(mode(&data.join(STEP_UP_KEY)), 0o600);
        assert_eq!(mode(&data.join(PEPPER)), 0o600);
        assert_eq!(fs::read_dir(&data).unwrap().count(), 3);
    }

    #[test]
    fn a_folder_without_a_key_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let failure = signing_key(folder.path()).err().unwrap();
        assert_eq!(failure.findings[0].code, "signing_key");
        assert!(
            failure.findings[0]
                .help
                .as_deref()
                .unwrap()
                .contains("cedargate dev")
        );
    }

    #[test]
    fn a_damaged_key_is_named_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(SIGNING_KEY), "garbage").unwrap();
        let failure = Data::open(folder.path()).err().unwrap();
        assert!(failure.findings[0].file.ends_with(SIGNING_KEY));
        assert_eq!(
            fs::read(folder.path().join(SIGNING_KEY)).unwrap(),
            b"garbage"
        );
    }
}
