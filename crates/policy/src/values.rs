//! Cedar values of the types in the gateway's schema, built without parsing.

use std::sync::LazyLock;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, RestrictedExpression as Value};
use cedar_policy_core::ast::{Name, RestrictedExpr};

/// The duration since an event that never happened, which is longer than any that policies ask for.
pub const NEVER: &str = "36500d";

/// The entity types of `gate.cedarschema`, parsed once.
pub(crate) struct EntityTypes {
    pub(crate) account: EntityTypeName,
    pub(crate) action: EntityTypeName,
    pub(crate) anonymous: EntityTypeName,
    pub(crate) authenticator: EntityTypeName,
    pub(crate) group: EntityTypeName,
    pub(crate) issuer: EntityTypeName,
    pub(crate) method_type: EntityTypeName,
    pub(crate) model: EntityTypeName,
    pub(crate) route: EntityTypeName,
    pub(crate) tenant: EntityTypeName,
    pub(crate) user: EntityTypeName,
}

pub(crate) static TYPES: LazyLock<EntityTypes> = LazyLock::new(|| {
    let named = |name: &str| {
        name.parse()
            .expect("the name of a type of gate.cedarschema")
    };
    EntityTypes {
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

impl EntityTypes {
    /// Returns the type with this name, if entities of requests can have it.
    pub(crate) fn of_entity(&self, name: &str) -> Option<&EntityTypeName> {
        Some(match name {
            "Gate::Account" => &self.account,
            "Gate::Anonymous" => &self.anonymous,
            "Gate::Authenticator" => &self.authenticator,
            "Gate::AuthenticatorModel" => &self.model,
            "Gate::Group" => &self.group,
            "Gate::Issuer" => &self.issuer,
            "Gate::MethodType" => &self.method_type,
            "Gate::Route" => &self.route,
            "Gate::Tenant" => &self.tenant,
            "Gate::User" => &self.user,
            _ => return None,
        })
    }
}

/// The constructors of Cedar's extension types, parsed once.
///
/// `RestrictedExpression::new_duration` and its siblings parse the name at each call, which took a quarter
/// of the time of a decision.
pub(crate) struct Constructors {
    pub(crate) datetime: Name,
    pub(crate) duration: Name,
    pub(crate) ip: Name,
}

pub(crate) static CONSTRUCTORS: LazyLock<Constructors> = LazyLock::new(|| {
    let named = |name: &str| name.parse().expect("the name of a constructor");
    Constructors {
        datetime: named("datetime"),
        duration: named("duration"),
        ip: named("ip"),
    }
});

pub(crate) fn call(constructor: &Name, text: impl ToString) -> Value {
    let argument = RestrictedExpr::val(text.to_string());
    RestrictedExpr::call_extension_fn(constructor.clone(), [argument]).into()
}

pub(crate) fn seconds(seconds: u64) -> Value {
    call(&CONSTRUCTORS.duration, format!("{seconds}s"))
}

pub(crate) fn never() -> Value {
    call(&CONSTRUCTORS.duration, NEVER)
}

pub(crate) fn uid(entity_type: &EntityTypeName, id: impl ToString) -> EntityUid {
    EntityUid::from_type_name_and_id(entity_type.clone(), EntityId::new(id.to_string()))
}

pub(crate) fn entity(entity_type: &EntityTypeName, id: impl ToString) -> Value {
    Value::new_entity_uid(uid(entity_type, id))
}

pub(crate) fn strings<'a>(texts: impl IntoIterator<Item = &'a String>) -> Value {
    let texts = texts.into_iter();
    Value::new_set(texts.map(|text| Value::new_string(text.clone())))
}
