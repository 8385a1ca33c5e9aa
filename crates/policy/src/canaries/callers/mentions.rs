//! The callers' entities that policies name.

use std::collections::BTreeSet;

use cedar_policy::{Effect, EntityUid, Policy, SlotId};

use crate::syntax::{RequiredPrincipal, Syntax};
use cedargate_core::{GroupId, IssuerName, Tenant, UserId};

/// The types of the entities that callers are or are in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Kind {
    User,
    Account,
    Issuer,
    Tenant,
    Group,
}

/// An entity that a caller is or is in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Named<'m> {
    pub(super) kind: Kind,
    pub(super) id: &'m str,
}

impl Kind {
    /// Returns `None` for an entity of another type.
    fn of(uid: &EntityUid) -> Option<Self> {
        let kind = match uid.type_name().basename() {
            "User" => Kind::User,
            "Account" => Kind::Account,
            "Issuer" => Kind::Issuer,
            "Tenant" => Kind::Tenant,
            "Group" => Kind::Group,
            _ => return None,
        };
        (uid.type_name().namespace() == "Gate").then_some(kind)
    }
}

/// Keeps the entities that callers are or are in.
fn of_callers(uids: impl Iterator<Item = EntityUid>) -> Vec<(Kind, EntityUid)> {
    let of_callers = uids.filter_map(|uid| Some((Kind::of(&uid)?, uid)));
    of_callers.collect()
}

impl<'m> Named<'m> {
    fn of((kind, uid): &'m (Kind, EntityUid)) -> Self {
        Self {
            kind: *kind,
            id: uid.id().unescaped(),
        }
    }

    fn group(self) -> Option<GroupId> {
        (self.kind == Kind::Group).then(|| self.id.parse().ok())?
    }

    fn user(self) -> Option<UserId> {
        matches!(self.kind, Kind::User | Kind::Account).then(|| self.id.parse().ok())?
    }

    fn issuer(self) -> Option<IssuerName> {
        match self.kind {
            Kind::Issuer => self.id.parse().ok(),
            Kind::Group => Some(self.group()?.issuer),
            _ => Some(self.user()?.issuer),
        }
    }

    fn tenant(self) -> Option<Tenant> {
        match self.kind {
            Kind::Tenant => self.id.parse().ok(),
            Kind::Group => self.group()?.tenant,
            _ => self.user()?.tenant,
        }
    }
}

/// The entities that a policy names.
pub(super) struct PolicyMentions<'p> {
    pub(super) policy: &'p Policy,
    /// The entities of callers in its scope, its conditions and its link.
    named: Vec<(Kind, EntityUid)>,
    /// The entities of which the principal must equal one or be in one. `None` if the policy can apply to
    /// every principal.
    requires: Option<Vec<(Kind, EntityUid)>>,
}

impl<'p> PolicyMentions<'p> {
    pub(super) fn of(policy: &'p Policy) -> Self {
        let syntax = Syntax::from(policy);
        let links = policy.template_links().unwrap_or_default();
        let named = syntax.entities().into_iter().map(|found| found.item);
        let named = named.chain(links.values().cloned());
        let requires = match syntax.required_principals() {
            None => None,
            Some(RequiredPrincipal::OneOf(entities)) => Some(entities),
            Some(RequiredPrincipal::OfLink) => links
                .get(&SlotId::principal())
                .map(|principal| vec![principal.clone()]),
        };
        Self {
            policy,
            named: of_callers(named),
            requires: requires.map(|uids| of_callers(uids.into_iter())),
        }
    }

    pub(super) fn permits(&self) -> bool {
        self.policy.effect() == Effect::Permit
    }

    /// Returns the entities of callers that the policy names.
    pub(super) fn named(&self) -> impl Iterator<Item = Named<'_>> {
        self.named.iter().map(Named::of)
    }

    /// Returns the entities of which the principal must equal one or be in one. Returns `None` if the policy
    /// can apply to every principal.
    pub(super) fn required(&self) -> Option<impl Iterator<Item = Named<'_>>> {
        let required = self.requires.as_ref()?;
        Some(required.iter().map(Named::of))
    }

    /// Returns true if the policy can apply to every principal.
    pub(super) fn is_general(&self) -> bool {
        self.requires.is_none()
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = GroupId> {
        self.named().filter_map(Named::group)
    }

    pub(super) fn users(&self) -> impl Iterator<Item = UserId> {
        self.named().filter_map(Named::user)
    }

    pub(super) fn tenants(&self) -> BTreeSet<Tenant> {
        self.named().filter_map(Named::tenant).collect()
    }

    pub(super) fn issuers(&self) -> BTreeSet<IssuerName> {
        self.named().filter_map(Named::issuer).collect()
    }
}
