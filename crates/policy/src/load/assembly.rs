//! All policies and templates as one policy set, with the links linked.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cedar_policy::{PolicyId, PolicySet, PolicySetError};

use crate::Bundle;
use crate::annotations::Annotations;
use crate::catalogue::PolicyEntry;
use crate::engine::Engine;
use crate::links::Link;
use crate::place::Place;
use crate::schema::SchemaIndex;
use cedargate_core::{Finding, nearest};

use super::statement::{PolicyOrTemplate, Statement};

/// A policy set with the places, annotations and catalogue entries of its policies.
#[derive(Default)]
pub struct AssembledPolicies<'a> {
    /// The policies, links and templates, shadow policies included.
    pub set: PolicySet,
    /// The annotations of each policy. A link has those of its template.
    pub annotations: HashMap<PolicyId, Annotations>,
    /// The place of each policy, template and link, and true for a link.
    pub places: HashMap<PolicyId, (Place<'a>, bool)>,
    /// The policies and links in the order of files and lines.
    pub entries: Vec<PolicyEntry>,
}

/// Adds statements and links to one set. A link to an unknown template is reported unless `may_exist`
/// returns true for the id of the template.
pub(super) fn assemble<'a>(
    statements: &[Statement<'a>],
    links: &[Link<'a>],
    may_exist: impl Fn(&str) -> bool,
    findings: &mut Vec<Finding>,
) -> AssembledPolicies<'a> {
    let mut assembled = AssembledPolicies::default();
    let mut templates = BTreeMap::new();
    for statement in statements {
        if statement.is_template() {
            templates.insert(AsRef::<str>::as_ref(&statement.id), statement);
        }
        if let Err(error) = assembled.add(statement) {
            findings.push(statement.place.diagnostic("id_repeated", &*error));
        }
    }
    for link in links {
        let Some(template) = templates.get(link.template_id.as_str()) else {
            if !may_exist(&link.template_id) {
                findings.push(no_template(link, templates.keys().copied()));
            }
            continue;
        };
        if let Err(error) = assembled.link(link, template) {
            let finding = link.place.diagnostic("link_arguments", &*error);
            findings.push(finding.help("\"args\" has each slot of the template, and no other"));
        }
    }
    assembled
}

impl<'a> AssembledPolicies<'a> {
    pub(super) fn add(&mut self, statement: &Statement<'a>) -> Result<(), Box<PolicySetError>> {
        let id = statement.id.clone();
        self.places
            .insert(id.clone(), (statement.place.clone(), false));
        match &statement.policy {
            PolicyOrTemplate::Policy(policy) => {
                self.annotations
                    .insert(id.clone(), statement.annotations.clone());
                self.entries.push(statement.entry(&statement.place, &id));
                self.set.add(policy.new_id(id)).map_err(Box::new)
            }
            PolicyOrTemplate::Template(template) => {
                self.set.add_template(template.new_id(id)).map_err(Box::new)
            }
        }
    }

    /// Links a template. The new policy has the id of the link and the annotations of the template.
    pub(super) fn link(
        &mut self,
        link: &Link<'a>,
        template: &Statement<'a>,
    ) -> Result<(), Box<PolicySetError>> {
        let id = PolicyId::new(&link.link_id);
        self.places.insert(id.clone(), (link.place.clone(), true));
        self.annotations
            .insert(id.clone(), template.annotations.clone());
        let mut entry = template.entry(&link.place, &id);
        entry.template = Some(template.id.to_string());
        self.entries.push(entry);
        self.set
            .link(template.id.clone(), id, link.arguments.clone())
            .map_err(Box::new)
    }

    /// Returns the set without the shadow policies.
    pub(super) fn live(&self, findings: &mut Vec<Finding>) -> PolicySet {
        let mut live = self.set.clone();
        for policy in self.set.policies() {
            let id = policy.id().clone();
            if !self.annotations.get(&id).is_some_and(|one| one.shadow) {
                continue;
            }
            let removed = if policy.is_static() {
                live.remove_static(id).map(drop)
            } else {
                live.unlink(id).map(drop)
            };
            if let Err(error) = removed {
                findings.push(Finding::error("shadow", "", error.to_string()));
            }
        }
        live
    }

    pub(super) fn into_bundle(
        self,
        live: PolicySet,
        depth: usize,
        schema: SchemaIndex,
        revision: Arc<str>,
    ) -> Bundle {
        let mut entries = self.entries;
        entries.sort_by(|a, b| a.id.cmp(&b.id));
        let has_shadow = entries.iter().any(|entry| entry.shadow);
        Bundle {
            schema: Arc::new(schema),
            depth,
            live: Engine::new(live),
            with_shadow: has_shadow.then(|| Engine::new(self.set)),
            annotations: self.annotations,
            entries,
            revision,
        }
    }
}

fn no_template<'a>(link: &Link<'_>, known: impl Iterator<Item = &'a str>) -> Finding {
    let message = format!("there is no template {:?} to link", link.template_id);
    let help = match nearest(&link.template_id, known) {
        Some(known) => format!("did you mean {known:?}?"),
        None => {
            "a template is a policy with ?principal or ?resource; it is named by its @id".to_owned()
        }
    };
    link.place.error("link_template", None, message).help(help)
}
