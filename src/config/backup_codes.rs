//! The `[backup_codes]` section: the peppers of the hashes of backup codes.

use std::path::Path;

use secrecy::{ExposeSecret as _, SecretSlice};

use super::files::{self, FileProblem, Files};
use super::problems::Problems;
use super::section::Section;
use crate::mfa::backup_codes::{Pepper, Peppers};

/// The least length of a pepper, in bytes.
const MIN_PEPPER_LENGTH: usize = 32;

/// Reads the peppers. The result is empty only if a problem was reported.
pub(super) fn take(root: &mut Section, files: &Files, problems: &mut Problems<'_>) -> Peppers {
    let mut section = root.section("backup_codes", problems);
    section.require(&["pepper_files"], problems);
    let paths = section.filled_list("pepper_files", problems);
    section.finish(problems);
    let mut peppers: Vec<SecretSlice<u8>> = Vec::new();
    for path in paths.unwrap_or_default() {
        match pepper(&files.resolve(&path)) {
            Ok(pepper) if peppers.iter().any(|other| same(other, &pepper)) => problems.add(
                &path.place,
                "duplicate",
                "`backup_codes.pepper_files`: this file holds the same key as an earlier entry: remove one of them",
                None,
            ),
            Ok(pepper) => peppers.push(pepper),
            Err(problem) => problem.report("backup_codes.pepper_files", &path.place, problems),
        }
    }
    Peppers::new(peppers.iter().map(Pepper::new).collect())
}

fn same(one: &SecretSlice<u8>, other: &SecretSlice<u8>) -> bool {
    one.expose_secret() == other.expose_secret()
}

/// Reads a pepper. It is the whole content of the file: a line break at the end counts.
fn pepper(path: &Path) -> Result<SecretSlice<u8>, FileProblem> {
    let content = files::read_secret(path)?;
    if content.len() >= MIN_PEPPER_LENGTH {
        return Ok(content.into());
    }
    let path = path.display();
    Err(FileProblem {
        message: format!("{path} is shorter than {MIN_PEPPER_LENGTH} bytes"),
        help: Some(format!(
            "create one with (umask 077; head -c {MIN_PEPPER_LENGTH} /dev/urandom > {path})"
        )),
    })
}
