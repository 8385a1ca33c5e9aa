//! Makes a Cedar request with its entities from an authorization request.
//!
//! Values are built as Cedar evaluates them, without parsing, except addresses, times and durations, which
//! Cedar only takes as text.

mod changed;
mod memory;
mod owned;

use std::sync::Arc;

use cedar_policy::{Context, Entities, EntityUid, Request, RequestValidationError};
use cedar_policy_core::ast::{self, EntityUID, EntityUIDEntry, Value};
use cedar_policy_core::entities::{self, NoEntitiesSchema, TCComputation};
use cedar_policy_core::extensions::Extensions;
use serde_json::Value as Json;
use smol_str::SmolStr;

use cedargate_core::{Authenticator, Factors, GroupId, MethodType, User, UserId};

use crate::schema::{ClaimType, SchemaIndex};
use crate::shape;
use crate::syntax::Reads;
use crate::values::{TYPES, entity, record, set, string, uid};
use crate::{AuthorizationRequest, RequestError, Resource};

pub(crate) use changed::{Change, Proof, after};
pub(crate) use memory::{CallerFacts, RequestKind, RequestMemory};
pub(crate) use owned::OwnedRequest;

impl AuthorizationRequest<'_> {
    /// Returns the principal's entity uid as Cedar writes it, such as `Gate::Anonymous::"anonymous"`.
    pub fn principal_uid(&self) -> String {
        principal(self).to_string()
    }

    /// Returns the resource's entity uid as Cedar writes it, such as `Gate::Route::"/v1/openapi.json"`.
    pub fn resource_uid(&self) -> String {
        // None of the ids has a character that Cedar escapes.
        match &self.resource {
            Resource::Account(id) => format!("Gate::Account::\"{id}\""),
            Resource::Authenticator(_, authenticator) => {
                format!("Gate::Authenticator::\"{}\"", authenticator.id)
            }
            Resource::Route(pattern) => format!("Gate::Route::\"{pattern}\""),
        }
    }
}

pub(crate) fn principal(request: &AuthorizationRequest<'_>) -> EntityUid {
    principal_entity(request).into()
}

fn principal_entity(request: &AuthorizationRequest<'_>) -> EntityUID {
    match request.user() {
        Some(user) => uid(&TYPES.user, &user.id),
        None => uid(&TYPES.anonymous, "anonymous"),
    }
}

pub(crate) fn action(request: &AuthorizationRequest<'_>) -> EntityUid {
    uid(&TYPES.action, &request.action).into()
}

pub(crate) fn resource(request: &AuthorizationRequest<'_>) -> EntityUid {
    resource_entity(request).into()
}

fn resource_entity(request: &AuthorizationRequest<'_>) -> EntityUID {
    match &request.resource {
        Resource::Account(id) => uid(&TYPES.account, id),
        Resource::Authenticator(_, authenticator) => uid(&TYPES.authenticator, authenticator.id),
        Resource::Route(pattern) => uid(&TYPES.route, pattern),
    }
}

/// Builds the Cedar request and its entities.
///
/// # Errors
/// The request does not conform to the schema.
pub(crate) fn build(
    request: &AuthorizationRequest<'_>,
    principal: &EntityUid,
    resource: &EntityUid,
    schema: &SchemaIndex,
) -> Result<(Request, Entities), RequestError> {
    let action = action(request);
    let cedar_request = Request::new(
        principal.clone(),
        action.clone(),
        resource.clone(),
        Context::from(shape::context(request)),
        Some(&schema.cedar),
    )
    .map_err(|error| match error {
        // Cedar's own message contains the whole context.
        RequestValidationError::InvalidContext(_) => {
            format!("the context is not the one that {} has", request.action)
        }
        error => error.to_string(),
    })?;
    let mut list = entities(request, schema)?;
    // Without the action and its groups among the entities, `action in` is false, and forbids with it
    // would not apply.
    let action = schema.actions.get(&action);
    let action: &ast::Entity = action.ok_or("the schema has no such action")?.as_ref();
    list.push(action.clone());
    // The entities are not validated again: they have the types of the schema by construction, which a
    // test checks. With a schema, Cedar would also add all of its actions to each request. Each entity has
    // all of its ancestors.
    Ok((cedar_request, entities_of(list)?.into()))
}

fn entities_of(
    list: impl IntoIterator<Item = ast::Entity>,
) -> Result<entities::Entities, RequestError> {
    let entities = entities::Entities::from_entities(
        list,
        None::<&NoEntitiesSchema>,
        TCComputation::AssumeAlreadyComputed,
        Extensions::all_available(),
    );
    entities.map_err(|error| error.to_string().into())
}

/// A request with those of its facts that some policies read.
pub(crate) struct PartialRequest {
    pub(crate) request: ast::Request,
    pub(crate) entities: RequestEntities,
}

/// The entities of a request: those of the caller as they are, or more of them.
pub(crate) enum RequestEntities {
    OfCaller(Arc<CallerFacts>),
    More(entities::Entities),
}

