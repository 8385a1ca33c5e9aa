//! Requests with one fact changed, to find out what a caller could do about a denial.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::{Context, Entities, Entity, EntityUid, EvalResult, Request, Schema};
use cedar_policy_core::ast::{self, RestrictedExpr, Value, ValueKind};
use smol_str::SmolStr;

use cedargate_core::{Means, MethodType, STEP_UP_ACR};

use crate::shape::factors;
use crate::values::{TYPES, entity, never, seconds, string, uid};

use super::enrolled;

/// A change that the caller of a denied request can make.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// Enrol an authenticator of another type.
    MethodType(MethodType),
    /// Send another tenant's header.
    Tenant(EntityUid),
    /// Use a backup code before the request.
    BackupCode,
    /// Use the recovery code before the request.
    RecoveryCode,
    /// Enrol an authenticator of this type before the request.
    Factor(MethodType),
}

impl Change {
    /// Returns the changes, beside a step-up, that the caller of this request can make.
    pub(crate) fn all(request: &Request, entities: &Entities, means: &Means) -> Vec<Self> {
        let (Some(context), Some(principal)) = (request.context(), request.principal()) else {
            return Vec::new();
        };
        let mut changes = Vec::new();
        if let Some(requested) = context.get("methodType") {
            let others = MethodType::ALL.into_iter().filter(|other| {
                requested != EvalResult::EntityUid(uid(&TYPES.method_type, other).into())
            });
            changes.extend(others.map(Change::MethodType));
        }
        if let Some(header) = context.get("tenant") {
            let ancestors = entities.ancestors(principal).into_iter().flatten();
            let others = ancestors.filter(|uid| {
                *uid.type_name().as_ref() == TYPES.tenant
                    && header != EvalResult::EntityUid((*uid).clone())
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
            .filter(|method_type| !enrolled.method_types.contains(method_type));
        changes.extend(lacking.map(Change::Factor));
        changes
    }

    /// Returns the request and its entities with this change alone, or `None` if that request does not
    /// conform to the schema.
    pub(crate) fn apply(
        &self,
        request: &Request,
        entities: &Entities,
        schema: &Schema,
    ) -> Option<(Request, Entities)> {
        let context = request.context()?;
        let context = match self {
            Change::MethodType(to) => with(context, "methodType", entity(&TYPES.method_type, to)),
            Change::Tenant(to) => with(
                context,
                "tenant",
                AsRef::<ast::EntityUID>::as_ref(to).clone().into(),
            ),
            Change::BackupCode | Change::RecoveryCode => after(context, &Proof::Code),
            Change::Factor(method_type) => {
                let mut changed = enrolled(context);
                changed.method_types.push(*method_type);
                changed.count = changed.count.saturating_add(1);
                changed.reset = false;
                with(context, "factors", factors(&changed))
            }
        }?;
        let entities = match self {
            Change::MethodType(to) => with_method_type(request.resource()?, entities, *to)?,
            _ => entities.clone(),
        };
        let changed = Request::new(
            request.principal()?.clone(),
            request.action()?.clone(),
            request.resource()?.clone(),
            context,
            Some(schema),
        );
        Some((changed.ok()?, entities))
    }
}

/// The proof with which a step-up begins a new session.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Proof<'a> {
    /// A strong sign-in at the issuer with this `acr`, `age` seconds ago.
    SignIn { acr: &'a str, age: u64 },
    /// An assertion of an authenticator, `age` seconds ago.
    Assertion {
        age: u64,
        trusted: bool,
        /// The time since the enrolment of the authenticator, in seconds.
        enrolled: u64,
    },
    /// A backup or recovery code, used now.
    Code,
}

/// Returns the context with the session of the token that this proof would give. `amr` stays. Returns
/// `None` if the context has no session.
///
/// A token after a strong sign-in or an assertion has no code, and a token after a code has no earlier
/// sign-in.
pub(crate) fn after(context: &Context, proof: &Proof<'_>) -> Option<Context> {
    let (acr, strong, code, trusted, enrolled) = match proof {
        Proof::SignIn { acr, age } => (*acr, seconds(*age), never(), true, never()),
        Proof::Assertion {
            age,
            trusted,
            enrolled,
        } => (
            STEP_UP_ACR,
            seconds(*age),
            never(),
            *trusted,
            seconds(*enrolled),
        ),
        Proof::Code => ("", never(), seconds(0), false, seconds(0)),
    };
    let mut session = members(context)?.get("session")?.clone();
    let ValueKind::Record(facts) = &mut session.value else {
        return None;
    };
    let facts = Arc::make_mut(facts);
    for (name, changed) in [
        ("acr", string(acr)),
        ("sinceStrong", strong),
        ("sinceBackupCode", code),
        ("trusted", trusted.into()),
        ("authenticatorAge", enrolled),
    ] {
        if let Some(fact) = facts.get_mut(name) {
            *fact = changed;
        }
    }
    with(context, "session", session)
}

/// Returns the context with another value of this member, or `None` if it has no such member.
fn with(context: &Context, name: &str, to: Value) -> Option<Context> {
    let mut members = members(context)?.clone();
    *members.get_mut(name)? = to;
    Some(ast::Context::Value(Arc::new(members)).into())
}

fn members(context: &Context) -> Option<&BTreeMap<SmolStr, Value>> {
    match context.as_ref() {
        ast::Context::Value(members) => Some(members),
        ast::Context::RestrictedResidual(_) => None,
    }
}

/// Returns the entities with another method type of the resource, if that is an authenticator.
fn with_method_type(resource: &EntityUid, entities: &Entities, to: MethodType) -> Option<Entities> {
    let Some(authenticator) = entities.get(resource) else {
        return Some(entities.clone());
    };
    let (uid, mut attributes, parents) = authenticator.clone().into_inner();
    match attributes.get_mut("methodType") {
        Some(method_type) => {
            let to = RestrictedExpr::from(entity(&TYPES.method_type, to));
            *method_type = to.into();
        }
        None => return Some(entities.clone()),
    }
    let changed = Entity::new(uid, attributes, parents).ok()?;
    entities.clone().upsert_entities([changed], None).ok()
}
