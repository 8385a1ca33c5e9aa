//! `--watch`, while a person edits the files.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use super::{Site, none, two};
use crate::support::poll::PATIENCE;
use crate::support::program::send_signal;

/// A run with `--watch`. Dropping it kills it.
struct Watcher {
    process: Child,
    lines: Receiver<String>,
}

impl Watcher {
    fn start(site: &Site, arguments: &[&str]) -> Self {
        let mut command = site.command(&[&["--watch"], arguments].concat());
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { process, lines }
    }

    /// Waits for a line with this text. Returns the lines until then.
    #[track_caller]
    fn until(&self, text: &str) -> String {
        let mut seen = String::new();
        while !seen.contains(text) {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => seen = format!("{seen}{line}\n"),
                Err(why) => panic!("never {text:?} ({why}): {seen}"),
            }
        }
        seen
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn every_kind_of_edit_runs_the_cases_again_until_ctrl_c() {
    let site = Site::few(&[two(), none()]);
    let mut watcher = Watcher::start(&site, &[]);
    watcher.until("2 cases: 2 passed, 0 failed");

    site.edit("policies/few.cedar", ">= 2", "> 2");
    let seen = watcher.until("2 cases: 1 passed, 1 failed");
    assert!(
        seen.contains("FAILED with 2 (./tests/policies/t.json:2)"),
        "{seen}"
    );
    assert!(
        seen.contains("decision: expected \"deny\", was \"allow\""),
        "{seen}"
    );

    // an editor's half-written file, and the rest of it
    site.edit("policies/few.cedar", "> 2 };", "");
    let seen = watcher.until("0 cases: 0 passed, 0 failed");
    assert!(seen.contains("few.cedar:"), "{seen}");
    site.edit(
        "policies/few.cedar",
        "context.factors.count ",
        "context.factors.count >= 2 };",
    );
    watcher.until("2 cases: 2 passed, 0 failed");

    site.cases(&[two()]);
    watcher.until("1 case: 1 passed, 0 failed");
    site.edit(
        "schema/site.cedarschema",
        "employment?: String",
        "employment?: Strin",
    );
    watcher.until("0 cases: 0 passed, 0 failed");
    site.edit("schema/site.cedarschema", "Strin,", "String,");
    watcher.until("1 case: 1 passed, 0 failed");

    // a new file, and its removal
    site.write(
        "policies/more.cedar",
        "@id(\"open\") permit (principal, action, resource);",
    );
    watcher.until("0 cases: 0 passed, 0 failed");
    std::fs::remove_file(site.path("policies/more.cedar")).unwrap();
    watcher.until("1 case: 1 passed, 0 failed");

    let pid = watcher.process.id().to_string();
    send_signal("-INT", &pid);
    let ended = watcher.process.wait().unwrap();
    assert_eq!(ended.signal(), Some(2), "SIGINT: {ended}");
}

#[test]
fn one_test_file_is_watched_with_the_entities_beside_it() {
    let site = Site::few(&[]);
    let mut case = none();
    let entities = case["entities"].take();
    case["entities"] = "all.entities.json".into();
    site.cases(&[case]);
    let watcher = Watcher::start(&site, &["tests/policies/t.json", "--json"]);
    assert!(watcher.until("\"cases\"").contains("\"failed\":1"));
    site.write("tests/policies/all.entities.json", entities.to_string());
    watcher.until("\"failed\":0");
}
