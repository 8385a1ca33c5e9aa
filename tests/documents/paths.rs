//! The documents name files and folders of the repository that exist.

use std::fs;

use super::{blocks, documents, root};

/// The folders of the repository. Text in backquotes that starts with one of them is a path.
const FOLDERS: [&str; 7] = [
    "benches/",
    "crates/",
    "docs/",
    "policies/",
    "schema/",
    "src/",
    "tests/",
];

/// Returns the paths that a document names in backquotes outside of its fenced blocks. Leaves out patterns,
/// and files that the reader of the document writes.
fn named_paths(markdown: &str) -> Vec<&str> {
    let written: Vec<_> = blocks(markdown)
        .flat_map(|block| block.kind.split_whitespace().skip(1))
        .collect();
    let prose = markdown.split("\n```").step_by(2);
    let quoted = prose.flat_map(|text| text.split('`').skip(1).step_by(2));
    quoted
        .filter(|text| FOLDERS.iter().any(|folder| text.starts_with(folder)))
        .filter(|path| !path.contains('*') && !written.contains(path))
        .collect()
}

#[test]
fn every_path_that_a_document_names_exists() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for document in documents() {
        let markdown = fs::read_to_string(&document).unwrap();
        for path in named_paths(&markdown) {
            count += 1;
            if !root().join(path).exists() {
                wrong.push(format!("{}: {path}", document.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 100, "{count}");
}

#[test]
fn paths_are_found_in_prose_only_and_without_patterns_and_written_files() {
    let markdown = "See `src/a.rs`, `b.rs`,\n`policies/*.cedar` and `policies/new.cedar`.\n\n\
        ```cedar policies/new.cedar\npermit `src/fenced.rs`\n```\n\nThen `tests/c/` and `docs/d.md`.\n";
    assert_eq!(named_paths(markdown), ["src/a.rs", "tests/c/", "docs/d.md"]);
}
