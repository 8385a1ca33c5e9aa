//! Files that are not on disk, such as those of an old Git revision.

use std::path::Path;

use cedargate_core::Findings;

use super::{
    FolderReader, GATE_SCHEMA_FILE, LINKS_SUFFIX, POLICY_SUFFIX, SITE_SCHEMA_FILE, SchemaFile,
    Source, Sources,
};

/// The files of a policy folder and a schema folder.
#[derive(Clone, Debug, Default)]
pub struct InlineSources {
    /// The prefix of the names of policy files in findings, such as `main:policies/`.
    pub policies_prefix: String,
    /// The files in the policy folder and the folders in it.
    pub policies: Vec<InlineFile>,
    /// The prefix of the names of schema files in findings.
    pub schema_prefix: String,
    /// The files in the schema folder.
    pub schema: Vec<InlineFile>,
}

/// A file of [`InlineSources`].
#[derive(Clone, Debug)]
pub struct InlineFile {
    /// The path within its folder, separated by `/`.
    pub name: String,
    /// The content.
    pub bytes: Vec<u8>,
}

impl InlineFile {
    /// Returns true if a file of a policy folder with this path is a policy or links file and not hidden.
    pub fn is_policy(name: &str) -> bool {
        let hidden = name.split('/').any(|part| part.starts_with('.'));
        !hidden && (name.ends_with(POLICY_SUFFIX) || name.ends_with(LINKS_SUFFIX))
    }
}

impl Sources {
    /// Makes sources from files with the rules of [`Sources::read`].
    ///
    /// # Errors
    /// Returns all findings if a file is not valid UTF-8, empty or too large, or if there is no policy
    /// file or a schema file is missing.
    pub fn inline(files: InlineSources) -> Result<Self, Findings> {
        let mut reader = FolderReader::default();
        let is_policy = |file: &InlineFile| InlineFile::is_policy(&file.name);
        for file in files.policies.into_iter().filter(is_policy) {
            let is_links = file.name.ends_with(LINKS_SUFFIX);
            let source = reader.inline(&files.policies_prefix, file);
            match is_links {
                true => reader.links.extend(source),
                false => reader.policies.extend(source),
            }
        }
        let mut schemas = files.schema;
        let mut schema = |file: SchemaFile| {
            let found = schemas.iter().position(|one| one.name == file.name);
            let found = found.map(|index| schemas.swap_remove(index));
            reader.inline_schema(&files.schema_prefix, &file, found)
        };
        let (gate_schema, site_schema) = (schema(GATE_SCHEMA_FILE), schema(SITE_SCHEMA_FILE));
        reader.finish(Path::new(&files.policies_prefix), gate_schema, site_schema)
    }
}

impl FolderReader {
    fn inline(&mut self, prefix: &str, file: InlineFile) -> Option<Source> {
        let path = format!("{prefix}{}", file.name);
        self.source(Path::new(&path), file.name, file.bytes)
    }

    fn inline_schema(
        &mut self,
        prefix: &str,
        file: &SchemaFile,
        found: Option<InlineFile>,
    ) -> Option<Source> {
        if found.is_none() {
            let path = format!("{prefix}{}", file.name);
            let message = "there is no such file";
            self.refuse("unreadable", Path::new(&path), message, file.help);
        }
        self.inline(prefix, found?)
    }
}
