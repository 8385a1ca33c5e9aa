//! One reader of one document: a folder, a shell in it, and at most one gateway.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::root;
use crate::support::gateway::{Gateway, copy, copy_policies};
use crate::support::poll::until;

pub(super) struct Session {
    home: TempDir,
    /// The lines of earlier commands that later ones depend on: variables, and changes of folder.
    kept: String,
    gateway: Option<Gateway>,
    /// The last command's output on stdout, and on stderr.
    answer: Option<(String, String)>,
    ran: usize,
    compared: usize,
}

impl Session {
    /// A reader who has a copy of the repository's policies, schema and cases.
    pub(super) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        copy_policies(home.path());
        copy(
            &root().join("tests/policies"),
            &home.path().join("tests/policies"),
        );
        Self {
            home,
            kept: String::new(),
            gateway: None,
            answer: None,
            ran: 0,
            compared: 0,
        }
    }

    pub(super) fn counts(&self) -> (usize, usize) {
        (self.ran, self.compared)
    }

    /// Does what the document says in this block.
    pub(super) async fn take(&mut self, kind: &str, text: &str) {
        match kind.split_once(' ').unwrap_or((kind, "")) {
            ("sh", "") => self.run_well(text),
            ("sh", "edit") => {
                let before = self.revision();
                self.run_well(text);
                self.loaded_after(&before).await;
            }
            ("sh", "start") => self.start(text),
            ("sh", "fails") => {
                let output = self.run(text);
                assert!(!output.status.success(), "{text}\n{output:?}");
            }
            ("json", "") => {
                let [shown, is] = [text, self.stdout()].map(json);
                assert_eq!(is, shown);
                self.compared += 1;
            }
            ("json", "like") => {
                let [shown, is] = [text, self.stdout()].map(json);
                assert_alike("", &shown, &is);
                self.compared += 1;
            }
            ("json", "sample") => {
                json(text);
            }
            ("text", "") => {
                let (out, errors) = self.answer.as_ref().unwrap();
                assert_in_order(&format!("{errors}{out}"), text);
                self.compared += 1;
            }
            (_, file) if file.contains('.') => self.write(file, text).await,
            ("sh", "elsewhere") | ("" | "toml" | "cedar" | "js" | "http" | "mermaid", "") => {}
            _ => panic!("what is a block of the kind {kind:?}?"),
        }
    }

    fn stdout(&self) -> &str {
        &self.answer.as_ref().unwrap().0
    }

    /// The folder that the reader is in.
    fn folder(&self) -> PathBuf {
        let output = self.shell("pwd");
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end())
    }

    fn start(&mut self, text: &str) {
        let words: Vec<_> = text.split_whitespace().collect();
        let folder = self.folder();
        // The old one frees the data folder first.
        if let Some(gateway) = self.gateway.take() {
            gateway.stop();
        }
        self.gateway = Some(match words[..] {
            ["cedargate", "dev", ref flags @ ..] => Gateway::dev_with(&folder, flags),
            ["cedargate", "serve"] => {
                let free = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
                Gateway::serve_with(&folder.join("cedargate.toml"), &free, None)
            }
            _ => panic!("{text} starts no gateway"),
        });
    }

    async fn write(&mut self, file: &str, text: &str) {
        let path = self.folder().join(file);
        let before = self.revision();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("{}\n", text.trim_end())).unwrap();
        if file.starts_with("policies/") {
            self.loaded_after(&before).await;
        }
    }

    /// The revision in force, where a gateway runs.
    fn revision(&self) -> Option<String> {
        let gateway = self.gateway.as_ref()?;
        let output = self.shell(&format!("curl -s {}/policies", gateway.admin_url));
        let list: Value = serde_json::from_slice(&output.stdout).unwrap();
        Some(list["revision"].as_str().unwrap().to_owned())
    }

    async fn loaded_after(&self, before: &Option<String>) {
        if before.is_some() {
            until("other policies are in force", async || {
                self.revision() != *before
            })
            .await;
        }
    }

    fn run_well(&mut self, text: &str) {
        let output = self.run(text);
        assert!(output.status.success(), "{text}\n{output:?}");
    }

    fn run(&mut self, text: &str) -> Output {
        let output = self.shell(text);
        self.keep(text);
        let [out, errors] =
            [&output.stdout, &output.stderr].map(|it| String::from_utf8(it.clone()).unwrap());
        let answer = [out, errors].map(|it| self.as_in_the_document(&it));
        self.answer = Some(answer.into());
        self.ran += 1;
        output
    }

    /// Runs a script in the reader's folder, with the program that the tests have.
    fn shell(&self, script: &str) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_cedargate"));
        let folder = program.parent().unwrap().to_str().unwrap();
        let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
        let script = format!("{}{}", self.kept, self.for_here(script));
        let mut command = Command::new("sh");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "reader");
            command.env(format!("GIT_{who}_EMAIL"), "reader@example.com");
        }
        command
            .args(["-euc", &script])
            .current_dir(self.home.path())
            .env("PATH", path)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap()
    }

    /// Keeps the lines that set a variable or change the folder.
    fn keep(&mut self, text: &str) {
        let here = self.for_here(&text.replace("\\\n", " "));
        for line in here.lines() {
            let name = line.split('=').next().unwrap_or_default();
            let sets =
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
            if line.starts_with("cd ") || (sets && line.contains('=')) {
                let _ = writeln!(self.kept, "{line}");
            }
        }
    }

    /// A command with the addresses where the gateway listens.
    fn for_here(&self, text: &str) -> String {
        match &self.gateway {
            Some(gateway) => text
                .replace("http://localhost:8080", &gateway.url)
                .replace("http://127.0.0.1:9090", &gateway.admin_url),
            None => text.to_owned(),
        }
    }

    fn as_in_the_document(&self, text: &str) -> String {
        let text = text.replace("\r\n", "\n");
        match &self.gateway {
            Some(gateway) => text
                .replace(&gateway.url, "http://localhost:8080")
                .replace(&gateway.admin_url, "http://127.0.0.1:9090"),
            None => text,
        }
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|why| panic!("{why}: {text}"))
}

/// Both have the same members, with values of the same types. Of lists the first items are compared.
fn assert_alike(at: &str, shown: &Value, is: &Value) {
    match (shown, is) {
        (Value::Object(shown), Value::Object(is)) => {
            let names = |it: &serde_json::Map<String, Value>| {
                let mut names: Vec<_> = it.keys().cloned().collect();
                names.sort();
                names
            };
            assert_eq!(names(is), names(shown), "members at {at:?}");
            for (name, value) in shown {
                assert_alike(&format!("{at}/{name}"), value, &is[name]);
            }
        }
        (Value::Array(shown), Value::Array(is)) => {
            if let (Some(shown), Some(is)) = (shown.first(), is.first()) {
                assert_alike(&format!("{at}/0"), shown, is);
            }
        }
        _ => assert_eq!(
            std::mem::discriminant(is),
            std::mem::discriminant(shown),
            "at {at:?}: {is} is not like {shown}"
        ),
    }
}

/// The parts between `…` at the ends of lines are in the output, in their order.
fn assert_in_order(output: &str, shown: &str) {
    let mut rest = output;
    let shown = format!("{}\n", shown.trim_end());
    for part in shown.split("…\n").map(|part| part.trim_end_matches(' ')) {
        let at = rest.find(part);
        let at = at.unwrap_or_else(|| panic!("{part}\nis not in\n{output}"));
        rest = &rest[at + part.len()..];
    }
}
