//! Bundles that differ from another bundle in one policy. Only that policy is loaded again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{Effect, EntityUid, Policy, PolicyId, PolicySet, SlotId};

use crate::annotations::Annotations;
use crate::catalogue::PolicyEntry;
use crate::files::Source;
use crate::links::Link;
use crate::place::Place;
use crate::{Bundle, PreparedRequest};
use cedargate_core::{Finding, Findings};

use super::assembly::AssembledPolicies;
use super::statement::{Statement, parse_file};
use super::validation::{PolicyValidator, sort_findings};

/// A policy, or a template with its links, in the place of another, or in the place of nothing.
///
/// It is loaded once. Putting it into a bundle takes a time that is proportional to the number of policies in
/// that bundle, which can be a part of the bundle that it was made for.
#[derive(Debug)]
pub struct Replacement {
    removed: Vec<PolicyEntry>,
    /// The new policies that count.
    live: PolicySet,
    /// All new policies, if there are shadow policies among them.
    with_shadow: Option<PolicySet>,
    entries: Vec<PolicyEntry>,
    annotations: HashMap<PolicyId, Annotations>,
    depth: usize,
}

impl Replacement {
    /// Returns the bundle with the new policies instead of the old ones. The revision stays.
    ///
    /// # Errors
    /// Returns a finding if Cedar refuses the policies.
    pub fn apply(&self, bundle: &Bundle) -> Result<Bundle, Findings> {
        let mut bundle = bundle.without(&self.removed)?;
        bundle.entries.extend(self.entries.iter().cloned());
        bundle.entries.sort_by(|a, b| a.id.cmp(&b.id));
        let annotations = self.annotations.iter();
        bundle
            .annotations
            .extend(annotations.map(|(id, one)| (id.clone(), one.clone())));
        bundle.depth = bundle.depth.max(self.depth);
        let ids = policy_ids(&self.entries);
        let live = &self.live;
        bundle.live.change(&ids, |set| merge(set, live))?;
        if let Some(all) = &mut bundle.with_shadow {
            let new = self.with_shadow.as_ref().unwrap_or(live);
            all.change(&ids, |set| merge(set, new))?;
        }
        Ok(bundle)
    }

    /// Returns true if the request can be decided differently after the replacement: `part` has an old
    /// policy, or the scope of a new one matches. `part` has the policies whose scope matches the request.
    pub fn touches(&self, part: &Bundle, request: &PreparedRequest) -> bool {
        let mut removed = self.removed.iter();
        removed.any(|entry| part.live.set().policy(&entry.policy_id()).is_some())
            || request.matches_scope_of_any(self.live.policies())
    }
}

impl Bundle {
    /// Returns the replacement that gives `entry` another text: the policy and, if that is the text of a
    /// template, every link of it. The text must pass all that loading checks.
    ///
    /// The caller's stack must have room for loading.
    ///
    /// # Errors
    /// Returns the findings if the policy would not load.
    pub(crate) fn replacement(
        &self,
        entry: &PolicyEntry,
        text: &str,
    ) -> Result<Replacement, Findings> {
        let file = Arc::clone(&entry.text.file);
        let source = Source::of_part(file, text.into(), entry.text_line());
        let replaced = self.with_text_of(entry);
        let mut findings = Vec::new();
        let mut parsed = parse_file(&source, &mut findings);
        let (Some(policy), true) = (parsed.pop(), parsed.is_empty()) else {
            return Err(Findings(findings));
        };
        let mut statement = Statement::read(&source, policy, &mut findings);
        statement.check_rules(&self.schema, &mut findings);
        statement.is_impossible = false;
        let assembled = self.assemble_replaced(&mut statement, &replaced, &mut findings);
        let (live, with_shadow) =
            AssembledPolicies::without_shadow(assembled.set, &assembled.entries, &mut findings);
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
        let replacement = Replacement {
            entries: entries.collect(),
            removed: replaced.into_iter().cloned().collect(),
            live,
            with_shadow,
            annotations: assembled.annotations,
            depth: statement.depth,
        };
        self.with_a_permit_after(replacement)
    }

