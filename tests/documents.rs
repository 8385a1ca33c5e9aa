//! The documents: their commands are run in their order, their answers are compared, their links lead
//! somewhere, the files that they name exist, and their tables are complete.
//!
//! The words behind a fence say what a block is:
//!
//! | fence | the block |
//! |---|---|
//! | `sh` | is run, and must succeed |
//! | `sh start` | starts a gateway in the background |
//! | `sh edit` | is run, and changes policies that the gateway then loads |
//! | `sh fails` | is run, and must fail |
//! | `sh elsewhere` | is not run: it needs what a test does not have |
//! | `json` | equals the last answer |
//! | `json like` | has the members of the last answer, with values of the same types |
//! | `json sample` | is JSON |
//! | `text` | is in the last answer, line by line; `…` stands for what is left out |
//! | any language and a file name | is written to that file |

mod contributing;
mod lists;
mod paths;
mod session;
mod statements;

use std::fs;
use std::path::{Path, PathBuf};

use session::Session;

/// A fenced block: the words behind its fence, and its text.
struct Block<'a> {
    kind: &'a str,
    text: &'a str,
}

fn blocks(markdown: &str) -> impl Iterator<Item = Block<'_>> {
    let fences = markdown.split("\n```").skip(1).step_by(2);
    fences.map(|block| {
        let (kind, text) = block.split_once('\n').unwrap();
        Block { kind, text }
    })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
}

/// Runs a document's blocks. Returns how many commands ran and how many answers were compared.
async fn run(name: &str) -> (usize, usize) {
    let markdown = read(name);
    let mut session = Session::new();
    for Block { kind, text } in blocks(&markdown) {
        session.take(kind, text).await;
    }
    session.counts()
}

#[tokio::test]
async fn readme_commands_give_the_answers_it_shows() {
    assert_eq!(run("README.md").await, (6, 3));
}

#[tokio::test]
async fn api_commands_give_the_answers_it_shows() {
    assert_eq!(run("docs/api.md").await, (6, 6));
}

#[tokio::test]
async fn policies_commands_give_the_answers_it_shows() {
    assert_eq!(run("docs/policies.md").await, (14, 10));
}

#[tokio::test]
async fn operations_commands_give_the_answers_it_shows() {
    assert_eq!(run("docs/operations.md").await, (6, 5));
}

#[tokio::test]
async fn decision_log_commands_give_the_answers_it_shows() {
    assert_eq!(run("docs/decision-log.md").await, (4, 4));
}

/// Every document of the repository, by its path.
fn documents() -> Vec<PathBuf> {
    let folders = ["", "docs", "benches", "tests"];
    let files = folders.iter().flat_map(|folder| {
        let files = fs::read_dir(root().join(folder)).unwrap();
        files.map(|file| file.unwrap().path())
    });
    let documents: Vec<_> = files
        .filter(|file| file.extension().is_some_and(|it| it == "md"))
        .collect();
    assert!(documents.len() > 10, "{documents:?}");
    documents
}

/// The targets of a document's links that are not on the web, each with its anchor.
fn links(markdown: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let targets = markdown.split("](").skip(1);
    let targets = targets.filter_map(|rest| rest.split(')').next());
    let here = targets.filter(|target| !target.starts_with("http"));
    here.map(|target| match target.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (target, None),
    })
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(markdown: &str) -> Vec<String> {
    let headings = markdown.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_between_documents_leads_to_a_file_and_a_heading() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for document in documents() {
        let markdown = fs::read_to_string(&document).unwrap();
        for (path, anchor) in links(&markdown) {
            count += 1;
            let target = match path {
                "" => document.clone(),
                _ => document.parent().unwrap().join(path),
            };
            if !target.exists() {
                wrong.push(format!("{}: {path}", document.display()));
            } else if let Some(anchor) = anchor {
                let text = fs::read_to_string(&target).unwrap();
                if !anchors(&text).iter().any(|it| it == anchor) {
                    wrong.push(format!("{}: {path}#{anchor}", document.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 30, "{count}");
}

#[test]
fn architecture_fits_on_two_screens() {
    let text = read("ARCHITECTURE.md");
    assert!(text.lines().count() <= 125, "{}", text.lines().count());
    let wide: Vec<_> = text.lines().filter(|it| it.chars().count() > 100).collect();
    assert!(wide.is_empty(), "{wide:#?}");
}

#[test]
fn readme_is_short() {
    let words = read("README.md").split_whitespace().count();
    assert!(words <= 850, "{words}");
}
