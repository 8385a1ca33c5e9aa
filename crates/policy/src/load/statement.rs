//! The policies and templates of a file.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::{Policy, PolicyId, PolicySet, Template};

use crate::annotations::{self, Annotations};
use crate::catalogue::{PolicyEntry, PolicyText};
use crate::files::Source;
use crate::nesting;
use crate::place::Place;
use crate::rules::ExaminedPolicy;
use crate::schema::SchemaIndex;
use crate::syntax::Syntax;
use cedargate_core::Finding;

/// A policy or a template, as Cedar parses it.
pub enum PolicyOrTemplate {
    /// A policy without slots.
    Policy(Policy),
    /// A policy with the slot `?principal`, `?resource` or both.
    Template(Template),
}

impl PolicyOrTemplate {
    /// Returns its syntax tree.
    pub fn syntax(&self) -> Syntax<'_> {
        match self {
            PolicyOrTemplate::Policy(policy) => policy.into(),
            PolicyOrTemplate::Template(template) => template.into(),
        }
    }
}

/// The parsed content of a policy file. Empty if the file could not be parsed.
#[derive(Default)]
pub struct ParsedFile {
    /// The policies and templates in the order of the file.
    pub policies: Vec<PolicyOrTemplate>,
    /// The levels of the deepest expression in the file.
    pub depth: usize,
}

/// Parses a policy file, and adds a finding for each syntax error.
pub fn parse_file(source: &Source, findings: &mut Vec<Finding>) -> ParsedFile {
    let Some(depth) = nesting::depth(source, findings) else {
        return ParsedFile::default();
    };
    let parsed = match source.text.parse::<PolicySet>() {
        Ok(parsed) => parsed,
        Err(errors) => {
            let file = Place::of_file(source);
            findings.extend(errors.iter().map(|error| file.diagnostic("syntax", error)));
            return ParsedFile::default();
        }
    };
    let templates = parsed.templates().cloned();
    let mut policies: Vec<_> = parsed
        .policies()
        .cloned()
        .map(PolicyOrTemplate::Policy)
        .chain(templates.map(PolicyOrTemplate::Template))
        .collect();
    policies.sort_by_key(|policy| policy.syntax().span().start);
    ParsedFile { policies, depth }
}

/// Parses a text that consists of one policy or one template. Returns `None` for any other text.
pub fn parse_one(text: &str) -> Option<PolicyOrTemplate> {
    let source = Source {
        name: String::new(),
        display_path: String::new(),
        text: text.into(),
    };
    let mut parsed = parse_file(&source, &mut Vec::new());
    let policy = parsed.policies.pop();
    policy.filter(|_| parsed.policies.is_empty())
}

/// A policy or a template with its place, its id and its annotations.
pub struct Statement<'a> {
    /// The place of the policy in its file, annotations included.
    pub place: Place<'a>,
    /// The `@id`. A policy whose `@id` is missing or invalid has an id that no policy can have, so that
    /// the rest of the policy can still be checked.
    pub id: PolicyId,
    pub(super) policy: PolicyOrTemplate,
    /// The annotations other than `@id`.
    pub annotations: Annotations,
}

impl<'a> Statement<'a> {
    /// Reads the annotations of a policy or template. Does not check that its id is unique.
    pub(super) fn read(
        source: &'a Source,
        policy: PolicyOrTemplate,
        findings: &mut Vec<Finding>,
    ) -> Self {
        let place = Place::of_file(source).part(policy.syntax().span());
        let (id, annotations) = annotations::read(policy.syntax(), &place, findings);
        Self {
            id: PolicyId::new(id.unwrap_or_default()),
            place,
            policy,
            annotations,
        }
    }

    /// Returns the catalogue entry of this policy, or of a link to this template. `place` is the place of
    /// the policy or of the link.
    pub(super) fn entry(&self, place: &Place<'_>, id: &PolicyId) -> PolicyEntry {
        let syntax = self.policy.syntax();
        let annotations = syntax
            .annotations()
            .map(|found| (found.item.name.to_owned(), found.item.value.to_owned()))
            .filter(|(name, _)| name != "id");
        PolicyEntry {
            id: id.to_string(),
            effect: if syntax.forbids() { "forbid" } else { "permit" },
            file: place.source.display_path.clone(),
            line: place.line_number(),
            annotations: annotations.collect(),
            template: None,
            shadow: self.annotations.shadow,
            text: PolicyText {
                file: self.place.source.display_path.clone(),
                source: Arc::clone(&self.place.source.text),
                span: self.place.span.clone(),
            },
        }
    }

    /// Returns the syntax tree of the policy.
    pub fn syntax(&self) -> Syntax<'_> {
        self.policy.syntax()
    }

    /// Returns true for a template.
    pub fn is_template(&self) -> bool {
        matches!(self.policy, PolicyOrTemplate::Template(_))
    }

    /// Returns the policy together with the actions for which it can match under this schema.
    pub fn examined<'s>(&'s self, schema: &'s SchemaIndex) -> ExaminedPolicy<'s> {
        let cedar = &schema.cedar;
        let action = |env: cedar_policy::RequestEnv| env.action().clone();
        let reaches: BTreeSet<_> = match &self.policy {
            PolicyOrTemplate::Policy(policy) => {
                policy.get_valid_request_envs(cedar).map(action).collect()
            }
            PolicyOrTemplate::Template(template) => {
                template.get_valid_request_envs(cedar).map(action).collect()
            }
        };
        ExaminedPolicy {
            syntax: self.policy.syntax(),
            place: &self.place,
            annotations: &self.annotations,
            schema,
            reaches,
        }
    }
}
