//! `cedargate policy schema`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cedargate_policy::GATE_SCHEMA;
use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::output;

/// Print the gateway's Cedar schema, or update the copy in the schema folder.
///
/// schema/gate.cedarschema is part of cedargate: do not edit it, and update it with --write after an update
/// of cedargate. The claims of your tokens are declared next to it, in site.cedarschema.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  cedargate policy schema
  cedargate policy schema --write
  cedargate policy schema --write --schema /etc/cedargate/schema")]
pub(in crate::cli) struct Arguments {
    /// Write the schema to gate.cedarschema in the schema folder instead of printing it.
    #[arg(long)]
    write: bool,
    /// The schema folder, for --write.
    #[arg(
        long,
        value_name = "FOLDER",
        default_value = "./schema",
        requires = "write"
    )]
    schema: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.write {
        write(&arguments.schema)
    } else {
        output::print(GATE_SCHEMA)
    }
}

fn write(folder: &Path) -> Result<(), Failure> {
    let file = folder.join("gate.cedarschema");
    let report = |what| output::print(&format!("{} {what}\n", file.display()));
    if fs::read(&file).is_ok_and(|content| content == GATE_SCHEMA.as_bytes()) {
        return report("is up to date");
    }
    replace(folder, &file).map_err(|error| {
        Failure::file(
            "schema_write",
            file.display().to_string(),
            format!("the schema cannot be written: {error}"),
        )
        .help("name the schema folder with --schema; the folder is made if it does not exist")
    })?;
    report("was written")
}

/// Replaces the schema in one step, so that a gateway that reads the folder never sees half of it.
fn replace(folder: &Path, file: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let new = folder.join(".gate.cedarschema.new");
    fs::write(&new, GATE_SCHEMA)?;
    fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_schema_is_replaced_and_no_other_file_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let schema = folder.path().join("schema");
        write(&schema).unwrap();
        fs::write(schema.join("gate.cedarschema"), "old").unwrap();
        write(&schema).unwrap();
        let names: Vec<_> = fs::read_dir(&schema)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["gate.cedarschema"]);
        let text = fs::read_to_string(schema.join("gate.cedarschema")).unwrap();
        assert_eq!(text, GATE_SCHEMA);
    }

    #[test]
    fn folder_that_cannot_be_made_is_named_in_the_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let failure = write(&file).unwrap_err();
        assert_eq!(failure.findings[0].code, "schema_write");
        assert!(failure.findings[0].file.ends_with("file/gate.cedarschema"));
    }
}
