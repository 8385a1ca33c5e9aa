//! Test cases of an older release, which lack members that policies read today.

use std::collections::{BTreeMap, BTreeSet};

use cedargate_core::{Finding, Severity};

use cedargate_policy::cases::Case;

/// Returns one note for each file with cases that lack members. `cases` has each case with the members for
/// which the weakest values were assumed.
pub(crate) fn notes<'a>(cases: impl IntoIterator<Item = (&'a Case, &'a [String])>) -> Vec<Finding> {
    let mut files: BTreeMap<&str, Vec<(&Case, &[String])>> = BTreeMap::new();
    for (case, assumed) in cases {
        if !assumed.is_empty() {
            let of_file = files.entry(case.file.as_str()).or_default();
            of_file.push((case, assumed));
        }
    }
    files
        .into_values()
        .filter_map(|cases| note(&cases))
        .collect()
}

fn note(cases: &[(&Case, &[String])]) -> Option<Finding> {
    let (first, _) = cases.first()?;
    let members: BTreeSet<_> = cases.iter().flat_map(|(_, assumed)| *assumed).collect();
    let members: Vec<_> = members.into_iter().map(String::as_str).collect();
    let (count, lack) = match cases.len() {
        1 => ("1 case".to_owned(), "lacks"),
        many => (format!("{many} cases"), "lack"),
    };
    let message = format!(
        "{count} of this file {lack} {}: the weakest values are assumed",
        members.join(", ")
    );
    let finding = Finding::error("test_assumed", first.file.as_str(), message)
        .at(&first.text, first.span.start..first.span.start + 1)
        .severity(Severity::Note);
    Some(finding.help(HELP))
}

const HELP: &str = "write \"trusted\": false and \"authenticatorAge\": \"0s\" in \"session\" and \"reset\": false in \"factors\", or the values that the case tests; see CHANGELOG.md";
