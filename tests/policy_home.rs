//! A folder with copies of the shipped policies, schema and cases, to be edited, and the program run
//! in it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::gateway::copy_policies;

pub struct Home(TempDir);

/// A few cases that do not change when shipped ones are added: in golden outputs they are all there are.
pub const FEW: &str = "tests/policy_home/few.json";

impl Home {
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        copy_policies(home.path());
        let home = Self(home);
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policies");
        for (name, text) in texts(&cases) {
            home.write(&format!("tests/policies/{name}"), &text);
        }
        home
    }

    /// With [`FEW`] cases.
    pub fn with_few() -> Self {
        let home = Self::new();
        fs::remove_dir_all(home.path("tests")).unwrap();
        let few = Path::new(env!("CARGO_MANIFEST_DIR")).join(FEW);
        home.write("tests/policies/few.json", &fs::read_to_string(few).unwrap());
        home
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// Changes the first place in a file that reads so.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no {from:?}");
        self.write(name, &text.replacen(from, to, 1));
    }

    /// A second copy of `policies` and `schema` as they are, in a folder of this name.
    pub fn keep_as(&self, name: &str) {
        for folder in ["policies", "schema"] {
            for (file, text) in texts(&self.path(folder)) {
                self.write(&format!("{name}/{folder}/{file}"), &text);
            }
        }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cedargate"));
        command.args(arguments).current_dir(self.0.path());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs it with this text on stdin.
    pub fn run_on(&self, arguments: &[&str], stdin: &str) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(stdin.as_bytes()).unwrap();
        drop(input);
        child.wait_with_output().unwrap()
    }

    /// The one object that it prints, when all is well.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// What is in a folder and below, by path.
fn texts(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            let within = texts(&path).into_iter();
            found.extend(within.map(|(file, text)| (format!("{name}/{file}"), text)));
        } else {
            found.push((name.to_owned(), fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

pub fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

pub fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}
