//! The callers of canary requests.

mod key;
mod mentions;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use crate::schema::SchemaIndex;
use crate::{Bundle, parallel};
use cedargate_core::{GroupId, IssuerName, Tenant, UserId};

use mentions::{Kind, Named, PolicyMentions};

pub(crate) use key::CallerKey;

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
    /// A hash of the caller and the policies that can apply to them.
    pub(super) key: CallerKey,
}

impl CanaryCaller {
    /// Returns true for a user whom no policy names.
    pub(super) fn is_unknown(&self) -> bool {
        self.id.issuer == *ISSUER && self.id.subject == SUBJECT
    }
}

/// Returns the callers that policies could treat differently.
pub(super) fn of(bundle: &Bundle) -> Vec<CanaryCaller> {
    let policies: Vec<_> = bundle.live.set().policies().collect();
    let mentions = parallel::spread(&policies, |policy| PolicyMentions::of(policy));
    let identities = identities(&mentions);
    let index = MentionIndex::of(&mentions, &identities);
    let general = mentions.iter().filter(|one| one.is_general());
    let general = CallerKey::of_policies(general.map(|one| one.policy));
    let callers = identities.into_iter();
    callers
        .map(|identity| index.caller(identity, general, &bundle.schema))
        .collect()
}

/// Returns the unknown users, each user that policies name, a member of each group that they name, one of all
/// groups of a tenant, and a user for each pair of issuer and tenant that a policy names.
///
/// Leaves out those for whom there is no permit and who are mentioned in no policy that can apply to every
/// principal. The policies treat such a caller like an unknown user, or refuse them for more reasons.
fn identities(mentions: &[PolicyMentions<'_>]) -> BTreeSet<CallerIdentity> {
    let distinguished = Distinguished::by(mentions);
    let mut identities = BTreeSet::from([
        CallerIdentity::without_groups(ISSUER.clone(), Some(*TENANT)),
        CallerIdentity::without_groups(ISSUER.clone(), None),
    ]);
    let mut groups: BTreeMap<(IssuerName, Option<Tenant>), BTreeSet<String>> = BTreeMap::new();
    let mut pairs = HashSet::new();
    for one in mentions.iter().filter(|one| distinguished.concern(one)) {
        for group in one.groups() {
            let names = groups.entry((group.issuer, group.tenant)).or_default();
            names.insert(group.name);
        }
        let named = CallerIdentity::named(one);
        identities.extend(named.filter(|identity| distinguished.has(identity)));
        // Most policies name the same issuers.
        let new = issuers_with_tenants(one).filter(|pair| pairs.insert(pair.clone()));
        let new = new.map(|(issuer, tenant)| CallerIdentity::without_groups(issuer, tenant));
        identities.extend(new.filter(|identity| distinguished.has(identity)));
    }
    let in_all_groups = groups.into_iter().filter(|(_, groups)| groups.len() > 1);
    let in_all_groups = in_all_groups.map(|((issuer, tenant), groups)| CallerIdentity {
        groups,
        ..CallerIdentity::without_groups(issuer, tenant)
    });
    identities.extend(in_all_groups.filter(|identity| distinguished.has(identity)));
    identities
}

/// Returns each pair of an issuer and a tenant that a policy names, with those of the unknown user.
fn issuers_with_tenants(
    policy: &PolicyMentions<'_>,
) -> impl Iterator<Item = (IssuerName, Option<Tenant>)> {
    let (mut issuers, mut tenants) = (policy.issuers(), policy.tenants());
    issuers.insert(ISSUER.clone());
    tenants.insert(*TENANT);
    issuers.into_iter().flat_map(move |issuer| {
        let tenants = tenants.iter().copied().map(Some).chain([None]);
        let pairs = tenants.map(|tenant| (issuer.clone(), tenant));
        pairs.collect::<Vec<_>>()
    })
}

/// The entities whose members some policy treats differently from other callers.
struct Distinguished<'m> {
    entities: HashSet<Named<'m>>,
    /// True if users or accounts are among them.
    users: bool,
    /// True if they have the issuer or the tenant of the unknown user.
    unknown: bool,
}

