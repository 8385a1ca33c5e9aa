//! All policies and templates as one policy set, with the links linked.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cedar_policy::{PolicyId, PolicySet, PolicySetError};

use crate::Bundle;
use crate::annotations::Annotations;
use crate::catalogue::PolicyEntry;
use crate::engine::Engine;
use crate::links::Link;
use crate::parallel;
use crate::place::Place;
use crate::schema::SchemaIndex;
use cedargate_core::{Finding, nearest};

use super::statement::Statement;

/// A policy set with the places, annotations and catalogue entries of its policies.
#[derive(Default)]
pub struct AssembledPolicies<'a> {
    /// The policies, links and templates, shadow policies included.
    pub set: PolicySet,
    /// The annotations of each policy. A link has those of its template.
    pub annotations: HashMap<PolicyId, Annotations>,
    /// The policies and links in the order of files and lines.
    pub entries: Vec<PolicyEntry>,
    /// The place of each entry.
    pub places: Vec<Place<'a>>,
}

/// Adds statements and links to one set. A link to an unknown template is reported unless `may_exist`
/// returns true for the id of the template.
pub(super) fn assemble<'a>(
    statements: &[Statement<'a>],
    links: &[Link<'a>],
    may_exist: impl Fn(&str) -> bool,
    findings: &mut Vec<Finding>,
) -> AssembledPolicies<'a> {
    let templates = statements
        .iter()
        .filter(|statement| statement.is_template());
    let templates: BTreeMap<_, _> = templates
        .map(|template| (template.id(), template))
        .collect();
    let mut linked = Vec::new();
    for link in links {
        match templates.get(link.template_id.as_str()) {
            Some(template) => linked.push((link, *template)),
            None if may_exist(&link.template_id) => {}
            None => findings.push(no_template(link, templates.keys().copied())),
        }
    }
    // The two parts take about the same time.
    let ((set, refused), mut assembled) = parallel::both(
        statements.len(),
        || policy_set(statements, &linked),
        || {
            let mut assembled = AssembledPolicies::default();
            assembled.annotations.reserve(statements.len());
            for statement in statements {
                assembled.add_statement(statement);
            }
            for (link, template) in &linked {
                assembled.add_link(link, template);
            }
            assembled
        },
    );
    findings.extend(refused);
    assembled.set = set;
    assembled
}

/// Adds statements and links to a set, and reports those that Cedar refuses.
fn policy_set(
    statements: &[Statement<'_>],
    linked: &[(&Link<'_>, &Statement<'_>)],
) -> (PolicySet, Vec<Finding>) {
    let mut set = PolicySet::new();
    let mut findings = Vec::new();
    for statement in statements {
        if let Err(error) = statement.policy().add_to(&mut set) {
            findings.push(statement.place.diagnostic("id_repeated", &*error));
        }
    }
    for (link, template) in linked {
        if let Err(error) = link.add_to(&mut set, template.id()) {
            let finding = link.place.diagnostic("link_arguments", &*error);
            findings.push(finding.help("\"args\" has each slot of the template, and no other"));
        }
    }
    (set, findings)
}

impl<'a> AssembledPolicies<'a> {
    pub(super) fn add(&mut self, statement: &Statement<'a>) -> Result<(), Box<PolicySetError>> {
        self.add_statement(statement);
        statement.policy().add_to(&mut self.set)
    }

    /// Links a template. The new policy has the id of the link and the annotations of the template.
    pub(super) fn link(
        &mut self,
        link: &Link<'a>,
        template: &Statement<'a>,
    ) -> Result<(), Box<PolicySetError>> {
        self.add_link(link, template);
        link.add_to(&mut self.set, template.id())
    }

    fn add_statement(&mut self, statement: &Statement<'a>) {
        if !statement.is_template() {
            self.add_entry(statement.entry(&statement.place, statement.id()), statement);
            self.places.push(statement.place.clone());
        }
    }

    fn add_link(&mut self, link: &Link<'a>, template: &Statement<'a>) {
        let mut entry = template.entry(&link.place, &link.link_id);
        entry.template = Some(template.id().to_owned());
        self.add_entry(entry, template);
        self.places.push(link.place.clone());
    }

    fn add_entry(&mut self, entry: PolicyEntry, statement: &Statement<'_>) {
        self.annotations
            .insert(entry.policy_id(), statement.annotations.clone());
        self.entries.push(entry);
    }

    /// Returns the set without the shadow policies, and the whole set if there are any.
    pub(super) fn without_shadow(
        set: PolicySet,
        entries: &[PolicyEntry],
        findings: &mut Vec<Finding>,
    ) -> (PolicySet, Option<PolicySet>) {
        let mut shadow = entries.iter().filter(|entry| entry.shadow).peekable();
        if shadow.peek().is_none() {
            return (set, None);
        }
        let mut live = set.clone();
        for entry in shadow {
            let id = entry.policy_id();
            let removed = match (live.policy(&id), &entry.template) {
                // A link that Cedar refused, which has been reported.
                (None, _) => continue,
                (_, None) => live.remove_static(id).map(drop),
                (_, Some(_)) => live.unlink(id).map(drop),
            };
            if let Err(error) = removed {
                findings.push(Finding::error("shadow", "", error.to_string()));
            }
        }
        (live, Some(set))
    }

    /// Makes the bundle.
    pub(super) fn into_bundle(
        self,
        schema: Arc<SchemaIndex>,
        revision: Arc<str>,
        previous: Option<&Bundle>,
        findings: &mut Vec<Finding>,
    ) -> Bundle {
        let (live, with_shadow) = Self::without_shadow(self.set, &self.entries, findings);
        let mut entries = self.entries;
        entries.sort_by(|a, b| a.id.cmp(&b.id));
        let changed = previous.map(|previous| {
            let all = with_shadow.as_ref().unwrap_or(&live);
            changed_ids(previous, &entries, all)
        });
        let engine = |set, previous: Option<&Engine>| match (previous, &changed) {
            (Some(previous), Some(changed)) => previous.for_changed_set(set, changed),
            _ => Engine::new(set),
        };
        let all_before = previous.map(|one| one.with_shadow.as_ref().unwrap_or(&one.live));
        let depths = entries.iter().map(|entry| entry.text.depth);
        Bundle {
            schema,
            depth: depths.max().unwrap_or_default(),
            with_shadow: with_shadow.map(|all| engine(all, all_before)),
            live: engine(live, previous.map(|one| &one.live)),
            annotations: self.annotations,
            entries,
            revision,
            passed_canaries: Arc::default(),
        }
    }
}

/// Returns the ids of the policies that are not the same in both bundles. `entries` and `all` are those of the
/// new one.
fn changed_ids(previous: &Bundle, entries: &[PolicyEntry], all: &PolicySet) -> Vec<PolicyId> {
    let is_same = |new: &PolicyEntry| {
        let Some(old) = previous.entry(&new.id) else {
            return false;
        };
        let arguments = |set: &PolicySet| set.policy(&new.policy_id())?.template_links();
        Arc::ptr_eq(&old.text.source, &new.text.source)
            && old.text.span == new.text.span
            && old.template == new.template
            && (new.template.is_none() || arguments(previous.policies()) == arguments(all))
    };
    let changed = entries.iter().filter(|entry| !is_same(entry));
    let is_gone = |old: &&PolicyEntry| {
        let found = entries.binary_search_by(|entry| entry.id.cmp(&old.id));
        found.is_err()
    };
    let gone = previous.entries.iter().filter(is_gone);
    changed.chain(gone).map(PolicyEntry::policy_id).collect()
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
