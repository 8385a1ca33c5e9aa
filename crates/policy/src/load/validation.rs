//! Cedar's validator, and help for its findings.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    EntityUid, PolicyId, PolicySet, ValidationError, ValidationMode, ValidationWarning, Validator,
};

use crate::links::Link;
use crate::place::Place;
use crate::schema::SchemaIndex;
use cedargate_core::{Finding, nearest};

use super::form::{ValidForms, form_of};
use super::statement::Statement;

/// The code of the errors of Cedar's validator.
pub(super) const VALIDATION: &str = "validation";
const VALIDATION_WARNING: &str = "validation_warning";

/// Cedar's validator for one schema.
pub(super) struct PolicyValidator<'s> {
    schema: &'s SchemaIndex,
    cedar: Validator,
    valid: ValidForms,
}

impl<'s> PolicyValidator<'s> {
    pub(super) fn new(schema: &'s SchemaIndex) -> Self {
        Self {
            schema,
            cedar: Validator::new(schema.cedar.clone()),
            valid: ValidForms::default(),
        }
    }

    /// Validates a policy, or a template with its links. A policy of the same form as a valid one is valid.
    pub(super) fn validate(
        &self,
        statement: &Statement<'_>,
        links: &[&Link<'_>],
        findings: &mut Vec<Finding>,
    ) {
        if statement.is_template() {
            return self.run(statement, links, findings);
        }
        let form = form_of(statement.syntax().text());
        if self.valid.contain(&form) {
            return;
        }
        let before = findings.len();
        self.run(statement, links, findings);
        if findings.len() == before && !statement.is_impossible {
            self.valid.add(form);
        }
    }

    /// Runs Cedar's strict validation of a policy, or of a template with its links, at level 1: entities
    /// other than principal and resource have no attributes or ancestors in a request. Warnings are refused
    /// like errors, because each is about a policy that does not do what its text suggests. Skips the warning
    /// about an impossible policy if one of our own rules has already reported the cause.
    fn run(&self, statement: &Statement<'_>, links: &[&Link<'_>], findings: &mut Vec<Finding>) {
        let validated = ValidatedPolicies::of(statement, links);
        let result = self
            .cedar
            .validate_with_level(&validated.set, ValidationMode::Strict, 1);
        let mut in_error = HashSet::new();
        for error in result.validation_errors() {
            in_error.insert(error.policy_id());
            let help = help_with_error(error);
            let mut reported = validated.finding(error.policy_id(), VALIDATION, error, help);
            if let ValidationError::UnrecognizedActionId(unknown) = error {
                let place = validated.place(error.policy_id());
                reported.help =
                    suggested_action(unknown, place, self.schema).or(help.map(str::to_owned));
            }
            findings.push(reported);
        }
        // An error is often the reason why the same policy is impossible too.
        for warning in result
            .validation_warnings()
            .filter(|one| !in_error.contains(one.policy_id()))
        {
            if statement.is_impossible && matches!(warning, ValidationWarning::ImpossiblePolicy(_))
            {
                continue;
            }
            let id = warning.policy_id();
            let help = if self.schema.compares_with_group(&validated.set, id) {
                "it names a group of actions: write `in`, not `==`"
            } else {
                help_with_warning(warning)
            };
            findings.push(validated.finding(id, VALIDATION_WARNING, warning, Some(help)));
        }
    }
}

/// A policy, or a template with its links, and their places.
struct ValidatedPolicies<'p, 'a> {
    set: PolicySet,
    statement: &'p Statement<'a>,
    links: HashMap<&'p str, &'p Link<'a>>,
}

impl<'p, 'a> ValidatedPolicies<'p, 'a> {
    /// Leaves out links that Cedar refuses. They are reported when all policies are assembled.
    fn of(statement: &'p Statement<'a>, links: &[&'p Link<'a>]) -> Self {
        let mut set = PolicySet::new();
        // Adding to an empty set cannot fail.
        let _ = statement.policy().add_to(&mut set);
        for link in links {
            let _ = link.add_to(&mut set, statement.id());
        }
        Self {
            set,
            statement,
            links: links.iter().map(|link| (&*link.link_id, *link)).collect(),
        }
    }

    fn link(&self, id: &PolicyId) -> Option<&'p Link<'a>> {
        self.links.get(AsRef::<str>::as_ref(id)).copied()
    }

    fn place(&self, id: &PolicyId) -> &'p Place<'a> {
        match self.link(id) {
            Some(link) => &link.place,
            None => &self.statement.place,
        }
    }

    fn finding(
        &self,
        id: &PolicyId,
        code: &'static str,
        error: &dyn miette::Diagnostic,
        help: Option<&'static str>,
    ) -> Finding {
        let mut finding = self.statement.place.diagnostic(code, error);
        if let Some(link) = self.link(id) {
            // Cedar points into the template, but it is the link that is wrong.
            let help = finding.help.take();
            finding = link.place.error(code, None, finding.message);
            finding.help = help;
        }
        finding.help = finding.help.or(help.map(str::to_owned));
        finding
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
    let written = place.text(at.offset()..at.offset() + at.len())?;
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
