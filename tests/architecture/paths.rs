//! The paths through a crate that a source file names, read from its tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::iter::Peekable;
use std::path::Path;

use proc_macro2::token_stream::IntoIter;
use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

use crate::support::sources::sources;

/// A module or an item, by the names that lead to it from the root of its crate.
pub(super) type Names = Vec<String>;

/// The paths of a source file, each from the root of the crate.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) paths: BTreeSet<Names>,
    /// The names that its `use` declarations bind.
    pub(super) bindings: BTreeMap<String, Names>,
    /// The files of modules that are compiled for tests only.
    tests: BTreeSet<Names>,
}

/// The part of the sources that is read.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Read {
    Everything,
    /// Everything except items behind `#[cfg(test)]`.
    WithoutTests,
}

/// The sources below a folder by their modules, without `lib.rs` and `main.rs`: these declare the
/// modules and name what the crate offers, and nothing in the crate uses them.
pub(super) fn read(folder: &Path, parts: Read) -> BTreeMap<Names, Source> {
    let mut files = BTreeMap::new();
    for file in sources(folder) {
        let module = module_of(file.strip_prefix(folder).unwrap());
        if module != ["lib"] && module != ["main"] {
            let text = fs::read_to_string(&file).unwrap();
            files.insert(module.clone(), source(&text, module, parts));
        }
    }
    let tests: Vec<_> = files
        .values()
        .flat_map(|it| it.tests.iter().cloned())
        .collect();
    files.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
    files
}

/// The names of a module by the path of its file: `http/head.rs` is `http::head`.
fn module_of(file: &Path) -> Names {
    let names = file.with_extension("");
    let names = names.components();
    names
        .map(|name| name.as_os_str().to_str().unwrap().to_owned())
        .collect()
}

pub(super) fn source(text: &str, module: Names, parts: Read) -> Source {
    let mut reader = Reader {
        source: Source::default(),
        parts,
    };
    reader.body(text.parse().unwrap(), &module);
    reader.source
}

struct Reader {
    source: Source,
    parts: Read,
}

type Tokens = Peekable<IntoIter>;

impl Reader {
    /// Reads the body of a module.
    fn body(&mut self, tokens: TokenStream, module: &[String]) {
        let children = children(tokens.clone());
        self.tokens(tokens, module, &children);
    }

    /// Reads a part of a module that declares these children.
    fn tokens(&mut self, tokens: TokenStream, module: &[String], children: &BTreeSet<String>) {
        let mut tokens = tokens.into_iter().peekable();
        let mut is_test = false;
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Punct(mark) if mark.as_char() == '#' => {
                    if let Some(TokenTree::Group(attribute)) = tokens.peek() {
                        let text = attribute.to_string().replace(' ', "");
                        is_test |= text == "[cfg(test)]" && self.parts == Read::WithoutTests;
                        tokens.next();
                    }
                }
                TokenTree::Ident(word) if word == "mod" => {
                    self.module(&mut tokens, module, std::mem::take(&mut is_test));
                }
                _ if is_test => is_test = !ends_item(&token),
                TokenTree::Ident(word) if word == "use" => {
                    self.tree(&mut tokens, &mut Vec::new(), module, children);
                }
                TokenTree::Ident(word) => {
                    let path = path(word.to_string(), &mut tokens);
                    if let Some(path) = absolute(&path, module, children) {
                        self.source.paths.insert(path);
                    }
                }
                TokenTree::Group(group) => self.tokens(group.stream(), module, children),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    /// Reads what follows the word `mod`.
    fn module(&mut self, tokens: &mut Tokens, parent: &[String], is_test: bool) {
        let Some(TokenTree::Ident(name)) = tokens.next() else {
            return;
        };
        let module = [parent, &[name.to_string()]].concat();
        match tokens.next() {
            Some(TokenTree::Group(body)) if !is_test => self.body(body.stream(), &module),
            Some(TokenTree::Punct(_)) if is_test => {
                self.source.tests.insert(module);
            }
            _ => {}
        }
    }

    /// Reads a tree of a `use` declaration, behind the names of `before`.
    fn tree(
        &mut self,
        tokens: &mut Tokens,
        before: &mut Names,
        module: &[String],
        children: &BTreeSet<String>,
    ) {
        let depth = before.len();
        let mut alias = None;
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(word) if word == "as" => {
                    alias = tokens.next().map(|name| name.to_string());
                }
                TokenTree::Ident(name) => before.push(name.to_string()),
                TokenTree::Group(group) => {
                    let mut inner = group.stream().into_iter().peekable();
                    while inner.peek().is_some() {
                        self.tree(&mut inner, before, module, children);
                    }
                    before.truncate(depth);
                }
                TokenTree::Punct(mark) if matches!(mark.as_char(), ';' | ',') => break,
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
        if before.len() > depth {
            let end = before.len() - usize::from(before[depth..].ends_with(&["self".into()]));
            let last = before[end - 1].clone();
            if let Some(path) = absolute(&before[..end], module, children) {
                self.source.paths.insert(path.clone());
                self.source.bindings.insert(alias.unwrap_or(last), path);
            }
        }
        before.truncate(depth);
    }
}

/// The modules that are declared among these tokens.
fn children(tokens: TokenStream) -> BTreeSet<String> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let declared = tokens.windows(2).filter_map(|pair| match pair {
        [TokenTree::Ident(word), TokenTree::Ident(name)] if word == "mod" => Some(name.to_string()),
        _ => None,
    });
    declared.collect()
}

