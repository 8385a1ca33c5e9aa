//! Files that are on no disk, such as those of an old revision.

use std::path::Path;

use cedargate_core::Findings;

use super::{GATE, LINKS, POLICIES, Reader, SITE, SchemaFile, Source, Sources};

/// The files of a policy and a schema folder.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// What a person writes before the name of a file in the policy folder, such as `main:policies/`.
    pub policies_shown: String,
    /// What is in the policy folder and below it.
    pub policies: Vec<GivenFile>,
    /// As `policies_shown`, in the schema folder.
    pub schema_shown: String,
    /// What is in the schema folder.
    pub schema: Vec<GivenFile>,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct GivenFile {
    /// The path within its folder, with `/`.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl GivenFile {
    /// Whether [`Sources`] are made from a file of a policy folder that has this path.
    pub fn is_policy(name: &str) -> bool {
        let hidden = name.split('/').any(|part| part.starts_with('.'));
        !hidden && (name.ends_with(POLICIES) || name.ends_with(LINKS))
    }
}

impl Sources {
    /// As [`Sources::read`], of files that are given.
    ///
    /// # Errors
    /// As [`Sources::read`].
    pub fn given(files: Given) -> Result<Self, Findings> {
        let mut reader = Reader::default();
        let named = |file: &GivenFile| GivenFile::is_policy(&file.name);
        for file in files.policies.into_iter().filter(named) {
            let is_links = file.name.ends_with(LINKS);
            let source = reader.given(&files.policies_shown, file);
            match is_links {
                true => reader.links.extend(source),
                false => reader.policies.extend(source),
            }
        }
        let mut all = files.schema;
        let mut schema = |file: SchemaFile| {
            let found = all.iter().position(|one| one.name == file.name);
            let found = found.map(|at| all.swap_remove(at));
            reader.given_schema(&files.schema_shown, &file, found)
        };
        let (gate_schema, site_schema) = (schema(GATE), schema(SITE));
        reader.finish(Path::new(&files.policies_shown), gate_schema, site_schema)
    }
}

impl Reader {
    fn given(&mut self, shown: &str, file: GivenFile) -> Option<Source> {
        let shown = format!("{shown}{}", file.name);
        self.source(Path::new(&shown), file.name, file.bytes)
    }

    fn given_schema(
        &mut self,
        shown: &str,
        file: &SchemaFile,
        found: Option<GivenFile>,
    ) -> Option<Source> {
        if found.is_none() {
            let path = format!("{shown}{}", file.name);
            let message = "there is no such file";
            self.refuse("unreadable", Path::new(&path), message, file.help);
        }
        self.given(shown, found?)
    }
}
