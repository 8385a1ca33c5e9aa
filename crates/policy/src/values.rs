//! Cedar values of the types in the gateway's schema, built without parsing.

use std::net::IpAddr;
use std::sync::LazyLock;

use cedar_policy_core::ast::{
    Eid, EntityType, EntityUID, ExtensionFunction, Literal, Name, PartialValue, Value,
};
use cedar_policy_core::extensions::Extensions;
use smol_str::SmolStr;

use cedargate_core::Timestamp;

/// The duration since an event that never happened, which is longer than any that policies ask for.
pub const NEVER: &str = "36500d";

/// The entity types of `gate.cedarschema`, parsed once.
pub(crate) struct EntityTypes {
    pub(crate) account: EntityType,
    pub(crate) action: EntityType,
    pub(crate) anonymous: EntityType,
    pub(crate) authenticator: EntityType,
    pub(crate) group: EntityType,
    pub(crate) issuer: EntityType,
    pub(crate) method_type: EntityType,
    pub(crate) model: EntityType,
    pub(crate) route: EntityType,
    pub(crate) tenant: EntityType,
    pub(crate) user: EntityType,
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
    pub(crate) fn of_entity(&self, name: &str) -> Option<&EntityType> {
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

/// The constructors of Cedar's extension types, looked up once.
pub(crate) struct Constructors {
    pub(crate) datetime: &'static ExtensionFunction,
    pub(crate) duration: &'static ExtensionFunction,
    pub(crate) ip: &'static ExtensionFunction,
}

pub(crate) static CONSTRUCTORS: LazyLock<Constructors> = LazyLock::new(|| {
    let named = |name: &str| {
        let name: Name = name.parse().expect("the name of a constructor");
        let constructor = Extensions::all_available().func(&name);
        constructor.expect("all extensions are available")
    };
    Constructors {
        datetime: named("datetime"),
        duration: named("duration"),
        ip: named("ip"),
    }
});

/// The durations that most requests have.
static NEVER_VALUE: LazyLock<Value> = LazyLock::new(|| valid(CONSTRUCTORS.duration, NEVER));
static NO_TIME: LazyLock<Value> = LazyLock::new(|| valid(CONSTRUCTORS.duration, "0s"));

/// Makes a value of an extension type. Returns `None` if the constructor refuses the text.
pub(crate) fn call(constructor: &ExtensionFunction, text: &str) -> Option<Value> {
    match constructor.call(&[string(text)]) {
        Ok(PartialValue::Value(value)) => Some(value),
        _ => None,
    }
}

fn valid(constructor: &ExtensionFunction, text: &str) -> Value {
    call(constructor, text).expect("the gateway writes valid addresses, times and durations")
}

pub(crate) fn ip(address: IpAddr) -> Value {
    valid(CONSTRUCTORS.ip, &address.to_canonical().to_string())
}

pub(crate) fn datetime(moment: Timestamp) -> Value {
    valid(CONSTRUCTORS.datetime, &moment.to_string())
}

pub(crate) fn seconds(seconds: u64) -> Value {
    match seconds {
        0 => NO_TIME.clone(),
        _ => valid(CONSTRUCTORS.duration, &format!("{seconds}s")),
    }
}

pub(crate) fn never() -> Value {
    NEVER_VALUE.clone()
}

pub(crate) fn uid(entity_type: &EntityType, id: impl ToString) -> EntityUID {
    EntityUID::from_components(entity_type.clone(), Eid::new(id.to_string()), None)
}

pub(crate) fn entity(entity_type: &EntityType, id: impl ToString) -> Value {
    uid(entity_type, id).into()
}

pub(crate) fn string(text: &str) -> Value {
    Literal::String(SmolStr::new(text)).into()
}

pub(crate) fn strings<'a>(texts: impl IntoIterator<Item = &'a String>) -> Value {
    set(texts.into_iter().map(|text| string(text)))
}

pub(crate) fn set(items: impl IntoIterator<Item = Value>) -> Value {
    Value::set(items, None)
}

pub(crate) fn record<'a>(members: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    Value::record(members, None)
}
