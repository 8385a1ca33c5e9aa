//! What is compared with what.

use std::path::{Path, PathBuf};

use super::git::Repository;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::policy::folders::Folders;
use crate::policy::{Bundle, GATE_SCHEMA, Given, GivenFile, Requirements, Sources};

/// One of the two sides.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Side {
    /// Folders, as they are now.
    Folders { policies: PathBuf, schema: PathBuf },
    /// A revision of the repository, by its name.
    Revision(String),
}

/// The two sides that the arguments name. Without NEW it is the folders as they are now, unless OLD is
/// a range of two revisions.
pub(super) fn sides(
    old: &str,
    new: Option<&str>,
    folders: &Folders,
) -> Result<(Side, Side), Failure> {
    if let Some(new) = new {
        return Ok((side(old, folders)?, side(new, folders)?));
    }
    let is_path = ["./", "../", "/"].iter().any(|path| old.starts_with(path));
    match old.split_once("..") {
        Some((from, to)) if !is_path && !Path::new(old).exists() => {
            if to.starts_with('.') {
                let message = format!("{old:?} has three dots, and two sides are parted by two");
                let help =
                    "write main..HEAD; where HEAD left main, `git merge-base main HEAD` knows";
                return Err(Failure::usage("revision", message).help(help));
            }
            let named = |name: &str| if name.is_empty() { "HEAD" } else { name }.to_owned();
            Ok((Side::Revision(named(from)), Side::Revision(named(to))))
        }
        _ => Ok((
            side(old, folders)?,
            Side::Folders {
                policies: folders.policies.clone(),
                schema: folders.schema.clone(),
            },
        )),
    }
}

/// A folder if there is one of that name, else a revision.
fn side(name: &str, folders: &Folders) -> Result<Side, Failure> {
    let path = Path::new(name);
    if path.is_file() {
        let failure = Failure::file("not_a_folder", name, "this is a file");
        return Err(failure.help("name the folder of the policies, or the one above it"));
    }
    if !path.is_dir() {
        return Ok(Side::Revision(name.to_owned()));
    }
    let within = |name: &str| Some(path.join(name)).filter(|folder| folder.is_dir());
    Ok(match within("policies") {
        Some(policies) => Side::Folders {
            policies,
            schema: within("schema").unwrap_or_else(|| folders.schema.clone()),
        },
        None => Side::Folders {
            policies: path.to_owned(),
            schema: folders.schema.clone(),
        },
    })
}

impl Side {
    /// The bundle of this side. `folders` say where a revision has its policies and its schema.
    pub(super) fn load(
        &self,
        folders: &Folders,
        requirements: &Requirements,
    ) -> Result<Bundle, Failure> {
        let sources = match self {
            Side::Folders { policies, schema } => Sources::read(policies, schema),
            Side::Revision(name) => Sources::given(read(name, folders)?),
        };
        let sources = sources.map_err(Failure::policies)?;
        Bundle::load_with(&sources, requirements).map_err(Failure::policies)
    }
}

const SCHEMA_FILES: [&str; 2] = ["gate.cedarschema", "site.cedarschema"];

fn read(name: &str, folders: &Folders) -> Result<Given, Failure> {
    let repository = Repository::here(name)?;
    let revision = repository.revision(name)?;
    let mut files = Given {
        policies_shown: revision.shown(&folders.policies)?,
        policies: revision.files(&folders.policies, GivenFile::is_policy)?,
        schema_shown: revision.shown(&folders.schema)?,
        schema: revision.files(&folders.schema, |name| SCHEMA_FILES.contains(&name))?,
    };
    // A revision cannot be repaired, and both sides are decided by this program.
    for file in &mut files.schema {
        if file.name == "gate.cedarschema" && file.bytes != GATE_SCHEMA.as_bytes() {
            output::note(&format!(
                "note: {}gate.cedarschema is of another version of cedargate; the one of this program stands in for it",
                files.schema_shown
            ));
            file.bytes = GATE_SCHEMA.into();
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders() -> Folders {
        Folders {
            policies: "p".into(),
            schema: "s".into(),
            config: None,
        }
    }

    fn named(old: &str, new: Option<&str>) -> (Side, Side) {
        sides(old, new, &folders()).unwrap()
    }

    fn revision(name: &str) -> Side {
        Side::Revision(name.to_owned())
    }

    fn at(policies: impl Into<PathBuf>, schema: impl Into<PathBuf>) -> Side {
        Side::Folders {
            policies: policies.into(),
            schema: schema.into(),
        }
    }

    #[test]
    fn a_range_is_two_revisions_and_a_revision_alone_is_held_against_the_folders() {
        let two = |old, new| (revision(old), revision(new));
        assert_eq!(named("main..HEAD", None), two("main", "HEAD"));
        assert_eq!(named("main..", None), two("main", "HEAD"));
        assert_eq!(named("..topic", None), two("HEAD", "topic"));
        assert_eq!(named("main", Some("v1")), two("main", "v1"));
        assert_eq!(named("HEAD", None), (revision("HEAD"), at("p", "s")));
        assert_eq!(named("../gone", None), (revision("../gone"), at("p", "s")));
        let failure = sides("main...HEAD", None, &folders()).unwrap_err();
        assert!(failure.findings[0].message.contains("three dots"));
    }

    #[test]
    fn a_folder_brings_its_own_schema_if_it_has_one() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        for folder in ["both/policies", "both/schema", "one/policies", "plain"] {
            std::fs::create_dir_all(home.join(folder)).unwrap();
        }
        let path = |name: &str| home.join(name).to_str().unwrap().to_owned();
        let (both, one) = named(&path("both"), Some(&path("one")));
        assert_eq!(both, at(path("both/policies"), path("both/schema")));
        assert_eq!(one, at(path("one/policies"), "s"));
        let (plain, now) = named(&path("plain"), None);
        assert_eq!((plain, now), (at(path("plain"), "s"), at("p", "s")));
        std::fs::write(home.join("file"), "").unwrap();
        let failure = sides(&path("file"), None, &folders()).unwrap_err();
        assert_eq!(failure.findings[0].code, "not_a_folder");
    }
}
