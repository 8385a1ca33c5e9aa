//! The differences between the policies of two bundles, independent of any request.

use std::collections::{BTreeMap, HashMap};

use cedar_policy::{EntityUid, Policy, PolicyId, PolicySet, SlotId, Template};
use serde::Serialize;
use serde_json::Value;

use cedargate_policy::Bundle;
use cedargate_policy::analysis::Syntax;

use super::canonical;

/// The differences between the policies of two bundles. Template links count as policies, and templates are
/// listed too. A policy that moved to another file does not differ.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PolicyDifferences {
    /// Policies that only the new bundle has.
    pub added: Vec<ListedPolicy>,
    /// Policies that only the old bundle has.
    pub removed: Vec<ListedPolicy>,
    /// Policies that can decide differently in the new bundle.
    pub changed: Vec<ListedPolicy>,
    /// Policies that differ only in layout, comments or annotations that no decision depends on.
    pub reformatted: Vec<ListedPolicy>,
    /// Pairs of a removed and an added policy that mean the same, so that only the id changed.
    pub renamed: Vec<RenamedPolicy>,
    /// The differences between the declarations of `Site::Claims`.
    pub claims: ClaimDifferences,
}

/// A policy, a template link or a template, as a report lists it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedPolicy {
    /// The id.
    pub id: String,
    /// The file and line in the new bundle, or in the old bundle if the policy was removed. `None` for a
    /// template.
    pub place: Option<(String, usize)>,
    /// True for a template.
    pub is_template: bool,
}

/// A policy that kept its meaning and got another id.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RenamedPolicy {
    /// Its id in the old bundle.
    pub from: String,
    /// Its id in the new bundle.
    pub to: String,
}

/// The differences between the claims that two schemas declare, as sorted names.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct ClaimDifferences {
    /// Claims that only the new schema declares.
    pub added: Vec<String>,
    /// Claims that only the old schema declares.
    pub removed: Vec<String>,
    /// Claims that the new schema declares with another type.
    pub changed: Vec<String>,
}

impl ClaimDifferences {
    /// Returns true if both schemas declare the same claims.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl PolicyDifferences {
    /// Returns true if the policies and claims are the same, and the texts of the policies too.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Compares the policies. Deeply nested policies need a large stack, so call this with
    /// [`on_large_stack`](cedargate_policy::analysis::on_large_stack).
    pub(crate) fn between(old: &Bundle, new: &Bundle) -> Self {
        let (old_items, new_items) = (items(old), items(new));
        let mut found = Self {
            claims: claims(old, new),
            ..Self::default()
        };
        for (id, item) in &new_items {
            match old_items.get(id) {
                None => found.added.push(item.listed(id)),
                Some(before) if before.has_same_text(item) => {}
                Some(before) if before.means_same(item) => found.reformatted.push(item.listed(id)),
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

    /// Pairs removed policies with added ones of the same meaning, in the order of their ids.
    fn renamed(&self, old: &Items<'_>, new: &Items<'_>) -> Vec<RenamedPolicy> {
        let mut gone: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for one in self.removed.iter().rev() {
            if let Some(canonical) = old[one.id.as_str()].canonical() {
                let same = gone.entry(canonical.to_string()).or_default();
                same.push(&one.id);
            }
        }
        let mut renamed = Vec::new();
        for one in &self.added {
            let canonical = new[one.id.as_str()].canonical();
            let same = canonical.and_then(|canonical| gone.get_mut(&canonical.to_string()));
            if let Some(from) = same.and_then(Vec::pop) {
                renamed.push(RenamedPolicy {
                    from: from.to_owned(),
                    to: one.id.clone(),
                });
            }
        }
        renamed
    }
}

/// Items by id.
type Items<'a> = BTreeMap<&'a str, Item<'a>>;

/// A policy, a template link or a template of a bundle.
struct Item<'a> {
    /// The text of the policy, or of the template of a link.
    text: &'a str,
    kind: ItemKind,
    place: Option<(String, usize)>,
}

#[derive(Eq, PartialEq)]
enum ItemKind {
    Policy,
    /// A link, with the values of its slots.
    Link(HashMap<SlotId, EntityUid>),
    Template,
}

impl Item<'_> {
    fn has_same_text(&self, other: &Self) -> bool {
        self.text == other.text && self.kind == other.kind
    }

    fn means_same(&self, other: &Self) -> bool {
        let canonical = self.canonical();
        canonical.is_some() && canonical == other.canonical()
    }

    fn canonical(&self) -> Option<Value> {
        match &self.kind {
            ItemKind::Policy => canonical::of_policy(&Policy::parse(None, self.text).ok()?),
            ItemKind::Link(arguments) => canonical::of_policy(&linked(self.text, arguments)?),
            ItemKind::Template => canonical::of_template(&Template::parse(None, self.text).ok()?),
        }
    }

    fn listed(&self, id: &str) -> ListedPolicy {
        ListedPolicy {
            id: id.to_owned(),
            place: self.place.clone(),
            is_template: self.kind == ItemKind::Template,
        }
    }
}

/// Returns the link of a template.
fn linked(template: &str, arguments: &HashMap<SlotId, EntityUid>) -> Option<Policy> {
    let [template_id, link_id] = ["template", "link"].map(PolicyId::new);
    let mut set = PolicySet::new();
    set.add_template(Template::parse(Some(template_id.clone()), template).ok()?)
        .ok()?;
    set.link(template_id, link_id.clone(), arguments.clone())
        .ok()?;
    set.policy(&link_id).cloned()
}

fn items(bundle: &Bundle) -> Items<'_> {
    let set = bundle.analysis().policies();
    let policies = bundle.entries().iter().filter_map(|entry| {
        let item = Item {
            text: entry.text(),
            kind: match set.policy(&entry.policy_id())?.template_links() {
                Some(arguments) => ItemKind::Link(arguments),
                None => ItemKind::Policy,
            },
            place: Some((entry.file.to_string(), entry.line)),
        };
        Some((entry.id.as_str(), item))
    });
    let templates = set.templates().map(|template| {
        let item = Item {
            text: Syntax::from(template).text(),
            kind: ItemKind::Template,
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
