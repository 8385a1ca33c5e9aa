//! CONTRIBUTING.md names a test and search words that exist.

use std::fs;
use std::path::Path;
use std::process::Command;

const TEXT: &str = include_str!("../../CONTRIBUTING.md");

/// The parts of the text between backquotes.
fn quoted() -> impl Iterator<Item = &'static str> {
    TEXT.split('`').skip(1).step_by(2)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_example_to_follow_is_found() {
    let searches: Vec<_> = quoted().filter(|text| text.starts_with("grep ")).collect();
    assert_eq!(searches.len(), 3);
    for search in searches {
        let found = Command::new("sh")
            .args(["-c", search])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(found.status.success(), "{search}");
        assert!(found.stdout.iter().filter(|one| **one == b'\n').count() > 2);
    }
}

#[test]
fn the_test_that_is_run_alone_exists() {
    let name = TEXT.split("--exact ").nth(1).unwrap();
    let (module, test) = name.lines().next().unwrap().rsplit_once("::").unwrap();
    let file = root().join("tests").join(module.replace("::", "/"));
    let file = file.with_extension("rs");
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(&format!("fn {test}()")), "{test}");
}
