//! The two sides of a comparison: folders as they are now, or revisions of a git repository.

use std::path::{Path, PathBuf};

use cedargate_policy::{GATE_SCHEMA, InlineFile, InlineSources, Sources};

use super::git::Repository;
use crate::policy_files::require_path;
use crate::{Error, Result};

/// One side of a comparison.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Side {
    /// Folders as they are now.
    Folders {
        /// The policy folder.
        policies: PathBuf,
        /// The schema folder.
        schema: PathBuf,
    },
    /// A revision of the git repository of the current folder.
    Revision {
        /// The name of the revision, such as `main` or `HEAD~1`.
        name: String,
        /// The path of the policy folder, relative to the current folder.
        policies: PathBuf,
        /// The path of the schema folder, relative to the current folder.
        schema: PathBuf,
    },
}

/// The two sides of a comparison.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sides {
    /// The policies before the change.
    pub old: Side,
    /// The policies after the change.
    pub new: Side,
}

/// The policies and the schema of a side.
#[derive(Clone, Debug)]
pub struct SideSources {
    /// The files.
    pub sources: Sources,
    /// The path of a `gate.cedarschema` of another release that was replaced by the schema of this program.
    /// This program decides for both sides, and the file of a revision cannot be updated.
    pub replaced_schema: Option<String>,
}

/// The folders of `--policies` and `--schema`, for revisions and for folders without a schema.
#[derive(Clone, Copy)]
struct Folders<'a> {
    policies: &'a Path,
    schema: &'a Path,
}

impl Sides {
    /// Finds the sides that a command line names. Each name is a folder or a revision, and a folder takes
    /// precedence. Without `new`, `old` is a range of two revisions such as `main..HEAD`, or is compared
    /// with the folders `policies` and `schema`. Policies and schema of a revision are read from these
    /// folders, too.
    ///
    /// # Errors
    /// [`Error::Usage`] if a name is the path of a file, or a range has three dots.
    pub fn named(old: &str, new: Option<&str>, policies: &Path, schema: &Path) -> Result<Self> {
        let folders = Folders { policies, schema };
        if let Some(new) = new {
            return Ok(Self {
                old: folders.side(old)?,
                new: folders.side(new)?,
            });
        }
        let is_path = ["./", "../", "/"].iter().any(|path| old.starts_with(path));
        match old.split_once("..") {
            Some((from, to)) if !is_path && !Path::new(old).exists() => {
                if to.starts_with('.') {
                    let message = format!("{old:?} has three dots: a range has two");
                    let help = "write main..HEAD; `git merge-base main HEAD` prints the commit at which HEAD left main";
                    return Err(Error::usage("revision", "", message).help(help));
                }
                let revision = |name: &str| match name {
                    "" => folders.revision("HEAD"),
                    name => folders.revision(name),
                };
                Ok(Self {
                    old: revision(from),
                    new: revision(to),
                })
            }
            _ => Ok(Self {
                old: folders.side(old)?,
                new: folders.folders(policies.to_owned(), schema.to_owned()),
            }),
        }
    }
}

impl Folders<'_> {
    /// Returns the folder of this name, or the revision if there is no such folder.
    fn side(self, name: &str) -> Result<Side> {
        let path = Path::new(name);
        if path.is_file() {
            let error = Error::usage("not_a_folder", name, "this is a file");
            return Err(error.help("name the folder of the policies, or the one above it"));
        }
        if !path.is_dir() {
            return Ok(self.revision(name));
        }
        let within = |name: &str| Some(path.join(name)).filter(|folder| folder.is_dir());
        Ok(match within("policies") {
            Some(policies) => {
                let schema = within("schema").unwrap_or_else(|| self.schema.to_owned());
                self.folders(policies, schema)
            }
            None => self.folders(path.to_owned(), self.schema.to_owned()),
        })
    }

    fn folders(self, policies: PathBuf, schema: PathBuf) -> Side {
        Side::Folders { policies, schema }
    }

    fn revision(self, name: &str) -> Side {
        Side::Revision {
            name: name.to_owned(),
            policies: self.policies.to_owned(),
            schema: self.schema.to_owned(),
        }
    }
}

