//! The shipped policies and cases under the Cedar CLI: people who know Cedar can check them with
//! their own tool and get the same results.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cedargate_policy::{Bundle, Sources, cases};
use serde_json::{Value, json};
use tempfile::TempDir;

#[test]
fn cedar_cli_agrees_on_every_case() {
    let sources = Sources::read(&root().join("policies"), &root().join("schema")).unwrap();
    let bundle = Bundle::load(&sources).unwrap();
    let cli = CedarCli::new();
    let mut shipped = 0;
    for file in files(&root().join("tests/policies"), ".json") {
        let cases = shipped_cases(&file);
        shipped += cases.len();
        let text = Value::from(variants(&cases, cli.folder.path())).to_string();
        let ours = cases::run(&bundle, "variants.json", &text, cli.folder.path()).unwrap();
        let ours: BTreeMap<_, _> = ours
            .iter()
            .map(|one| (one.name.clone(), one.passed()))
            .collect();
        assert_eq!(cli.run_tests(&text), ours, "{}", file.display());
        // as shipped each case passes, and with any other expectation it fails
        for (name, passed) in ours {
            let is_right = name.ends_with(AS_SHIPPED) || name.ends_with(BESIDE);
            assert_eq!(passed, is_right, "{name}");
        }
    }
    assert!(shipped > 0);
}

const AS_SHIPPED: &str = " (as it is shipped)";
const BESIDE: &str = " (its entities in a file beside it)";

/// Each case as shipped, and with one error each, under different names. Writes entities that stand
/// in separate files to the folder.
fn variants(cases: &[Value], folder: &Path) -> Vec<Value> {
    let mut variants = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let mut variant = |what: &str, member: &str, value: Value| {
            let mut case = case.clone();
            case["name"] = format!("{}{what}", case["name"].as_str().unwrap()).into();
            *case.pointer_mut(member).unwrap() = value;
            variants.push(case);
        };
        let other = match case["decision"].as_str() {
            Some("allow") => "deny",
            _ => "allow",
        };
        variant(AS_SHIPPED, "/decision", case["decision"].clone());
        variant(" (the other decision)", "/decision", json!(other));
        variant(
            " (a reason that was none)",
            "/reason",
            json!(["no-such-id"]),
        );
        variant(" (an error that was none)", "/num_errors", json!(1));
        let unknown = json!("Gate::Action::\"noSuchAction\"");
        variant(" (an unknown action)", "/request/action", unknown);
        variant(" (an empty context)", "/request/context", json!({}));
        let stranger =
            json!({"uid": {"type": "Gate::Robot", "id": "r2"}, "attrs": {}, "parents": []});
        let mut entities = case["entities"].clone();
        entities.as_array_mut().unwrap().push(stranger);
        variant(" (an entity of no type)", "/entities", entities);
        let beside = format!("{index}.entities.json");
        fs::write(folder.join(&beside), case["entities"].to_string()).unwrap();
        variant(BESIDE, "/entities", json!(format!("./{beside}")));
        let nowhere = json!("./nowhere.entities.json");
        variant(" (its entities nowhere)", "/entities", nowhere);
    }
    variants
}

/// The Cedar CLI with the shipped policies, links and schema, each joined to the one file that it
/// takes.
struct CedarCli {
    program: PathBuf,
    folder: TempDir,
}

impl CedarCli {
    fn new() -> Self {
        let program = root().join("target/tools/bin/cedar");
        assert!(
            program.exists(),
            "{} is not there: tests/run installs it",
            program.display()
        );
        let folder = tempfile::tempdir().unwrap();
        let mut links: Vec<Value> = Vec::new();
        for file in files(&root().join("policies"), ".links.json") {
            let text = fs::read_to_string(file).unwrap();
            links.extend(serde_json::from_str::<Vec<Value>>(&text).unwrap());
        }
        let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
        write("all.cedar", all(&root().join("policies"), ".cedar"));
        write(
            "all.cedarschema",
            all(&root().join("schema"), ".cedarschema"),
        );
        write("all.links.json", Value::from(links).to_string());
        Self { program, folder }
    }

    /// The outcome of each case by its name: true if it passed.
    fn run_tests(&self, cases: &str) -> BTreeMap<String, bool> {
        fs::write(self.folder.path().join("cases.json"), cases).unwrap();
        let output = Command::new(&self.program)
            .current_dir(self.folder.path())
            .args(["run-tests", "--policies", "all.cedar"])
            .args(["--template-linked", "all.links.json"])
            .args(["--schema", "all.cedarschema"])
            // the CLI finds no folder in a bare file name
            .args(["--tests", "./cases.json"])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        // 1: some failed, as they should
        assert_eq!(output.status.code(), Some(1), "{said}");
        let lines = said.lines().filter_map(|line| line.strip_prefix("  test "));
        lines
            .map(|line| {
                let (name, verdict) = line.rsplit_once(" ... ").unwrap();
                (name.to_owned(), verdict == "ok")
            })
            .collect()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn shipped_cases(file: &Path) -> Vec<Value> {
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

fn all(folder: &Path, ending: &str) -> String {
    let texts = files(folder, ending)
        .into_iter()
        .map(|file| fs::read_to_string(file).unwrap());
    texts.collect::<Vec<_>>().join("\n")
}

/// The files in a folder and its subfolders whose names have this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path, ending));
        } else if path.to_str().unwrap().ends_with(ending) {
            files.push(path);
        }
    }
    files.sort();
    files
}
