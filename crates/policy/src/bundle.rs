//! Bundles: policies, links and schema that decide requests.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{PolicyId, PolicySet};

use crate::annotations::Annotations;
use crate::canaries::PassedCallers;
use crate::catalogue::PolicyEntry;
use crate::engine::Engine;
use crate::schema::SchemaIndex;

/// Policies, links and schema, validated and immutable.
///
/// A bundle is cheap to share behind an `Arc`. Deciding takes `&self` and has no side effects.
#[derive(Clone, Debug)]
pub struct Bundle {
    pub(crate) schema: Arc<SchemaIndex>,
    /// The enforced policies: links included, shadow policies not.
    pub(crate) live: Engine,
    /// All policies. `None` if there are no shadow policies.
    pub(crate) with_shadow: Option<Engine>,
    /// The annotations of each policy, links included.
    pub(crate) annotations: HashMap<PolicyId, Annotations>,
    /// The policies in the order of their ids.
    pub(crate) entries: Vec<PolicyEntry>,
    /// The depth of the most deeply nested policy.
    pub(crate) depth: usize,
    pub(crate) revision: Arc<str>,
    /// The callers whose canary requests were decided and are refused.
    pub(crate) passed_canaries: Arc<PassedCallers>,
}

impl Bundle {
    /// Returns the revision: a hash of policies, links and schema as 16 hexadecimal digits. It depends
    /// neither on the paths of the folders nor on the order of the files.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// Returns the policies in the order of their ids. Links and shadow policies are included, templates
    /// are not.
    pub fn entries(&self) -> &[PolicyEntry] {
        &self.entries
    }

    /// Returns the sorted ids of the policies that count. Links are included, shadow policies and templates
    /// are not.
    pub fn policy_ids(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = self
            .live
            .set()
            .policies()
            .map(|policy| policy.id().as_ref())
            .collect();
        ids.sort_unstable();
        ids
    }

    /// Returns the names of the claims that `Site::Claims` declares.
    pub fn declared_claims(&self) -> impl Iterator<Item = &str> {
        self.schema.claims.iter().map(|(name, _)| name.as_str())
    }

    /// Returns all policies, shadow policies included.
    pub(crate) fn policies(&self) -> &PolicySet {
        self.with_shadow.as_ref().unwrap_or(&self.live).set()
    }
}
