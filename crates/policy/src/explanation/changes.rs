//! Finds the changes with which a denied request would be allowed.

use std::collections::BTreeSet;

use cedargate_core::{Effect, STEP_UP_ACR};

use crate::decision::{Denied, Offer};
use crate::request::Change;
use crate::syntax::duration;
use crate::{Bundle, PreparedRequest};

use super::WouldPermit;

impl Bundle {
    /// Decides the request again with each change that the caller can make, and returns the changes with
    /// which it is allowed. Returns none if a policy fails, because only its author can repair it.
    pub(super) fn would_permit(
        &self,
        request: &PreparedRequest,
        effect: &Effect,
    ) -> Vec<WouldPermit> {
        if matches!(effect, Effect::Allow | Effect::Failed) {
            return Vec::new();
        }
        let changes =
            Change::all(&request.cedar_request, &request.entities, &request.means).into_iter();
        let allowed = changes.filter(|change| self.is_allowed_with(change, request));
        let is_of_request =
            |change: &Change| matches!(change, Change::MethodType(_) | Change::Tenant(_));
        let (of_request, of_account): (Vec<_>, Vec<_>) = allowed.partition(is_of_request);
        let of_request = of_request.into_iter().map(WouldPermit::from_change);
        let of_account = of_account.into_iter().map(WouldPermit::from_change);
        of_request
            .chain(self.step_ups(request, effect))
            .chain(of_account)
            .collect()
    }

    fn is_allowed_with(&self, change: &Change, request: &PreparedRequest) -> bool {
        let changed = change.apply(
            &request.cedar_request,
            &request.entities,
            &self.schema.cedar,
        );
        changed.is_some_and(|(cedar_request, entities)| {
            let changed = PreparedRequest {
                cedar_request,
                entities,
                ..request.clone()
            };
            self.evaluate(&changed).is_allow()
        })
    }

    /// Returns the step-ups with which the request is allowed: those of the effect, or else all that the
    /// caller can get.
    fn step_ups(&self, request: &PreparedRequest, effect: &Effect) -> Vec<WouldPermit> {
        let (values, age): (BTreeSet<&str>, u64) = match effect {
            Effect::StepUp(step_up) => {
                let values = step_up.acr_values.iter().map(String::as_str);
                (values.collect(), step_up.max_age)
            }
            _ => {
                let values = request.strong_acr.iter().map(String::as_str);
                (values.chain([STEP_UP_ACR]).collect(), 0)
            }
        };
        let denied = Denied {
            engine: &self.live,
            request,
        };
        let offers = values
            .into_iter()
            .filter_map(|acr| self.offer(denied, acr, age));
        offers
            .map(|offer| WouldPermit::step_up(offer, age))
            .collect()
    }
}

impl WouldPermit {
    fn from_change(change: Change) -> Self {
        let (change, value, help) = match change {
            Change::MethodType(to) => {
                let help = format!("enrol with method_type {to}");
                ("method_type", to.to_string(), help)
            }
            Change::Tenant(to) => {
                let tenant = to.id().unescaped();
                let help = format!("send X-Tenant-ID: {tenant}, the tenant of the token");
                ("tenant", tenant.to_owned(), help)
            }
            Change::BackupCode => {
                let help = "use a backup code just before".to_owned();
                ("backup_code", "0s".to_owned(), help)
            }
            Change::RecoveryCode => {
                let help = "use the recovery code just before".to_owned();
                ("recovery_code", "0s".to_owned(), help)
            }
            Change::Factor(method_type) => {
                let help = format!("have an authenticator of type {method_type} first");
                ("factor", method_type.to_string(), help)
            }
        };
        Self {
            change,
            value,
            max_age: None,
            help,
        }
    }

    fn step_up(offer: Offer, age: u64) -> Self {
        let when = match age {
            0 => "just before".to_owned(),
            age => format!("at most {} before", duration(age)),
        };
        let how = match (offer.method_types.is_empty(), offer.sign_in) {
            (false, true) => "confirm an authenticator, or sign in,",
            (false, false) => "confirm an authenticator",
            (true, _) => "sign in",
        };
        Self {
            change: "step_up",
            help: format!("{how} with acr {} {when}", offer.acr),
            value: offer.acr,
            max_age: Some(age),
        }
    }
}
