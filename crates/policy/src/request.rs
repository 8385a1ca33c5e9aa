//! From the model to a Cedar request: alone in knowing the schema's entity types, attributes and
//! contexts. All values are typed; nothing is parsed but what Cedar itself takes as text (addresses,
//! times, durations).

mod changed;

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::LazyLock;

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request,
    RequestValidationError, RestrictedExpression as Value,
};
use cedar_policy_core::ast::{Name, RestrictedExpr};
use serde_json::Value as Json;

use cedargate_core::{
    Authenticator, Confirmation, Factors, GroupId, MethodType, Session, Tenant, Timestamp, User,
    UserId,
};

use super::schema::{ClaimType, SchemaIndex};
use super::{Asker, Question, Resource};

pub(super) use changed::{Change, Proof, after};

/// The age of what never was: longer than any that a policy asks for.
pub const NEVER: &str = "36500d";

/// The entity types of the schema, parsed once.
struct Types {
    account: EntityTypeName,
    action: EntityTypeName,
    anonymous: EntityTypeName,
    authenticator: EntityTypeName,
    group: EntityTypeName,
    issuer: EntityTypeName,
    method_type: EntityTypeName,
    model: EntityTypeName,
    route: EntityTypeName,
    tenant: EntityTypeName,
    user: EntityTypeName,
}

static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let named = |name: &str| {
        name.parse()
            .expect("the name of a type of gate.cedarschema")
    };
    Types {
        account: named("Gate::Account"),
        action: named("Gate::Action"),
        anonymous: named("Gate::Anonymous"),
        authenticator: named("Gate::Authenticator"),
        group: named("Gate::Group"),
        issuer: named("Gate::Issuer"),
        method_type: named("Gate::MethodType"),
        model: named("Gate::AuthenticatorModel"),
        route: named("Gate::Route"),
        tenant: named("Gate::Tenant"),
        user: named("Gate::User"),
    }
});

/// The constructors of Cedar's extension types. `RestrictedExpression::new_duration` and its like
/// parse the name of theirs each time, which cost a quarter of a decision.
pub(super) struct Functions {
    pub(super) datetime: Name,
    pub(super) duration: Name,
    pub(super) ip: Name,
}

pub(super) static FUNCTIONS: LazyLock<Functions> = LazyLock::new(|| {
    let named = |name: &str| name.parse().expect("the name of a constructor");
    Functions {
        datetime: named("datetime"),
        duration: named("duration"),
        ip: named("ip"),
    }
});

pub(super) fn call(function: &Name, text: impl ToString) -> Value {
    RestrictedExpr::call_extension_fn(function.clone(), [RestrictedExpr::val(text.to_string())])
        .into()
}

fn seconds(seconds: u64) -> Value {
    call(&FUNCTIONS.duration, format!("{seconds}s"))
}

fn uid(of: &EntityTypeName, id: impl ToString) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id.to_string()))
}

/// The principal's uid.
pub(super) fn principal(question: &Question<'_>) -> EntityUid {
    match question.user() {
        Some(user) => uid(&TYPES.user, &user.id),
        None => uid(&TYPES.anonymous, "anonymous"),
    }
}

/// The action's uid.
pub(super) fn action(question: &Question<'_>) -> EntityUid {
    uid(&TYPES.action, question.action)
}

/// The resource's uid.
pub(super) fn resource(question: &Question<'_>) -> EntityUid {
    match &question.resource {
        Resource::Account(id) => uid(&TYPES.account, id),
        Resource::Authenticator(_, authenticator) => uid(&TYPES.authenticator, authenticator.id),
        Resource::Route(pattern) => uid(&TYPES.route, pattern),
    }
}

