//! The callers of canary requests, each with the policies that can apply to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use cedar_policy::{EntityUid, Policy, PolicySet, SlotId};

use crate::Bundle;
use crate::syntax::{RequiredPrincipal, Syntax};
use cedargate_core::{GroupId, IssuerName, Tenant, UserId};

/// The issuer of the unknown user: a name that real policies do not use.
static ISSUER: LazyLock<IssuerName> =
    LazyLock::new(|| "canary".parse().expect("this is the name of an issuer"));
/// The tenant of the unknown user.
static TENANT: LazyLock<Tenant> = LazyLock::new(|| {
    let tenant = "ca9a4100-0000-4000-8000-000000000001".parse();
    tenant.expect("this is a UUID")
});
/// The tenant in the header of requests for another tenant.
pub(super) static OTHER_TENANT: LazyLock<Tenant> = LazyLock::new(|| {
    let tenant = "ca9a4100-0000-4000-8000-000000000002".parse();
    tenant.expect("this is a UUID")
});
const SUBJECT: &str = "canary";

/// A caller, with the entities that policies name together with them.
#[derive(Debug)]
pub(super) struct CanaryCaller {
    pub(super) id: UserId,
    pub(super) groups: Vec<String>,
    /// The tenants that policies name together with the caller.
    pub(super) tenants: BTreeSet<Tenant>,
    /// The issuers that policies name together with the caller.
    pub(super) issuers: BTreeSet<IssuerName>,
    /// The policies that can apply to the caller.
    pub(super) policies: PolicySet,
}

impl CanaryCaller {
    /// Returns true for a user whom no policy names.
    pub(super) fn is_unknown(&self) -> bool {
        self.id.issuer == *ISSUER && self.id.subject == SUBJECT
    }
}

/// Returns the callers that policies could treat differently.
pub(super) fn of(bundle: &Bundle) -> Vec<CanaryCaller> {
    let mentions: Vec<_> = bundle
        .live
        .set()
        .policies()
        .map(PolicyMentions::of)
        .collect();
    let index = MentionIndex::of(&mentions);
    let mut identities = BTreeSet::from([
        CallerIdentity::without_groups(ISSUER.clone(), Some(*TENANT)),
        CallerIdentity::without_groups(ISSUER.clone(), None),
    ]);
    mentions.iter().for_each(|one| one.callers(&mut identities));
    let in_all_groups = CallerIdentity::of_several_groups(&identities);
    identities.extend(in_all_groups);
    let mut general = bundle.live.set().clone();
    for one in mentions.iter().filter(|one| one.requires.is_some()) {
        one.remove_from(&mut general);
    }
    identities
        .into_iter()
        .filter_map(|identity| index.caller(identity, &general))
        .collect()
}

/// The entities that a policy names.
struct PolicyMentions<'a> {
    policy: &'a Policy,
    /// All entities in its scope, its conditions and its link.
    named: BTreeSet<EntityUid>,
    /// The entities of which the principal must equal one or be in one. `None` if the policy can apply to
    /// every principal.
    requires: Option<Vec<EntityUid>>,
}

impl<'a> PolicyMentions<'a> {
    fn of(policy: &'a Policy) -> Self {
        let syntax = Syntax::from(policy);
        let links = policy.template_links().unwrap_or_default();
        let named = syntax.entities().into_iter().map(|found| found.item);
        let named = named.chain(links.values().cloned()).collect();
        let requires = match syntax.required_principals() {
            None => None,
            Some(RequiredPrincipal::OneOf(entities)) => Some(entities),
            Some(RequiredPrincipal::OfLink) => links
                .get(&SlotId::principal())
                .map(|principal| vec![principal.clone()]),
        };
        Self {
            policy,
            named,
            requires,
        }
    }

    fn permits(&self) -> bool {
        self.policy.effect() == cedar_policy::Effect::Permit
    }

