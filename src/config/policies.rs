//! What of a configuration concerns policies: read alone, where the keys and secrets that the rest of
//! it names need not be at hand.

use std::path::PathBuf;

use super::files::Files;
use super::not_empty;
use super::problems::{Place, Problems};
use super::section::Section;
use cedargate_policy::Requirements;
use cedargate_policy_tools::check::KnownIssuer;

/// Where the policies are, and whose tokens they are asked about.
#[derive(Clone, Debug)]
pub struct ForPolicies {
    /// The folder of the policies.
    pub policies: PathBuf,
    /// The folder of the schema.
    pub schema: PathBuf,
    /// What the policies must fulfil to be put in force.
    pub requirements: Requirements,
    /// The issuers.
    pub issuers: Vec<KnownIssuer>,
}

pub(super) fn take(
    root: &mut Section,
    files: &Files,
    problems: &mut Problems<'_>,
) -> Option<ForPolicies> {
    let (policies, schema, requirements) = super::policies(root, files, problems);
    if !root.has("issuers") {
        let message = "`issuers` is missing: whose tokens are accepted?";
        let help = "write [[issuers]] and in it its name".to_owned();
        problems.add(&Place::Nowhere, "missing_key", message, Some(help));
    }
    let issuers = root.sections("issuers", problems)?.into_iter();
    let issuers: Vec<_> = issuers
        .map(|mut section| {
            section.require(&["name"], problems);
            let name = section.parsed("name", problems, str::parse);
            let groups = section.parsed("groups_claim", problems, not_empty);
            Some(KnownIssuer {
                name: name?,
                has_groups: groups.is_some(),
            })
        })
        .collect();
    Some(ForPolicies {
        policies,
        schema,
        requirements,
        issuers: issuers.into_iter().collect::<Option<_>>()?,
    })
}
