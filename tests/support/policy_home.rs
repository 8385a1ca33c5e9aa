//! A folder with copies of the shipped policies, schema and cases, in which a test edits files and
//! runs the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::gateway::{copy, copy_policies};
use super::program::{self, stderr};

pub struct Home(TempDir);

/// A few cases for golden outputs, which do not change when shipped cases are added.
pub const FEW: &str = "tests/support/few.json";

impl Home {
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        copy_policies(home.path());
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policies");
        copy(&cases, &home.path().join("tests/policies"));
        Self(home)
    }

    /// A folder with the cases of [`FEW`] instead of the shipped ones.
    pub fn with_few() -> Self {
        let home = Self::new();
        fs::remove_dir_all(home.path("tests")).unwrap();
        let few = Path::new(env!("CARGO_MANIFEST_DIR")).join(FEW);
        home.write("tests/policies/few.json", fs::read_to_string(few).unwrap());
        home
    }

    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// Replaces the first occurrence of a text in a file.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no {from:?}");
        self.write(name, text.replacen(from, to, 1));
    }

    /// Removes one of the shipped policies, edits the notice of one, and adds one.
    pub fn change_policies(&self) {
        self.remove("policies/examples/one-network.cedar");
        self.edit(
            "policies/20-security-keys.cedar",
            "This authenticator",
            "It",
        );
        self.write(
            "policies/50-listing.cedar",
            "@id(\"no-listing\") @code(\"closed\") @notice(\"Closed.\")
forbid (principal, action == Gate::Action::\"listMfaMethods\", resource);",
        );
    }

    /// Copies `policies` and `schema` as they are now to a folder of this name.
    pub fn keep_as(&self, name: &str) {
        for folder in ["policies", "schema"] {
            copy(&self.path(folder), &self.path(name).join(folder));
        }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        program::command(self.0.path(), arguments)
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        program::cedargate(self.0.path(), arguments)
    }

    /// Runs `cedargate policy`.
    pub fn policy(&self, arguments: &[&str]) -> Output {
        self.run(&[&["policy"], arguments].concat())
    }

    /// Runs the program with this text on stdin.
    pub fn run_on(&self, arguments: &[&str], stdin: &str) -> Output {
        program::cedargate_on(self.0.path(), arguments, stdin)
    }

    /// Runs the program and returns the JSON that it prints. It must exit with 0.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}