    /// Adds each user that the policy names, a member of each group that it names, and a user for each pair of
    /// issuer and tenant.
    fn callers(&self, identities: &mut BTreeSet<CallerIdentity>) {
        let (mut issuers, mut tenants) = (self.issuers(), self.tenants());
        for uid in &self.named {
            let id = uid.id().unescaped();
            if let ("Gate::Group", Ok(group)) = (&*type_of(uid), id.parse::<GroupId>()) {
                identities.insert(CallerIdentity {
                    issuer: group.issuer,
                    tenant: group.tenant,
                    subject: SUBJECT.to_owned(),
                    groups: BTreeSet::from([group.name]),
                });
            }
            if let ("Gate::User" | "Gate::Account", Ok(user)) =
                (&*type_of(uid), id.parse::<UserId>())
            {
                identities.insert(CallerIdentity {
                    issuer: user.issuer,
                    tenant: user.tenant,
                    subject: user.subject,
                    groups: BTreeSet::new(),
                });
            }
        }
        issuers.insert(ISSUER.clone());
        tenants.insert(*TENANT);
        for issuer in &issuers {
            let of_issuer = tenants.iter().map(|tenant| Some(*tenant)).chain([None]);
            identities.extend(
                of_issuer.map(|tenant| CallerIdentity::without_groups(issuer.clone(), tenant)),
            );
        }
    }

    fn tenants(&self) -> BTreeSet<Tenant> {
        let named = self.named.iter().filter_map(|uid| match &*type_of(uid) {
            "Gate::Tenant" => uid.id().unescaped().parse().ok(),
            _ => issuer_and_tenant(uid)?.1,
        });
        named.collect()
    }

    fn issuers(&self) -> BTreeSet<IssuerName> {
        let named = self.named.iter().filter_map(|uid| match &*type_of(uid) {
            "Gate::Issuer" => uid.id().unescaped().parse().ok(),
            _ => Some(issuer_and_tenant(uid)?.0),
        });
        named.collect()
    }

    fn remove_from(&self, set: &mut PolicySet) {
        let id = self.policy.id().clone();
        // The policy is in the set, so this cannot fail.
        let _ = match self.policy.is_static() {
            true => set.remove_static(id).map(drop),
            false => set.unlink(id).map(drop),
        };
    }

    fn add_to(&self, set: &mut PolicySet) {
        // The policy was in the set before, and its template still is, so this cannot fail.
        let _ = match (self.policy.template_id(), self.policy.template_links()) {
            (Some(template), Some(links)) => {
                set.link(template.clone(), self.policy.id().clone(), links)
            }
            _ => set.add(self.policy.clone()),
        };
    }
}

fn type_of(uid: &EntityUid) -> String {
    uid.type_name().to_string()
}

/// Returns the issuer and the tenant in the id of a group, user or account.
fn issuer_and_tenant(uid: &EntityUid) -> Option<(IssuerName, Option<Tenant>)> {
    let id = uid.id().unescaped();
    match &*type_of(uid) {
        "Gate::Group" => id.parse::<GroupId>().ok().map(|it| (it.issuer, it.tenant)),
        "Gate::User" | "Gate::Account" => {
            id.parse::<UserId>().ok().map(|it| (it.issuer, it.tenant))
        }
        _ => None,
    }
}

/// The issuer, tenant, subject and groups of a caller.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct CallerIdentity {
    issuer: IssuerName,
    tenant: Option<Tenant>,
    subject: String,
    groups: BTreeSet<String>,
}

impl CallerIdentity {
    fn without_groups(issuer: IssuerName, tenant: Option<Tenant>) -> Self {
        Self {
            issuer,
            tenant,
            subject: SUBJECT.to_owned(),
            groups: BTreeSet::new(),
        }
    }

    /// Returns, for each issuer and tenant with several named groups, one user who is in all of them.
    fn of_several_groups(identities: &BTreeSet<Self>) -> Vec<Self> {
        let mut groups: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for one in identities {
            let names = groups.entry((one.issuer.clone(), one.tenant)).or_default();
            names.extend(one.groups.iter().cloned());
        }
        let several = groups.into_iter().filter(|(_, groups)| groups.len() > 1);
        several
            .map(|((issuer, tenant), groups)| Self {
                groups,
                ..Self::without_groups(issuer, tenant)
            })
            .collect()
    }

