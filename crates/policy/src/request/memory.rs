//! Parts of requests that are the same for many requests, and are built once for each schema.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use cedar_policy_core::ast::EntityUIDEntry;
use cedar_policy_core::entities::Entities;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use cedargate_core::{Action, User};

use crate::{AuthorizationRequest, Caller, Resource};

/// The bound on the memory for callers, in bytes: some 16 000 callers with few groups and claims.
const CALLER_BYTES: u64 = 64 * 1024 * 1024;

/// The entities of callers, and the kinds of requests that conform to the schema.
pub(crate) struct RequestMemory {
    callers: Cache<usize, KnownCaller, Weight>,
    conforming: RwLock<HashSet<RequestKind>>,
}

/// A caller by the allocation that holds the user.
#[derive(Clone)]
struct KnownCaller {
    /// Keeps the allocation, so that no other user gets its address.
    _user: Weak<User>,
    facts: Arc<CallerFacts>,
    weight: u64,
}

/// The entities of a caller.
pub(crate) struct CallerFacts {
    pub(crate) principal: EntityUIDEntry,
    pub(crate) account: EntityUIDEntry,
    /// The user and the user's account.
    pub(crate) entities: Entities,
}

#[derive(Clone)]
struct Weight;

impl Weighter<usize, KnownCaller> for Weight {
    fn weight(&self, _: &usize, caller: &KnownCaller) -> u64 {
        caller.weight
    }
}

/// The kind of a request. Requests of one kind conform to a schema or do not: the types of all facts are
/// right by construction.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct RequestKind {
    action: Action,
    caller: CallerKind,
    resource: ResourceKind,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum CallerKind {
    Anonymous,
    Visitor,
    Member,
    /// A member who names a method type.
    Enrolling,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum ResourceKind {
    Account,
    Authenticator,
    Route,
}

impl RequestKind {
    pub(crate) fn of(request: &AuthorizationRequest<'_>) -> Self {
        let caller = match &request.caller {
            Caller::Visitor(None) => CallerKind::Anonymous,
            Caller::Visitor(Some(_)) => CallerKind::Visitor,
            Caller::Member {
                method_type: None, ..
            } => CallerKind::Member,
            Caller::Member { .. } => CallerKind::Enrolling,
        };
        Self {
            action: request.action.clone(),
            caller,
            resource: match request.resource {
                Resource::Account(_) => ResourceKind::Account,
                Resource::Authenticator(..) => ResourceKind::Authenticator,
                Resource::Route(_) => ResourceKind::Route,
            },
        }
    }
}

impl RequestMemory {
    /// Returns true if an earlier request of this kind conformed to the schema.
    pub(crate) fn conforms(&self, kind: &RequestKind) -> bool {
        let conforming = self.conforming.read();
        let conforming = conforming.unwrap_or_else(PoisonError::into_inner);
        conforming.contains(kind)
    }

    /// Remembers that requests of this kind conform to the schema. There are only a few kinds for each action
    /// of the schema.
    pub(crate) fn remember(&self, kind: RequestKind) {
        let conforming = self.conforming.write();
        let mut conforming = conforming.unwrap_or_else(PoisonError::into_inner);
        conforming.insert(kind);
    }

    /// Returns the entities of a user. `build` makes them, with their weight in bytes.
    ///
    /// # Errors
    /// Returns the error of `build`.
    pub(crate) fn caller<E>(
        &self,
        user: &Arc<User>,
        build: impl FnOnce() -> Result<(CallerFacts, usize), E>,
    ) -> Result<Arc<CallerFacts>, E> {
        let key = Arc::as_ptr(user) as usize;
        if let Some(known) = self.callers.get(&key) {
            return Ok(known.facts);
        }
        let (facts, weight) = build()?;
        let facts = Arc::new(facts);
        let known = KnownCaller {
            _user: Arc::downgrade(user),
            facts: Arc::clone(&facts),
            weight: weight as u64,
        };
        self.callers.insert(key, known);
        Ok(facts)
    }
}

impl Default for RequestMemory {
    fn default() -> Self {
        // The number of items only sizes the tables of the cache.
        let items = 1_024;
        Self {
            callers: Cache::with_weighter(items, CALLER_BYTES, Weight),
            conforming: RwLock::default(),
        }
    }
}

impl fmt::Debug for RequestMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestMemory").finish_non_exhaustive()
    }
}
