//! The parts of a configuration that concern policies. The policy tools read these parts alone,
//! because the keys and secrets that the rest names may not be on the machine.

use std::path::PathBuf;

use super::files::{self, Files};
use super::not_empty;
use super::problems::{Place, Problems};
use super::section::Section;
use cedargate_policy::Requirements;
use cedargate_policy_tools::check::KnownIssuer;

/// The settings that the policy tools need.
#[derive(Clone, Debug)]
pub struct PolicyConfig {
    /// The folder of the policies.
    pub policies: PathBuf,
    /// The folder of the schema.
    pub schema: PathBuf,
    /// The conditions that policies must meet to be put in force.
    pub requirements: Requirements,
    pub issuers: Vec<KnownIssuer>,
}

pub(super) fn take(
    root: &mut Section,
    files: &Files,
    problems: &mut Problems<'_>,
) -> Option<PolicyConfig> {
    let (policies, schema, requirements) = sources(root, files, problems);
    if !root.has("issuers") {
        let message = "`issuers` is missing: at least one token issuer is needed";
        let help = "add an [[issuers]] table with a name".to_owned();
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
    Some(PolicyConfig {
        policies,
        schema,
        requirements,
        issuers: issuers.into_iter().collect::<Option<_>>()?,
    })
}

/// Takes the folders of the policies and of the schema, and the requirements on the policies. Checks
/// that the folders can be listed.
pub(super) fn sources(
    root: &mut Section,
    files: &Files,
    problems: &mut Problems<'_>,
) -> (PathBuf, PathBuf, Requirements) {
    let mut section = root.section("policies", problems);
    let mut folder = |key, default: &str, help| {
        let name = section.name(key);
        let is_named = section.has(key);
        let named = section.parsed_located(key, problems, not_empty);
        let path = match &named {
            Some(path) => files.resolve(path),
            None => files.default(default),
        };
        // An invalid name has already been reported.
        if is_named == named.is_some()
            && let Err(problem) = files::folder(&path, help)
        {
            let place = named.map_or(Place::Nowhere, |path| path.place);
            problem.report(&name, &place, problems);
        }
        path
    };
    let policies = folder("path", "policies", POLICIES_HELP);
    let schema = folder("schema", "schema", SCHEMA_HELP);
    let canaries = section.parsed("canaries", problems, |text| match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("it must be \"on\" or \"off\""),
    });
    let required = section.parsed_list("required", problems, not_empty);
    section.finish(problems);
    let requirements = Requirements {
        canaries: canaries.unwrap_or(true),
        required: required.unwrap_or_default(),
    };
    (policies, schema, requirements)
}

const POLICIES_HELP: &str = "set policies.path to the folder of the *.cedar files";
const SCHEMA_HELP: &str = "set policies.schema to the folder of gate.cedarschema; \
                           `cedargate policy schema --write --schema FOLDER` creates one";
