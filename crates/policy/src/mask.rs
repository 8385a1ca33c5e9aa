//! What is kept out of the decision log. A claim is optional: it is erased. A member of the context is
//! not: it is masked by a value that says nothing, so that what is left is still a request.

use std::str::FromStr;

use serde_json::{Map, Value, json};

use cedargate_core::nearest;

/// A path into what decisions are made on, the part of it that is kept out of the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mask(String);

/// The paths that were hidden in one input.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Hidden {
    /// Replaced by a value that says nothing.
    pub masked: Vec<String>,
    /// Removed.
    pub erased: Vec<String>,
}

impl Hidden {
    /// Returns true if something about the caller's authenticators was masked. The ways in which they
    /// can step up would tell it all the same.
    pub fn hides_factors(&self) -> bool {
        let tells = |path: &String| {
            path.starts_with("context.factors.")
                || path == "context.session.trusted"
                || path == "context.session.authenticatorAge"
        };
        self.masked.iter().any(tells)
    }

    /// Whether all was left as it was.
    pub fn is_empty(&self) -> bool {
        self.masked.is_empty() && self.erased.is_empty()
    }
}

const CLAIMS: &str = "principal.claims";
const ADDRESS: &str = "context.network.address";

/// The members of contexts that are no records, and what stands for each: what the gateway says where
/// it knows nothing, if there is such a value.
fn leaves() -> [(&'static str, Value); 13] {
    let entity = |entity_type: &str, id: &str| json!({"type": entity_type, "id": id});
    [
        ("context.factors.count", json!(0)),
        ("context.factors.methodTypes", json!([])),
        ("context.factors.reset", json!(false)),
        (
            "context.methodType",
            entity("Gate::MethodType", "webauthn_passkey"),
        ),
        (ADDRESS, json!("0.0.0.0")),
        ("context.now", json!("1970-01-01T00:00:00.000Z")),
        ("context.session.acr", json!("")),
        ("context.session.amr", json!([])),
        ("context.session.authenticatorAge", json!("0s")),
        ("context.session.sinceBackupCode", json!("36500d")),
        ("context.session.sinceStrong", json!("36500d")),
        ("context.session.trusted", json!(false)),
        (
            "context.tenant",
            entity("Gate::Tenant", "00000000-0000-0000-0000-000000000000"),
        ),
    ]
}

impl FromStr for Mask {
    type Err = String;

    fn from_str(path: &str) -> Result<Self, String> {
        let mask = Self(path.to_owned());
        let claim = path
            .strip_prefix(CLAIMS)
            .and_then(|rest| rest.strip_prefix('.'));
        let known = match claim {
            // Which claims there are is said in site.cedarschema, which may change under it.
            Some(name) => !name.is_empty(),
            None => path == CLAIMS || leaves().iter().any(|(leaf, _)| mask.covers(leaf)),
        };
        if known {
            return Ok(mask);
        }
        let hint = match nearest(path, leaves().map(|(leaf, _)| leaf)) {
            Some(leaf) => format!("did you mean {leaf:?}?"),
            None if path.starts_with("principal.claim") => {
                format!("a claim is written \"{CLAIMS}.email\"")
            }
            None => {
                format!(
                    "it is a claim, such as \"{CLAIMS}.email\", or a part of the context, such as {ADDRESS:?}"
                )
            }
        };
        Err(format!("there is no {path:?} in a request: {hint}"))
    }
}

impl Mask {
    /// Whether it hides the caller's address.
    pub fn hides_address(&self) -> bool {
        self.covers(ADDRESS)
    }

    fn covers(&self, path: &str) -> bool {
        let rest = path.strip_prefix(self.0.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// Hides what these cover, in an input as test cases have it.
    pub fn hide(masks: &[Self], input: &mut Map<String, Value>) -> Hidden {
        let mut hidden = Hidden::default();
        if masks.is_empty() {
            return hidden;
        }
        let covered = |path: &str| masks.iter().any(|mask| mask.covers(path));
        for (path, nothing) in leaves().into_iter().filter(|(path, _)| covered(path)) {
            if let Some(there) = find(input, path) {
                *there = nothing;
                hidden.masked.push(path.to_owned());
            }
        }
        let entities = input.get_mut("entities").and_then(Value::as_array_mut);
        // Of all entities only the principal has claims.
        for entity in entities.into_iter().flatten() {
            let claims = entity.pointer_mut("/attrs/claims");
            let Some(claims) = claims.and_then(Value::as_object_mut) else {
                continue;
            };
            claims.retain(|name, _| {
                let path = format!("{CLAIMS}.{name}");
                let keep = !covered(&path);
                if !keep {
                    hidden.erased.push(path);
                }
                keep
            });
        }
        hidden
    }
}

fn find<'a>(input: &'a mut Map<String, Value>, path: &str) -> Option<&'a mut Value> {
    let (first, rest) = path.split_once('.')?;
    let mut there = input.get_mut(first)?;
    for name in rest.split('.') {
        there = there.get_mut(name)?;
    }
    Some(there)
}
