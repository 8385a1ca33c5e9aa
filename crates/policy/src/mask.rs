//! Masks for the decision log.
//!
//! Claims are optional and are erased. Members of the context are required and are replaced by neutral
//! values, so that the rest still conforms to the schema.

use std::str::FromStr;

use serde_json::{Map, Value};

use cedargate_core::nearest;

use crate::shape;

/// The path of a part of the input that is kept out of the decision log, such as
/// `context.network.address` or `principal.claims.email`. A mask covers everything below its path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mask(String);

/// The paths that were hidden in one input.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Hidden {
    /// The paths of members that were replaced by neutral values.
    pub masked: Vec<String>,
    /// The paths of claims that were removed.
    pub erased: Vec<String>,
}

impl Hidden {
    /// Returns true if a fact about the caller's authenticators was masked. The member `means` must then be
    /// left out of the log too, because it contains the same facts.
    pub fn hides_factors(&self) -> bool {
        let is_about_factors = |path: &String| {
            path.starts_with("context.factors.")
                || path == "context.session.trusted"
                || path == "context.session.authenticatorAge"
        };
        self.masked.iter().any(is_about_factors)
    }

    /// Returns true if nothing was masked or erased.
    pub fn is_empty(&self) -> bool {
        self.masked.is_empty() && self.erased.is_empty()
    }
}

const CLAIMS: &str = "principal.claims";
const ADDRESS: &str = "context.network.address";

/// The reason why a text is no path of a request: a message that says how paths are written, or which path
/// was probably meant.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct MaskError(String);

impl FromStr for Mask {
    type Err = MaskError;

    fn from_str(path: &str) -> Result<Self, MaskError> {
        let mask = Self(path.to_owned());
        let claim = path
            .strip_prefix(CLAIMS)
            .and_then(|rest| rest.strip_prefix('.'));
        let known = match claim {
            // site.cedarschema declares the claims and may change while the mask stays.
            Some(name) => !name.is_empty(),
            None => path == CLAIMS || shape::leaves().any(|(leaf, _)| mask.covers(&leaf)),
        };
        if known {
            return Ok(mask);
        }
        let known: Vec<_> = shape::leaves().map(|(leaf, _)| leaf).collect();
        let hint = match nearest(path, known.iter().map(String::as_str)) {
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
        let message = format!("there is no {path:?} in a request: {hint}");
        Err(MaskError(message))
    }
}

impl Mask {
    /// Returns true if the mask covers the caller's address.
    pub fn hides_address(&self) -> bool {
        self.covers(ADDRESS)
    }

    fn covers(&self, path: &str) -> bool {
        let rest = path.strip_prefix(self.0.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// Masks and erases the covered parts of an input, which has the members of [`DecisionInput::json`].
    /// Returns their paths.
    ///
    /// [`DecisionInput::json`]: crate::DecisionInput::json
    pub fn hide(masks: &[Self], input: &mut Map<String, Value>) -> Hidden {
        let mut hidden = Hidden::default();
        if masks.is_empty() {
            return hidden;
        }
        let covered = |path: &str| masks.iter().any(|mask| mask.covers(path));
        for (path, leaf) in shape::leaves().filter(|(path, _)| covered(path)) {
            if let Some(value) = find(input, &path) {
                *value = leaf.neutral();
                hidden.masked.push(path);
            }
        }
        let entities = input.get_mut("entities").and_then(Value::as_array_mut);
        // Only the principal has claims.
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
    let mut value = input.get_mut(first)?;
    for name in rest.split('.') {
        value = value.get_mut(name)?;
    }
    Some(value)
}
