//! Random and slightly changed content in place of policy, schema and case files.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use tempfile::TempDir;

use super::super::{Bundle, GATE_SCHEMA, Sources, cases, shipped};
use super::load_sources;
use super::property::check;
use cedargate_core::Findings;

/// One change of a text.
#[derive(Clone, Debug)]
struct Edit {
    at: Index,
    /// The number of bytes that are removed.
    removed: usize,
    inserted: Vec<u8>,
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let at = self.at.index(bytes.len() + 1);
        let end = (at + self.removed).min(bytes.len());
        bytes.splice(at..end, self.inserted.iter().copied());
    }
}

/// Tokens of these files, so that parsers get further than the first token.
const PIECES: &[&str] = &[
    "@id(\"x\")",
    "@code(\"a\")",
    "@max_age(\"9999999999999999999s\")",
    "@notice",
    "permit",
    "forbid",
    "?principal",
    "?resource",
    "Gate::Group::\"a|b|c\"",
    "principal",
    "context.factors.count",
    "duration(\"-1d\")",
    "ip(\"::ffff:0:0/96\")",
    "9223372036854775808",
    "if",
    "has",
    "in",
    "==",
    "when { true }",
    ";",
    "\"",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\\",
    "\\u{110000}",
    "//",
    "\n",
    "null",
    "1e999",
    "\"template_id\"",
    "\u{202e}",
    "é",
    "\u{feff}",
];

fn edit() -> impl Strategy<Value = Edit> {
    let inserted = prop_oneof![
        6 => prop::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        2 => ".{0,6}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..4),
        1 => Just(Vec::new()),
    ];
    (
        any::<Index>(),
        prop_oneof![3 => 0..4_usize, 1 => 0..200_usize],
        inserted,
    )
        .prop_map(|(at, removed, inserted)| Edit {
            at,
            removed,
            inserted,
        })
}

/// Returns the shipped policy and schema files with their paths.
fn shipped_files() -> Vec<(String, &'static str)> {
    let policies = shipped::POLICIES
        .iter()
        .map(|(name, text)| (format!("policies/{name}"), *text));
    let schemas = [
        ("schema/gate.cedarschema".to_owned(), GATE_SCHEMA),
        ("schema/site.cedarschema".to_owned(), shipped::SITE_SCHEMA),
    ];
    policies.chain(schemas).collect()
}

/// Loads the shipped folders with one file changed.
fn load(changed: &str, content: &[u8]) -> Result<Bundle, Findings> {
    let root = TempDir::new().unwrap();
    fs::create_dir_all(root.path().join("policies/examples")).unwrap();
    fs::create_dir(root.path().join("schema")).unwrap();
    for (name, text) in shipped_files() {
        let content = if name == changed {
            content
        } else {
            text.as_bytes()
        };
        fs::write(root.path().join(name), content).unwrap();
    }
    let sources = Sources::read(&root.path().join("policies"), &root.path().join("schema"))?;
    load_sources(&sources)
}

/// Checks that each finding has a message and a file, and can be rendered.
fn is_explained(findings: &Findings) -> Result<(), TestCaseError> {
    prop_assert!(!findings.0.is_empty());
    for finding in &findings.0 {
        prop_assert!(
            !finding.message.is_empty() && !finding.file.is_empty(),
            "{finding:?}"
        );
        prop_assert!(finding.to_string().contains(finding.code));
    }
    Ok(())
}

#[test]
fn slightly_changed_folders_load_or_have_findings() {
    let files = shipped_files();
    let changed = (any::<Index>(), prop::collection::vec(edit(), 1..4));
    let needed = [("loaded", 1), ("refused", 100)];
    check(200, &changed, &needed, |(file, edits), tally| {
        let (name, text) = file.get(&files);
        let mut content = text.as_bytes().to_vec();
        edits.iter().for_each(|edit| edit.apply(&mut content));
        match load(name, &content) {
            Ok(bundle) => {
                tally.add("loaded", 1);
                prop_assert!(!bundle.entries().is_empty());
            }
            Err(findings) => {
                tally.add("refused", 1);
                is_explained(&findings)?;
            }
        }
        Ok(())
    });
}

#[test]
fn random_bytes_in_place_of_a_file_load_or_have_findings() {
    let files = shipped_files();
    let changed = (any::<Index>(), prop::collection::vec(any::<u8>(), 0..60));
    check(60, &changed, &[], |(file, content), _| {
        let (name, _) = file.get(&files);
        match load(name, &content) {
            Ok(bundle) => prop_assert!(!bundle.entries().is_empty()),
            Err(findings) => is_explained(&findings)?,
        }
        Ok(())
    });
}

#[test]
fn slightly_changed_cases_run_or_have_findings() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let shipped = include_str!("../../../../tests/policies/admins.json");
    let edits = prop::collection::vec(edit(), 1..3);
    check(200, &edits, &[("parsed", 10)], |edits, tally| {
        let mut content = shipped.as_bytes().to_vec();
        edits.iter().for_each(|edit| edit.apply(&mut content));
        let text = String::from_utf8_lossy(&content);
        match cases::run(&bundle, "admins.json", &text, Path::new(".")) {
            Ok(outcomes) => {
                tally.add("parsed", 1);
                for one in outcomes {
                    prop_assert!(one.actual.is_some() || !one.failures.is_empty());
                }
            }
            Err(findings) => is_explained(&findings)?,
        }
        Ok(())
    });
}
