//! Who asks canary requests, and which policies can apply to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use cedar_policy::{EntityUid, Policy, PolicySet, SlotId};

use crate::Bundle;
use crate::syntax::{Required, Syntax};
use cedargate_core::{GroupId, IssuerName, Tenant, UserId};

/// An issuer, a tenant and a subject that no policy names by accident.
static ISSUER: LazyLock<IssuerName> =
    LazyLock::new(|| "canary".parse().expect("the name of an issuer"));
static TENANT: LazyLock<Tenant> = LazyLock::new(|| {
    let tenant = "ca9a4100-0000-4000-8000-000000000001".parse();
    tenant.expect("a UUID")
});
/// The tenant in headers.
pub(super) static OTHER_TENANT: LazyLock<Tenant> = LazyLock::new(|| {
    let tenant = "ca9a4100-0000-4000-8000-000000000002".parse();
    tenant.expect("a UUID")
});
const SUBJECT: &str = "canary";

/// Somebody who asks, and what the policies about them name besides.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) id: UserId,
    pub(super) groups: Vec<String>,
    /// The tenants that are named together with them.
    pub(super) tenants: BTreeSet<Tenant>,
    /// The issuers that are named together with them.
    pub(super) issuers: BTreeSet<IssuerName>,
    /// The policies that can apply to them.
    pub(super) policies: PolicySet,
}

impl Caller {
    /// Returns true for a user of whom no policy knows.
    pub(super) fn is_unknown(&self) -> bool {
        self.id.issuer == *ISSUER && self.id.subject == SUBJECT
    }
}

/// The callers that policies could treat differently.
pub(super) fn of(bundle: &Bundle) -> Vec<Caller> {
    let about: Vec<_> = bundle.live.policies().map(About::of).collect();
    let world = World::of(&about);
    let mut who = BTreeSet::from([
        Who::plain(ISSUER.clone(), Some(*TENANT)),
        Who::plain(ISSUER.clone(), None),
    ]);
    about.iter().for_each(|one| one.callers(&mut who));
    let in_all_groups = Who::of_several_groups(&who);
    who.extend(in_all_groups);
    let mut general = bundle.live.clone();
    for one in about.iter().filter(|one| one.requires.is_some()) {
        one.remove_from(&mut general);
    }
    who.into_iter()
        .filter_map(|who| world.caller(who, &general))
        .collect()
}

/// What a policy says of callers.
struct About<'a> {
    policy: &'a Policy,
    /// All that it names.
    named: BTreeSet<EntityUid>,
    /// Its principal must be one of these, or in one; `None`: it can apply to anybody.
    requires: Option<Vec<EntityUid>>,
}

