//! A bundle in which one policy says something else: only that policy is loaded again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{Authorizer, Effect, EntityUid, Policy, PolicyId, PolicySet, SlotId};

use crate::Bundle;
use crate::catalogue::PolicyEntry;
use crate::files::Source;
use crate::links::Link;
use crate::place::Place;
use cedargate_core::{Finding, Findings};

use super::{Assembled, Body, Statement, parse, sort, validation};

impl Bundle {
    /// This bundle, in which `entry` has another text: it and, if that is the text of a template,
    /// every link of it. The text is asked for all that loading asks. The revision stays.
    ///
    /// Its caller has room on its stack for loading.
    ///
    /// # Errors
    /// Why it would not load.
    pub(crate) fn with_policy_replaced(
        &self,
        entry: &PolicyEntry,
        text: &str,
    ) -> Result<Bundle, Findings> {
        let source = Source {
            name: String::new(),
            shown: entry.text_file().to_owned(),
            // So that each line has the number that it has in its file.
            text: format!("{}{text}", "\n".repeat(entry.text_line() - 1)).into(),
        };
        let replaced: Vec<_> = self.alike(entry).collect();
        let mut findings = Vec::new();
        let mut parsed = parse(&source, &mut findings);
        let (Some(body), true) = (parsed.bodies.pop(), parsed.bodies.is_empty()) else {
            return Err(Findings(findings));
        };
        let mut statement = Statement::read(&source, body, &mut findings);
        statement.subject(&self.schema).check(&mut findings);
        let assembled = self.assemble_again(&mut statement, &replaced, &mut findings);
        let none_known = HashSet::new();
        validation::validate(&assembled, &self.schema, &none_known, &mut findings);
        let live = assembled.live(&mut findings);
        if !findings.is_empty() {
            sort(&mut findings);
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
        merge(&mut bundle.live, &live)?;
        if let Some(all) = &mut bundle.with_shadow {
            merge(all, &assembled.set)?;
        }
        bundle.with_a_permit()
    }

    /// This bundle without a policy, or without a link.
    ///
    /// # Errors
    /// Why it would not load.
    pub(crate) fn with_policy_removed(&self, entry: &PolicyEntry) -> Result<Bundle, Findings> {
        self.without(&[entry])?.with_a_permit()
    }

    /// This bundle with one policy as it is in another one: put back, taken away or replaced. `None`
    /// when Cedar does not take it.
    pub(crate) fn with_policy_of(&self, other: &Bundle, id: &PolicyId) -> Option<Bundle> {
        let mut bundle = self.clone();
        bundle.depth = self.depth.max(other.depth);
        if let Some(policy) = self.live.policy(id) {
            if policy.is_static() {
                bundle.live.remove_static(id.clone()).ok()?;
            } else {
                bundle.live.unlink(id.clone()).ok()?;
            }
        }
        match other.live.policy(id) {
            Some(policy) if policy.is_static() => bundle.live.add(policy.clone()).ok()?,
            // Its template may be another one here: the link comes as the plain policy that it is.
            Some(link) => {
                let plain = Policy::from_json(Some(id.clone()), link.to_json().ok()?).ok()?;
                bundle.live.add(plain).ok()?;
            }
            None => {}
        }
        match other.annotations.get(id) {
            Some(annotations) => bundle.annotations.insert(id.clone(), annotations.clone()),
            None => bundle.annotations.remove(id),
        };
        Some(bundle)
    }

    /// The policies that have the text of this one: itself, or all links of its template.
    fn alike<'a>(&'a self, entry: &'a PolicyEntry) -> impl Iterator<Item = &'a PolicyEntry> {
        self.entries.iter().filter(|other| match &entry.template {
            Some(template) => other.template.as_ref() == Some(template),
            None => other.id == entry.id,
        })
    }

    /// The statement as it stands in a bundle: under the ids, and with the links, of those whose
    /// place it takes.
    fn assemble_again<'a>(
        &self,
        statement: &mut Statement<'a>,
        replaced: &[&PolicyEntry],
        findings: &mut Vec<Finding>,
    ) -> Assembled<'a> {
        let mut assembled = Assembled::default();
        let place = statement.place.clone();
        let template = replaced.first().and_then(|one| one.template.clone());
        if let (Some(template), Body::Template(_)) = (&template, &statement.body) {
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

    /// What a link puts into those slots that the template still has.
    fn arguments(
        &self,
        link: &PolicyEntry,
        template: &Statement<'_>,
    ) -> HashMap<SlotId, EntityUid> {
        let policy = self.policies().policy(&link.policy_id());
        let arguments = policy.and_then(|policy| policy.template_links());
        let Body::Template(template) = &template.body else {
            return HashMap::new();
        };
        let has = |slot: &SlotId| template.slots().any(|one| one == slot);
        let arguments = arguments.into_iter().flatten();
        arguments.filter(|(slot, _)| has(slot)).collect()
    }

    fn without(&self, removed: &[&PolicyEntry]) -> Result<Bundle, Findings> {
        let gone = |id: &str| removed.iter().any(|entry| entry.id == id);
        let mut annotations = self.annotations.clone();
        annotations.retain(|id, _| !gone(id.as_ref()));
        let mut bundle = Bundle {
            schema: Arc::clone(&self.schema),
            live: self.live.clone(),
            with_shadow: self.with_shadow.clone(),
            authorizer: Authorizer::new(),
            annotations,
            entries: self.entries.clone(),
            depth: self.depth,
            revision: Arc::clone(&self.revision),
        };
        bundle.entries.retain(|entry| !gone(&entry.id));
        for set in [Some(&mut bundle.live), bundle.with_shadow.as_mut()] {
            let Some(set) = set else { continue };
            for entry in removed {
                remove(set, entry)?;
            }
        }
        Ok(bundle)
    }

    fn with_a_permit(self) -> Result<Bundle, Findings> {
        let is_permit = |policy: &Policy| policy.effect() == Effect::Permit;
        if self.live.policies().any(is_permit) {
            return Ok(self);
        }
        let message = "no policy would permit anything";
        Err(Findings(vec![Finding::error("no_permit", "", message)]))
    }
}

/// A template goes with its last link.
fn remove(set: &mut PolicySet, entry: &PolicyEntry) -> Result<(), Findings> {
    let id = entry.policy_id();
    let there = set.policy(&id).is_some();
    let Some(template) = entry.template.as_ref().map(PolicyId::new) else {
        return match there {
            true => set.remove_static(id).map(drop).map_err(unexpected),
            false => Ok(()),
        };
    };
    if there {
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
    done: Result<(), Box<E>>,
    findings: &mut Vec<Finding>,
) {
    if let Err(error) = done {
        findings.push(place.diagnostic("link_arguments", &*error));
    }
}

fn unexpected(error: impl std::fmt::Display) -> Findings {
    let finding = Finding::error("internal", "", error.to_string());
    Findings(vec![finding])
}

/// The one policy or template that a text is, if it is one.
pub fn body(text: &str) -> Option<Body> {
    let source = Source {
        name: String::new(),
        shown: String::new(),
        text: text.into(),
    };
    let mut parsed = parse(&source, &mut Vec::new());
    let body = parsed.bodies.pop();
    body.filter(|_| parsed.bodies.is_empty())
}
