//! The ways in which a caller could prove more than their token does, and their JSON in test cases and
//! in the decision log.

use serde_json::{Map, Value, json};

use cedargate_core::{Confirmer, Factors, Means, MethodType};

use super::inquiry::{member, string};
use super::syntax::{duration, duration_millis};

/// Which step-ups can be offered to a caller.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepUps<'a> {
    /// The `acr` values that a sign-in at their issuer can reach.
    pub(super) strong_acr: &'a [String],
    /// What they can step up with here.
    pub(super) means: &'a Means,
}

/// Callers without an account have none.
pub(super) static NO_MEANS: Means = Means {
    authenticators: Vec::new(),
    backup_code: false,
    recovery_code: false,
};

/// The means of a caller of whom only the factors are known, as in a test case that does not say more.
///
/// One authenticator of each type can be used, and it is the weakest that there is: not trusted, and
/// enrolled just now. So whoever is asked to step up gets in with whichever authenticator they have.
/// Codes do not decide whether a step-up is asked for; there is a backup code with the authenticators,
/// and a recovery code after a reset.
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

/// As test cases and the decision log have them.
pub(super) fn written(means: &Means) -> Value {
    let authenticators = means.authenticators.iter().map(|one| {
        json!({
            "method_type": one.method_type,
            "trusted": one.trusted,
            "age": duration(one.age),
        })
    });
    json!({
        "authenticators": authenticators.collect::<Vec<_>>(),
        "backup_code": means.backup_code,
        "recovery_code": means.recovery_code,
    })
}

/// Reads the member `means` of a test case or a line of the decision log, if it is there.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub(super) fn read(object: &Map<String, Value>) -> Result<Option<Means>, String> {
    let Some(written) = object.get("means") else {
        return Ok(None);
    };
    let means = members(written).map_err(|why| format!("\"means\": {why}; {SHAPE}"))?;
    Ok(Some(means))
}

const SHAPE: &str = r#"it is {"authenticators": [{"method_type": "webauthn_passkey", "trusted": true, "age": "30d"}], "backup_code": true, "recovery_code": false}"#;

fn members(written: &Value) -> Result<Means, String> {
    let object = known(written, &["authenticators", "backup_code", "recovery_code"])?;
    let authenticators = member(object, "authenticators")?.as_array();
    let authenticators = authenticators.ok_or("\"authenticators\" is not a list")?;
    Ok(Means {
        authenticators: authenticators
            .iter()
            .map(confirmer)
            .collect::<Result<_, _>>()?,
        backup_code: flag(object, "backup_code")?,
        recovery_code: flag(object, "recovery_code")?,
    })
}

fn confirmer(written: &Value) -> Result<Confirmer, String> {
    let object = known(written, &["method_type", "trusted", "age"])?;
    let method_type = string(object, "method_type")?;
    let age = string(object, "age")?;
    let millis = duration_millis(age).and_then(|millis| u64::try_from(millis).ok());
    Ok(Confirmer {
        method_type: method_type
            .parse()
            .map_err(|()| format!("there is no method type {method_type:?}"))?,
        trusted: flag(object, "trusted")?,
        age: millis.ok_or_else(|| format!("{age:?} is not a duration as Cedar writes it"))? / 1000,
    })
}

fn flag(object: &Map<String, Value>, name: &str) -> Result<bool, String> {
    let flag = member(object, name)?.as_bool();
    flag.ok_or_else(|| format!("{name:?} is not true or false"))
}

fn known<'a>(written: &'a Value, names: &[&str]) -> Result<&'a Map<String, Value>, String> {
    let object = written.as_object().ok_or("a JSON object is missing")?;
    match object.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(format!("there is no member {name:?}")),
        None => Ok(object),
    }
}
