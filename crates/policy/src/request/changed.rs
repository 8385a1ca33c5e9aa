//! A request with one thing changed: what a caller could do about a denial, tried out.

use cedar_policy::{
    Context, Entities, Entity, EntityUid, Request, RestrictedExpression as Value, Schema,
};

use crate::decision::OWN_STEP_UP;
use cedargate_core::{Factors, Means, MethodType};

use super::{FUNCTIONS, NEVER, TYPES, call, enrolled, entity, factors, seconds};

/// Something that a caller can do otherwise, or first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// Enrol an authenticator of another type.
    MethodType(MethodType),
    /// Send another tenant's header.
    Tenant(EntityUid),
    /// Use a backup code.
    BackupCode,
    /// Use the recovery code.
    RecoveryCode,
    /// Have an authenticator of this type enrolled.
    Factor(MethodType),
}

impl Change {
    /// What the caller of a request could try beside a step-up: each a difference to what they did,
    /// and theirs to do.
    pub(crate) fn all(request: &Request, entities: &Entities, means: &Means) -> Vec<Self> {
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
        if means.backup_code {
            changes.push(Change::BackupCode);
        }
        if means.recovery_code {
            changes.push(Change::RecoveryCode);
        }
        let enrolled = enrolled(context);
        let lacking = MethodType::ALL
            .into_iter()
            .filter(|one| !enrolled.method_types.contains(one));
        changes.extend(lacking.map(Change::Factor));
        changes
    }

    /// The request as it would be then, and nothing else changed. `None` where it cannot be asked.
    pub(crate) fn apply(
        &self,
        request: &Request,
        entities: &Entities,
        schema: &Schema,
    ) -> Option<(Request, Entities)> {
        let context = request.context()?;
        let context = match self {
            Change::MethodType(to) => with(context, "methodType", entity(&TYPES.method_type, to)),
            Change::Tenant(to) => with(context, "tenant", Value::new_entity_uid(to.clone())),
            Change::BackupCode | Change::RecoveryCode => after(context, &Proof::Code),
            Change::Factor(one) => {
                let mut had = enrolled(context);
                had.method_types.push(*one);
                let has = Factors {
                    count: had.count.saturating_add(1),
                    reset: false,
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

/// What a session is begun anew with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Proof<'a> {
    /// A strong sign-in at the issuer with this `acr`, so many seconds ago.
    SignIn { acr: &'a str, age: u64 },
    /// An authenticator confirmed it, so many seconds ago.
    Assertion {
        age: u64,
        trusted: bool,
        /// How long the authenticator has been enrolled, in seconds.
        enrolled: u64,
    },
    /// A backup or recovery code, just now.
    Code,
}

/// The same context with the session of the token that this proof would give, and nothing else changed
/// but that `amr` is left as it is. `None` where the action's context has no session.
///
/// A token of a strong sign-in or an assertion tells nothing of codes, and one of a code nothing of an
/// earlier sign-in.
pub(crate) fn after(context: &Context, proof: &Proof<'_>) -> Option<Context> {
    let never = || call(&FUNCTIONS.duration, NEVER);
    let (acr, strong, code, trusted, enrolled) = match proof {
        Proof::SignIn { acr, age } => (*acr, seconds(*age), never(), true, never()),
        Proof::Assertion {
            age,
            trusted,
            enrolled,
        } => (
            OWN_STEP_UP,
            seconds(*age),
            never(),
            *trusted,
            seconds(*enrolled),
        ),
        Proof::Code => ("", never(), seconds(0), false, seconds(0)),
    };
    session(
        context,
        &[
            ("acr", &Value::new_string(acr.to_owned())),
            ("sinceStrong", &strong),
            ("sinceBackupCode", &code),
            ("trusted", &Value::new_bool(trusted)),
            ("authenticatorAge", &enrolled),
        ],
    )
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
