//! The README's commands, run in its order, and its answers.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::gateway::{Gateway, copy_policies};
use crate::poll::until;

/// A fenced block: the words behind its fence, and its text.
struct Block<'a> {
    kind: &'a str,
    text: &'a str,
}

fn blocks(markdown: &str) -> Vec<Block<'_>> {
    let fences = markdown.split("\n```").skip(1).step_by(2);
    fences
        .map(|block| {
            let (kind, text) = block.split_once('\n').unwrap();
            Block { kind, text }
        })
        .collect()
}

#[tokio::test]
async fn a_newcomer_sees_what_the_readme_says() {
    let readme = include_str!("../README.md");
    let home = tempfile::tempdir().unwrap();
    copy_policies(home.path());
    let mut gateway = None;
    let mut variables = String::new();
    let mut answer = String::new();
    let (mut ran, mut compared) = (0, 0);
    for Block { kind, text } in blocks(readme) {
        match kind {
            "sh start" => gateway = Some(Gateway::dev(home.path())),
            "sh" | "sh edit" if !text.contains("tests/run") => {
                let gateway = gateway.as_ref().unwrap();
                let url = &gateway.url;
                answer = run(home.path(), &format!("{variables}{}", for_test(text, url)));
                if kind == "sh edit" {
                    let said = "the policies were loaded";
                    until(said, async || gateway.written().contains(said)).await;
                }
                if text.starts_with("TOKEN=") {
                    variables.push_str(&for_test(text, url));
                    variables.push('\n');
                }
                ran += 1;
            }
            "json" => {
                let [said, is] = [text, &answer].map(|it| {
                    serde_json::from_str::<Value>(it).unwrap_or_else(|why| panic!("{why}: {it}"))
                });
                assert_eq!(is, said);
                compared += 1;
            }
            "text" => {
                assert_in_order(&answer, text);
                compared += 1;
            }
            _ => {}
        }
    }
    assert_eq!((ran, compared), (6, 4));
}

/// What the README shows of an output, `…` standing for lines that it leaves out, is what there is.
fn assert_in_order(output: &str, shown: &str) {
    let mut rest = output;
    let shown = format!("{shown}\n");
    for part in shown.split("…\n").map(|part| part.trim_end_matches(' ')) {
        let at = rest.find(part);
        let at = at.unwrap_or_else(|| panic!("{part}\nis not in\n{output}"));
        rest = &rest[at + part.len()..];
    }
}

/// The same command for the program that the tests have, at the address where it listens.
fn for_test(text: &str, url: &str) -> String {
    text.replace("cargo run --release -q --", env!("CARGO_BIN_EXE_cedargate"))
        .replace("http://localhost:8080", url)
}

fn run(home: &Path, script: &str) -> String {
    let output = Command::new("sh")
        .args(["-euc", script])
        .current_dir(home)
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}\n{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn its_configuration_is_right() {
    let readme = include_str!("../README.md");
    let home = tempfile::tempdir().unwrap();
    copy_policies(home.path());
    let blocks = blocks(readme);
    let toml = blocks
        .iter()
        .find(|block| block.kind == "toml")
        .unwrap()
        .text;
    std::fs::write(home.path().join("cedargate.toml"), toml).unwrap();
    run(
        home.path(),
        "umask 077; head -c 32 /dev/urandom > pepper.key;
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out step-up.pem",
    );
    let check = format!("{} config check --json", env!("CARGO_BIN_EXE_cedargate"));
    let answer: Value = serde_json::from_str(&run(home.path(), &check)).unwrap();
    assert_eq!(answer, serde_json::json!({ "ok": true, "findings": [] }));
}
