//! A request with one thing changed: what a caller could do about a denial, tried out.

use cedar_policy::{
    Context, Entities, Entity, EntityUid, Request, RestrictedExpression as Value, Schema,
};

use crate::model::{Factors, MethodType};

use super::{TYPES, enrolled, entity, factors, seconds};

/// Something that a caller can do otherwise, or first.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) enum Change {
    /// Enrol an authenticator of another type.
    MethodType(MethodType),
    /// Send another tenant's header.
    Tenant(EntityUid),
    /// Sign in with this `acr`; so many seconds ago, at most.
    SignIn { acr: String, age: u64 },
    /// Use a backup code.
    BackupCode,
    /// Have an authenticator of this type enrolled.
    Factor(MethodType),
}

impl Change {
    /// What the caller of a request could try: each a difference to what they did, and theirs to do.
    /// `strong_acr` are the values that a sign-in can reach.
    pub(in crate::policy) fn all(
        request: &Request,
        entities: &Entities,
        strong_acr: &[(String, u64)],
    ) -> Vec<Self> {
        let (Some(context), Some(principal)) = (request.context(), request.principal()) else {
            return Vec::new();
        };
        let mut changes = Vec::new();
        if let Some(asked) = context.get("methodType") {
            let others = MethodType::ALL.into_iter().filter(|one| {
                asked != cedar_policy::EvalResult::EntityUid(super::uid(&TYPES.method_type, one))
            });
            changes.extend(others.map(Change::MethodType));
        }
        if let Some(header) = context.get("tenant") {
            let above = entities.ancestors(principal).into_iter().flatten();
            let others = above.filter(|one| {
                *one.type_name() == TYPES.tenant
                    && header != cedar_policy::EvalResult::EntityUid((*one).clone())
            });
            changes.extend(others.cloned().map(Change::Tenant));
        }
        if context.get("session").is_none() {
            return changes;
        }
        changes.extend(strong_acr.iter().map(|(acr, age)| Change::SignIn {
            acr: acr.clone(),
            age: *age,
        }));
        let enrolled = enrolled(context);
        if enrolled.count > 0 {
            changes.push(Change::BackupCode);
        }
        let lacking = MethodType::ALL
            .into_iter()
            .filter(|one| !enrolled.method_types.contains(one));
        changes.extend(lacking.map(Change::Factor));
        changes
    }

    /// The request as it would be then, and nothing else changed. `None` where it cannot be asked.
    pub(in crate::policy) fn apply(
        &self,
        request: &Request,
        entities: &Entities,
        schema: &Schema,
    ) -> Option<(Request, Entities)> {
        let context = request.context()?;
        let context = match self {
            Change::MethodType(to) => with(context, "methodType", entity(&TYPES.method_type, to)),
            Change::Tenant(to) => with(context, "tenant", Value::new_entity_uid(to.clone())),
            Change::SignIn { acr, age } => after_sign_in(context, acr, *age),
            Change::BackupCode => session(context, &[("sinceBackupCode", &seconds(0))]),
            Change::Factor(one) => {
                let mut had = enrolled(context);
                had.method_types.push(*one);
                let has = Factors {
                    count: had.count.saturating_add(1),
                    ..had
                };
                with(context, "factors", factors(&has))
            }
        }?;
        let entities = match self {
            Change::MethodType(to) => of_type(request.resource()?, entities, *to)?,
            _ => entities.clone(),
        };
        let again = Request::new(
            request.principal()?.clone(),
            request.action()?.clone(),
            request.resource()?.clone(),
            context,
            Some(schema),
        );
        Some((again.ok()?, entities))
    }
}

/// The same context after a sign-in with this `acr`, `age` seconds ago, and nothing else changed.
/// `None` where the action's context has no session.
pub(in crate::policy) fn after_sign_in(context: &Context, acr: &str, age: u64) -> Option<Context> {
    let acr = Value::new_string(acr.to_owned());
    session(context, &[("acr", &acr), ("sinceStrong", &seconds(age))])
}

fn session(context: &Context, changes: &[(&str, &Value)]) -> Option<Context> {
    let mut members = context.clone().into_iter();
    let (_, session) = members.find(|(name, _)| name == "session")?;
    let facts = AsRef::<cedar_policy_core::ast::RestrictedExpr>::as_ref(&session);
    let changed = facts.as_record_pairs()?.map(|(name, fact)| {
        let change = changes.iter().find(|(changed, _)| name == changed);
        let fact = change.map_or_else(|| Value::from(fact.to_owned()), |(_, to)| (*to).clone());
        (name.to_string(), fact)
    });
    let changed = Value::new_record(changed.collect::<Vec<_>>()).ok()?;
    with(context, "session", changed)
}

/// `None` where the action's context has no such member.
fn with(context: &Context, name: &str, to: Value) -> Option<Context> {
    let mut members: Vec<_> = context.clone().into_iter().collect();
    let (_, member) = members.iter_mut().find(|(known, _)| known == name)?;
    *member = to;
    Context::from_pairs(members).ok()
}

/// An authenticator that is enrolled as another type is of that type.
fn of_type(resource: &EntityUid, entities: &Entities, to: MethodType) -> Option<Entities> {
    let Some(authenticator) = entities.get(resource) else {
        return Some(entities.clone());
    };
    let (uid, mut attributes, parents) = authenticator.clone().into_inner();
    match attributes.get_mut("methodType") {
        Some(method_type) => *method_type = entity(&TYPES.method_type, to),
        None => return Some(entities.clone()),
    }
    let changed = Entity::new(uid, attributes, parents).ok()?;
    entities.clone().upsert_entities([changed], None).ok()
}
