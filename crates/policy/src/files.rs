//! The policy folder and the schema folder as texts. This module and [`cases`](crate::cases) read files; no other one does.

mod inline;
mod reader;
mod source;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use cedargate_core::{Finding, Findings};

use super::shipped;

pub use inline::{InlineFile, InlineSources};
pub use reader::{FolderReader, SchemaFile};
pub use source::Source;

/// The content of the policy folder and the schema folder. The order of the files does not depend on the
/// file system.
#[derive(Clone, Debug)]
pub struct Sources {
    /// `policies/**/*.cedar`.
    pub policies: Vec<Source>,
    /// `policies/**/*.links.json`.
    pub links: Vec<Source>,
    /// `schema/gate.cedarschema`.
    pub gate_schema: Source,
    /// `schema/site.cedarschema`.
    pub site_schema: Source,
}

/// The texts to parse and check. Files that could not be read are missing.
#[derive(Clone, Copy)]
pub struct SourceTexts<'a> {
    /// `policies/**/*.cedar`.
    pub policies: &'a [Source],
    /// `policies/**/*.links.json`.
    pub links: &'a [Source],
    /// `schema/gate.cedarschema`.
    pub gate_schema: Option<&'a Source>,
    /// `schema/site.cedarschema`.
    pub site_schema: Option<&'a Source>,
    /// True if these are all policy and links files.
    pub complete: bool,
}

impl Sources {
    /// Reads both folders. Ignores files that have the name neither of a policy, a links nor a schema file,
    /// and all files and folders whose names begin with a dot (editors and mounted volumes keep copies
    /// there).
    ///
    /// # Errors
    /// Returns all findings if a file or folder cannot be read, is not valid UTF-8, is empty or too large,
    /// or if there is no policy file.
    pub fn read(policies: &Path, schema: &Path) -> Result<Self, Findings> {
        let mut reader = FolderReader::default();
        reader.folder(policies, "", &mut BTreeSet::new());
        let gate_schema = reader.schema(schema, GATE_SCHEMA_FILE);
        let site_schema = reader.schema(schema, SITE_SCHEMA_FILE);
        reader.finish(policies, gate_schema, site_schema)
    }

    /// Removes `dev.links.json`. It makes members of a group of the issuer of `cedargate dev`
    /// administrators, and another issuer may have the name of that issuer.
    pub fn leave_out_dev_links(&mut self) {
        self.links.retain(|source| source.name != DEV_LINKS);
    }

    /// Returns a hash of policies, links and schema, as [`Bundle::revision`] does.
    ///
    /// [`Bundle::revision`]: super::Bundle::revision
    pub fn revision(&self) -> Arc<str> {
        let mut hasher = Sha256::new();
        for source in self.all() {
            for text in [&*source.name, &*source.text] {
                hasher.update((text.len() as u64).to_be_bytes());
                hasher.update(text.as_bytes());
            }
        }
        let hash = hasher.finalize();
        hash.iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
            .into()
    }

    /// Returns the texts to parse and check.
    pub fn texts(&self) -> SourceTexts<'_> {
        SourceTexts {
            policies: &self.policies,
            links: &self.links,
            gate_schema: Some(&self.gate_schema),
            site_schema: Some(&self.site_schema),
            complete: true,
        }
    }

    /// Returns the policies and the schema that are built into the program.
    pub fn shipped() -> Self {
        Self::of(shipped::POLICIES, shipped::SITE_SCHEMA)
    }

    /// Makes sources from texts: files of the policy folder with their paths in it, and the content of
    /// `site.cedarschema`. Ignores files whose names are not those of policy or links files.
    pub fn of(files: &[(&str, &str)], site_schema: &str) -> Self {
        let source = |folder: &str, name: &str, text: &str| {
            Source::new(name.to_owned(), format!("{folder}/{name}"), text.into())
        };
        let with_suffix = |suffix: &str| {
            let mut sources: Vec<_> = files
                .iter()
                .filter(|(name, _)| name.ends_with(suffix))
                .map(|(name, text)| source("policies", name, text))
                .collect();
            sources.sort_by(|a, b| a.name.cmp(&b.name));
            sources
        };
        Self {
            policies: with_suffix(POLICY_SUFFIX),
            links: with_suffix(LINKS_SUFFIX),
            gate_schema: source("schema", "gate.cedarschema", shipped::GATE_SCHEMA),
            site_schema: source("schema", "site.cedarschema", site_schema),
        }
    }

    /// Returns all files: policies, links and both schema files.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Source> {
        let schemas = [&self.gate_schema, &self.site_schema];
        self.policies.iter().chain(&self.links).chain(schemas)
    }
}

/// The name of the links file that `cedargate dev` reads and `cedargate serve` does not.
pub const DEV_LINKS: &str = "dev.links.json";
/// The suffix of the names of policy files.
pub const POLICY_SUFFIX: &str = ".cedar";
/// The suffix of the names of links files.
pub const LINKS_SUFFIX: &str = ".links.json";

/// The gateway's own schema file.
pub const GATE_SCHEMA_FILE: SchemaFile = SchemaFile {
    name: "gate.cedarschema",
    help: "`cedargate policy schema --write` writes it",
};
/// The schema file that declares the claims of a site's tokens.
pub const SITE_SCHEMA_FILE: SchemaFile = SchemaFile {
    name: "site.cedarschema",
    help: "it declares the claims that policies can read; without any: namespace Site { type Claims = {}; }",
};

/// Returns the finding about a policy folder without policies.
pub fn no_policies(folder: &Path) -> Finding {
    let message = "there is no *.cedar file in this folder, so nothing would be permitted";
    Finding::error("no_policies", folder.display().to_string(), message)
        .help("name the folder with the policies, or begin with the shipped ones")
}
