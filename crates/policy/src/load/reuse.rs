//! The policies of a bundle that the next load takes over, because their texts and the schema are the same.
//!
//! A policy in a bundle has been parsed and checked without a finding. All that a load checks about a single
//! policy depends on its text and on the schema alone, so none of it is done again. The ids, the links and
//! the canary requests are checked anew, because they depend on other policies.

use std::collections::HashMap;

use cedar_policy::PolicyId;

use crate::Bundle;
use crate::annotations::Annotations;
use crate::catalogue::PolicyEntry;
use crate::files::Source;
use crate::links::Link;
use crate::syntax::PolicyOrTemplate;

/// A policy or a linked template of a bundle.
#[derive(Clone, Copy)]
pub(super) struct KnownPolicy<'a> {
    bundle: &'a Bundle,
    /// The entry of the policy, or of one link of the template.
    pub(super) entry: &'a PolicyEntry,
    pub(super) annotations: &'a Annotations,
}

impl<'a> KnownPolicy<'a> {
    fn of(bundle: &'a Bundle, entry: &'a PolicyEntry) -> Option<Self> {
        Some(Self {
            bundle,
            entry,
            annotations: bundle.annotations.get(&entry.policy_id())?,
        })
    }

    /// Returns the policy or the template.
    pub(super) fn policy(&self) -> Option<PolicyOrTemplate> {
        let id = self.entry.template.as_ref().unwrap_or(&self.entry.id);
        PolicyOrTemplate::in_set(self.bundle.policies(), &PolicyId::new(id))
    }
}

/// The policies that a load can take over.
#[derive(Default)]
pub(super) struct KnownPolicies<'a> {
    bundle: Option<&'a Bundle>,
    by_text: HashMap<&'a str, &'a PolicyEntry>,
}

impl<'a> KnownPolicies<'a> {
    /// Returns the policies of a bundle. There are none if the site's schema is another one.
    pub(super) fn of(bundle: &'a Bundle, site_schema: Option<&Source>) -> Self {
        if site_schema.is_none_or(|site| site.text != bundle.schema.site) {
            return Self::default();
        }
        let entries = bundle.entries.iter();
        Self {
            bundle: Some(bundle),
            by_text: entries.map(|entry| (entry.text(), entry)).collect(),
        }
    }

    /// Returns the bundle, whose schema can be taken over too.
    pub(super) fn bundle(&self) -> Option<&'a Bundle> {
        self.bundle
    }

    /// Returns the policy that was parsed from this text.
    pub(super) fn get(&self, text: &str) -> Option<KnownPolicy<'a>> {
        KnownPolicy::of(self.bundle?, self.by_text.get(text)?)
    }

    /// Returns true if the bundle has this link to the template of the same id. Its text must be known.
    pub(super) fn has_link(&self, link: &Link<'_>) -> bool {
        let policies = self.bundle.map(Bundle::policies);
        let linked = policies.and_then(|all| all.policy(&PolicyId::new(&link.link_id)));
        linked.is_some_and(|linked| {
            let template = linked.template_id().map(AsRef::<str>::as_ref);
            template == Some(link.template_id.as_str())
                && linked.template_links().as_ref() == Some(&link.arguments)
        })
    }
}