impl<'a> About<'a> {
    fn of(policy: &'a Policy) -> Self {
        let syntax = Syntax::from(policy);
        let links = policy.template_links().unwrap_or_default();
        let named = syntax.entities().into_iter().map(|found| found.what);
        let named = named.chain(links.values().cloned()).collect();
        let requires = match syntax.required_principals() {
            None => None,
            Some(Required::OneOf(some)) => Some(some),
            Some(Required::OfLink) => links
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

    /// Adds a user of each group, user, issuer and tenant that it names, and of each issuer in each
    /// tenant.
    fn callers(&self, who: &mut BTreeSet<Who>) {
        let (mut issuers, mut tenants) = (self.issuers(), self.tenants());
        for uid in &self.named {
            let id = uid.id().unescaped();
            if let ("Gate::Group", Ok(group)) = (&*type_of(uid), id.parse::<GroupId>()) {
                who.insert(Who {
                    issuer: group.issuer,
                    tenant: group.tenant,
                    subject: SUBJECT.to_owned(),
                    groups: BTreeSet::from([group.name]),
                });
            }
            if let ("Gate::User" | "Gate::Account", Ok(user)) =
                (&*type_of(uid), id.parse::<UserId>())
            {
                who.insert(Who {
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
            who.extend(of_issuer.map(|tenant| Who::plain(issuer.clone(), tenant)));
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
        // It is in the set: there is nothing that could fail.
        let _ = match self.policy.is_static() {
            true => set.remove_static(id).map(drop),
            false => set.unlink(id).map(drop),
        };
    }

    fn add_to(&self, set: &mut PolicySet) {
        // It was in the set before, and its template still is.
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

/// Of an entity that has both in its id.
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

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Who {
    issuer: IssuerName,
    tenant: Option<Tenant>,
    subject: String,
    groups: BTreeSet<String>,
}

impl Who {
    fn plain(issuer: IssuerName, tenant: Option<Tenant>) -> Self {
        Self {
            issuer,
            tenant,
            subject: SUBJECT.to_owned(),
            groups: BTreeSet::new(),
        }
    }

    /// A user in all named groups of their issuer and tenant, where there are several.
    fn of_several_groups(who: &BTreeSet<Self>) -> Vec<Self> {
        let mut groups: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for one in who {
            let of = groups.entry((one.issuer.clone(), one.tenant)).or_default();
            of.extend(one.groups.iter().cloned());
        }
        let several = groups.into_iter().filter(|(_, groups)| groups.len() > 1);
        several
            .map(|((issuer, tenant), groups)| Self {
                groups,
                ..Self::plain(issuer, tenant)
            })
            .collect()
    }

    /// What they are, and are in.
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
            .filter_map(|(of, id)| {
                Some(EntityUid::from_type_name_and_id(
                    of.parse().ok()?,
                    id.parse().ok()?,
                ))
            })
            .collect()
    }
}

/// The policies, by what they name.
struct World<'a> {
    about: &'a [About<'a>],
    /// Those that only apply to who is one of these, or in one.
    requiring: BTreeMap<&'a EntityUid, Vec<usize>>,
    /// Those that name an entity.
    naming: BTreeMap<&'a EntityUid, Vec<usize>>,
}

impl<'a> World<'a> {
    fn of(about: &'a [About<'a>]) -> Self {
        let mut world = Self {
            about,
            requiring: BTreeMap::new(),
            naming: BTreeMap::new(),
        };
        for (at, one) in about.iter().enumerate() {
            for uid in one.requires.iter().flatten() {
                world.requiring.entry(uid).or_default().push(at);
            }
            for uid in &one.named {
                world.naming.entry(uid).or_default().push(at);
            }
        }
        world
    }

    /// `None` for somebody whom no permit and no general policy is about: they are answered as the
    /// users are of whom no policy knows, or refused for more reasons.
    fn caller(&self, who: Who, general: &PolicySet) -> Option<Caller> {
        let entities = who.entities();
        let of = |index: &BTreeMap<&EntityUid, Vec<usize>>| -> BTreeSet<usize> {
            let found = entities.iter().filter_map(|uid| index.get(uid));
            found.flatten().copied().collect()
        };
        let own = of(&self.requiring);
        let about: Vec<_> = of(&self.naming).iter().map(|at| &self.about[*at]).collect();
        let is_known = about.iter().any(|one| one.requires.is_none())
            || own.iter().any(|at| self.about[*at].permits());
        let is_unknown = who.subject == SUBJECT && who.issuer == *ISSUER;
        let is_unknown = is_unknown && who.tenant.is_none_or(|tenant| tenant == *TENANT);
        if !is_unknown && !is_known {
            return None;
        }
        // A header that a general policy lets through, it may let through for everybody.
        let general_policies = self.about.iter().filter(|one| one.requires.is_none());
        let beside: Vec<_> = match is_unknown {
            true => general_policies.chain(about).collect(),
            false => about,
        };
        let mut policies = general.clone();
        own.iter()
            .for_each(|at| self.about[*at].add_to(&mut policies));
        Some(Caller {
            tenants: beside.iter().flat_map(|one| one.tenants()).collect(),
            issuers: beside.iter().flat_map(|one| one.issuers()).collect(),
            id: UserId {
                issuer: who.issuer,
                tenant: who.tenant,
                subject: who.subject,
            },
            groups: who.groups.into_iter().collect(),
            policies,
        })
    }
}