    /// Returns the replacement that removes a policy, or a link.
    ///
    /// # Errors
    /// Returns a finding if no permit would be left.
    pub(crate) fn removal(&self, entry: &PolicyEntry) -> Result<Replacement, Findings> {
        self.with_a_permit_after(Replacement {
            removed: vec![entry.clone()],
            live: PolicySet::new(),
            with_shadow: None,
            entries: Vec::new(),
            annotations: HashMap::new(),
            depth: 0,
        })
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
    fn with_text_of<'a>(&'a self, entry: &'a PolicyEntry) -> Vec<&'a PolicyEntry> {
        let Some(template) = &entry.template else {
            return self.entry(&entry.id).into_iter().collect();
        };
        let links = self.policies().get_linked_policies(PolicyId::new(template));
        let mut links: Vec<_> = links
            .into_iter()
            .flatten()
            .filter_map(|id| self.entry(id.as_ref()))
            .collect();
        links.sort_by(|a, b| a.id.cmp(&b.id));
        links
    }

    /// Returns the entry of this id.
    pub(crate) fn entry(&self, id: &str) -> Option<&PolicyEntry> {
        let at = self.entries.binary_search_by(|entry| (*entry.id).cmp(id));
        self.entries.get(at.ok()?)
    }

    /// Assembles and validates the statement under the ids of the policies that it replaces. A template is
    /// linked as they were.
    fn assemble_replaced<'a>(
        &self,
        statement: &mut Statement<'a>,
        replaced: &[&PolicyEntry],
        findings: &mut Vec<Finding>,
    ) -> AssembledPolicies<'a> {
        let mut assembled = AssembledPolicies::default();
        let validator = PolicyValidator::new(&self.schema);
        let place = statement.place.clone();
        let template = replaced.first().and_then(|one| one.template.clone());
        let Some(template) = template.filter(|_| statement.is_template()) else {
            for old in replaced {
                statement.set_id(&old.policy_id());
                report(&place, assembled.add(statement), findings);
                validator.validate(statement, &[], findings);
            }
            return assembled;
        };
        statement.set_id(&PolicyId::new(&template));
        report(&place, assembled.add(statement), findings);
        let links = replaced.iter().map(|old| Link {
            place: place.clone(),
            template_id: template.clone(),
            link_id: old.id.clone(),
            arguments: self.arguments(old, statement),
        });
        let links: Vec<_> = links.collect();
        for link in &links {
            report(&place, assembled.link(link, statement), findings);
        }
        let links: Vec<_> = links.iter().collect();
        validator.validate(statement, &links, findings);
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
        let Some(template) = template.policy().template() else {
            return HashMap::new();
        };
        let has_slot = |slot: &SlotId| template.slots().any(|one| one == slot);
        let arguments = arguments.into_iter().flatten();
        arguments.filter(|(slot, _)| has_slot(slot)).collect()
    }

    fn without(&self, removed: &[PolicyEntry]) -> Result<Bundle, Findings> {
        let ids: HashSet<_> = removed.iter().map(|entry| entry.id.as_str()).collect();
        let mut bundle = Bundle {
            passed_canaries: Arc::default(),
            ..self.clone()
        };
        bundle
            .annotations
            .retain(|id, _| !ids.contains(AsRef::<str>::as_ref(id)));
        bundle.entries.retain(|entry| !ids.contains(&*entry.id));
        let ids = policy_ids(removed);
        for engine in [Some(&mut bundle.live), bundle.with_shadow.as_mut()] {
            let Some(engine) = engine else { continue };
            engine.change(&ids, |set| {
                removed.iter().try_for_each(|entry| remove(set, entry))
            })?;
        }
        Ok(bundle)
    }

    /// Returns the replacement if a permit is left after it.
    fn with_a_permit_after(&self, replacement: Replacement) -> Result<Replacement, Findings> {
        let is_permit = |policy: &Policy| policy.effect() == Effect::Permit;
        let is_live_permit = |entry: &PolicyEntry| entry.effect == "permit" && !entry.shadow;
        let removes_permit = replacement.removed.iter().any(is_live_permit);
        let is_removed = |id: &str| replacement.removed.iter().any(|entry| entry.id == id);
        let mut others = self.entries.iter();
        if !removes_permit
            || replacement.live.policies().any(is_permit)
            || others.any(|entry| is_live_permit(entry) && !is_removed(&entry.id))
        {
            return Ok(replacement);
        }
        let message = "no policy would permit anything";
        Err(Findings(vec![Finding::error("no_permit", "", message)]))
    }
}

fn policy_ids(entries: &[PolicyEntry]) -> Vec<PolicyId> {
    entries.iter().map(PolicyEntry::policy_id).collect()
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
