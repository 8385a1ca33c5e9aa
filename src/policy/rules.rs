//! What Cedar takes and the gateway does not: rules about a single policy or template. Each is here
//! because the policy would do nothing, or would do what its author cannot have meant.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cedar_policy::EntityUid;
use cedar_policy_core::ast::{ActionConstraint, Effect, Expr, PrincipalConstraint};
use cedar_policy_core::ast::{PrincipalOrResourceConstraint, Template};

use crate::finding::{Finding, nearest};

use super::annotations::{Annotations, annotation};
use super::expression;
use super::ids;
use super::place::Place;
use super::schema::Vocabulary;

/// One policy or template, as the rules see it.
pub(super) struct Subject<'a> {
    pub(super) template: &'a Template,
    pub(super) place: &'a Place<'a>,
    pub(super) annotations: &'a Annotations,
    /// The actions for which Cedar finds that it can match.
    pub(super) reaches: BTreeSet<EntityUid>,
}

impl Subject<'_> {
    /// Says which rules it breaks.
    pub(super) fn check(&self, vocabulary: &Vocabulary, findings: &mut Vec<Finding>) {
        findings.extend(self.misspelt_ids());
        findings.extend(self.undeclared_names(vocabulary));
        findings.extend(self.addresses());
        findings.extend(self.open_permit(vocabulary));
        findings.extend(self.step_up(vocabulary));
    }

    fn misspelt_ids(&self) -> impl Iterator<Item = Finding> {
        expression::entities(self.template)
            .into_iter()
            .filter_map(|(uid, loc)| {
                let id: &str = uid.eid().as_ref();
                let wrong = ids::misspelt(&uid.entity_type().to_string(), id)?;
                let finding = self.place.error("entity_id", loc.as_ref(), wrong.message);
                Some(finding.help(wrong.help))
            })
    }

    fn undeclared_names(&self, vocabulary: &Vocabulary) -> Vec<Finding> {
        let known = || vocabulary.names.iter().map(String::as_str);
        let refuse = |part: &Expr, name: &str| {
            let message =
                format!("no type has an attribute {name:?}, so this `has` is always false");
            let help = match nearest(name, known()) {
                Some(known) => format!("did you mean {known:?}?"),
                None => "claims are declared in site.cedarschema, all else in gate.cedarschema"
                    .to_owned(),
            };
            self.place
                .error("has_undeclared", part.source_loc(), message)
                .help(help)
        };
        let mut findings = Vec::new();
        for part in expression::parts(self.template) {
            for name in expression::asked_names(part) {
                if !vocabulary.names.contains(name) {
                    findings.push(refuse(part, name));
                }
            }
        }
        findings
    }

    fn addresses(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for part in expression::parts(self.template) {
            if let Some((IpAddr::V6(address), _)) = expression::ip(part)
                && let Some(v4) = address.to_ipv4_mapped()
            {
                let message = "an IPv4-mapped address never matches: the gateway writes such an address as IPv4";
                let finding = self.place.error("ip_mapped", part.source_loc(), message);
                findings.push(finding.help(format!("write ip(\"{v4}\"), or its range in IPv4")));
            }
            for side in expression::compared(part) {
                if expression::ip(side).is_some_and(is_range) {
                    let message = "a range of addresses is compared for equality: no single address equals it";
                    let finding = self.place.error("ip_range", side.source_loc(), message);
                    findings
                        .push(finding.help("write context.network.address.isInRange(ip(\"…\"))"));
                }
            }
        }
        findings
    }

    fn open_permit(&self, vocabulary: &Vocabulary) -> Option<Finding> {
        if self.template.effect() != Effect::Permit {
            return None;
        }
        if matches!(self.template.action_constraint(), ActionConstraint::Any) {
            let message = "this permit names no action: it would open every door, those of later versions too";
            let help =
                "name its actions in the head, such as action in Gate::Action::\"manageOwnMfa\"";
            return Some(
                self.place
                    .error("permit_any_action", None, message)
                    .help(help),
            );
        }
        if self.reaches_group(vocabulary, "administerMfa") && !self.asks_principal() {
            let message = "this permit reaches administerMfa and asks nothing of principal: everybody would administer others";
            let help =
                "name who may, such as principal in Gate::Group::\"…\", or name other actions";
            return Some(
                self.place
                    .error("permit_administers", None, message)
                    .help(help),
            );
        }
        None
    }

    fn asks_principal(&self) -> bool {
        let head = PrincipalConstraint::as_inner(self.template.principal_constraint());
        let named = !matches!(
            head,
            PrincipalOrResourceConstraint::Any | PrincipalOrResourceConstraint::Is(_)
        );
        named || expression::asks_principal(self.template)
    }

    fn step_up(&self, vocabulary: &Vocabulary) -> Option<Finding> {
        let step_up = self.annotations.step_up.as_ref()?;
        let loc = annotation(self.template, "step_up").and_then(|found| found.loc.as_ref());
        for (group, why) in [
            ("stepUp", "nobody could step up any more"),
            ("public", "it is asked of callers that have no session"),
        ] {
            if self.reaches_group(vocabulary, group) {
                let message = format!("@step_up is on a policy that reaches {group}: {why}");
                let help = "name the actions that need it in the head, such as action in Gate::Action::\"changeFactors\"";
                return Some(self.place.error("step_up_reach", loc, message).help(help));
            }
        }
        let millis = i64::try_from(step_up.max_age)
            .ok()
            .and_then(|age| age.checked_mul(1000));
        let asked = expression::parts(self.template)
            .filter_map(expression::since_strong_limit)
            .any(|limit| Some(limit) == millis);
        if asked {
            return None;
        }
        let message = "@step_up is on a policy that does not compare the age of the sign-in with its @max_age: it would never be lifted, or never be asked for";
        let age = annotation(self.template, "max_age").map_or("", |found| found.val.as_str());
        let help = format!("unless {{ context.session.sinceStrong <= duration(\"{age}\") }}");
        Some(self.place.error("step_up_age", loc, message).help(help))
    }

    /// Whether it can match for an action of this group.
    fn reaches_group(&self, vocabulary: &Vocabulary, group: &str) -> bool {
        self.reaches
            .iter()
            .any(|action| vocabulary.is_in(action, group))
    }
}

fn is_range((address, prefix): (IpAddr, Option<u8>)) -> bool {
    let whole = if address.is_ipv4() { 32 } else { 128 };
    prefix.is_some_and(|prefix| prefix < whole)
}
