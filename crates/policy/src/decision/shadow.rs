//! Shadow policies, which are evaluated beside the policies that count and only logged.

use std::collections::BTreeSet;

use cedar_policy::PolicyId;

use cedargate_core::{Decision, ShadowDecision};

use crate::{Bundle, PreparedRequest};

impl Bundle {
    /// Returns the decision that would be made if shadow policies counted, or `None` if it would have the
    /// same effect as `decision`, with the same code or step-up. Other notices alone do not count as a
    /// difference.
    pub(crate) fn shadow(
        &self,
        request: &PreparedRequest,
        decision: &Decision,
    ) -> Option<ShadowDecision> {
        let would = self.evaluate_with(self.with_shadow.as_ref()?, request);
        if would.effect == decision.effect {
            return None;
        }
        let is_shadow = |id: &&String| {
            let annotations = self.annotations.get(&PolicyId::new(id));
            annotations.is_some_and(|annotations| annotations.shadow)
        };
        let involved = would.policies.iter().chain(&would.failed);
        let shadow_policies: BTreeSet<_> = involved.filter(is_shadow).cloned().collect();
        Some(ShadowDecision {
            shadow_policies: shadow_policies.into_iter().collect(),
            decision: would,
        })
    }
}