fn ends_item(token: &TokenTree) -> bool {
    match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(mark) => mark.as_char() == ';',
        _ => false,
    }
}

/// The path that begins with this word.
fn path(word: String, tokens: &mut Tokens) -> Names {
    let mut path = vec![word];
    loop {
        match tokens.peek() {
            Some(TokenTree::Punct(mark)) if mark.as_char() == ':' => {
                // a single colon ends the path: what follows is a type
                let is_path = mark.spacing() == Spacing::Joint;
                tokens.next();
                if !is_path {
                    return path;
                }
                tokens.next();
            }
            _ => return path,
        }
        match tokens.peek() {
            Some(TokenTree::Ident(name)) => {
                path.push(name.to_string());
                tokens.next();
            }
            _ => return path,
        }
    }
}

/// A path as it leads from the root of the crate. `None` for one that begins elsewhere: with a local
/// name or another crate.
fn absolute(path: &[String], module: &[String], children: &BTreeSet<String>) -> Option<Names> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([module, rest].concat()),
        "super" => {
            let supers = path.iter().take_while(|name| *name == "super").count();
            let base = module.get(..module.len().checked_sub(supers)?)?;
            Some([base, &path[supers..]].concat())
        }
        _ if children.contains(first) => Some([module, path].concat()),
        _ => None,
    }
}

#[test]
fn paths_are_found_in_declarations_and_expressions() {
    let text = "
        mod child; use crate::{gate::Gate, mfa, http::{self, server as web}};
        fn f(x: cedargate_policy::Bundle) { println!(\"{}\", crate::http::X); child::go(other::it); }
        mod inner { use super::super::store; use super::own; } use super::authn::{self};
        #[cfg(test)] fn g() { crate::hidden::x() }
        #[cfg(test)] mod tests; #[cfg(test)] mod more { use crate::hidden; }
    ";
    let source = source(text, vec!["a".into()], Read::WithoutTests);
    let paths: Vec<_> = source.paths.iter().map(|path| path.join("::")).collect();
    let expected = [
        "a::child::go",
        "a::own",
        "authn",
        "gate::Gate",
        "http",
        "http::X",
        "http::server",
        "mfa",
        "store",
    ];
    assert_eq!(paths, expected);
    assert_eq!(source.bindings["web"], ["http", "server"]);
    assert_eq!(
        source.tests,
        [vec!["a".to_owned(), "tests".to_owned()]].into()
    );
}

#[test]
fn paths_of_tests_are_found_where_everything_is_read() {
    let text = "#[cfg(test)] mod tests { use crate::store; }";
    let source = source(text, vec!["a".into()], Read::Everything);
    assert_eq!(source.paths, [vec!["store".to_owned()]].into());
}
