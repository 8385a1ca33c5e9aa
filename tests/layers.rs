//! The floors of ARCHITECTURE.md: every path that leads from one module of the crate to another is
//! found in the sources and must lead down, or to the left on the same floor.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};

/// From the ground up; on each floor from left to right. The parts know nothing of each other.
const GROUND: &[&str] = &["record"];
const PARTS: &[&str] = &["authn", "webauthn", "store"];
const HOUSE: &[&str] = &["error", "gate", "mfa"];
const EDGE: &[&str] = &["app", "streams", "http", "config", "cli"];

fn may_use(user: &str, used: &str) -> bool {
    let place = |name: &str| {
        [GROUND, PARTS, HOUSE, EDGE]
            .iter()
            .enumerate()
            .find_map(|(floor, rooms)| {
                rooms
                    .iter()
                    .position(|room| *room == name)
                    .map(|room| (floor, room))
            })
    };
    let (Some((floor, room)), Some((below, left))) = (place(user), place(used)) else {
        return false;
    };
    let strangers = floor == 1 && below == 1;
    user == used || below < floor || (below == floor && left < room && !strangers)
}

#[test]
fn every_path_through_the_crate_leads_down_or_left() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut edges: BTreeMap<(String, String), PathBuf> = BTreeMap::new();
    let mut rooms = BTreeSet::new();
    for file in sources(&src) {
        let inner = file.strip_prefix(&src).unwrap().with_extension("");
        let names: Vec<_> = inner
            .components()
            .map(|part| part.as_os_str().to_str().unwrap().to_owned())
            .collect();
        if names[0] == "lib" || names[0] == "main" {
            continue;
        }
        let tokens: TokenStream = fs::read_to_string(&file).unwrap().parse().unwrap();
        let mut used = BTreeSet::new();
        collect(tokens, names.len(), &mut used);
        for used in used {
            edges.insert((names[0].clone(), used), file.clone());
        }
        rooms.insert(names[0].clone());
    }
    let known: BTreeSet<_> = [GROUND, PARTS, HOUSE, EDGE]
        .concat()
        .iter()
        .map(|&room| room.to_owned())
        .collect();
    assert_eq!(
        rooms, known,
        "a module without a floor, or a floor without its module"
    );
    assert!(
        edges.contains_key(&("gate".into(), "store".into())),
        "the test reads no paths"
    );
    let wrong: Vec<_> = edges
        .iter()
        .filter(|((user, used), _)| !may_use(user, used))
        .collect();
    assert!(
        wrong.is_empty(),
        "these lead up, or to a stranger: {wrong:#?}"
    );
}

#[test]
fn paths_are_found_wherever_they_stand() {
    let text = "use crate::{gate::Gate, mfa}; fn f(x: crate::policy::Bundle) { println!(\"{}\", crate::http::X) }
        mod inner { use super::super::store; use super::own; } use super::authn::{self};";
    let mut used = BTreeSet::new();
    collect(text.parse().unwrap(), 1, &mut used);
    let expected = ["authn", "gate", "http", "mfa", "policy", "store"];
    assert_eq!(used, expected.map(str::to_owned).into());
}

/// Every Rust file in a folder and below it.
pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}

/// Collects the first name behind each `crate::`, and behind each chain of `super::` that ends at
/// the root of the crate; `depth` is how many modules deep the tokens stand.
fn collect(tokens: TokenStream, depth: usize, used: &mut BTreeSet<String>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => {
                let inline_module = at >= 2 && is(&tokens[at - 2], "mod");
                collect(group.stream(), depth + usize::from(inline_module), used);
            }
            token if is(token, "crate") => first_names(&tokens[at + 1..], used),
            token if is(token, "super") && !(at >= 3 && is(&tokens[at - 3], "super")) => {
                let supers = tokens[at..]
                    .iter()
                    .step_by(3)
                    .take_while(|it| is(it, "super"));
                let count = supers.count();
                if count >= depth {
                    first_names(&tokens[at + 3 * (count - 1) + 1..], used);
                }
            }
            _ => {}
        }
    }
}

/// The names that a path goes on with, behind its `::`.
fn first_names(behind: &[TokenTree], used: &mut BTreeSet<String>) {
    match behind {
        [
            TokenTree::Punct(_),
            TokenTree::Punct(_),
            TokenTree::Ident(name),
            ..,
        ] => {
            used.insert(name.to_string());
        }
        [
            TokenTree::Punct(_),
            TokenTree::Punct(_),
            TokenTree::Group(group),
            ..,
        ] => {
            let mut first = true;
            for token in group.stream() {
                match token {
                    TokenTree::Ident(name) if first => {
                        used.insert(name.to_string());
                        first = false;
                    }
                    TokenTree::Punct(mark) if mark.as_char() == ',' => first = true,
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn is(token: &TokenTree, name: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == name)
}
