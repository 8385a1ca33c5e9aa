//! The gateway's own rules about a single policy or template, which Cedar would accept. Each rule refuses
//! a policy that would have no effect, or an effect that its author cannot have meant.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::OnceLock;

use cedar_policy::EntityUid;

use cedargate_core::{Finding, nearest};

use super::annotations::Annotations;
use super::entity_ids;
use super::place::Place;
use super::schema::SchemaIndex;
use super::syntax::{HasTest, Located, PolicyOrTemplate, RequiredPrincipal, Syntax};

/// The code of the finding about a `has` that is always false.
pub(crate) const HAS_UNDECLARED: &str = "has_undeclared";

/// A policy or template with all that the rules need.
pub struct ExaminedPolicy<'a> {
    policy: &'a PolicyOrTemplate,
    /// The syntax tree.
    pub syntax: Syntax<'a>,
    /// The place in its file.
    pub place: &'a Place<'a>,
    /// The annotations other than `@id`.
    pub annotations: &'a Annotations,
    /// The schema against which it is checked.
    pub schema: &'a SchemaIndex,
    reached: OnceLock<BTreeSet<EntityUid>>,
}

impl<'a> ExaminedPolicy<'a> {
    pub(crate) fn new(
        policy: &'a PolicyOrTemplate,
        place: &'a Place<'a>,
        annotations: &'a Annotations,
        schema: &'a SchemaIndex,
    ) -> Self {
        Self {
            policy,
            syntax: policy.syntax(),
            place,
            annotations,
            schema,
            reached: OnceLock::new(),
        }
    }

    /// Returns the actions for which it can match, according to Cedar's validator, which takes its time and
    /// is asked once.
    pub fn reached_actions(&self) -> &BTreeSet<EntityUid> {
        let reached = || reached_actions(self.policy, self.schema);
        self.reached.get_or_init(reached)
    }

    /// Adds a finding for each broken rule.
    pub fn check(&self, findings: &mut Vec<Finding>) {
        findings.extend(self.misspelt_ids());
        findings.extend(self.groups_of_actions());
        findings.extend(self.undeclared_names());
        findings.extend(self.addresses());
        findings.extend(self.open_permit());
        findings.extend(self.step_up());
    }

    /// Makes an error at the place of `at`.
    pub fn refuse<T>(
        &self,
        code: &'static str,
        at: Located<T>,
        message: impl Into<String>,
    ) -> Finding {
        self.place.error(code, at.span, message)
    }

    fn misspelt_ids(&self) -> impl Iterator<Item = Finding> {
        self.syntax.entities().into_iter().filter_map(|named| {
            let entity_type = named.item.type_name().to_string();
            let wrong = entity_ids::misspelt(&entity_type, named.item.id().unescaped())?;
            let finding = self.refuse("entity_id", named, wrong.message);
            Some(finding.help(wrong.help))
        })
    }

    /// Refuses `==` with a group of actions in conditions. In the scope, Cedar warns about it.
    fn groups_of_actions(&self) -> impl Iterator<Item = Finding> {
        let named = self.syntax.entities_compared_without_in().into_iter();
        let groups = named.filter(|named| self.schema.is_group(&named.item));
        groups.map(|named| {
            let help = format!("write action in {}", named.item);
            let message = "this is a group of actions, and no request's action equals a group";
            self.refuse("action_group", named, message).help(help)
        })
    }

