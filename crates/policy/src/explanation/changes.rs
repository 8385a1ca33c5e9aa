//! What the caller could do about a denial.

use std::collections::BTreeSet;

use cedargate_core::Effect;

use super::super::Bundle;
use super::super::decision::{Denied, OWN_STEP_UP, Offer};
use super::super::inquiry::Inquiry;
use super::super::request::Change;
use super::super::syntax::duration;
use super::WouldPermit;

impl Bundle {
    /// Decides again with one thing changed, for all that is the caller's to change. Where a policy
    /// fails nothing is: that is for who wrote it.
    pub(super) fn would_permit(&self, inquiry: &Inquiry, effect: &Effect) -> Vec<WouldPermit> {
        if matches!(effect, Effect::Allow | Effect::Failed) {
            return Vec::new();
        }
        let (request, entities) = (&inquiry.request, &inquiry.entities);
        let changes = Change::all(request, entities, &inquiry.means).into_iter();
        let allowed = changes.filter(|change| {
            let schema = &self.schema.cedar;
            let changed = change.apply(request, entities, schema);
            changed.is_some_and(|(request, entities)| {
                let judged = self.judge(&request, &entities, inquiry.step_ups());
                judged.effect == Effect::Allow
            })
        });
        let of_request =
            |change: &Change| matches!(change, Change::MethodType(_) | Change::Tenant(_));
        let (request, account): (Vec<_>, Vec<_>) = allowed.partition(of_request);
        let changes = |some: Vec<_>| some.into_iter().map(WouldPermit::of);
        changes(request)
            .chain(self.step_ups(inquiry, effect))
            .chain(changes(account))
            .collect()
    }

    /// The step-ups that would do: those that the policies ask for, or else every one that the caller
    /// can get.
    fn step_ups(&self, inquiry: &Inquiry, effect: &Effect) -> Vec<WouldPermit> {
        let (values, age): (BTreeSet<&str>, u64) = match effect {
            Effect::StepUp(step_up) => {
                let values = step_up.acr_values.iter().map(String::as_str);
                (values.collect(), step_up.max_age)
            }
            _ => {
                let values = inquiry.strong_acr.iter().map(String::as_str);
                (values.chain([OWN_STEP_UP]).collect(), 0)
            }
        };
        let denied = Denied {
            policies: &self.live,
            request: &inquiry.request,
            entities: &inquiry.entities,
        };
        let offers = values
            .into_iter()
            .filter_map(|acr| self.offer(denied, inquiry.step_ups(), acr, age));
        offers
            .map(|offer| WouldPermit::step_up(offer, age))
            .collect()
    }
}

impl WouldPermit {
    fn of(change: Change) -> Self {
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
            Change::Factor(one) => {
                let help = format!("have an authenticator of type {one} first");
                ("factor", one.to_string(), help)
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
