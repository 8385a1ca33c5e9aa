//! One level of the index: the constraints on principal, action or resource.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use cedar_policy_core::ast::{
    ActionConstraint, Entity, EntityReference, EntityType, EntityUID, PrincipalOrResourceConstraint,
};
use cedar_policy_core::entities::{Dereference, Entities};
use foldhash::fast::RandomState;

/// A map with a fast hash. Only policies add keys, so a caller cannot make keys collide.
pub(super) type Map<K, V> = HashMap<K, V, RandomState>;

/// A constraint on a part of a request.
#[derive(Clone, Debug)]
pub(super) enum Constraint {
    Any,
    Equal(Arc<EntityUID>),
    Within(Arc<EntityUID>),
    OfType(Arc<EntityType>),
    OfTypeWithin(Arc<EntityType>, Arc<EntityUID>),
}

impl Constraint {
    /// Returns the constraint on principal or resource. Returns `None` if it has a slot without an entity,
    /// which the scope of a linked policy does not.
    pub(super) fn of_entity(constraint: PrincipalOrResourceConstraint) -> Option<Self> {
        use PrincipalOrResourceConstraint::{Any, Eq, In, Is, IsIn};
        let entity = |reference| match reference {
            EntityReference::EUID(uid) => Some(uid),
            EntityReference::Slot(_) => None,
        };
        Some(match constraint {
            Any => Self::Any,
            Eq(reference) => Self::Equal(entity(reference)?),
            In(reference) => Self::Within(entity(reference)?),
            Is(entity_type) => Self::OfType(entity_type),
            IsIn(entity_type, reference) => Self::OfTypeWithin(entity_type, entity(reference)?),
        })
    }

    /// Returns the constraints on the action, of which one must match.
    pub(super) fn of_action(constraint: &ActionConstraint) -> Vec<Self> {
        match constraint {
            ActionConstraint::Any => vec![Self::Any],
            ActionConstraint::Eq(action) => vec![Self::Equal(Arc::clone(action))],
            ActionConstraint::In(groups) => {
                groups.iter().map(Arc::clone).map(Self::Within).collect()
            }
        }
    }
}

/// The principal, the action or the resource of a request.
pub(super) struct Part<'r> {
    pub(super) uid: &'r EntityUID,
    /// The entity with its ancestors. `None` if it is not among the entities of the request: it is then in
    /// no other entity.
    pub(super) entity: Option<&'r Entity>,
}

impl<'r> Part<'r> {
    pub(super) fn new(uid: &'r EntityUID, entities: &'r Entities) -> Self {
        let entity = match entities.entity(uid) {
            Dereference::Data(entity) => Some(entity),
            _ => None,
        };
        Self { uid, entity }
    }
}

/// The values under the constraints on one part of a request.
#[derive(Debug)]
pub(super) struct Level<T> {
    any: Option<Box<T>>,
    equal: Map<Arc<EntityUID>, T>,
    within: Map<Arc<EntityUID>, T>,
    of_type: Map<Arc<EntityType>, T>,
    of_type_within: Map<Arc<EntityType>, Map<Arc<EntityUID>, T>>,
}

impl<T> Default for Level<T> {
    fn default() -> Self {
        Self {
            any: None,
            equal: Map::default(),
            within: Map::default(),
            of_type: Map::default(),
            of_type_within: Map::default(),
        }
    }
}

impl<T: Default> Level<T> {
    /// Returns the value under a constraint, which is a new one if there is none yet.
    pub(super) fn entry(&mut self, constraint: Constraint) -> &mut T {
        match constraint {
            Constraint::Any => self.any.get_or_insert_default(),
            Constraint::Equal(uid) => self.equal.entry(uid).or_default(),
            Constraint::Within(uid) => self.within.entry(uid).or_default(),
            Constraint::OfType(entity_type) => self.of_type.entry(entity_type).or_default(),
            Constraint::OfTypeWithin(entity_type, uid) => {
                let of_type = self.of_type_within.entry(entity_type).or_default();
                of_type.entry(uid).or_default()
            }
        }
    }
}

impl<T> Level<T> {
    /// Calls `visit` with the value of each constraint that the part matches.
    pub(super) fn matching<'a>(&'a self, part: &Part<'_>, visit: &mut impl FnMut(&'a T)) {
        if let Some(value) = &self.any {
            visit(value);
        }
        if let Some(value) = get(&self.equal, part.uid) {
            visit(value);
        }
        within(&self.within, part, visit);
        if self.of_type.is_empty() && self.of_type_within.is_empty() {
            return;
        }
        let entity_type = part.uid.entity_type();
        if let Some(value) = get(&self.of_type, entity_type) {
            visit(value);
        }
        if let Some(of_type) = get(&self.of_type_within, entity_type) {
            within(of_type, part, visit);
        }
    }
}

/// Calls `visit` with the value of each entity that the part is in: itself, and its ancestors.
fn within<'a, T>(map: &'a Map<Arc<EntityUID>, T>, part: &Part<'_>, visit: &mut impl FnMut(&'a T)) {
    if let Some(value) = get(map, part.uid) {
        visit(value);
    }
    let Some(entity) = part.entity.filter(|_| !map.is_empty()) else {
        return;
    };
    // A token can name thousands of groups.
    if map.len() < entity.ancestors().size_hint().0 {
        for (ancestor, value) in map {
            if entity.is_descendant_of(ancestor) && **ancestor != *part.uid {
                visit(value);
            }
        }
        return;
    }
    for ancestor in entity.ancestors().filter(|ancestor| *ancestor != part.uid) {
        if let Some(value) = get(map, ancestor) {
            visit(value);
        }
    }
}

/// Looks up a key. Most maps are empty, and then nothing is hashed.
fn get<'a, K: Eq + Hash, T>(map: &'a Map<Arc<K>, T>, key: &K) -> Option<&'a T> {
    if map.is_empty() {
        return None;
    }
    map.get(key)
}
