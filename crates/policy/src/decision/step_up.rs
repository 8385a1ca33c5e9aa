//! Finds the step-ups that would turn a denial into an allow.

use std::collections::BTreeSet;

use cedar_policy::Request;

use cedargate_core::{Confirmer, Effect, MethodType, Recourse, STEP_UP_ACR, StepUp};

use crate::annotations::Annotations;
use crate::engine::Engine;
use crate::request::{self, Proof};
use crate::{Bundle, PreparedRequest};

/// The greatest age of an authenticator, in seconds. `context.session.authenticatorAge` is the same after
/// a strong sign-in.
const OLDEST: u64 = 36_500 * 86_400;

/// A request that these policies denied.
#[derive(Clone, Copy)]
pub(crate) struct Denied<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) request: &'a PreparedRequest,
}

/// A step-up after which a request is allowed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offer {
    pub(crate) acr: String,
    /// True if a sign-in at the issuer is enough.
    pub(crate) sign_in: bool,
    /// The types of the caller's authenticators with which the step-up can be done, sorted.
    pub(crate) method_types: Vec<MethodType>,
}

impl Bundle {
    /// Returns the effect of a denial by these forbids if a step-up would turn it into an allow.
    ///
    /// The step-up offers those `acr` values of the forbids that the caller can get and with which the same
    /// request, decided again, is allowed. A caller who does the step-up is therefore allowed.
    pub(super) fn step_up_effect(
        &self,
        denied: Denied<'_>,
        forbids: &[&Annotations],
    ) -> Option<Effect> {
        let step_ups = forbids.iter().filter_map(|forbid| forbid.step_up.as_ref());
        let max_age = step_ups.clone().map(|step_up| step_up.max_age).min()?;
        let acr_values: BTreeSet<&str> = step_ups.map(|step_up| step_up.acr.as_str()).collect();
        let offers: Vec<_> = acr_values
            .iter()
            .filter_map(|acr| self.offer(denied, acr, max_age))
            .collect();
        if offers.is_empty() {
            if !acr_values.contains(STEP_UP_ACR) {
                return None;
            }
            return self.recovery(denied, max_age).map(Effect::RecoveryRequired);
        }
        let method_types = offers.iter().flat_map(|offer| offer.method_types.clone());
        Some(Effect::StepUp(StepUp {
            method_types: method_types.collect(),
            acr_values: offers.into_iter().map(|offer| offer.acr).collect(),
            max_age,
        }))
    }

    /// Returns the ways in which the caller can get this `acr` so that the request is allowed `age` seconds
    /// later, or `None` if there is no way.
    pub(crate) fn offer(&self, denied: Denied<'_>, acr: &str, age: u64) -> Option<Offer> {
        let strong_acr = &denied.request.strong_acr;
        let sign_in = strong_acr.iter().any(|strong| strong == acr)
            && self.allows_after(denied, &Proof::SignIn { acr, age });
        let mut method_types = Vec::new();
        if acr == STEP_UP_ACR {
            method_types = self.confirming_types(denied, &denied.request.means.authenticators, age);
        }
        (sign_in || !method_types.is_empty()).then(|| Offer {
            acr: acr.to_owned(),
            sign_in,
            method_types,
        })
    }

    /// Returns the types of the authenticators with which the request is allowed. Policies see only trust
    /// and age of the authenticator, so each pair of them is decided once.
    fn confirming_types(
        &self,
        denied: Denied<'_>,
        authenticators: &[Confirmer],
        age: u64,
    ) -> Vec<MethodType> {
        let facts = |confirmer: &Confirmer| (confirmer.trusted, confirmer.age);
        let distinct: BTreeSet<_> = authenticators.iter().map(facts).collect();
        let allowed: BTreeSet<_> = distinct
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
        let confirming = authenticators
            .iter()
            .filter(|confirmer| allowed.contains(&facts(confirmer)));
        let types: BTreeSet<_> = confirming.map(|confirmer| confirmer.method_type).collect();
        types.into_iter().collect()
    }

    /// Returns the ways to recover for a caller whose account has authenticators, or had them before a
    /// reset, none of which can be used here. Returns `None` if the caller can use an authenticator, never
    /// had one, or would not be allowed with one.
    fn recovery(&self, denied: Denied<'_>, age: u64) -> Option<Vec<Recourse>> {
        let means = &denied.request.means;
        let enrolled = request::enrolled(denied.request.cedar_request.context()?);
        let has_enrolled = enrolled.count > 0 || enrolled.reset;
        if !has_enrolled || !means.authenticators.is_empty() {
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
            (means.backup_code, Recourse::BackupCode),
            (means.recovery_code, Recourse::RecoveryCode),
        ];
        let codes = codes.into_iter().filter(|(works, _)| *works && by_code);
        let codes = codes.map(|(_, recourse)| recourse);
        Some(codes.chain([Recourse::Admin]).collect())
    }

    /// Returns true if the request is allowed, without errors, in a session with this proof.
    fn allows_after(&self, denied: Denied<'_>, proof: &Proof<'_>) -> bool {
        self.request_after(denied, proof).is_some_and(|after| {
            let evaluation = self.evaluation(denied.engine, &after, &denied.request.entities);
            evaluation.failed.is_empty() && evaluation.allows
        })
    }

    fn request_after(&self, denied: Denied<'_>, proof: &Proof<'_>) -> Option<Request> {
        let request = &denied.request.cedar_request;
        let after = Request::new(
            request.principal()?.clone(),
            request.action()?.clone(),
            request.resource()?.clone(),
            request::after(request.context()?, proof)?,
            Some(&self.schema.cedar),
        );
        after.ok()
    }
}