    /// Returns the entities that the caller equals or is in.
    fn entities(&self) -> Vec<EntityUid> {
        let id = UserId {
            issuer: self.issuer.clone(),
            tenant: self.tenant,
            subject: self.subject.clone(),
        };
        let group = |name: &String| GroupId {
            issuer: self.issuer.clone(),
            tenant: self.tenant,
            name: name.clone(),
        };
        let own = [
            ("Gate::User", id.to_string()),
            ("Gate::Account", id.to_string()),
            ("Gate::Issuer", self.issuer.to_string()),
        ];
        let tenant = self.tenant.map(|it| ("Gate::Tenant", it.to_string()));
        let groups = self.groups.iter().map(group);
        own.into_iter()
            .chain(tenant)
            .chain(groups.map(|it| ("Gate::Group", it.to_string())))
            .filter_map(|(entity_type, id)| {
                Some(EntityUid::from_type_name_and_id(
                    entity_type.parse().ok()?,
                    id.parse().ok()?,
                ))
            })
            .collect()
    }
}

/// The policies of a bundle, by the entities that they name.
struct MentionIndex<'a> {
    mentions: &'a [PolicyMentions<'a>],
    /// The policies that require their principal to equal an entity or to be in it.
    requiring: BTreeMap<&'a EntityUid, Vec<usize>>,
    /// The policies that name an entity.
    naming: BTreeMap<&'a EntityUid, Vec<usize>>,
}

impl<'a> MentionIndex<'a> {
    fn of(mentions: &'a [PolicyMentions<'a>]) -> Self {
        let mut index = Self {
            mentions,
            requiring: BTreeMap::new(),
            naming: BTreeMap::new(),
        };
        for (at, one) in mentions.iter().enumerate() {
            for uid in one.requires.iter().flatten() {
                index.requiring.entry(uid).or_default().push(at);
            }
            for uid in &one.named {
                index.naming.entry(uid).or_default().push(at);
            }
        }
        index
    }

    /// Returns `None` if no permit for this caller and none of the `general` policies, which can apply to
    /// every principal, mention them. The policies treat such a caller like an unknown user, or refuse them
    /// for more reasons.
    fn caller(&self, identity: CallerIdentity, general: &PolicySet) -> Option<CanaryCaller> {
        let entities = identity.entities();
        let indexes = |index: &BTreeMap<&EntityUid, Vec<usize>>| -> BTreeSet<usize> {
            let found = entities.iter().filter_map(|uid| index.get(uid));
            found.flatten().copied().collect()
        };
        let own = indexes(&self.requiring);
        let naming = indexes(&self.naming);
        let naming: Vec<_> = naming.iter().map(|at| &self.mentions[*at]).collect();
        let is_known = naming.iter().any(|one| one.requires.is_none())
            || own.iter().any(|at| self.mentions[*at].permits());
        let is_unknown = identity.subject == SUBJECT && identity.issuer == *ISSUER;
        let is_unknown = is_unknown && identity.tenant.is_none_or(|tenant| tenant == *TENANT);
        if !is_unknown && !is_known {
            return None;
        }
        // If a general policy makes an exception for a tenant, the exception may apply to every caller.
        let general_policies = self.mentions.iter().filter(|one| one.requires.is_none());
        let related: Vec<_> = match is_unknown {
            true => general_policies.chain(naming).collect(),
            false => naming,
        };
        let mut policies = general.clone();
        own.iter()
            .for_each(|at| self.mentions[*at].add_to(&mut policies));
        Some(CanaryCaller {
            tenants: related.iter().flat_map(|one| one.tenants()).collect(),
            issuers: related.iter().flat_map(|one| one.issuers()).collect(),
            id: UserId {
                issuer: identity.issuer,
                tenant: identity.tenant,
                subject: identity.subject,
            },
            groups: identity.groups.into_iter().collect(),
            policies,
        })
    }
}
