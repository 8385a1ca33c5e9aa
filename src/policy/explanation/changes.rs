//! What the caller could do about a denial.

use std::collections::BTreeSet;

use crate::record::Effect;

use super::super::Bundle;
use super::super::decision::OWN_STEP_UP;
use super::super::inquiry::Inquiry;
use super::super::request::{Change, enrolled};
use super::super::syntax::duration;
use super::WouldPermit;

impl Bundle {
    /// Decides again with one thing changed, for all that is the caller's to change. Where a policy
    /// fails nothing is: that is for who wrote it.
    pub(super) fn would_permit(&self, inquiry: &Inquiry, effect: &Effect) -> Vec<WouldPermit> {
        let (request, entities) = (&inquiry.request, &inquiry.entities);
        let enrolled = request.context().map(enrolled).unwrap_or_default();
        let sign_ins: Vec<(String, u64)> = match effect {
            Effect::Allow | Effect::Failed => return Vec::new(),
            Effect::StepUp(step_up) => {
                let values = step_up.acr_values.iter();
                values.map(|acr| (acr.clone(), step_up.max_age)).collect()
            }
            Effect::Deny(_) | Effect::RecoveryRequired(_) => {
                let own = (enrolled.count > 0).then_some(OWN_STEP_UP);
                let values = inquiry.strong_acr.iter().map(String::as_str).chain(own);
                let values: BTreeSet<_> = values.collect();
                values.into_iter().map(|acr| (acr.to_owned(), 0)).collect()
            }
        };
        let changes = Change::all(request, entities, &sign_ins).into_iter();
        let allowed = changes.filter(|change| {
            let schema = &self.vocabulary.schema;
            let changed = change.apply(request, entities, schema);
            changed.is_some_and(|(request, entities)| {
                let judged = self.judge(&request, &entities, &inquiry.strong_acr);
                judged.effect == Effect::Allow
            })
        });
        allowed
            .map(|change| WouldPermit::of(change, enrolled.count > 0))
            .collect()
    }
}

impl WouldPermit {
    fn of(change: Change, has_factor: bool) -> Self {
        let (change, value, max_age, help) = match change {
            Change::MethodType(to) => {
                let help = format!("enrol with method_type {to}");
                ("method_type", to.to_string(), None, help)
            }
            Change::Tenant(to) => {
                let tenant = to.id().unescaped();
                let help = format!("send X-Tenant-ID: {tenant}, the tenant of the token");
                ("tenant", tenant.to_owned(), None, help)
            }
            Change::SignIn { acr, age } => {
                let when = match age {
                    0 => "just before".to_owned(),
                    age => format!("at most {} before", duration(age)),
                };
                let how = if has_factor && acr == OWN_STEP_UP {
                    "confirm an authenticator, or sign in,"
                } else {
                    "sign in"
                };
                let help = format!("{how} with acr {acr} {when}");
                ("step_up", acr, Some(age), help)
            }
            Change::BackupCode => {
                let help = "use a backup code just before".to_owned();
                ("backup_code", "0s".to_owned(), None, help)
            }
            Change::Factor(one) => {
                let help = format!("have an authenticator of type {one} first");
                ("factor", one.to_string(), None, help)
            }
        };
        Self {
            change,
            value,
            max_age,
            help,
        }
    }
}
