//! Cedar's validator for all policies and templates, on all cores.

use std::collections::HashMap;

use cedargate_core::Finding;

use crate::links::{self, Link};
use crate::parallel;
use crate::schema::SchemaIndex;

use super::reuse::KnownPolicies;
use super::statement::Statement;
use super::validation::PolicyValidator;

/// A statement to check, with the links if it is a template.
struct Subject<'s, 'a> {
    statement: &'s Statement<'a>,
    links: Vec<&'s Link<'a>>,
}

/// Checks each statement that is not known from a bundle, and each template with a link that is not.
pub(super) fn examine<'a>(
    statements: &[Statement<'a>],
    links: &[Link<'a>],
    known: &KnownPolicies<'_>,
    schema: &SchemaIndex,
    findings: &mut Vec<Finding>,
) {
    let mut of_template: HashMap<&str, Vec<&Link<'a>>> = HashMap::new();
    for link in links {
        of_template.entry(&link.template_id).or_default().push(link);
    }
    let subjects = statements.iter().filter_map(|statement| {
        let links = match statement.is_template() {
            true => of_template.remove(statement.id()),
            false => None,
        };
        let links = links.unwrap_or_default();
        let is_known = statement.known.is_some() && links.iter().all(|link| known.has_link(link));
        (!is_known).then_some(Subject { statement, links })
    });
    let subjects: Vec<_> = subjects.collect();
    let validator = PolicyValidator::new(schema);
    let found = parallel::spread(&subjects, |subject| subject.examine(schema, &validator));
    findings.extend(found.into_iter().flatten());
}

impl Subject<'_, '_> {
    fn examine(&self, schema: &SchemaIndex, validator: &PolicyValidator<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        if !self.links.is_empty() && self.statement.examined(schema).administers_by_link() {
            for link in &self.links {
                links::check_administrators(link, &mut findings);
            }
        }
        validator.validate(self.statement, &self.links, &mut findings);
        findings
    }
}
