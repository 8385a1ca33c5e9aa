//! The files that `cedargate init` writes.

use std::error::Error;

use serde_json::Value;

use crate::authn::signing::{SigningKey, jwks};
use crate::cli::new_file::{self, OWNER_ONLY};
use cedargate_policy::{GATE_SCHEMA, SHIPPED_POLICIES, SITE_SCHEMA};

/// The `iss` in the new configuration. Its domain can never exist (RFC 6761 §6.4).
pub(super) const PLACEHOLDER_ISSUER: &str = "https://replace-me.invalid";

/// A file that is readable by everyone, as far as the umask allows.
const PUBLIC: u32 = 0o644;

const CONFIGURATION: &str = include_str!("cedargate.toml");
const GITIGNORE: &str = include_str!("gitignore");
const WORKFLOW: &str = include_str!("policies.yml");

macro_rules! cases {
    ($($name:literal),* $(,)?) => {
        /// The files of `tests/policies`: paths within the folder, with their content.
        const CASES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../tests/policies/", $name)))),*];
    };
}

cases![
    "admins.json",
    "equivalent-mutants.toml",
    "examples/admins.json",
    "examples/contractors.json",
    "examples/one-network.json",
    "examples/security-keys-only.json",
    "examples/strong-first-enrolment.json",
    "examples/two-models.json",
    "open-doors.json",
    "public-documents.json",
    "security-keys.json",
    "step-up.json",
    "tenant-isolation.json",
];

/// A file to write. It has no `Debug`, since some files hold secrets.
pub(super) struct NewFile {
    /// The path within the folder of the site.
    pub(super) path: String,
    pub(super) content: Vec<u8>,
    pub(super) mode: u32,
}

impl NewFile {
    fn public(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.into(),
            content: content.into(),
            mode: PUBLIC,
        }
    }

    fn secret(path: &str, content: Vec<u8>) -> Self {
        Self {
            path: path.to_owned(),
            content,
            mode: OWNER_ONLY,
        }
    }
}

/// Returns all files of a site, with new keys.
///
/// # Errors
/// The system gave no random bytes.
pub(super) fn files() -> Result<Vec<NewFile>, Box<dyn Error>> {
    let workflow = WORKFLOW.replace("@VERSION@", env!("CARGO_PKG_VERSION"));
    let mut files = vec![
        NewFile::public(".gitignore", GITIGNORE),
        NewFile::public(".github/workflows/policies.yml", workflow),
        NewFile::public("cedargate.toml", CONFIGURATION),
        NewFile::public("placeholder.jwks.json", placeholder_jwks()?),
        NewFile::secret("keys/pepper.key", new_file::pepper()?),
        NewFile::secret("keys/step-up.p8", SigningKey::generate()?),
        NewFile::public("schema/gate.cedarschema", GATE_SCHEMA),
        NewFile::public("schema/site.cedarschema", SITE_SCHEMA),
    ];
    for (folder, shipped) in [("policies", SHIPPED_POLICIES), ("tests/policies", CASES)] {
        let in_folder = |(name, text): &(&str, &str)| {
            NewFile::public(format!("{folder}/{name}"), text.as_bytes())
        };
        files.extend(shipped.iter().map(in_folder));
    }
    Ok(files)
}

/// Returns a JWK set with the public half of a new key and drops the private half. A configuration
/// needs a key to be valid, and no client can sign a token that an unedited configuration accepts.
fn placeholder_jwks() -> Result<Vec<u8>, Box<dyn Error>> {
    let key = SigningKey::parse(&SigningKey::generate()?)?;
    let mut set: Value = serde_json::from_slice(&jwks([&key])?)?;
    set["comment"] = "A placeholder of `cedargate init`. The private half of this key was never \
                      stored. Name your issuer's keys with `jwks` in cedargate.toml, and delete this file."
        .into();
    let mut text = serde_json::to_vec_pretty(&set)?;
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use walkdir::WalkDir;

    #[test]
    fn every_file_of_tests_policies_is_built_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policies");
        let entries = WalkDir::new(&folder).sort_by_file_name();
        let files = entries.into_iter().map(Result::unwrap);
        let on_disk: Vec<_> = files
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| {
                let name = entry.path().strip_prefix(&folder).unwrap();
                name.to_str().unwrap().to_owned()
            })
            .collect();
        let built_in: Vec<_> = CASES.iter().map(|(name, _)| *name).collect();
        assert_eq!(built_in, on_disk);
    }

    #[test]
    fn configuration_names_the_placeholder_issuer_once() {
        assert_eq!(CONFIGURATION.matches(PLACEHOLDER_ISSUER).count(), 1);
    }
}
