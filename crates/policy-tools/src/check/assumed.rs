//! Cases that were written for an older release, and do not say all that policies read today.

use std::collections::{BTreeMap, BTreeSet};

use cedargate_core::{Finding, Severity};

use cedargate_policy::cases::Case;

/// Notes, one for each file, on the members that some of its cases do not say. With each case stand
/// the members that were assumed for it.
pub fn assumed_notes<'a>(
    cases: impl IntoIterator<Item = (&'a Case, &'a [&'static str])>,
) -> Vec<Finding> {
    let mut files: BTreeMap<&str, Vec<(&Case, &[&'static str])>> = BTreeMap::new();
    for (case, assumed) in cases {
        if !assumed.is_empty() {
            let of_file = files.entry(case.file.as_str()).or_default();
            of_file.push((case, assumed));
        }
    }
    files.into_values().filter_map(|some| note(&some)).collect()
}

fn note(cases: &[(&Case, &[&'static str])]) -> Option<Finding> {
    let (first, _) = cases.first()?;
    let members: BTreeSet<_> = cases.iter().flat_map(|(_, assumed)| *assumed).collect();
    let members: Vec<_> = members.into_iter().copied().collect();
    let (count, say) = match cases.len() {
        1 => ("1 case".to_owned(), "does"),
        many => (format!("{many} cases"), "do"),
    };
    let message = format!(
        "{count} of this file {say} not say {}: the weakest values are taken",
        members.join(", ")
    );
    let finding = Finding::error("test_assumed", first.file.as_str(), message)
        .at(&first.text, first.span.start..first.span.start + 1)
        .severity(Severity::Note);
    Some(finding.help(HELP))
}

const HELP: &str = "write \"trusted\": false and \"authenticatorAge\": \"0s\" in \"session\" and \"reset\": false in \"factors\", or what the case is about; CHANGELOG.md says more";
