//! How the policies of two bundles differ, whatever they are asked.

use std::collections::{BTreeMap, HashMap};

use cedar_policy::{EntityUid, SlotId};
use serde::Serialize;
use serde_json::Value;

use cedargate_policy::Bundle;

use crate::canonical;

/// How the policies of two bundles differ. Links are policies here; templates are listed beside them,
/// since one without links decides nothing yet. Where a policy stands makes no difference.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Differences {
    /// Only in the new bundle.
    pub added: Vec<Listed>,
    /// Only in the old bundle.
    pub removed: Vec<Listed>,
    /// In both under one id, and not with the same meaning.
    pub changed: Vec<Listed>,
    /// In both, with the same meaning, and written otherwise: layout, comments, or annotations that
    /// no answer depends on.
    pub reformatted: Vec<Listed>,
    /// Of those that were removed and added, what is one policy under two ids.
    pub renamed: Vec<Renamed>,
    /// The members of `Site::Claims`.
    pub claims: ClaimDifferences,
}

/// A policy, a link or a template.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// The file and the line where it stands, in the new bundle if it is there; not known of templates.
    pub place: Option<(String, usize)>,
    /// It is a template.
    pub is_template: bool,
}

/// A policy that has another id, and the same meaning.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Renamed {
    /// The id in the old bundle.
    pub from: String,
    /// The id in the new bundle.
    pub to: String,
}

/// How what the two schemas say of claims differs: by name, sorted.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct ClaimDifferences {
    /// Declared only by the new schema.
    pub added: Vec<String>,
    /// Declared only by the old schema.
    pub removed: Vec<String>,
    /// Declared with another type.
    pub changed: Vec<String>,
}

impl ClaimDifferences {
    /// Whether both schemas say the same.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Differences {
    /// Whether there is none, not even in form.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Needs a stack that has room for the policies: [`with_room`](cedargate_policy::analysis::with_room).
    pub(crate) fn between(old: &Bundle, new: &Bundle) -> Self {
        let (old_items, new_items) = (items(old), items(new));
        let mut found = Self {
            claims: claims(old, new),
            ..Self::default()
        };
        for (id, item) in &new_items {
            match old_items.get(id) {
                None => found.added.push(item.listed(id)),
                Some(before) if before.is_written_as(item) => {}
                Some(before) if before.means(item) => found.reformatted.push(item.listed(id)),
                Some(_) => found.changed.push(item.listed(id)),
            }
        }
        let removed = old_items
            .iter()
            .filter(|(id, _)| !new_items.contains_key(*id));
        found.removed = removed.map(|(id, item)| item.listed(id)).collect();
        found.renamed = found.renamed(&old_items, &new_items);
        found
    }

    /// Of policies that mean the same under several ids the first are taken together.
    fn renamed(&self, old: &Items<'_>, new: &Items<'_>) -> Vec<Renamed> {
        let mut gone: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for one in self.removed.iter().rev() {
            if let Some(meaning) = old[one.id.as_str()].meaning() {
                let same = gone.entry(meaning.to_string()).or_default();
                same.push(&one.id);
            }
        }
        let mut renamed = Vec::new();
        for one in &self.added {
            let meaning = new[one.id.as_str()].meaning();
            let same = meaning.and_then(|meaning| gone.get_mut(&meaning.to_string()));
            if let Some(from) = same.and_then(Vec::pop) {
                renamed.push(Renamed {
                    from: from.to_owned(),
                    to: one.id.clone(),
                });
            }
        }
        renamed
    }
}

/// By id.
type Items<'a> = BTreeMap<&'a str, Item<'a>>;

/// A policy, a link or a template of a bundle.
struct Item<'a> {
    body: Body<'a>,
    text: String,
    arguments: Option<HashMap<SlotId, EntityUid>>,
    place: Option<(String, usize)>,
}

enum Body<'a> {
    Policy(&'a cedar_policy::Policy),
    Template(&'a cedar_policy::Template),
}

impl Item<'_> {
    fn is_written_as(&self, other: &Self) -> bool {
        self.text == other.text && self.arguments == other.arguments
    }

    fn means(&self, other: &Self) -> bool {
        let meaning = self.meaning();
        meaning.is_some() && meaning == other.meaning()
    }

    fn meaning(&self) -> Option<Value> {
        match self.body {
            Body::Policy(policy) => canonical::of_policy(policy),
            Body::Template(template) => canonical::of_template(template),
        }
    }

    fn listed(&self, id: &str) -> Listed {
        Listed {
            id: id.to_owned(),
            place: self.place.clone(),
            is_template: matches!(self.body, Body::Template(_)),
        }
    }
}

fn items(bundle: &Bundle) -> Items<'_> {
    let set = bundle.analysis().policies();
    let policies = bundle.entries().iter().filter_map(|entry| {
        let policy = set.policy(&entry.policy_id())?;
        let item = Item {
            body: Body::Policy(policy),
            text: entry.text().to_owned(),
            arguments: policy.template_links(),
            place: Some((entry.file.clone(), entry.line)),
        };
        Some((entry.id.as_str(), item))
    });
    let templates = set.templates().map(|template| {
        let item = Item {
            body: Body::Template(template),
            text: template.to_cedar(),
            arguments: None,
            place: None,
        };
        (template.id().as_ref(), item)
    });
    policies.chain(templates).collect()
}

fn claims(old: &Bundle, new: &Bundle) -> ClaimDifferences {
    let declared = |bundle: &Bundle| -> BTreeMap<_, _> {
        let claims = bundle.analysis().schema().claims.iter();
        claims.map(|(name, of)| (name.clone(), *of)).collect()
    };
    let (old, new) = (declared(old), declared(new));
    let mut found = ClaimDifferences::default();
    for (name, of) in &new {
        match old.get(name) {
            None => found.added.push(name.clone()),
            Some(before) if before != of => found.changed.push(name.clone()),
            Some(_) => {}
        }
    }
    let gone = old.into_keys().filter(|name| !new.contains_key(name));
    found.removed = gone.collect();
    found
}