/// The Cedar request and its entities, or why the question does not fit the schema.
pub(super) fn build(
    question: &Question<'_>,
    principal: &EntityUid,
    resource: &EntityUid,
    schema: &SchemaIndex,
) -> Result<(Request, Entities), String> {
    let context = Context::from_pairs(context(question)).map_err(|error| error.to_string())?;
    let request = Request::new(
        principal.clone(),
        action(question),
        resource.clone(),
        context,
        Some(&schema.cedar),
    )
    .map_err(|error| match error {
        // Cedar would show the whole context.
        RequestValidationError::InvalidContext(_) => {
            format!("this context is not that of {}", question.action)
        }
        error => error.to_string(),
    })?;
    let mut entities = entities(question, schema)?;
    // Without it, and the groups that it is in, `action in` is false and a forbid is skipped.
    let action = request
        .action()
        .and_then(|action| schema.actions.get(action));
    entities.push(action.ok_or("this action is not in the schema")?.clone());
    // Not held against the schema once more: they have its types by construction, as a test shows,
    // and Cedar would add every action of the schema to each request.
    let entities = Entities::from_entities(entities, None).map_err(|error| error.to_string())?;
    Ok((request, entities))
}

fn context(question: &Question<'_>) -> Vec<(String, Value)> {
    let mut members = vec![
        ("network".to_owned(), network(question.address)),
        ("now".to_owned(), call(&FUNCTIONS.datetime, question.now)),
    ];
    if let Asker::Member {
        user,
        tenant,
        factors,
        method_type,
        means: _,
    } = &question.asker
    {
        members.push(("tenant".to_owned(), entity(&TYPES.tenant, tenant)));
        members.push(("session".to_owned(), session(&user.session, question.now)));
        members.push(("factors".to_owned(), self::factors(factors)));
        if let Some(method_type) = method_type {
            members.push((
                "methodType".to_owned(),
                entity(&TYPES.method_type, method_type),
            ));
        }
    }
    members
}

fn entity(of: &EntityTypeName, id: impl ToString) -> Value {
    Value::new_entity_uid(uid(of, id))
}

/// A record whose members are written out here, each once.
fn record<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::new_record(members.map(|(name, value)| (name.to_owned(), value)))
        .expect("no member is written twice")
}

fn strings<'a>(texts: impl IntoIterator<Item = &'a String>) -> Value {
    Value::new_set(
        texts
            .into_iter()
            .map(|text| Value::new_string(text.clone())),
    )
}

fn network(address: IpAddr) -> Value {
    record([("address", call(&FUNCTIONS.ip, address.to_canonical()))])
}

fn session(session: &Session, now: Timestamp) -> Value {
    let since = |then: Option<Timestamp>| match then {
        Some(then) => seconds(now.since(then).as_secs()),
        None => call(&FUNCTIONS.duration, NEVER),
    };
    record([
        ("amr", strings(&session.amr)),
        ("acr", Value::new_string(session.acr.clone())),
        ("sinceStrong", since(session.strong_at)),
        (
            "sinceBackupCode",
            since(session.code.as_ref().map(|code| code.at)),
        ),
        ("trusted", Value::new_bool(session.trusted())),
        (
            "authenticatorAge",
            match session.confirmation {
                Confirmation::Nothing => seconds(0),
                Confirmation::SignIn => call(&FUNCTIONS.duration, NEVER),
                Confirmation::Authenticator { enrolled_at, .. } => since(Some(enrolled_at)),
            },
        ),
    ])
}

fn factors(factors: &Factors) -> Value {
    let types = factors
        .method_types
        .iter()
        .map(|one| entity(&TYPES.method_type, one));
    record([
        (
            "count",
            Value::new_long(i64::try_from(factors.count).unwrap_or(i64::MAX)),
        ),
        ("methodTypes", Value::new_set(types)),
        ("reset", Value::new_bool(factors.reset)),
    ])
}

