//! Shadow policies: what they would have changed. They are asked together, beside the policies that
//! count, after these have answered; so where there are none nothing is asked.

use std::collections::BTreeSet;

use cedar_policy::{Entities, PolicyId, Request};

use cedargate_core::Shadow;

use super::Bundle;
use super::decision::Judged;
use super::means::StepUps;

impl Bundle {
    /// What would have been answered instead of `judged` if all shadow policies counted. `None`
    /// where that is the same answer: the same effect, with the same code, or asking for the same
    /// step-up. Further notices alone are no other answer.
    pub(super) fn shadow(
        &self,
        request: &Request,
        entities: &Entities,
        step_ups: StepUps<'_>,
        judged: &Judged,
    ) -> Option<Shadow> {
        let would = self.judge_by(self.with_shadow.as_ref()?, request, entities, step_ups);
        if would.effect == judged.effect {
            return None;
        }
        let determining = would.policies.iter().map(PolicyId::new);
        let shadow_policies: BTreeSet<_> = determining
            .chain(would.failed)
            .filter(|id| self.annotations.get(id).is_some_and(|one| one.shadow))
            .map(|id| id.to_string())
            .collect();
        Some(Shadow {
            effect: would.effect.as_str(),
            code: would.effect.code().map(str::to_owned),
            policies: would.policies,
            shadow_policies: shadow_policies.into_iter().collect(),
            notices: would.notices,
            errors: would.errors,
        })
    }
}