impl RequestEntities {
    pub(crate) fn get(&self) -> &entities::Entities {
        match self {
            Self::OfCaller(facts) => &facts.entities,
            Self::More(entities) => entities,
        }
    }
}

/// Builds a request of a kind that conforms to the schema, with the facts in `reads`. `action` is its action.
///
/// # Errors
/// A claim has another type than the schema declares.
pub(crate) fn build_partial(
    request: &AuthorizationRequest<'_>,
    action: &ast::Entity,
    reads: Reads,
    schema: &SchemaIndex,
) -> Result<PartialRequest, RequestError> {
    let known = |uid| EntityUIDEntry::known(uid, None);
    let caller = request.user().map(|user| known_caller(user, schema));
    let caller = caller.transpose()?;
    let own = request.user().map(|user| &user.id);
    let principal = match &caller {
        Some(facts) => facts.principal.clone(),
        None => known(principal_entity(request)),
    };
    let resource = match (&request.resource, &caller) {
        (Resource::Account(id), Some(facts)) if own == Some(*id) => facts.account.clone(),
        _ => known(resource_entity(request)),
    };
    let mut more = Vec::new();
    match &request.resource {
        Resource::Account(id) | Resource::Authenticator(id, _) if own != Some(*id) => {
            more.push(account(id));
        }
        _ => {}
    }
    // A route has neither attributes nor parents.
    if let Resource::Authenticator(holder, record) = &request.resource {
        more.push(authenticator(holder, record));
    }
    if reads.action {
        more.push(action.clone());
    }
    let entities = match caller {
        Some(facts) if more.is_empty() => RequestEntities::OfCaller(facts),
        Some(facts) => RequestEntities::More(with_more(facts.entities.clone(), more)?),
        None => RequestEntities::More(with_more(entities::Entities::new(), more)?),
    };
    Ok(PartialRequest {
        request: ast::Request::new_unchecked(
            principal,
            known(action.uid().clone()),
            resource,
            Some(shape::context_with(request, reads.context)),
        ),
        entities,
    })
}

fn known_caller(user: &Arc<User>, schema: &SchemaIndex) -> Result<Arc<CallerFacts>, RequestError> {
    schema.memory.caller(user, || {
        Ok((caller_facts(user, schema)?, weight(user, schema)))
    })
}

fn caller_facts(caller: &User, schema: &SchemaIndex) -> Result<CallerFacts, RequestError> {
    let known = |uid| EntityUIDEntry::known(uid, None);
    Ok(CallerFacts {
        principal: known(uid(&TYPES.user, &caller.id)),
        account: known(uid(&TYPES.account, &caller.id)),
        entities: entities_of([user(caller, schema)?, account(&caller.id)])?,
    })
}

fn with_more(
    entities: entities::Entities,
    more: Vec<ast::Entity>,
) -> Result<entities::Entities, RequestError> {
    let added = entities.add_entities(
        more.into_iter().map(Arc::new),
        None::<&NoEntitiesSchema>,
        TCComputation::AssumeAlreadyComputed,
        Extensions::all_available(),
    );
    added.map_err(|error| error.to_string().into())
}

/// Returns the principal, its account, the resource and the resource's account, each once.
pub(crate) fn entities(
    request: &AuthorizationRequest<'_>,
    schema: &SchemaIndex,
) -> Result<Vec<ast::Entity>, RequestError> {
    let mut entities = Vec::with_capacity(5);
    let own = request.user().map(|user| &user.id);
    match request.user() {
        Some(user) => {
            entities.push(self::user(user, schema)?);
            entities.push(account(&user.id));
        }
        None => entities.push(ast::Entity::with_uid(principal_entity(request))),
    }
    match &request.resource {
        Resource::Account(id) | Resource::Authenticator(id, _) if own != Some(*id) => {
            entities.push(account(id));
        }
        _ => {}
    }
    match &request.resource {
        Resource::Account(_) => {}
        Resource::Authenticator(holder, record) => entities.push(authenticator(holder, record)),
        Resource::Route(pattern) => {
            entities.push(ast::Entity::with_uid(uid(&TYPES.route, pattern)));
        }
    }
    Ok(entities)
}

/// Makes an entity. `indirect` are the ancestors of its parents.
fn with_parents<'a>(
    uid: EntityUID,
    attributes: impl IntoIterator<Item = (&'a str, Value)>,
    parents: impl IntoIterator<Item = EntityUID>,
    indirect: impl IntoIterator<Item = EntityUID>,
) -> ast::Entity {
    let attributes = attributes.into_iter();
    ast::Entity::new_with_attr_partial_value(
        uid,
        attributes.map(|(name, value)| (SmolStr::new(name), value.into())),
        indirect.into_iter().collect(),
        parents.into_iter().collect(),
        [],
    )
}

fn account(id: &UserId) -> ast::Entity {
    with_parents(uid(&TYPES.account, id), [], issuer_and_tenant(id), [])
}