/// Principal, its account, the resource and the account that holds it. Each once.
pub(crate) fn entities(
    question: &Question<'_>,
    schema: &SchemaIndex,
) -> Result<Vec<Entity>, String> {
    let mut entities = Vec::with_capacity(4);
    let own = question.user().map(|user| &user.id);
    match question.user() {
        Some(user) => {
            entities.push(self::user(user, schema)?);
            entities.push(account(&user.id));
        }
        None => entities.push(Entity::with_uid(principal(question))),
    }
    match &question.resource {
        Resource::Account(id) | Resource::Authenticator(id, _) if own != Some(*id) => {
            entities.push(account(id));
        }
        _ => {}
    }
    match &question.resource {
        Resource::Account(_) => {}
        Resource::Authenticator(holder, one) => entities.push(authenticator(holder, one)?),
        Resource::Route(_) => entities.push(Entity::with_uid(resource(question))),
    }
    Ok(entities)
}

fn account(id: &UserId) -> Entity {
    let parents = issuer_and_tenant(id).collect();
    Entity::new_no_attrs(uid(&TYPES.account, id), parents)
}

fn issuer_and_tenant(id: &UserId) -> impl Iterator<Item = EntityUid> {
    let tenant = id.tenant.map(|tenant: Tenant| uid(&TYPES.tenant, tenant));
    std::iter::once(uid(&TYPES.issuer, &id.issuer)).chain(tenant)
}

fn user(user: &User, schema: &SchemaIndex) -> Result<Entity, String> {
    let groups = user.groups.iter().map(|name| {
        let group = GroupId {
            issuer: user.id.issuer.clone(),
            tenant: user.id.tenant,
            name: name.clone(),
        };
        uid(&TYPES.group, group)
    });
    let parents: HashSet<_> = issuer_and_tenant(&user.id).chain(groups).collect();
    let attributes = [
        ("account".to_owned(), entity(&TYPES.account, &user.id)),
        ("claims".to_owned(), claims(user, schema)?),
    ];
    Entity::new(uid(&TYPES.user, &user.id), attributes.into(), parents)
        .map_err(|error| error.to_string())
}

/// The claims that `Site::Claims` declares. `null` is absent; another type than declared is refused,
/// so that no rule is skipped because of it.
fn claims(user: &User, schema: &SchemaIndex) -> Result<Value, String> {
    let mut members = Vec::new();
    for (name, declared) in &schema.claims {
        match user.claims.get(name) {
            None | Some(Json::Null) => {}
            Some(json) => {
                let value = claim(json, *declared).ok_or_else(|| {
                    let declared = declared.as_str();
                    format!("the token's claim {name:?} is not the {declared} that site.cedarschema declares")
                })?;
                members.push((name.clone(), value));
            }
        }
    }
    Value::new_record(members).map_err(|error| error.to_string())
}

fn claim(json: &Json, declared: ClaimType) -> Option<Value> {
    match declared {
        ClaimType::String => json.as_str().map(|text| Value::new_string(text.to_owned())),
        ClaimType::Long => json.as_i64().map(Value::new_long),
        ClaimType::Bool => json.as_bool().map(Value::new_bool),
        ClaimType::Strings => {
            let items = json
                .as_array()?
                .iter()
                .map(|item| claim(item, ClaimType::String));
            items.collect::<Option<Vec<_>>>().map(Value::new_set)
        }
    }
}

fn authenticator(holder: &UserId, one: &Authenticator) -> Result<Entity, String> {
    // All zero: no model is known.
    let model = |model: Option<uuid::Uuid>| entity(&TYPES.model, model.unwrap_or_default());
    let attributes = [
        ("methodType", entity(&TYPES.method_type, one.method_type)),
        ("provenModel", model(one.proven_model)),
        ("claimedModel", model(one.claimed_model)),
        ("claimedTransports", strings(&one.claimed_transports)),
        ("userVerified", Value::new_bool(one.user_verified)),
        ("backupEligible", Value::new_bool(one.backup_eligible)),
        ("backedUp", Value::new_bool(one.backed_up)),
    ];
    Entity::new(
        uid(&TYPES.authenticator, one.id),
        attributes
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        HashSet::from([uid(&TYPES.account, holder)]),
    )
    .map_err(|error| error.to_string())
}

/// What the context says of the caller's authenticators; none where it has no factors.
pub(super) fn enrolled(context: &Context) -> Factors {
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
        method_types.extend(types.iter().filter_map(|one| match one {
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
