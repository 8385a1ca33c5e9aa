//! The inside of the engine, for tools that look at policies rather than ask them.
//!
//! Policy checks, coverage, mutation and comparison need expressions, places and the schema. They get
//! them here and nowhere else, so that the rest of the engine can change without them. No promise of
//! stability goes with this module.

use cedar_policy::{PolicyId, PolicySet};
use cedargate_core::Findings;

use crate::{Bundle, PolicyEntry};

pub use crate::annotations::{Annotations, whole_seconds};
pub use crate::decision::TENANT_MISMATCH;
pub use crate::files::{GATE, LINKS, POLICIES, Reader, SITE, Source, Texts, no_policies};
pub use crate::load::{Assembled, Body, Examined, Parsed, Statement, body, parse, sort};
pub use crate::nesting::{comments, tokens, with_room};
pub use crate::parallel::{fold, map};
pub use crate::place::Place;
pub use crate::request::NEVER;
pub use crate::rules::Subject;
pub use crate::schema::SchemaIndex;
pub use crate::syntax::{Clause, Found, Has, Ip, Normal, Site, Slip, Syntax, duration_millis};

impl Bundle {
    /// Returns the inside of the bundle.
    pub fn analysis(&self) -> Analysis<'_> {
        Analysis(self)
    }
}

/// The inside of a bundle: its policies as Cedar has them, its schema, and bundles that differ from it
/// in one policy.
#[derive(Clone, Copy, Debug)]
pub struct Analysis<'a>(&'a Bundle);

impl<'a> Analysis<'a> {
    /// Returns the policies that count: links included, shadow policies and templates not.
    pub fn live(self) -> &'a PolicySet {
        &self.0.live
    }

    /// Returns all policies, shadow policies included.
    pub fn policies(self) -> &'a PolicySet {
        self.0.policies()
    }

    /// Returns the schema.
    pub fn schema(self) -> &'a SchemaIndex {
        &self.0.schema
    }

    /// Returns the bundle in which `entry` has another text: the policy and, if that is the text of a
    /// template, every link of it. The text must pass all that loading checks. The revision stays.
    ///
    /// Call it on a stack that has room for loading: [`with_room`], [`map`] and [`fold`] give one.
    ///
    /// # Errors
    /// The reasons why it would not load.
    pub fn with_policy_replaced(self, entry: &PolicyEntry, text: &str) -> Result<Bundle, Findings> {
        self.0.with_policy_replaced(entry, text)
    }

    /// Returns the bundle without a policy, or without a link.
    ///
    /// # Errors
    /// The reasons why it would not load.
    pub fn with_policy_removed(self, entry: &PolicyEntry) -> Result<Bundle, Findings> {
        self.0.with_policy_removed(entry)
    }

    /// Returns the bundle in which one policy is as in another bundle: replaced, added or removed.
    /// Returns `None` if Cedar cannot put it there.
    pub fn with_policy_of(self, other: &Bundle, id: &PolicyId) -> Option<Bundle> {
        self.0.with_policy_of(other, id)
    }
}
