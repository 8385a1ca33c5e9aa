//! The data folder of `dev`: the store, and the secrets that the first start generates.

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
    /// Signs the access tokens of `dev`, in the place of an identity provider.
    pub(super) signing_key: SigningKey,
    /// Signs step-up tokens.
    pub(super) step_up_key: SigningKey,
    pub(super) pepper: SecretSlice<u8>,
}

impl Data {
    /// Opens a data folder. Creates the folder, for its owner only, and the secrets that are missing.
    pub(super) fn open(folder: &Path) -> Result<Self, Failure> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| unusable(folder, &error))?;
        let key = |name| {
            let file = folder.join(name);
            let pkcs8 = read_or_generate(&file, SigningKey::generate)?;
            parse(&file, &pkcs8)
        };
        let pepper = read_or_generate(&folder.join(PEPPER), new_file::pepper)?;
        if pepper.len() < PEPPER_BYTES {
            let file = folder.join(PEPPER).display().to_string();
            return Err(
                Failure::file("pepper", file, "this pepper is shorter than 32 bytes").help(
                    "delete it: a new one is made, and the existing backup codes stop working",
                ),
            );
        }
        Ok(Self {
            signing_key: key(SIGNING_KEY)?,
            step_up_key: key(STEP_UP_KEY)?,
            pepper: SecretSlice::from(pepper),
        })
    }
}

/// Reads the signing key of a data folder that `dev` has created.
pub(in crate::cli) fn signing_key(folder: &Path) -> Result<SigningKey, Failure> {
    let file = folder.join(SIGNING_KEY);
    match fs::read(&file) {
        Ok(pkcs8) => parse(&file, &pkcs8),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Failure::file(
            "signing_key",
            file.display().to_string(),
            "the development key does not exist",
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
            format!("this key {error}"),
        )
        .help("delete it: `cedargate dev` makes a new one, and older tokens stop working")
    })
}

fn read_or_generate(
    file: &Path,
    generate: impl FnOnce() -> Result<Vec<u8>, NoRandomness>,
) -> Result<Vec<u8>, Failure> {
    match fs::read(file) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let bytes =
                generate().map_err(|error| Failure::usage("randomness", error.to_string()))?;
            match new_file::create(file, &bytes, OWNER_ONLY) {
                // If another process created the secret first, both use that one.
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
        format!("this cannot be used: {error}"),
    )
    .help("use --data to name a folder that you may write to")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn secrets_are_generated_once_with_mode_0600() {
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
    fn folder_without_a_key_is_refused_with_advice() {
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
    fn damaged_key_is_reported_and_not_replaced() {
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
