//! The heads of policies, and the requests that they match.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use cedar_policy::{
    ActionConstraint, EntityTypeName, EntityUid, Policy, PrincipalConstraint, ResourceConstraint,
};

use cedargate_policy::analysis::{SchemaIndex, Syntax, form_of};

/// The constraint of a head on the principal or the resource.
#[derive(Debug, Eq, Hash, PartialEq)]
pub(super) enum Scope {
    Any,
    Is(EntityTypeName),
    Eq(EntityUid),
    In(EntityUid),
    IsIn(EntityTypeName, EntityUid),
}

impl From<PrincipalConstraint> for Scope {
    fn from(constraint: PrincipalConstraint) -> Self {
        match constraint {
            PrincipalConstraint::Any => Scope::Any,
            PrincipalConstraint::Is(of) => Scope::Is(of),
            PrincipalConstraint::Eq(uid) => Scope::Eq(uid),
            PrincipalConstraint::In(uid) => Scope::In(uid),
            PrincipalConstraint::IsIn(of, uid) => Scope::IsIn(of, uid),
        }
    }
}

impl From<ResourceConstraint> for Scope {
    fn from(constraint: ResourceConstraint) -> Self {
        match constraint {
            ResourceConstraint::Any => Scope::Any,
            ResourceConstraint::Is(of) => Scope::Is(of),
            ResourceConstraint::Eq(uid) => Scope::Eq(uid),
            ResourceConstraint::In(uid) => Scope::In(uid),
            ResourceConstraint::IsIn(of, uid) => Scope::IsIn(of, uid),
        }
    }
}

impl Scope {
    /// Returns the entity that the constraint names.
    pub(super) fn entity(&self) -> Option<&EntityUid> {
        match self {
            Scope::Any | Scope::Is(_) => None,
            Scope::Eq(uid) | Scope::In(uid) | Scope::IsIn(_, uid) => Some(uid),
        }
    }

    /// Returns true if every entity of `types` that meets `other` meets this constraint.
    fn covers(&self, other: &Self, types: &BTreeSet<EntityTypeName>) -> bool {
        let only = |of: &EntityTypeName| types.iter().all(|one| one == of);
        let inside = |uid: &EntityUid| matches!(other, Scope::Eq(one) | Scope::In(one) | Scope::IsIn(_, one) if one == uid);
        match self {
            Scope::Any => true,
            Scope::Is(of) => only(of),
            Scope::Eq(uid) => matches!(other, Scope::Eq(one) if one == uid),
            Scope::In(uid) => inside(uid),
            Scope::IsIn(of, uid) => only(of) && inside(uid),
        }
    }
}

/// The constraints of a policy's head.
#[derive(Debug, Eq, Hash, PartialEq)]
pub(super) struct Head {
    pub(super) principal: Scope,
    pub(super) resource: Scope,
    /// The actions that the head names, directly or by a group.
    pub(super) actions: BTreeSet<EntityUid>,
    /// The actions and types for which the policy can match.
    reached: Arc<Reached>,
}

#[derive(Debug, Default, Eq, Hash, PartialEq)]
struct Reached {
    principals: BTreeSet<EntityTypeName>,
    actions: BTreeSet<EntityUid>,
    resources: BTreeSet<EntityTypeName>,
}

impl Head {
    /// Returns `None` if the policy can never match.
    pub(super) fn of(policy: &Policy, schema: &SchemaIndex, reach: &Reach) -> Option<Self> {
        let reached = reach.of(policy, schema);
        (!reached.actions.is_empty()).then(|| Self {
            principal: policy.principal_constraint().into(),
            resource: policy.resource_constraint().into(),
            actions: named_actions(&policy.action_constraint(), schema),
            reached,
        })
    }

    /// Returns true if both heads name the same.
    pub(super) fn names_same(&self, other: &Self) -> bool {
        self.principal == other.principal
            && self.resource == other.resource
            && self.actions == other.actions
    }

    /// Returns true if this head matches every request that the other head can match.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.principal
            .covers(&other.principal, &other.reached.principals)
            && other.reached.actions.is_subset(&self.actions)
            && self
                .resource
                .covers(&other.resource, &other.reached.resources)
    }
}

/// The actions and types for which policies can match, by the form of the policy. Cedar takes its time to find
/// them, and they are the same for all policies of a form.
#[derive(Default)]
pub(super) struct Reach(RwLock<HashMap<String, Arc<Reached>>>);

impl Reach {
    fn of(&self, policy: &Policy, schema: &SchemaIndex) -> Arc<Reached> {
        let form = form_of(Syntax::from(policy).text());
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(reached) = known.get(&form) {
            return Arc::clone(reached);
        }
        drop(known);
        let mut reached = Reached::default();
        for env in policy.get_valid_request_envs(&schema.cedar) {
            reached.principals.insert(env.principal().clone());
            reached.actions.insert(env.action().clone());
            reached.resources.insert(env.resource().clone());
        }
        let reached = Arc::new(reached);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(form, Arc::clone(&reached));
        reached
    }
}

fn named_actions(named: &ActionConstraint, schema: &SchemaIndex) -> BTreeSet<EntityUid> {
    let is_named = |action: &EntityUid| match named {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(one) => one == action,
        ActionConstraint::In(some) => some
            .iter()
            .any(|one| one == action || schema.is_in(action, one.id().unescaped())),
    };
    let actions = schema.cedar.actions();
    actions.filter(|one| is_named(one)).cloned().collect()
}
