//! Cedar's validator, and help for its findings.

use std::collections::HashSet;

use cedar_policy::{
    EntityUid, PolicyId, ValidationError, ValidationMode, ValidationWarning, Validator,
};

use crate::place::Place;
use crate::schema::SchemaIndex;
use cedargate_core::{Finding, nearest};

use super::assembly::AssembledPolicies;

/// The code of the errors of Cedar's validator.
pub(super) const VALIDATION: &str = "validation";
const VALIDATION_WARNING: &str = "validation_warning";

/// Runs Cedar's strict validation, at level 1: entities other than principal and resource have no
/// attributes or ancestors in a request. Warnings are refused like errors, because each is about a policy
/// that does not do what its text suggests. Skips the warning about an impossible policy for those in
/// `impossible`, where one of our own rules has already reported the cause.
pub(super) fn validate(
    assembled: &AssembledPolicies<'_>,
    schema: &SchemaIndex,
    impossible: &HashSet<&PolicyId>,
    findings: &mut Vec<Finding>,
) {
    let validator = Validator::new(schema.cedar.clone());
    let result = validator.validate_with_level(&assembled.set, ValidationMode::Strict, 1);
    let finding =
        |id: &PolicyId, code, error: &dyn miette::Diagnostic, help: Option<&'static str>| {
            let Some((place, is_link)) = assembled.places.get(id) else {
                return Finding::error(code, "", error.to_string());
            };
            let mut finding = place.diagnostic(code, error);
            if *is_link {
                // Cedar points into the template, but it is the link that is wrong.
                let help = finding.help.take();
                finding = place.error(code, None, finding.message);
                finding.help = help;
            }
            finding.help = finding.help.or(help.map(str::to_owned));
            finding
        };
    let mut in_error = HashSet::new();
    for error in result.validation_errors() {
        in_error.insert(error.policy_id());
        let help = help_with_error(error);
        let mut reported = finding(error.policy_id(), VALIDATION, error, help);
        if let ValidationError::UnrecognizedActionId(unknown) = error {
            let place = assembled.places.get(error.policy_id());
            reported.help = place
                .and_then(|(place, _)| suggested_action(unknown, place, schema))
                .or(help.map(str::to_owned));
        }
        findings.push(reported);
    }
    // An error is often the reason why the same policy is impossible too.
    for warning in result
        .validation_warnings()
        .filter(|one| !in_error.contains(one.policy_id()))
    {
        let id = warning.policy_id();
        let template = assembled
            .set
            .policy(id)
            .and_then(|policy| policy.template_id());
        if matches!(warning, ValidationWarning::ImpossiblePolicy(_))
            && impossible.contains(template.unwrap_or(id))
        {
            continue;
        }
        let help = if schema.compares_with_group(&assembled.set, id) {
            "it names a group of actions: write `in`, not `==`"
        } else {
            help_with_warning(warning)
        };
        findings.push(finding(id, VALIDATION_WARNING, warning, Some(help)));
    }
}

/// Returns the suggestion for an unknown action. Cedar's own suggestion can be far from the written name,
/// and is not deterministic if two names are equally near.
fn suggested_action(
    unknown: &dyn miette::Diagnostic,
    place: &Place<'_>,
    schema: &SchemaIndex,
) -> Option<String> {
    let at = unknown.labels()?.next()?;
    let written = place.source.text.get(at.offset()..at.offset() + at.len())?;
    let written: EntityUid = written.parse().ok()?;
    let (actions, groups) = (schema.cedar.actions(), schema.cedar.action_groups());
    let known = actions.chain(groups).map(|one| one.id().unescaped());
    let suggested = nearest(written.id().unescaped(), known)?;
    Some(format!("did you mean Gate::Action::{suggested:?}?"))
}

/// Returns the help for errors to which Cedar adds none.
fn help_with_error(error: &ValidationError) -> Option<&'static str> {
    match error {
        ValidationError::EntityDerefLevelViolation(_) => Some(
            "test principal and resource themselves, such as principal in Gate::Tenant::\"…\": a request has no attributes or parents of other entities",
        ),
        ValidationError::UnrecognizedEntityType(_) | ValidationError::UnrecognizedActionId(_) => {
            Some("all types and actions are in gate.cedarschema")
        }
        _ => None,
    }
}

fn help_with_warning(warning: &ValidationWarning) -> &'static str {
    match warning {
        ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_) => {
            "gate.cedarschema declares the types of principal and resource of each action, and the parents of each type: another type never matches"
        }
        _ => "write it in the letters of one script, and without marks of direction",
    }
}

/// Sorts findings by file, line and column, and removes repetitions. Cedar repeats an error for each
/// kind of request that it applies to; one is enough.
pub fn sort_findings(findings: &mut Vec<Finding>) {
    let place = |finding: &Finding| {
        let file = finding.file.clone();
        (file, finding.line, finding.column, finding.code)
    };
    findings.sort_by(|a, b| {
        place(a)
            .cmp(&place(b))
            .then_with(|| a.message.cmp(&b.message))
    });
    findings.dedup_by(|a, b| a == b || (a.code.starts_with(VALIDATION) && place(a) == place(b)));
}