impl<'m> Distinguished<'m> {
    /// Collects the entities that general policies name, and those that permits require.
    fn by(mentions: &'m [PolicyMentions<'_>]) -> Self {
        let mut entities = HashSet::new();
        for one in mentions {
            match one.required() {
                None => entities.extend(one.named()),
                Some(required) if one.permits() => entities.extend(required),
                Some(_) => {}
            }
        }
        let mut kinds = entities.iter().map(|entity| entity.kind);
        let users = kinds.any(|kind| matches!(kind, Kind::User | Kind::Account));
        let (issuer, tenant) = (ISSUER.to_string(), TENANT.to_string());
        let unknown = [(Kind::Issuer, &issuer), (Kind::Tenant, &tenant)];
        let unknown = unknown.map(|(kind, id)| entities.contains(&Named { kind, id }));
        Self {
            users,
            unknown: unknown.contains(&true),
            entities,
        }
    }

    /// Returns false if the policy names only issuers and tenants, and nobody in them is treated differently.
    fn concern(&self, policy: &PolicyMentions<'_>) -> bool {
        let is_alike = |named: Named<'_>| {
            matches!(named.kind, Kind::Issuer | Kind::Tenant) && !self.entities.contains(&named)
        };
        self.users || self.unknown || !policy.named().all(is_alike)
    }

    /// Returns true for an unknown user, and for a caller whom a policy could treat differently.
    fn has(&self, identity: &CallerIdentity) -> bool {
        identity.is_unknown()
            || identity.containers().any(|entity| self.contains(&entity))
            || (self.users && identity.users().any(|entity| self.contains(&entity)))
    }

    fn contains(&self, (kind, id): &(Kind, String)) -> bool {
        self.entities.contains(&Named { kind: *kind, id })
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

    fn is_unknown(&self) -> bool {
        self.subject == SUBJECT
            && self.issuer == *ISSUER
            && self.tenant.is_none_or(|tenant| tenant == *TENANT)
    }

    /// Returns each user that a policy names, and a member of each group that it names.
    fn named(policy: &PolicyMentions<'_>) -> impl Iterator<Item = Self> {
        let members = policy.groups().map(|group| Self {
            groups: BTreeSet::from([group.name]),
            ..Self::without_groups(group.issuer, group.tenant)
        });
        let users = policy.users().map(|user| Self {
            subject: user.subject,
            ..Self::without_groups(user.issuer, user.tenant)
        });
        members.chain(users)
    }

    /// Returns the entities that the caller equals or is in.
    fn entities(&self) -> Vec<(Kind, String)> {
        self.users().chain(self.containers()).collect()
    }

    /// Returns the caller and their account.
    fn users(&self) -> impl Iterator<Item = (Kind, String)> {
        let id = UserId {
            issuer: self.issuer.clone(),
            tenant: self.tenant,
            subject: self.subject.clone(),
        };
        [Kind::User, Kind::Account]
            .into_iter()
            .map(move |kind| (kind, id.to_string()))
    }

    /// Returns the entities that the caller is in.
    fn containers(&self) -> impl Iterator<Item = (Kind, String)> {
        let group = |name: &String| GroupId {
            issuer: self.issuer.clone(),
            tenant: self.tenant,
            name: name.clone(),
        };
        let issuer = (Kind::Issuer, self.issuer.to_string());
        let tenant = self.tenant.map(|it| (Kind::Tenant, it.to_string()));
        let groups = self.groups.iter().map(group);
        [issuer]
            .into_iter()
            .chain(tenant)
            .chain(groups.map(|it| (Kind::Group, it.to_string())))
    }
}

/// The policies that mention an entity, by their indexes.
#[derive(Default)]
struct Mentioning {
    /// The policies that require their principal to equal the entity or to be in it.
    requiring: Vec<usize>,
    /// The policies that name the entity.
    naming: Vec<usize>,
}

/// The policies of a bundle, by the entities of callers that they mention.
struct MentionIndex<'m, 'p> {
    mentions: &'m [PolicyMentions<'p>],
    entities: HashMap<(Kind, String), Mentioning>,
}

impl<'m, 'p> MentionIndex<'m, 'p> {
    fn of(mentions: &'m [PolicyMentions<'p>], identities: &BTreeSet<CallerIdentity>) -> Self {
        let entities = identities.iter().flat_map(CallerIdentity::entities);
        let mut wanted: HashMap<(Kind, String), Mentioning> = entities
            .map(|entity| (entity, Mentioning::default()))
            .collect();
        let mut by_name: HashMap<Named<'_>, &mut Mentioning> = HashMap::new();
        for ((kind, id), mentioning) in &mut wanted {
            by_name.insert(Named { kind: *kind, id }, mentioning);
        }
        for (at, one) in mentions.iter().enumerate() {
            for required in one.required().into_iter().flatten() {
                if let Some(mentioning) = by_name.get_mut(&required) {
                    mentioning.requiring.push(at);
                }
            }
            for named in one.named() {
                if let Some(mentioning) = by_name.get_mut(&named) {
                    mentioning.naming.push(at);
                }
            }
        }
        Self {
            mentions,
            entities: wanted,
        }
    }

    /// Makes a caller. `general` is the hash of the policies that can apply to every principal.
    fn caller(
        &self,
        identity: CallerIdentity,
        general: CallerKey,
        schema: &SchemaIndex,
    ) -> CanaryCaller {
        let entities = identity.entities();
        let mentioning: Vec<_> = entities
            .iter()
            .filter_map(|entity| self.entities.get(entity))
            .collect();
        let indexes = |lists: &dyn Fn(&Mentioning) -> &Vec<usize>| -> BTreeSet<usize> {
            mentioning
                .iter()
                .flat_map(|one| lists(one))
                .copied()
                .collect()
        };
        let own = indexes(&|one| &one.requiring);
        let naming = indexes(&|one| &one.naming);
        let naming = naming.iter().map(|at| &self.mentions[*at]);
        // If a general policy makes an exception for a tenant, the exception may apply to every caller.
        let general_policies = self.mentions.iter().filter(|one| one.is_general());
        let related: Vec<_> = match identity.is_unknown() {
            true => general_policies.chain(naming).collect(),
            false => naming.collect(),
        };
        let own = own.iter().map(|at| self.mentions[*at].policy);
        let own = CallerKey::of_policies(own);
        let tenants = related.iter().flat_map(|one| one.tenants()).collect();
        let issuers = related.iter().flat_map(|one| one.issuers()).collect();
        let facts = (&identity, &tenants, &issuers, &*schema.site);
        CanaryCaller {
            key: CallerKey::of(&[format!("{facts:?}").as_bytes(), &general.0, &own.0]),
            tenants,
            issuers,
            id: UserId {
                issuer: identity.issuer,
                tenant: identity.tenant,
                subject: identity.subject,
            },
            groups: identity.groups.into_iter().collect(),
        }
    }
}
