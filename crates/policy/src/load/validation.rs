//! Cedar's validator, and what to do about what it says.

use std::collections::HashSet;

use cedar_policy::{
    EntityUid, PolicyId, ValidationError, ValidationMode, ValidationWarning, Validator,
};

use crate::place::Place;
use crate::schema::SchemaIndex;
use cedargate_core::{Finding, nearest};

use super::Assembled;

/// What Cedar's validator says.
pub(super) const VALIDATION: &str = "validation";
const VALIDATION_WARNING: &str = "validation_warning";

/// Cedar's own validation, strict, and no deeper than one step from principal and resource: nothing
/// else is known of a request. Its warnings are refused, as each is a policy that does not do what it says.
/// Of those of which a rule of ours said already why they never match, it need not be said again.
pub(super) fn validate(
    assembled: &Assembled<'_>,
    schema: &SchemaIndex,
    impossible: &HashSet<&PolicyId>,
    findings: &mut Vec<Finding>,
) {
    let validator = Validator::new(schema.cedar.clone());
    let result = validator.validate_with_level(&assembled.set, ValidationMode::Strict, 1);
    let said = |id: &PolicyId, code, error: &dyn miette::Diagnostic, help: Option<&'static str>| {
        let Some((place, is_link)) = assembled.places.get(id) else {
            return Finding::error(code, "", error.to_string());
        };
        let mut finding = place.diagnostic(code, error);
        if *is_link {
            // Cedar points into the template, but it is the link that is wrong.
            let said = finding.help.take();
            finding = place.error(code, None, finding.message);
            finding.help = said;
        }
        finding.help = finding.help.or(help.map(str::to_owned));
        finding
    };
    let mut in_error = HashSet::new();
    for error in result.validation_errors() {
        in_error.insert(error.policy_id());
        let help = help_with_error(error);
        let mut finding = said(error.policy_id(), VALIDATION, error, help);
        if let ValidationError::UnrecognizedActionId(unknown) = error {
            let place = assembled.places.get(error.policy_id());
            finding.help = place
                .and_then(|(place, _)| action_meant(unknown, place, schema))
                .or(help.map(str::to_owned));
        }
        findings.push(finding);
    }
    // A policy with an error is often impossible too, for no other reason.
    for warning in result
        .validation_warnings()
        .filter(|one| !in_error.contains(one.policy_id()))
    {
        let id = warning.policy_id();
        let written = assembled
            .set
            .policy(id)
            .and_then(|policy| policy.template_id());
        if matches!(warning, ValidationWarning::ImpossiblePolicy(_))
            && impossible.contains(written.unwrap_or(id))
        {
            continue;
        }
        let help = if schema.compares_with_group(&assembled.set, id) {
            "it names a group of actions: write `in`, not `==`"
        } else {
            help_with_warning(warning)
        };
        findings.push(said(id, VALIDATION_WARNING, warning, Some(help)));
    }
}

/// Cedar suggests an action for whatever is written, and of two that are as near now one, now the other.
fn action_meant(
    unknown: &dyn miette::Diagnostic,
    place: &Place<'_>,
    schema: &SchemaIndex,
) -> Option<String> {
    let at = unknown.labels()?.next()?;
    let written = place.source.text.get(at.offset()..at.offset() + at.len())?;
    let written: EntityUid = written.parse().ok()?;
    let (actions, groups) = (schema.cedar.actions(), schema.cedar.action_groups());
    let known = actions.chain(groups).map(|one| one.id().unescaped());
    let meant = nearest(written.id().unescaped(), known)?;
    Some(format!("did you mean Gate::Action::{meant:?}?"))
}

/// What to do where Cedar says only what is wrong.
fn help_with_error(error: &ValidationError) -> Option<&'static str> {
    match error {
        ValidationError::EntityDerefLevelViolation(_) => Some(
            "ask of principal and resource themselves, such as principal in Gate::Tenant::\"…\": nothing is known of other entities",
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
            "gate.cedarschema says to which types of principal and resource each action applies, and what is in what: another type never matches"
        }
        _ => "write it in the letters of one script, and without marks of direction",
    }
}