fn issuer_and_tenant(id: &UserId) -> impl Iterator<Item = EntityUID> {
    let tenant = id.tenant.map(|tenant| uid(&TYPES.tenant, tenant));
    std::iter::once(uid(&TYPES.issuer, &id.issuer)).chain(tenant)
}

fn user(user: &User, schema: &SchemaIndex) -> Result<ast::Entity, RequestError> {
    let groups = user.groups.iter().map(|name| {
        let group = GroupId {
            issuer: user.id.issuer.clone(),
            tenant: user.id.tenant,
            name: name.clone(),
        };
        uid(&TYPES.group, group)
    });
    let parents = issuer_and_tenant(&user.id).chain(groups);
    let attributes = [
        ("account", entity(&TYPES.account, &user.id)),
        ("claims", claims(user, schema)?),
    ];
    Ok(with_parents(
        uid(&TYPES.user, &user.id),
        attributes,
        parents,
        [],
    ))
}

/// Returns the claims that `Site::Claims` declares. A claim that is `null` is absent. A claim of another
/// type than the declared one is an error, because a forbid that reads it would not apply without it.
fn claims(user: &User, schema: &SchemaIndex) -> Result<Value, RequestError> {
    let mut members = Vec::new();
    for (name, declared) in &schema.claims {
        match user.claims.get(name) {
            None | Some(Json::Null) => {}
            Some(json) => {
                let value = claim(json, *declared).ok_or_else(|| {
                    let declared = declared.as_str();
                    format!("the token's claim {name:?} is not the {declared} that site.cedarschema declares")
                })?;
                members.push((name.as_str(), value));
            }
        }
    }
    Ok(record(members))
}

fn claim(json: &Json, declared: ClaimType) -> Option<Value> {
    match declared {
        ClaimType::String => json.as_str().map(string),
        ClaimType::Long => json.as_i64().map(Value::from),
        ClaimType::Bool => json.as_bool().map(Value::from),
        ClaimType::Strings => {
            let items = json
                .as_array()?
                .iter()
                .map(|item| claim(item, ClaimType::String));
            items.collect::<Option<Vec<_>>>().map(set)
        }
    }
}

fn authenticator(holder: &UserId, record: &Authenticator) -> ast::Entity {
    let attributes = shape::AUTHENTICATOR.iter();
    with_parents(
        uid(&TYPES.authenticator, record.id),
        attributes.map(|leaf| (leaf.name, (leaf.build)(record))),
        [uid(&TYPES.account, holder)],
        issuer_and_tenant(holder),
    )
}

/// Reads `context.factors`. Returns the default, no authenticators, for a context without it.
pub(crate) fn enrolled(context: &Context) -> Factors {
    use cedar_policy::EvalResult::{Bool, EntityUid, Long, Record, Set};
    let Some(Record(facts)) = context.get("factors") else {
        return Factors::default();
    };
    let count = match facts.get("count") {
        Some(Long(count)) => usize::try_from(*count).unwrap_or(0),
        _ => 0,
    };
    let mut method_types = Vec::new();
    if let Some(Set(types)) = facts.get("methodTypes") {
        method_types.extend(types.iter().filter_map(|method_type| match method_type {
            EntityUid(uid) => uid.id().unescaped().parse::<MethodType>().ok(),
            _ => None,
        }));
    }
    method_types.sort_unstable();
    Factors {
        count,
        method_types,
        reset: matches!(facts.get("reset"), Some(Bool(true))),
    }
}

/// The approximate size of the entities of a caller without groups and claims, in bytes.
pub(crate) const BASE: usize = 4096;
/// The approximate size of an entity id or a set element beside its text, in bytes.
const ELEMENT: usize = 256;

/// Estimates the memory that the facts about a caller take, in bytes. A token can name thousands of groups.
pub(crate) fn weight(user: &User, schema: &SchemaIndex) -> usize {
    let groups = user.groups.iter().map(|name| name.len() + ELEMENT);
    let claims = schema.claims.iter().map(|(name, _)| {
        let claim = user.claims.get(name);
        claim.map_or(0, |claim| ELEMENT + text(claim))
    });
    BASE + groups.sum::<usize>() + claims.sum::<usize>()
}

/// Estimates the memory that a user with all claims takes, in bytes.
pub(crate) fn user_weight(user: &User) -> usize {
    let groups = user.groups.iter().map(|name| name.len() + ELEMENT);
    let claims = user.claims.iter();
    let claims = claims.map(|(name, claim)| name.len() + ELEMENT + json_weight(claim));
    BASE + groups.sum::<usize>() + claims.sum::<usize>()
}

fn json_weight(json: &Json) -> usize {
    match json {
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(|item| ELEMENT + json_weight(item)).sum(),
        Json::Object(members) => {
            let members = members.iter();
            let weights = members.map(|(name, member)| name.len() + ELEMENT + json_weight(member));
            weights.sum()
        }
        _ => 0,
    }
}

fn text(claim: &Json) -> usize {
    match claim {
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(|item| ELEMENT + text(item)).sum(),
        _ => 0,
    }
}
