//! The internals of the engine, for tools that analyse policies.
//!
//! Policy checks, coverage, mutation and comparison need expressions, places and the schema. They get
//! them only here, so that the rest of the engine can change without them. This module has no stable
//! interface.

use cedar_policy::{PolicyId, PolicySet};
use cedargate_core::Findings;

use crate::{Bundle, PolicyEntry, PreparedRequest};

pub use crate::annotations::{Annotations, StepUpAnnotation, whole_seconds};
pub use crate::decision::TENANT_MISMATCH;
pub use crate::files::{
    FolderReader, GATE_SCHEMA_FILE, LINKS_SUFFIX, POLICY_SUFFIX, SITE_SCHEMA_FILE, SchemaFile,
    Source, SourceTexts, no_policies,
};
pub use crate::links::Link;
pub use crate::load::{
    AssembledPolicies, ExaminedSources, ParsedPolicy, Replacement, Statement, form_of, parse_file,
    parse_one, sort_findings,
};
pub use crate::nesting::{comments, on_large_stack, policies, tokens};
pub use crate::parallel::{fold, map, spread};
pub use crate::place::Place;
pub use crate::rules::ExaminedPolicy;
pub use crate::schema::{ClaimType, SchemaIndex};
pub use crate::syntax::{
    Annotation, Clause, HasTest, IpLiteral, Located, MutationSite, NormalForm, PolicyOrTemplate,
    SiteKind, Syntax, duration_millis,
};
pub use crate::values::NEVER;

impl Bundle {
    /// Returns the internals of the bundle.
    pub fn analysis(&self) -> Analysis<'_> {
        Analysis(self)
    }
}

/// The internals of a bundle: its Cedar policies, its schema, and bundles that differ from it in one
/// policy.
#[derive(Clone, Copy, Debug)]
pub struct Analysis<'a>(&'a Bundle);

impl<'a> Analysis<'a> {
    /// Returns the policies that determine decisions: links included, shadow policies and templates not.
    pub fn live(self) -> &'a PolicySet {
        self.0.live.set()
    }

    /// Returns all policies, shadow policies included.
    pub fn policies(self) -> &'a PolicySet {
        self.0.policies()
    }

    /// Returns the schema.
    pub fn schema(self) -> &'a SchemaIndex {
        &self.0.schema
    }

    /// Returns true if the request is allowed. Evaluates all policies with Cedar's authorizer and uses no
    /// index, for comparison in benchmarks.
    pub fn allows_by_all(self, request: &PreparedRequest) -> bool {
        let (cedar_request, entities) = (&request.cedar_request, &request.entities);
        let evaluation = self.0.live.evaluate_all(cedar_request, entities);
        evaluation.failed.is_empty() && evaluation.allows
    }

    /// Returns the replacement that gives `entry` another text: the policy and, if that is the text of a
    /// template, every link of it. The text must pass all that loading checks.
    ///
    /// Call it on a stack that is large enough for loading, as in [`on_large_stack`], [`map`] and [`fold`].
    ///
    /// # Errors
    /// Returns the findings if the bundle would not load.
    pub fn replacement(self, entry: &PolicyEntry, text: &str) -> Result<Replacement, Findings> {
        self.0.replacement(entry, text)
    }

    /// Returns the replacement that removes a policy, or a link.
    ///
    /// # Errors
    /// Returns the findings if the bundle would not load.
    pub fn removal(self, entry: &PolicyEntry) -> Result<Replacement, Findings> {
        self.0.removal(entry)
    }

    /// Returns the bundle with only those policies whose scope matches the request. It decides the request
    /// as this bundle does. Shadow policies are left out.
    pub fn part_for(self, request: &PreparedRequest) -> Bundle {
        self.0.part_for(request)
    }

    /// Returns true if the scope of the policy of this id matches the request.
    pub fn is_in_scope(self, id: &PolicyId, request: &PreparedRequest) -> bool {
        request.matches_scope_of_any(self.0.live.set().policy(id).into_iter())
    }

    /// Returns the bundle in which one policy is as in another bundle: replaced, added or removed.
    /// Returns `None` if Cedar cannot put it there.
    pub fn with_policy_of(self, other: &Bundle, id: &PolicyId) -> Option<Bundle> {
        self.0.with_policy_of(other, id)
    }
}
