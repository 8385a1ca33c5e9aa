//! The step-ups that would lift a denial.

use std::collections::BTreeSet;

use cedar_policy::{Decision, Entities, PolicySet, Request};

use crate::Bundle;
use crate::annotations::Annotations;
use crate::means::StepUps;
use crate::request::{self, Proof};
use cedargate_core::{Confirmer, Effect, MethodType, Recourse, StepUp};

use super::OWN_STEP_UP;

/// The age of an authenticator that every policy takes: that of a strong sign-in.
const OLDEST: u64 = 36_500 * 86_400;

/// A request that was denied.
#[derive(Clone, Copy)]
pub(crate) struct Denied<'a> {
    pub(crate) policies: &'a PolicySet,
    pub(crate) request: &'a Request,
    pub(crate) entities: &'a Entities,
}

/// A step-up with which a request is allowed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offer {
    pub(crate) acr: String,
    /// A sign-in at the issuer does it.
    pub(crate) sign_in: bool,
    /// The types of the authenticators here that do it, sorted.
    pub(crate) method_types: Vec<MethodType>,
}

impl Bundle {
    /// Returns the effect of a denial that a step-up would lift, or `None` if no step-up would.
    ///
    /// Of the `acr` values that the forbids ask for, it offers those that the caller can get and with
    /// which the same request, decided again, is allowed. So whoever does just what is asked gets in.
    pub(super) fn lifted(
        &self,
        denied: Denied<'_>,
        forbids: &[&Annotations],
        step_ups: StepUps<'_>,
    ) -> Option<Effect> {
        let asked = forbids.iter().filter_map(|one| one.step_up.as_ref());
        let max_age = asked.clone().map(|one| one.max_age).min()?;
        let acr_values: BTreeSet<&str> = asked.map(|one| one.acr.as_str()).collect();
        let offers: Vec<_> = acr_values
            .iter()
            .filter_map(|acr| self.offer(denied, step_ups, acr, max_age))
            .collect();
        if offers.is_empty() {
            let recovers = acr_values.contains(OWN_STEP_UP);
            return recovers
                .then(|| self.recovery(denied, step_ups, max_age))
                .flatten()
                .map(Effect::RecoveryRequired);
        }
        let method_types = offers.iter().flat_map(|offer| offer.method_types.clone());
        Some(Effect::StepUp(StepUp {
            method_types: method_types.collect(),
            acr_values: offers.into_iter().map(|offer| offer.acr).collect(),
            max_age,
        }))
    }

    /// Returns how the caller can get this `acr` so that the request is allowed when that was `age`
    /// seconds ago, or `None` if they cannot.
    pub(crate) fn offer(
        &self,
        denied: Denied<'_>,
        step_ups: StepUps<'_>,
        acr: &str,
        age: u64,
    ) -> Option<Offer> {
        let sign_in = step_ups.strong_acr.iter().any(|strong| strong == acr)
            && self.allows_after(denied, &Proof::SignIn { acr, age });
        let mut method_types = Vec::new();
        if acr == OWN_STEP_UP {
            method_types = self.confirming(denied, &step_ups.means.authenticators, age);
        }
        (sign_in || !method_types.is_empty()).then(|| Offer {
            acr: acr.to_owned(),
            sign_in,
            method_types,
        })
    }

    /// The types of the authenticators with which the request is allowed. To the policies they differ
    /// in trust and age only, so each pair is asked for once.
    fn confirming(
        &self,
        denied: Denied<'_>,
        authenticators: &[Confirmer],
        age: u64,
    ) -> Vec<MethodType> {
        let facts = |one: &Confirmer| (one.trusted, one.age);
        let distinct: BTreeSet<_> = authenticators.iter().map(facts).collect();
        let confirming: BTreeSet<_> = distinct
            .into_iter()
            .filter(|(trusted, enrolled)| {
                let proof = Proof::Assertion {
                    age,
                    trusted: *trusted,
                    enrolled: *enrolled,
                };
                self.allows_after(denied, &proof)
            })
            .collect();
        let confirm = |one: &&Confirmer| confirming.contains(&facts(one));
        let types = authenticators.iter().filter(confirm);
        let types: BTreeSet<_> = types.map(|one| one.method_type).collect();
        types.into_iter().collect()
    }

    /// What remains to a caller whose account has, or had before a reset, authenticators, and who
    /// would be asked to confirm one if it could be used here. `None` for anybody else.
    fn recovery(
        &self,
        denied: Denied<'_>,
        step_ups: StepUps<'_>,
        age: u64,
    ) -> Option<Vec<Recourse>> {
        let enrolled = request::enrolled(denied.request.context()?);
        let has_enrolled = enrolled.count > 0 || enrolled.reset;
        if !has_enrolled || !step_ups.means.authenticators.is_empty() {
            return None;
        }
        let best = Proof::Assertion {
            age,
            trusted: true,
            enrolled: OLDEST,
        };
        if !self.allows_after(denied, &best) {
            return None;
        }
        let by_code = self.allows_after(denied, &Proof::Code);
        let codes = [
            (step_ups.means.backup_code, Recourse::BackupCode),
            (step_ups.means.recovery_code, Recourse::RecoveryCode),
        ];
        let codes = codes.into_iter().filter(|(works, _)| *works && by_code);
        let codes = codes.map(|(_, recourse)| recourse);
        Some(codes.chain([Recourse::Admin]).collect())
    }

    /// Returns true if the request is allowed, without errors, in a session with this proof.
    fn allows_after(&self, denied: Denied<'_>, proof: &Proof<'_>) -> bool {
        self.again(denied, proof).is_some_and(|again| {
            let response = self.ask_cedar(denied.policies, &again, denied.entities);
            let clean = response.diagnostics().errors().next().is_none();
            clean && response.decision() == Decision::Allow
        })
    }

    fn again(&self, denied: Denied<'_>, proof: &Proof<'_>) -> Option<Request> {
        let request = denied.request;
        let again = Request::new(
            request.principal()?.clone(),
            request.action()?.clone(),
            request.resource()?.clone(),
            request::after(request.context()?, proof)?,
            Some(&self.schema.cedar),
        );
        again.ok()
    }
}
