//! The claims of a token, read as JSON values.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::authn::error::{InvalidToken, invalid};
use crate::authn::json::{self, ObjectError};
use cedargate_core::Timestamp;

pub(super) type Claims = Map<String, Value>;

/// Reads an unverified payload. A claim that is `null` counts as absent.
pub(super) fn read(encoded: &str) -> Result<Claims, InvalidToken> {
    match decode(encoded) {
        Ok(mut claims) => {
            claims.retain(|_, value| !value.is_null());
            Ok(claims)
        }
        Err(ObjectError::NotAnObject) => invalid("the token's payload is not a JSON object"),
        Err(ObjectError::RepeatedMember) => invalid("a claim of the token is repeated"),
    }
}

/// Decodes a JSON object from base64url.
pub(super) fn decode(encoded: &str) -> Result<Map<String, Value>, ObjectError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(encoded)
        .map_err(|_| ObjectError::NotAnObject)?;
    json::object(&bytes)
}

#[derive(Clone, Copy)]
pub(super) struct NotANumber;

/// Reads a NumericDate. A value outside the years of [`Timestamp`] becomes the nearest inside.
pub(super) fn moment(claims: &Claims, name: &str) -> Result<Option<Timestamp>, NotANumber> {
    Ok(millis(claims, name)?.map(Timestamp::from_millis))
}

/// Reads the milliseconds of a NumericDate: seconds since the epoch, possibly with a fraction
/// (RFC 7519 §2). A value out of range becomes the nearest in range.
pub(super) fn millis(claims: &Claims, name: &str) -> Result<Option<i64>, NotANumber> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    match (value.as_i64(), value.as_f64()) {
        (Some(seconds), _) => Ok(Some(seconds.saturating_mul(1000))),
        (None, Some(seconds)) => Ok(Some((seconds * 1000.0) as i64)),
        (None, None) => Err(NotANumber),
    }
}

/// Reads a list of strings, which is empty if the claim is absent. Returns `None` if the claim is
/// anything else.
pub(super) fn strings(claims: &Claims, name: &str) -> Option<Vec<String>> {
    match claims.get(name) {
        None => Some(Vec::new()),
        Some(value) => value
            .as_array()?
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect(),
    }
}
