//! Bundles that differ from another bundle in one policy. Only that policy is loaded again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{Effect, EntityUid, Policy, PolicyId, PolicySet, SlotId};

use crate::Bundle;
use crate::catalogue::PolicyEntry;
use crate::files::Source;
use crate::links::Link;
use crate::place::Place;
use cedargate_core::{Finding, Findings};

use super::assembly::AssembledPolicies;
use super::statement::{PolicyOrTemplate, Statement, parse_file};
use super::validation::{self, sort_findings};

impl Bundle {
    /// Returns the bundle in which `entry` has another text: the policy and, if that is the text of a
    /// template, every link of it. The text must pass all that loading checks. The revision stays.
    ///
    /// The caller's stack must have room for loading.
    ///
    /// # Errors
    /// Returns the findings if the policy would not load.
    pub(crate) fn with_policy_replaced(
        &self,
        entry: &PolicyEntry,
        text: &str,
    ) -> Result<Bundle, Findings> {
        let source = Source {
            name: String::new(),
            display_path: entry.text_file().to_owned(),
            // The empty lines give each line the number that it has in its file.
            text: format!("{}{text}", "\n".repeat(entry.text_line() - 1)).into(),
        };
        let replaced: Vec<_> = self.with_text_of(entry).collect();
        let mut findings = Vec::new();
        let mut parsed = parse_file(&source, &mut findings);
        let (Some(policy), true) = (parsed.policies.pop(), parsed.policies.is_empty()) else {
            return Err(Findings(findings));
        };
        let mut statement = Statement::read(&source, policy, &mut findings);
        statement.examined(&self.schema).check(&mut findings);
        let assembled = self.assemble_replaced(&mut statement, &replaced, &mut findings);
        let impossible = HashSet::new();
        validation::validate(&assembled, &self.schema, &impossible, &mut findings);
        let live = assembled.live(&mut findings);
        if !findings.is_empty() {
            sort_findings(&mut findings);
            return Err(Findings(findings));
        }
        let entries = assembled.entries.into_iter().map(|new| {
            let old = replaced.iter().find(|old| old.id == new.id);
            old.map_or(new.clone(), |old| PolicyEntry {
                file: old.file.clone(),
                line: old.line,
                template: old.template.clone(),
                ..new
            })
        });
        let mut bundle = self.without(&replaced)?;
        bundle.entries.extend(entries);
        bundle.entries.sort_by(|a, b| a.id.cmp(&b.id));
        bundle.annotations.extend(assembled.annotations);
        bundle.depth = bundle.depth.max(parsed.depth);
        let ids = policy_ids(&replaced);
        bundle.live.change(&ids, |set| merge(set, &live))?;
        if let Some(all) = &mut bundle.with_shadow {
            all.change(&ids, |set| merge(set, &assembled.set))?;
        }
        bundle.with_a_permit()
    }

    /// Returns the bundle without a policy, or without a link.
    ///
    /// # Errors
    /// Returns a finding if no permit would be left.
    pub(crate) fn with_policy_removed(&self, entry: &PolicyEntry) -> Result<Bundle, Findings> {
        self.without(&[entry])?.with_a_permit()
    }

    /// Returns the bundle in which one policy is as in another bundle: replaced, added or removed.
    /// Returns `None` if Cedar cannot put it there.
    pub(crate) fn with_policy_of(&self, other: &Bundle, id: &PolicyId) -> Option<Bundle> {
        let mut bundle = self.clone();
        bundle.depth = self.depth.max(other.depth);
        let changed = bundle.live.change([id], |set| {
            if let Some(policy) = set.policy(id) {
                if policy.is_static() {
                    set.remove_static(id.clone()).map_err(drop)?;
                } else {
                    set.unlink(id.clone()).map_err(drop)?;
                }
            }
            let policy = match other.live.set().policy(id) {
                None => return Ok(()),
                Some(policy) if policy.is_static() => policy.clone(),
                // This bundle may have another template of that id, so the link is added as a static policy.
                Some(link) => {
                    let json = link.to_json().map_err(drop)?;
                    Policy::from_json(Some(id.clone()), json).map_err(drop)?
                }
            };
            set.add(policy).map_err(drop)
        });
        changed.ok()?;
        match other.annotations.get(id) {
            Some(annotations) => bundle.annotations.insert(id.clone(), annotations.clone()),
            None => bundle.annotations.remove(id),
        };
        Some(bundle)
    }

    /// Returns the policies that share the text of `entry`: itself, or all links of its template.
    fn with_text_of<'a>(&'a self, entry: &'a PolicyEntry) -> impl Iterator<Item = &'a PolicyEntry> {
        self.entries.iter().filter(|other| match &entry.template {
            Some(template) => other.template.as_ref() == Some(template),
            None => other.id == entry.id,
        })
    }

