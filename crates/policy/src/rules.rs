//! What Cedar takes and the gateway does not: rules about a single policy or template. Each is here
//! because the policy would do nothing, or would do what its author cannot have meant.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cedar_policy::EntityUid;

use cedargate_core::{Finding, nearest};

use super::annotations::Annotations;
use super::ids;
use super::place::Place;
use super::schema::SchemaIndex;
use super::syntax::{Found, Has, Required, Syntax};

/// A `has` that is always false.
pub(crate) const HAS_UNDECLARED: &str = "has_undeclared";

/// One policy or template, as the rules see it.
pub struct Subject<'a> {
    pub syntax: Syntax<'a>,
    pub place: &'a Place<'a>,
    pub annotations: &'a Annotations,
    pub schema: &'a SchemaIndex,
    /// The actions for which Cedar finds that it can match.
    pub reaches: BTreeSet<EntityUid>,
}

impl Subject<'_> {
    /// Says which rules it breaks.
    pub fn check(&self, findings: &mut Vec<Finding>) {
        findings.extend(self.misspelt_ids());
        findings.extend(self.groups_of_actions());
        findings.extend(self.undeclared_names());
        findings.extend(self.addresses());
        findings.extend(self.open_permit());
        findings.extend(self.step_up());
    }

    pub fn refuse<T>(
        &self,
        code: &'static str,
        at: Found<T>,
        message: impl Into<String>,
    ) -> Finding {
        self.place.error(code, at.span, message)
    }

    fn misspelt_ids(&self) -> impl Iterator<Item = Finding> {
        self.syntax.entities().into_iter().filter_map(|named| {
            let entity_type = named.what.type_name().to_string();
            let wrong = ids::misspelt(&entity_type, named.what.id().unescaped())?;
            let finding = self.refuse("entity_id", named, wrong.message);
            Some(finding.help(wrong.help))
        })
    }

    /// In a head Cedar warns of `==` with a group; in a condition it does not.
    fn groups_of_actions(&self) -> impl Iterator<Item = Finding> {
        let named = self.syntax.entities_outside_in().into_iter();
        let groups = named.filter(|named| self.schema.is_group(&named.what));
        groups.map(|named| {
            let help = format!("write action in {}", named.what);
            let message = "this is a group of actions, and no request's action equals a group";
            self.refuse("action_group", named, message).help(help)
        })
    }

    fn undeclared_names(&self) -> Vec<Finding> {
        let claims = &self.schema.claims;
        let mut findings = Vec::new();
        for asked in self.syntax.asked_names() {
            let Has { name, of_claims } = asked.what;
            let known: Vec<&str> = if of_claims {
                claims.iter().map(|(name, _)| name.as_str()).collect()
            } else {
                self.schema.names.iter().map(String::as_str).collect()
            };
            if known.contains(&name) {
                continue;
            }
            let message = if of_claims {
                format!(
                    "site.cedarschema declares no claim {name:?}, so this `has` is always false"
                )
            } else {
                format!("no type has an attribute {name:?}, so this `has` is always false")
            };
            let help = match nearest(name, known) {
                Some(known) => format!("did you mean {known:?}?"),
                None => "claims are declared in site.cedarschema, all else in gate.cedarschema"
                    .to_owned(),
            };
            findings.push(self.refuse(HAS_UNDECLARED, asked, message).help(help));
        }
        findings
    }

    fn addresses(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for found in self.syntax.ips() {
            let ip = found.what;
            if let Some(v4) = mapped(ip.address) {
                let range = ip.prefix.map_or(String::new(), |prefix| {
                    format!("/{}", prefix.saturating_sub(96))
                });
                let message = "an IPv4-mapped address never matches: the gateway writes such an address as IPv4";
                let finding = self.refuse("ip_mapped", found, message);
                findings.push(finding.help(format!("write it as IPv4: ip(\"{v4}{range}\")")));
            } else if ip.prefix.is_some() && !ip.as_range {
                let message = "a range of addresses stands where an address is asked for: no single address equals it, or lies around it";
                let finding = self.refuse("ip_range", found, message);
                findings.push(finding.help("write context.network.address.isInRange(ip(\"…\"))"));
            }
        }
        findings
    }

    fn open_permit(&self) -> Option<Finding> {
        if self.syntax.forbids() {
            return None;
        }
        let (code, message, help) = if !self.syntax.names_action() {
            (
                "permit_any_action",
                "this permit names no action: it would open every door, those of later versions too",
                "name its actions in the head, such as action in Gate::Action::\"manageOwnMfa\"",
            )
        } else if self.reaches("administerMfa") && !self.syntax.requires_named_users() {
            (
                "permit_administers",
                "this permit reaches administerMfa and requires neither membership in a group nor one user: others would administer too",
                "write principal in Gate::Group::\"…\" or principal == Gate::User::\"…\" in the head, or as a conjunct of `when`; or name other actions",
            )
        } else {
            return None;
        };
        Some(self.place.error(code, None, message).help(help))
    }

    /// Returns true for a template of permits whose links say who administers.
    pub fn administers_by_link(&self) -> bool {
        !self.syntax.forbids()
            && self.syntax.required_principals() == Some(Required::OfLink)
            && self.reaches("administerMfa")
    }

    fn step_up(&self) -> Option<Finding> {
        let step_up = self.annotations.step_up.as_ref()?;
        let there = self.syntax.annotation("step_up")?;
        for (group, why) in [
            ("stepUp", "nobody could step up any more"),
            ("public", "it is asked of callers that have no session"),
        ] {
            if self.reaches(group) {
                let message = format!("@step_up is on a policy that reaches {group}: {why}");
                let help = "name the actions that need it in the head, such as action in Gate::Action::\"changeFactors\"";
                return Some(self.refuse("step_up_reach", there, message).help(help));
            }
        }
        let millis = i128::from(step_up.max_age) * 1000;
        let lifted = self.syntax.lifted_by_sign_in();
        if lifted.into_iter().any(|age| i128::from(age) == millis) {
            return None;
        }
        let message = "@step_up is on a policy that a sign-in of just its @max_age does not lift: it would never be lifted, or never be asked for";
        let age = self.syntax.annotation("max_age")?.what.value;
        let help = format!(
            "write unless {{ context.session.sinceStrong <= duration(\"{age}\") }}, or > in when {{ … }}"
        );
        Some(self.refuse("step_up_age", there, message).help(help))
    }

    /// Whether it can match for an action of this group.
    pub fn reaches(&self, group: &str) -> bool {
        self.reaches
            .iter()
            .any(|action| self.schema.is_in(action, group))
    }
}

/// The IPv4 address that an IPv6 address of `::ffff:0:0/96` stands for.
fn mapped(address: IpAddr) -> Option<std::net::Ipv4Addr> {
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => address.to_ipv4_mapped(),
    }
}
