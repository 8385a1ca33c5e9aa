//! No files use each other in a circle, directly or through others.
//!
//! A file uses another if one of its paths leads there: `crate::`, `super::` and `self::` paths, and
//! paths that begin with a module that it declares. A name that a file re-exports leads on to where it
//! is defined, so a circle cannot hide behind its parent's `use`.
//!
//! One direction is not counted: from a file to the modules that it is nested in. A parent declares
//! and uses its children, and children use the types of their parent; this is the usual Rust idiom.
//! The other direction, and every path between files of which neither contains the other, count.
//! Tests do not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::paths::{Names, Read, Source, read, source};

/// The folders of sources without circles.
const FOLDERS: [&str; 4] = [
    "src",
    "crates/core/src",
    "crates/policy/src",
    "crates/policy-tools/src",
];

/// The most re-exports that a name is followed through to its definition.
const RE_EXPORTS: usize = 8;

type Files = BTreeMap<Names, Source>;

/// The file in which a path ends. `None` if it ends in the root of the crate.
fn file_of<'a>(files: &'a Files, path: &[String], re_exports: usize) -> Option<&'a Names> {
    let length = (1..=path.len())
        .rev()
        .find(|length| files.contains_key(&path[..*length]))?;
    let (file, source) = files.get_key_value(&path[..length])?;
    let binding = path.get(length).and_then(|name| source.bindings.get(name));
    match binding {
        Some(bound) if re_exports > 0 && bound[..] != path[..=length] => {
            let path = [bound, &path[length + 1..]].concat();
            file_of(files, &path, re_exports - 1)
        }
        _ => Some(file),
    }
}

/// The edges that are part of a circle, or lead from one circle to another.
fn circles(files: &Files) -> Vec<String> {
    let mut edges = BTreeSet::new();
    for (user, source) in files {
        for path in &source.paths {
            let used = file_of(files, path, RE_EXPORTS);
            edges.extend(used.filter(|it| !user.starts_with(it)).map(|it| (user, it)));
        }
    }
    // An edge in a circle has an edge before it and one behind it.
    loop {
        let users: BTreeSet<_> = edges.iter().map(|edge| edge.0).collect();
        let used: BTreeSet<_> = edges.iter().map(|edge| edge.1).collect();
        let before = edges.len();
        edges.retain(|edge| used.contains(edge.0) && users.contains(edge.1));
        if edges.len() == before {
            break;
        }
    }
    let edges = edges.into_iter();
    edges
        .map(|(user, used)| format!("{} → {}", user.join("::"), used.join("::")))
        .collect()
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    for folder in FOLDERS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let files = read(&path, Read::WithoutTests);
        assert!(!files.is_empty(), "{folder}");
        let circles = circles(&files);
        assert!(circles.is_empty(), "{folder}: {circles:#?}");
    }
}

fn files(texts: &[(&str, &str)]) -> Files {
    let parsed = texts.iter().map(|(module, text)| {
        let module: Names = module.split("::").map(str::to_owned).collect();
        (module.clone(), source(text, module, Read::WithoutTests))
    });
    parsed.collect()
}

#[test]
fn circle_of_siblings_is_found_through_a_third_file_and_a_re_export() {
    let texts = [
        ("a", "mod x; mod y; mod z; pub(crate) use x::Thing;"),
        ("a::x", "use super::y::f;"),
        ("a::y", "fn f() { super::z::g() }"),
        ("a::z", "use crate::a::Thing;"),
    ];
    let expected = ["a::x → a::y", "a::y → a::z", "a::z → a::x"];
    assert_eq!(circles(&files(&texts)), expected);
}

#[test]
fn child_may_use_its_parent() {
    let texts = [
        ("a", "mod x; struct Thing; fn f() { x::g() }"),
        ("a::x", "use super::Thing; mod deep;"),
        ("a::x::deep", "fn f(it: crate::a::Thing) {}"),
    ];
    assert_eq!(circles(&files(&texts)), Vec::<String>::new());
}

#[test]
fn circle_of_two_modules_is_found_where_their_children_make_it() {
    let texts = [
        ("a", "mod x;"),
        ("a::x", "use crate::b::y;"),
        ("b", "mod y;"),
        ("b::y", "use crate::a::x::g;"),
    ];
    assert_eq!(circles(&files(&texts)), ["a::x → b::y", "b::y → a::x"]);
}
