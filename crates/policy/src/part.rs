//! The part of a bundle that can matter for one request. Tools that decide the same request with many variants
//! of a bundle decide it with variants of this part.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{Policy, PolicySet};

use crate::engine::Engine;
use crate::syntax::PartEvaluator;
use crate::{Bundle, PreparedRequest};

impl Bundle {
    /// Returns the bundle with only those policies whose scope matches the request. It decides the request,
    /// and the request after any step-up, as this bundle does. Shadow policies are left out.
    pub(crate) fn part_for(&self, request: &PreparedRequest) -> Bundle {
        let evaluator = PartEvaluator::of(&request.cedar_request, &request.entities);
        let policies = self.live.set().policies();
        let policies: Vec<_> = policies
            .filter(|policy| evaluator.is_in_scope(policy))
            .collect();
        let mut set = PolicySet::new();
        let mut annotations = HashMap::with_capacity(policies.len());
        let mut entries = Vec::with_capacity(policies.len());
        for policy in policies {
            add(policy, &mut set, self.live.set());
            let own = self.annotations.get(policy.id());
            annotations.extend(own.map(|own| (policy.id().clone(), own.clone())));
            entries.extend(self.entry(policy.id().as_ref()).cloned());
        }
        entries.sort_by(|a, b| a.id.cmp(&b.id));
        Bundle {
            schema: Arc::clone(&self.schema),
            live: Engine::new(set),
            with_shadow: None,
            annotations,
            entries,
            depth: self.depth,
            revision: Arc::clone(&self.revision),
            passed_canaries: Arc::default(),
        }
    }
}

impl PreparedRequest {
    /// Returns true if the scope of any of these policies matches.
    pub(crate) fn matches_scope_of_any<'p>(
        &self,
        mut policies: impl Iterator<Item = &'p Policy>,
    ) -> bool {
        let evaluator = PartEvaluator::of(&self.cedar_request, &self.entities);
        policies.any(|policy| evaluator.is_in_scope(policy))
    }
}

/// Adds a policy to a set that does not have it, with its template if it is linked. `all` has both.
fn add(policy: &Policy, set: &mut PolicySet, all: &PolicySet) {
    let (Some(id), Some(links)) = (policy.template_id(), policy.template_links()) else {
        // The set does not have the id, so this cannot fail.
        let _ = set.add(policy.clone());
        return;
    };
    if set.template(id).is_none()
        && let Some(template) = all.template(id)
    {
        let _ = set.add_template(template.clone());
    }
    let _ = set.link(id.clone(), policy.id().clone(), links);
}
