//! Formatting loses nothing of a file and leaves formatted files unchanged.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use cedargate_core::Finding;
use cedargate_policy::SHIPPED_POLICIES;
use cedargate_policy::analysis::tokens;

use crate::format::{LINE_WIDTH, PolicyFile, read};

fn file(root: &TempDir, text: impl AsRef<[u8]>) -> PolicyFile {
    let path = root.path().join("a.cedar");
    fs::write(&path, text).unwrap();
    let (mut files, findings) = read(&[path]);
    assert_eq!(findings.0, []);
    files.remove(0)
}

fn formatted(text: &str, width: usize) -> Result<String, Vec<Finding>> {
    let root = TempDir::new().unwrap();
    file(&root, text)
        .formatted(width)
        .map_err(|findings| findings.0)
}

fn shipped() -> impl Iterator<Item = (&'static str, &'static str)> {
    let policies = SHIPPED_POLICIES.iter().copied();
    policies.filter(|(name, _)| name.ends_with(".cedar"))
}

/// Removes blanks, which may change, and commas, which may be left out at the end of a list.
fn ink(text: &str) -> String {
    let is_ink = |c: &char| !c.is_whitespace() && *c != ',';
    text.chars().filter(is_ink).collect()
}

#[test]
fn comments_annotations_and_words_survive_at_every_line_width() {
    for (name, text) in shipped() {
        for width in [1, 40, LINE_WIDTH, 100, 1000] {
            let once = formatted(text, width).unwrap();
            assert_eq!(ink(&once), ink(text), "{name} at {width}");
            assert_eq!(formatted(&once, width).unwrap(), once, "{name} at {width}");
        }
    }
}

#[test]
fn shipped_policies_are_formatted_policy_by_policy_as_they_are_at_once() {
    let all: Vec<_> = shipped().map(|(_, text)| text).collect();
    let root = TempDir::new().unwrap();
    for text in all
        .iter()
        .map(|text| (*text).to_owned())
        .chain([all.join("")])
    {
        for width in [40, LINE_WIDTH, 1000] {
            let file = file(&root, &text);
            let formatted = file.formatted(width);
            assert_eq!(formatted, file.formatted_whole(width), "{width}");
            assert!(formatted.is_ok());
        }
    }
}

#[test]
fn large_file_is_formatted() {
    let (_, text) = shipped().next().unwrap();
    let text = text.repeat(1 + (1 << 20) / text.len());
    assert!(text.len() > 1 << 20);
    // In debug builds, most of the time of this test is Cedar's.
    let once = formatted(&text, LINE_WIDTH).unwrap();
    assert_eq!(ink(&once), ink(&text));
}

#[test]
fn shipped_policies_are_formatted() {
    for (name, text) in shipped() {
        assert_eq!(formatted(text, LINE_WIDTH).unwrap(), text, "{name}");
    }
}

/// Generates the shipped policies with random blanks and comments.
fn blanks() -> impl Strategy<Value = String> {
    let blank = prop_oneof![
        4 => Just(" ".to_owned()),
        2 => Just("\n".to_owned()),
        1 => Just("\n\n\t ".to_owned()),
        1 => Just("\r\n".to_owned()),
        1 => "[ a-z\"'{};/]{0,9}".prop_map(|text| format!(" //{text}\n")),
        1 => "[ a-z\"'{};/]{0,9}".prop_map(|text| format!("\n// {text}\n//x\n")),
    ];
    let texts: Vec<_> = shipped().map(|(_, text)| text).collect();
    let tokens = prop::sample::select(texts).prop_map(|text| {
        let tokens = tokens(text);
        tokens
            .map(|(token, _)| token.to_owned())
            .collect::<Vec<_>>()
    });
    tokens.prop_flat_map(move |tokens| {
        let blanks = prop::collection::vec(blank.clone(), tokens.len());
        blanks.prop_map(move |blanks| spaced(&tokens, &blanks))
    })
}

/// Puts blanks between tokens, but not into operators of two characters.
fn spaced(tokens: &[String], blanks: &[String]) -> String {
    let mut text = String::new();
    for ((token, blank), next) in tokens
        .iter()
        .zip(blanks)
        .zip(tokens[1..].iter().chain([&String::new()]))
    {
        text.push_str(token);
        let one_sign = matches!(
            (token.as_str(), next.as_str()),
            ("=" | "!" | "<" | ">", "=") | (":", ":") | ("?", _)
        );
        if !one_sign {
            text.push_str(blank);
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn file_is_formatted_policy_by_policy_as_it_is_at_once(
        texts in prop::collection::vec(blanks(), 1..3),
        between in "( |\n|\r\n|// x|//\n){0,3}",
        width in prop::sample::select(vec![40, LINE_WIDTH]),
    ) {
        let root = TempDir::new().unwrap();
        let file = file(&root, texts.join(&between));
        prop_assert_eq!(file.formatted(width), file.formatted_whole(width));
    }

    #[test]
    fn any_layout_is_formatted_without_loss_or_refused(text in blanks()) {
        match formatted(&text, LINE_WIDTH) {
            Ok(once) => {
                prop_assert_eq!(formatted(&once, LINE_WIDTH).unwrap(), once);
            }
            Err(findings) => {
                let codes: Vec<_> = findings.iter().map(|one| one.code).collect();
                prop_assert_eq!(codes, ["format_refused"], "{}", text);
            }
        }
    }
}

/// Every 25th file is formatted, as all of them take minutes.
const ONE_OF: usize = 25;

/// Formats policies of Cedar's corpus, whose folder `CEDARGATE_VECTORS` names.
#[test]
fn policies_of_cedars_own_tests_are_formatted_without_loss() {
    let Some(folder) = std::env::var_os("CEDARGATE_VECTORS") else {
        println!("CEDARGATE_VECTORS is not set: Cedar's corpus was not formatted");
        return;
    };
    let archive = PathBuf::from(folder).join("cedar-corpus/corpus-tests.tar.gz");
    let archive = fs::File::open(archive).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    let mut seen = 0;
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        if !name.ends_with(".cedar") {
            continue;
        }
        seen += 1;
        if seen % ONE_OF != 0 {
            continue;
        }
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        let once = formatted(&text, LINE_WIDTH).unwrap();
        assert_eq!(formatted(&once, LINE_WIDTH).unwrap(), once, "{name}");
    }
    assert!(seen > ONE_OF, "{seen}");
}

#[test]
fn file_that_cannot_be_formatted_is_refused_at_the_place_of_the_error() {
    let codes = |text: &str| {
        let findings = formatted(text, LINE_WIDTH).unwrap_err();
        let places = findings.iter().map(|one| (one.code, one.line));
        places.collect::<Vec<_>>()
    };
    assert_eq!(codes("\npermit (principal"), [("syntax", 2)]);
    assert_eq!(codes(&format!("\n{}", "(".repeat(9999))), [("nesting", 2)]);
    let large = format!("// {}", "x".repeat(512 << 10));
    assert_eq!(codes(&large), [("too_large", 0)]);
    assert_eq!(
        formatted("// alone", LINE_WIDTH).unwrap().trim(),
        "// alone"
    );
}