impl Side {
    /// Reads the policies and the schema of this side.
    ///
    /// # Errors
    /// [`Error::Usage`] if a folder, the repository or the revision does not exist, [`Error::Invalid`] if
    /// a file cannot be read.
    pub fn read(&self) -> Result<SideSources> {
        match self {
            Side::Folders { policies, schema } => {
                require_path(policies, "policy folder")?;
                require_path(schema, "schema folder")?;
                let sources = Sources::read(policies, schema).map_err(Error::Invalid)?;
                Ok(SideSources {
                    sources,
                    replaced_schema: None,
                })
            }
            Side::Revision {
                name,
                policies,
                schema,
            } => read_revision(name, policies, schema),
        }
    }
}

const SCHEMA_FILES: [&str; 2] = ["gate.cedarschema", "site.cedarschema"];

fn read_revision(name: &str, policies: &Path, schema: &Path) -> Result<SideSources> {
    let repository = Repository::here(name)?;
    let revision = repository.revision(name)?;
    let mut files = InlineSources {
        policies_prefix: revision.shown(policies)?,
        policies: revision.files(policies, InlineFile::is_policy)?,
        schema_prefix: revision.shown(schema)?,
        schema: revision.files(schema, |name| SCHEMA_FILES.contains(&name))?,
    };
    let mut replaced_schema = None;
    for file in &mut files.schema {
        if file.name == "gate.cedarschema" && file.bytes != GATE_SCHEMA.as_bytes() {
            replaced_schema = Some(format!("{}gate.cedarschema", files.schema_prefix));
            file.bytes = GATE_SCHEMA.into();
        }
    }
    let sources = Sources::inline(files).map_err(Error::Invalid)?;
    Ok(SideSources {
        sources,
        replaced_schema,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(old: &str, new: Option<&str>) -> Result<(Side, Side)> {
        let sides = Sides::named(old, new, "p".as_ref(), "s".as_ref())?;
        Ok((sides.old, sides.new))
    }

    #[track_caller]
    fn usage_error(old: &str) -> cedargate_core::Finding {
        match named(old, None) {
            Err(Error::Usage(mut findings)) => findings.0.remove(0),
            other => panic!("{other:?}"),
        }
    }

    fn revision(name: &str) -> Side {
        Side::Revision {
            name: name.to_owned(),
            policies: "p".into(),
            schema: "s".into(),
        }
    }

    fn folders(policies: impl Into<PathBuf>, schema: impl Into<PathBuf>) -> Side {
        Side::Folders {
            policies: policies.into(),
            schema: schema.into(),
        }
    }

    #[test]
    fn a_range_is_two_revisions_and_a_single_revision_is_compared_with_the_folders() {
        let two = |old, new| (revision(old), revision(new));
        let sides = |old, new| named(old, new).unwrap();
        assert_eq!(sides("main..HEAD", None), two("main", "HEAD"));
        assert_eq!(sides("main..", None), two("main", "HEAD"));
        assert_eq!(sides("..topic", None), two("HEAD", "topic"));
        assert_eq!(sides("main", Some("v1")), two("main", "v1"));
        let now = || folders("p", "s");
        assert_eq!(sides("HEAD", None), (revision("HEAD"), now()));
        assert_eq!(sides("../gone", None), (revision("../gone"), now()));
        assert!(usage_error("main...HEAD").message.contains("three dots"));
    }

    #[test]
    fn a_folder_has_its_own_schema_or_that_of_the_caller() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        for folder in ["both/policies", "both/schema", "one/policies", "plain"] {
            std::fs::create_dir_all(home.join(folder)).unwrap();
        }
        let path = |name: &str| home.join(name).to_str().unwrap().to_owned();
        let (both, one) = named(&path("both"), Some(&path("one"))).unwrap();
        assert_eq!(both, folders(path("both/policies"), path("both/schema")));
        assert_eq!(one, folders(path("one/policies"), "s"));
        let (plain, now) = named(&path("plain"), None).unwrap();
        assert_eq!(
            (plain, now),
            (folders(path("plain"), "s"), folders("p", "s"))
        );
        std::fs::write(home.join("file"), "").unwrap();
        assert_eq!(usage_error(&path("file")).code, "not_a_folder");
    }

    #[test]
    fn a_folder_that_does_not_exist_is_a_usage_error() {
        let side = folders("no/such/folder", "schema");
        assert!(matches!(side.read(), Err(Error::Usage(_))));
    }
}
