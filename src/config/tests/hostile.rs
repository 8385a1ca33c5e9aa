//! Hostile configurations, most of them random edits of the documented example.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::property::check;

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
    let edits = prop::collection::vec(edit(), 1..3);
    let needed = [("loaded", 8), ("refused", 128)];
    check(512, &edits, &needed, |edits, tally| {
        match folder.load_with(&edited(&edits), &[], &[]) {
            Ok(_) => tally.add("loaded", 1),
            Err(findings) => {
                tally.add("refused", 1);
                prop_assert!(!findings.0.is_empty());
                for finding in &findings.0 {
                    prop_assert!(!finding.message.is_empty(), "{finding:?}");
                    prop_assert!(finding.to_string().contains(finding.code));
                }
            }
        }
        Ok(())
    });
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

fn fragment() -> impl Strategy<Value = String> {
    let keys = "(\\[\\[?)?(store|issuers|relying_parties|network|models|url|name|jwks|tls|[a-z]{1,3})(\\.[a-z]{1,3})?\\]{0,2}";
    let values = "( = (\"[a-zé:/]{0,8}\"|[0-9]{1,3}|true|\\[\\]|\\[\\{\\}\\]|\\{ url = 1 \\}|\\[\"a\", 1\\]))?\n";
    (keys, values).prop_map(|(key, value)| key + &value)
}

proptest! {
    #[test]
    fn any_text_is_refused_without_a_panic(text in ".{0,80}", value in ".{0,20}") {
        let env = [("CEDARGATE_STORE__URL".to_owned(), value)];
        let outcome = layered(&[], env, Some((Path::new("a.toml"), &text)));
        let findings = outcome.err().unwrap();
        prop_assert!(!findings.0.is_empty());
        prop_assert!(!findings.to_string().is_empty());
    }

    #[test]
    fn any_tables_are_refused_without_a_panic(
        fragments in prop::collection::vec(fragment(), 0..8),
        name in "CEDARGATE_(STORE|ISSUERS|LISTEN|[A-Z]{1,3})(__[A-Z0-9]{0,3}){0,3}",
        value in "[a-z]{0,5}|\\[\"a\"\\]|\\{ a = 1 \\}|\\[\\{\\}\\]|\\[",
    ) {
        let text = fragments.concat();
        let flags = [("listen", value.clone())];
        let outcome = layered(&flags, [(name, value)], Some((Path::new("a.toml"), &text)));
        let findings = outcome.err().unwrap();
        prop_assert!(!findings.0.is_empty());
        prop_assert!(!findings.to_string().is_empty());
    }
}