    fn undeclared_names(&self) -> Vec<Finding> {
        let claims = &self.schema.claims;
        let mut findings = Vec::new();
        for test in self.syntax.has_tests() {
            let HasTest { name, of_claims } = test.item;
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
                None => {
                    "claims are declared in site.cedarschema, other attributes in gate.cedarschema"
                        .to_owned()
                }
            };
            findings.push(self.refuse(HAS_UNDECLARED, test, message).help(help));
        }
        findings
    }

    fn addresses(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for literal in self.syntax.ip_literals() {
            let ip = literal.item;
            if let Some(v4) = mapped(ip.address) {
                let range = ip.prefix.map_or(String::new(), |prefix| {
                    format!("/{}", prefix.saturating_sub(96))
                });
                let message = "an IPv4-mapped address never matches: the gateway converts such an address to IPv4";
                let finding = self.refuse("ip_mapped", literal, message);
                findings.push(finding.help(format!("write it as IPv4: ip(\"{v4}{range}\")")));
            } else if ip.prefix.is_some() && !ip.as_range {
                let message = "this is a range of addresses where a single address is expected, so the comparison is never true";
                let finding = self.refuse("ip_range", literal, message);
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
                "this permit names no action, so it would permit every operation, also those of later versions",
                "name its actions in the scope, such as action in Gate::Action::\"manageOwnMfa\"",
            )
        } else if !self.syntax.requires_named_users() && self.reaches("administerMfa") {
            (
                "permit_administers",
                "this permit reaches administerMfa and requires neither membership in a group nor one user, so it would make everybody an administrator",
                "write principal in Gate::Group::\"…\" or principal == Gate::User::\"…\" in the scope, or as a conjunct of `when`; or name other actions",
            )
        } else {
            return None;
        };
        Some(self.place.error(code, None, message).help(help))
    }

    /// Returns true for a permit template whose links bind the administrators to `?principal`.
    pub fn administers_by_link(&self) -> bool {
        !self.syntax.forbids()
            && self.syntax.required_principals() == Some(RequiredPrincipal::OfLink)
            && self.reaches("administerMfa")
    }

    fn step_up(&self) -> Option<Finding> {
        let step_up = self.annotations.step_up.as_ref()?;
        let annotation = self.syntax.annotation("step_up")?;
        for (group, reason) in [
            ("stepUp", "no user could step up any more"),
            ("public", "callers of public actions have no session"),
        ] {
            if self.reaches(group) {
                let message = format!("@step_up is on a policy that reaches {group}: {reason}");
                let help = "name the actions that need it in the scope, such as action in Gate::Action::\"changeFactors\"";
                return Some(self.refuse("step_up_reach", annotation, message).help(help));
            }
        }
        let millis = i128::from(step_up.max_age) * 1000;
        let limits = self.syntax.sign_in_age_limits();
        if limits.into_iter().any(|age| i128::from(age) == millis) {
            return None;
        }
        let message = "@step_up is on a policy whose condition does not end exactly at @max_age: a fresh sign-in would not satisfy it, or would never be required";
        let age = self.syntax.annotation("max_age")?.item.value;
        let help = format!(
            "write unless {{ context.session.sinceStrong <= duration(\"{age}\") }}, or > in when {{ … }}"
        );
        Some(self.refuse("step_up_age", annotation, message).help(help))
    }

    /// Returns true if it can match for an action of this group.
    pub fn reaches(&self, group: &str) -> bool {
        self.reached_actions()
            .iter()
            .any(|action| self.schema.is_in(action, group))
    }
}

/// Returns the actions for which a policy can match, according to Cedar's validator.
fn reached_actions(policy: &PolicyOrTemplate, schema: &SchemaIndex) -> BTreeSet<EntityUid> {
    let cedar = &schema.cedar;
    let action = |env: cedar_policy::RequestEnv| env.action().clone();
    match (policy.policy(), policy.template()) {
        (Some(policy), _) => policy.get_valid_request_envs(cedar).map(action).collect(),
        (_, Some(template)) => template.get_valid_request_envs(cedar).map(action).collect(),
        (None, None) => BTreeSet::new(),
    }
}

/// Returns the IPv4 address in an IPv6 address of `::ffff:0:0/96`.
fn mapped(address: IpAddr) -> Option<std::net::Ipv4Addr> {
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => address.to_ipv4_mapped(),
    }
}
