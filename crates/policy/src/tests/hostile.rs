//! Anything at all, and what is nearly right, in place of the files of an admin.

use crate::tests::load_sources;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;

use super::super::{Bundle, GATE_SCHEMA, Sources, cases, shipped};
use cedargate_core::Findings;

/// One change of a text.
#[derive(Clone, Debug)]
struct Edit {
    at: Index,
    /// How many bytes are taken away.
    taken: usize,
    put: Vec<u8>,
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let at = self.at.index(bytes.len() + 1);
        let end = (at + self.taken).min(bytes.len());
        bytes.splice(at..end, self.put.iter().copied());
    }
}

/// What means something to a parser of these files, so that more than the first token is reached.
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
    let put = prop_oneof![
        6 => prop::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        2 => ".{0,6}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..4),
        1 => Just(Vec::new()),
    ];
    (
        any::<Index>(),
        prop_oneof![3 => 0..4_usize, 1 => 0..200_usize],
        put,
    )
        .prop_map(|(at, taken, put)| Edit { at, taken, put })
}

/// The files of both folders that a reader looks at, by their paths.
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

/// The shipped folders with one file changed.
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

/// What does not load says why, and can be shown.
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

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    })
}

#[test]
fn folders_that_are_nearly_the_shipped_ones_load_or_say_why_not() {
    let (loaded, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let files = shipped_files();
    let changed = (any::<Index>(), prop::collection::vec(edit(), 1..4));
    runner(200)
        .run(&changed, |(file, edits)| {
            let (name, text) = file.get(&files);
            let mut content = text.as_bytes().to_vec();
            edits.iter().for_each(|edit| edit.apply(&mut content));
            match load(name, &content) {
                Ok(bundle) => {
                    loaded.fetch_add(1, Ordering::Relaxed);
                    prop_assert!(!bundle.is_empty());
                }
                Err(findings) => {
                    refused.fetch_add(1, Ordering::Relaxed);
                    is_explained(&findings)?;
                }
            }
            Ok(())
        })
        .unwrap();
    // All of this was about something.
    let (loaded, refused) = (loaded.into_inner(), refused.into_inner());
    assert!(
        loaded >= 1 && refused >= 100,
        "{loaded} loaded and {refused} were refused"
    );
}

#[test]
fn any_bytes_in_place_of_a_file_load_or_say_why_not() {
    let files = shipped_files();
    let changed = (any::<Index>(), prop::collection::vec(any::<u8>(), 0..60));
    runner(60)
        .run(&changed, |(file, content)| {
            let (name, _) = file.get(&files);
            match load(name, &content) {
                Ok(bundle) => prop_assert!(!bundle.is_empty()),
                Err(findings) => is_explained(&findings)?,
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn cases_that_are_nearly_right_pass_or_say_why_not() {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let shipped = include_str!("../../../../tests/policies/admins.json");
    let asked = AtomicUsize::new(0);
    runner(200)
        .run(&prop::collection::vec(edit(), 1..3), |edits| {
            let mut content = shipped.as_bytes().to_vec();
            edits.iter().for_each(|edit| edit.apply(&mut content));
            let text = String::from_utf8_lossy(&content);
            match cases::run(&bundle, "admins.json", &text, Path::new(".")) {
                Ok(outcomes) => {
                    asked.fetch_add(1, Ordering::Relaxed);
                    for one in outcomes {
                        prop_assert!(one.actual.is_some() || !one.failures.is_empty());
                    }
                }
                Err(findings) => is_explained(&findings)?,
            }
            Ok(())
        })
        .unwrap();
    let asked = asked.into_inner();
    assert!(asked >= 10, "{asked} of 200 were still lists of cases");
}
