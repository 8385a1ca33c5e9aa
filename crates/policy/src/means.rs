//! The ways in which a caller can step up: their JSON in test cases and in the decision log, and the
//! default for test cases.

use serde_json::{Map, Value, json};

use cedargate_core::{Confirmer, Factors, Means, MethodType};

use crate::RequestError;
use crate::members::{member, string};
use crate::syntax::{duration, duration_millis};

/// Returns the means of a caller of whom only the factors are known, as in a test case without `means`.
///
/// The caller can use one authenticator of each type. It is the weakest possible: not trusted and enrolled
/// at the moment of the request, so that a step-up is offered only if every authenticator of the caller
/// satisfies it. The caller has a backup code if they have authenticators, and a recovery code after a
/// reset.
pub fn assumed(factors: &Factors) -> Means {
    let weakest = |method_type: &MethodType| Confirmer {
        method_type: *method_type,
        trusted: false,
        age: 0,
    };
    Means {
        authenticators: factors.method_types.iter().map(weakest).collect(),
        backup_code: factors.count > 0,
        recovery_code: factors.reset,
    }
}

/// Returns the member `means` of test cases and of the decision log.
pub(crate) fn to_json(means: &Means) -> Value {
    let authenticators = means.authenticators.iter().map(|confirmer| {
        json!({
            "method_type": confirmer.method_type,
            "trusted": confirmer.trusted,
            "age": duration(confirmer.age),
        })
    });
    json!({
        "authenticators": authenticators.collect::<Vec<_>>(),
        "backup_code": means.backup_code,
        "recovery_code": means.recovery_code,
    })
}

/// Reads the optional member `means` of a test case or of a line of the decision log.
///
/// # Errors
/// The member is malformed.
pub(crate) fn read(object: &Map<String, Value>) -> Result<Option<Means>, RequestError> {
    let Some(json) = object.get("means") else {
        return Ok(None);
    };
    let means = from_json(json)
        .map_err(|error| RequestError::invalid("means", format!(": {error}; {SHAPE}")))?;
    Ok(Some(means))
}

const SHAPE: &str = r#"it is {"authenticators": [{"method_type": "webauthn_passkey", "trusted": true, "age": "30d"}], "backup_code": true, "recovery_code": false}"#;

fn from_json(json: &Value) -> Result<Means, RequestError> {
    let object = object_of(json, &["authenticators", "backup_code", "recovery_code"])?;
    let authenticators = member(object, "authenticators")?.as_array();
    let authenticators =
        authenticators.ok_or_else(|| RequestError::invalid("authenticators", " is not a list"))?;
    Ok(Means {
        authenticators: authenticators
            .iter()
            .map(confirmer)
            .collect::<Result<_, _>>()?,
        backup_code: flag(object, "backup_code")?,
        recovery_code: flag(object, "recovery_code")?,
    })
}

fn confirmer(json: &Value) -> Result<Confirmer, RequestError> {
    let object = object_of(json, &["method_type", "trusted", "age"])?;
    let method_type = string(object, "method_type")?;
    let age = string(object, "age")?;
    let millis = duration_millis(age).and_then(|millis| u64::try_from(millis).ok());
    Ok(Confirmer {
        method_type: method_type
            .parse()
            .map_err(|_| format!("there is no method type {method_type:?}"))?,
        trusted: flag(object, "trusted")?,
        age: millis.ok_or_else(|| format!("{age:?} is not a duration as Cedar writes it"))? / 1000,
    })
}

fn flag(object: &Map<String, Value>, name: &str) -> Result<bool, RequestError> {
    let flag = member(object, name)?.as_bool();
    flag.ok_or_else(|| RequestError::invalid(name, " is not true or false"))
}

/// Returns an object that has no other members than these.
fn object_of<'a>(json: &'a Value, names: &[&str]) -> Result<&'a Map<String, Value>, RequestError> {
    let object = json.as_object().ok_or("a JSON object is missing")?;
    match object.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(format!("there is no member {name:?}").into()),
        None => Ok(object),
    }
}
