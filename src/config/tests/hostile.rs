//! Hostile configurations, most of them random edits of the documented example.

use std::cell::Cell;

use proptest::sample::{Index, select};
use proptest::test_runner::{Config as Runs, TestRunner};

use super::*;

/// Tokens and values of configurations.
const PIECES: &[&str] = &[
    "\"",
    "'",
    "[",
    "]",
    "[[",
    "{",
    "}",
    "=",
    ".",
    ",",
    "\n",
    "\0",
    "#",
    "\\u0000",
    "é",
    "\u{feff}",
    "*",
    "-1",
    "0",
    "18446744073709551616",
    "1e400",
    "true",
    "1979-05-27",
    "5m",
    "0s",
    "99999999999999y",
    "http://",
    "redis://:p@h:1/x",
    "embedded:",
    "::ffff:0.0.0.0/0",
    "[store]\n",
    "name = \"a\"\n",
];

#[derive(Clone, Debug)]
struct Edit {
    at: Index,
    removed: usize,
    inserted: String,
}

fn edit() -> impl Strategy<Value = Edit> {
    let inserted = prop_oneof![
        3 => select(PIECES).prop_map(str::to_owned),
        1 => "\\PC{0,4}",
    ];
    (any::<Index>(), 0..12_usize, inserted).prop_map(|(at, removed, inserted)| Edit {
        at,
        removed,
        inserted,
    })
}

fn edited(edits: &[Edit]) -> String {
    let mut text: Vec<char> = EXAMPLE.chars().collect();
    for Edit {
        at,
        removed,
        inserted,
    } in edits
    {
        let at = at.index(text.len());
        let end = (at + removed).min(text.len());
        text.splice(at..end, inserted.chars());
    }
    text.into_iter().collect()
}

#[test]
fn edited_example_loads_or_is_refused_with_findings() {
    let folder = Folder::new();
    let (loaded, refused) = (Cell::new(0), Cell::new(0));
    let runs = Runs {
        cases: 512,
        failure_persistence: None,
        ..Runs::default()
    };
    TestRunner::new(runs)
        .run(&prop::collection::vec(edit(), 1..3), |edits| {
            match folder.load_with(&edited(&edits), &[], &[]) {
                Ok(_) => loaded.set(loaded.get() + 1),
                Err(findings) => {
                    refused.set(refused.get() + 1);
                    prop_assert!(!findings.0.is_empty());
                    for finding in &findings.0 {
                        prop_assert!(!finding.message.is_empty(), "{finding:?}");
                        prop_assert!(finding.to_string().contains(finding.code));
                    }
                }
            }
            Ok(())
        })
        .unwrap();
    // The edits must cover both outcomes.
    let (loaded, refused) = (loaded.get(), refused.get());
    assert!(
        loaded >= 8 && refused >= 128,
        "{loaded} loaded, {refused} refused"
    );
}

#[test]
fn deeply_nested_tables_are_refused() {
    let folder = Folder::new();
    for deep in [
        format!("listen = {}", "[".repeat(100_000)),
        format!(
            "listen = {}1{}",
            "{a = ".repeat(100_000),
            "}".repeat(100_000)
        ),
        format!("[{}a]\n", "a.".repeat(100_000)),
        format!("{}a = 1\n", "a.".repeat(100_000)),
    ] {
        let findings = folder.load_with(&deep, &[], &[]).err().unwrap();
        assert!(!findings.0.is_empty());
    }
}
