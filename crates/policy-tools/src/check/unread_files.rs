//! Finds files in a policy folder that are read neither as policies nor as links.

use std::path::{Path, PathBuf};

use cedargate_core::{Finding, Severity, nearest};
use cedargate_policy::analysis::{LINKS_SUFFIX, POLICY_SUFFIX};

/// Names of documents, which are not reported.
const DOCUMENTS: [&str; 6] = [
    "readme",
    "license",
    "licence",
    "changelog",
    "notice",
    "codeowners",
];

/// Returns a finding for each file that was probably meant to be read.
pub(super) fn findings(files: &[PathBuf]) -> impl Iterator<Item = Finding> {
    files.iter().filter_map(|file| unread(file))
}

fn unread(file: &Path) -> Option<Finding> {
    let name = file.file_name()?.to_string_lossy();
    let lower = name.to_lowercase();
    let stem = lower.split('.').next().unwrap_or_default();
    if DOCUMENTS.contains(&stem) || lower.ends_with(".md") {
        return None;
    }
    let help = match renamed(&name, &lower) {
        Some(right) => format!(
            "if it holds policies or links, rename it to {right:?}; else move it to another folder"
        ),
        None if lower.ends_with(".cedarschema") => {
            "claims are declared in site.cedarschema in the schema folder".to_owned()
        }
        None if lower.ends_with(".json") => {
            "links are in files named *.links.json, and tests are in tests/policies".to_owned()
        }
        None => "policies are in files named *.cedar, and links in *.links.json".to_owned(),
    };
    let message = "this file is not read: its name is neither *.cedar nor *.links.json";
    let finding = Finding::error("file_unread", file.display().to_string(), message);
    Some(finding.severity(Severity::Finding).help(help))
}

/// Returns the name that the file was probably meant to have.
fn renamed(name: &str, lower: &str) -> Option<String> {
    for ending in [LINKS_SUFFIX, POLICY_SUFFIX] {
        // Upper case, or an ending behind the right one.
        if let Some(at) = lower.find(ending)
            && let Some(stem) = name.get(..at)
            && !lower[at + ending.len()..].starts_with(char::is_alphanumeric)
            && !stem.is_empty()
        {
            return Some(format!("{stem}{ending}"));
        }
    }
    let stem = |ending: &str| {
        let stem = name.get(..lower.strip_suffix(ending)?.len())?;
        Some(stem.trim_end_matches(['.', '-', '_']))
    };
    for near in [
        "links.json",
        ".link.json",
        ".links",
        ".link.jsn",
        ".links.jsn",
    ] {
        if let Some(stem) = stem(near) {
            let stem = if stem.is_empty() { "my" } else { stem };
            return Some(format!("{stem}{LINKS_SUFFIX}"));
        }
    }
    let (stem, ending) = name.rsplit_once('.')?;
    let near = nearest(&ending.to_lowercase(), ["cedar"])?;
    Some(format!("{stem}.{near}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_file_names_are_reported_with_the_right_name() {
        for (name, right) in [
            ("a.ceder", "a.cedar"),
            ("a.CEDAR", "a.cedar"),
            ("a.cedar.txt", "a.cedar"),
            ("a.cedar~", "a.cedar"),
            ("a.cedar.bak", "a.cedar"),
            ("dev.link.json", "dev.links.json"),
            ("dev-links.json", "dev.links.json"),
            ("dev.Links.JSON", "dev.links.json"),
            ("links.json", "my.links.json"),
        ] {
            let finding = unread(Path::new(name)).unwrap();
            let help = finding.help.clone().unwrap();
            assert!(help.contains(&format!("{right:?}")), "{finding}");
            assert_eq!(finding.severity, Severity::Finding);
        }
        for name in ["a.cedarschema", "a.json", "notes.txt", "Makefile"] {
            let help = unread(Path::new(name)).unwrap().help.unwrap();
            assert!(!help.contains("rename"), "{name}: {help}");
        }
        for name in ["README.md", "readme", "LICENSE", "notes.md", "README.txt"] {
            assert_eq!(unread(Path::new(name)), None);
        }
    }
}
