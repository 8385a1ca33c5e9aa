//! `statements.md` and SECURITY.md name tests that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::support::sources::sources;

/// The sections of the list, in their order.
const PAGES: [&str; 3] = ["The API", "The policy model", "The WebAuthn rules"];

/// The tests of the workspace by their paths as cargo names them. Those of a package in `crates` have the
/// name of its folder in front: `policy_tools::tests::…`.
fn all_tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let gateway = ["src", "tests"].map(|folder| tests_below(&root.join(folder)));
    let mut tests: BTreeSet<_> = gateway.into_iter().flatten().collect();
    for package in ["core", "policy", "policy-tools"] {
        let below = tests_below(&root.join("crates").join(package).join("src"));
        let prefix = package.replace('-', "_");
        tests.extend(below.into_iter().map(|test| format!("{prefix}::{test}")));
    }
    tests
}

#[test]
fn every_test_that_security_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let tests = all_tests();
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let last_cells = rows.filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next());
    let named: Vec<_> = last_cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    assert!(named.len() > 15, "{named:?}");
    for name in named {
        let exists = tests.iter().any(|test| {
            let test = format!("::{test}::");
            test.contains(&format!("::{name}::"))
        });
        assert!(exists, "{name}");
    }
}

#[test]
fn every_statement_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = all_tests();
    let here = "documents::statements::every_statement_names_tests_that_exist";
    assert!(tests.contains(here), "the sources are not read: {tests:#?}");
    let list = fs::read_to_string(root.join("tests/statements.md")).unwrap();
    let pages: Vec<_> = list
        .lines()
        .filter_map(|it| it.strip_prefix("## "))
        .collect();
    assert_eq!(pages, PAGES);
    let wrong = wrong_rows(&list, &tests);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The problems of the rows of the tables, each with its place.
fn wrong_rows(list: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, line) in list.lines().enumerate() {
        let Some(row) = line.strip_prefix('|') else {
            continue;
        };
        let cells: Vec<_> = row.trim_end().trim_end_matches('|').split('|').collect();
        let is_head =
            cells[0].trim() == "statement" || cells[0].trim_matches(['-', ' ']).is_empty();
        if is_head {
            continue;
        }
        let place = format!("statements.md:{}: {}", number + 1, cells[0].trim());
        let [_, named] = cells[..] else {
            wrong.push(format!("{place}: the row has not two cells"));
            continue;
        };
        let named: Vec<_> = named.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            wrong.push(format!("{place}: no test is named"));
        }
        let missing = named.into_iter().filter(|name| !tests.contains(*name));
        wrong.extend(missing.map(|name| format!("{place}: there is no test {name}")));
    }
    wrong
}

/// Every test in the files of a folder, by its path.
fn tests_below(folder: &Path) -> Vec<String> {
    let mut tests = Vec::new();
    for file in sources(folder) {
        let inner = file.strip_prefix(folder).unwrap().with_extension("");
        let mut path: Vec<_> = inner
            .components()
            .map(|part| part.as_os_str().to_str().unwrap().to_owned())
            .collect();
        if path == ["lib"] || path == ["main"] {
            path.clear();
        }
        let tokens = fs::read_to_string(&file).unwrap().parse().unwrap();
        collect(tokens, &path, &mut tests);
    }
    tests
}

/// Collects the functions with a `test` attribute, and the names in a macro call that has nothing but
/// names: such a macro makes a test of each.
fn collect(tokens: TokenStream, path: &[String], tests: &mut Vec<String>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let (mut is_test, mut in_head_of_fn) = (false, false);
    for (at, token) in tokens.iter().enumerate() {
        let before = |back: usize| at.checked_sub(back).map(|at| tokens[at].to_string());
        match token {
            TokenTree::Group(group)
                if group.delimiter() == Delimiter::Bracket && before(1).as_deref() == Some("#") =>
            {
                is_test |= is_test_attribute(group.stream());
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                if std::mem::take(&mut in_head_of_fn) {
                    continue;
                }
                if before(1).as_deref() == Some("!") {
                    tests.extend(only_names(group.stream()).map(|name| joined(path, &name)));
                }
                match (before(2).as_deref(), before(1)) {
                    (Some("mod"), Some(name)) => {
                        collect(group.stream(), &[path, &[name]].concat(), tests);
                    }
                    _ => collect(group.stream(), path, tests),
                }
            }
            TokenTree::Ident(name) if before(1).as_deref() == Some("fn") => {
                in_head_of_fn = true;
                if std::mem::take(&mut is_test) {
                    tests.push(joined(path, &name.to_string()));
                }
            }
            _ => {}
        }
    }
}

/// Returns true for the attribute `test` and for a path that ends in it.
fn is_test_attribute(tokens: TokenStream) -> bool {
    let path = tokens
        .into_iter()
        .take_while(|token| !matches!(token, TokenTree::Group(_)));
    path.last().is_some_and(|name| name.to_string() == "test")
}

/// The tokens, if all of them are names. Nothing otherwise.
fn only_names(tokens: TokenStream) -> impl Iterator<Item = String> {
    let mut all = tokens.clone().into_iter();
    let are_names = all.all(|token| matches!(token, TokenTree::Ident(_)));
    let names = tokens.into_iter().filter(move |_| are_names);
    names.map(|name| name.to_string())
}

fn joined(path: &[String], name: &str) -> String {
    [path, &[name.to_owned()]].concat().join("::")
}

#[test]
fn tests_are_found_in_modules_and_macros() {
    let text = "
        #[test] fn plain() { fn inner() {} #[test] fn hidden() {} }
        fn helper() -> X { x! { a b } }
        #[cfg(test)] mod tests { use super::*;
            #[tokio::test(flavor = \"multi_thread\")] async fn deep() {}
            proptest! { #[test] fn drawn(x in 0..9) {} }
            mod further { #[expect(x)] #[test] fn deeper() {} fn test() {} }
        }
        on_both! { first second }
        macro_rules! on_both { ($($name:ident)*) => { #[test] fn $name() {} } }
    ";
    let mut tests = Vec::new();
    collect(text.parse().unwrap(), &["a".to_owned()], &mut tests);
    let expected = [
        "a::plain",
        "a::tests::deep",
        "a::tests::drawn",
        "a::tests::further::deeper",
        "a::first",
        "a::second",
    ];
    assert_eq!(tests, expected);
}

#[test]
fn row_without_an_existing_test_is_reported_with_its_place() {
    let list = "# List\n\n| statement | tests |\n|---|---|\n| good | `a::b`, `a::c` |\n\
        | stale | `a::b` `a::x` |\n| bare | later |\n| three | `a::b` | `a::c` |\n";
    let tests = ["a::b", "a::c"].map(str::to_owned).into();
    let expected = [
        "statements.md:6: stale: there is no test a::x",
        "statements.md:7: bare: no test is named",
        "statements.md:8: three: the row has not two cells",
    ];
    assert_eq!(wrong_rows(list, &tests), expected);
}