    /// Assembles the statement under the ids of the policies that it replaces; a template is linked as
    /// they were.
    fn assemble_replaced<'a>(
        &self,
        statement: &mut Statement<'a>,
        replaced: &[&PolicyEntry],
        findings: &mut Vec<Finding>,
    ) -> AssembledPolicies<'a> {
        let mut assembled = AssembledPolicies::default();
        let place = statement.place.clone();
        let template = replaced.first().and_then(|one| one.template.clone());
        if let (Some(template), PolicyOrTemplate::Template(_)) = (&template, &statement.policy) {
            statement.id = PolicyId::new(template);
            report(&place, assembled.add(statement), findings);
            for old in replaced {
                let link = Link {
                    place: place.clone(),
                    template_id: template.clone(),
                    link_id: old.id.clone(),
                    arguments: self.arguments(old, statement),
                };
                report(&place, assembled.link(&link, statement), findings);
            }
        } else {
            for old in replaced {
                statement.id = old.policy_id();
                report(&place, assembled.add(statement), findings);
            }
        }
        assembled
    }

    /// Returns the values of a link for those slots that the template still has.
    fn arguments(
        &self,
        link: &PolicyEntry,
        template: &Statement<'_>,
    ) -> HashMap<SlotId, EntityUid> {
        let policy = self.policies().policy(&link.policy_id());
        let arguments = policy.and_then(|policy| policy.template_links());
        let PolicyOrTemplate::Template(template) = &template.policy else {
            return HashMap::new();
        };
        let has_slot = |slot: &SlotId| template.slots().any(|one| one == slot);
        let arguments = arguments.into_iter().flatten();
        arguments.filter(|(slot, _)| has_slot(slot)).collect()
    }

    fn without(&self, removed: &[&PolicyEntry]) -> Result<Bundle, Findings> {
        let is_removed = |id: &str| removed.iter().any(|entry| entry.id == id);
        let mut annotations = self.annotations.clone();
        annotations.retain(|id, _| !is_removed(id.as_ref()));
        let mut bundle = Bundle {
            schema: Arc::clone(&self.schema),
            live: self.live.clone(),
            with_shadow: self.with_shadow.clone(),
            annotations,
            entries: self.entries.clone(),
            depth: self.depth,
            revision: Arc::clone(&self.revision),
        };
        bundle.entries.retain(|entry| !is_removed(&entry.id));
        let ids = policy_ids(removed);
        for engine in [Some(&mut bundle.live), bundle.with_shadow.as_mut()] {
            let Some(engine) = engine else { continue };
            engine.change(&ids, |set| {
                removed.iter().try_for_each(|entry| remove(set, entry))
            })?;
        }
        Ok(bundle)
    }

    fn with_a_permit(self) -> Result<Bundle, Findings> {
        let is_permit = |policy: &Policy| policy.effect() == Effect::Permit;
        if self.live.set().policies().any(is_permit) {
            return Ok(self);
        }
        let message = "no policy would permit anything";
        Err(Findings(vec![Finding::error("no_permit", "", message)]))
    }
}

fn policy_ids(entries: &[&PolicyEntry]) -> Vec<PolicyId> {
    entries.iter().map(|entry| entry.policy_id()).collect()
}

/// Removes a policy or link from the set, and a template with its last link.
fn remove(set: &mut PolicySet, entry: &PolicyEntry) -> Result<(), Findings> {
    let id = entry.policy_id();
    let is_in_set = set.policy(&id).is_some();
    let Some(template) = entry.template.as_ref().map(PolicyId::new) else {
        return match is_in_set {
            true => set.remove_static(id).map(drop).map_err(unexpected),
            false => Ok(()),
        };
    };
    if is_in_set {
        set.unlink(id).map_err(unexpected)?;
    }
    let is_link = |policy: &Policy| policy.template_id() == Some(&template);
    if !set.policies().any(is_link) && set.template(&template).is_some() {
        set.remove_template(template).map_err(unexpected)?;
    }
    Ok(())
}

fn merge(set: &mut PolicySet, other: &PolicySet) -> Result<(), Findings> {
    set.merge(other, false).map(drop).map_err(unexpected)
}

fn report<E: miette::Diagnostic>(
    place: &Place<'_>,
    result: Result<(), Box<E>>,
    findings: &mut Vec<Finding>,
) {
    if let Err(error) = result {
        findings.push(place.diagnostic("link_arguments", &*error));
    }
}

fn unexpected(error: impl std::fmt::Display) -> Findings {
    let finding = Finding::error("internal", "", error.to_string());
    Findings(vec![finding])
}
