//! Checks of claims that come before the signature is verified.

use std::time::Duration;

use serde_json::Value;

use super::claims::{Claims, NotANumber, millis, moment};
use crate::authn::error::{InvalidToken, invalid};
use crate::authn::issuer::Issuer;
use cedargate_core::Timestamp;

/// The tolerated difference between the issuer's clock and ours.
const LEEWAY: Duration = Duration::from_secs(60);

/// The values of a *claim* `typ` that mark Keycloak's other tokens, whose header says `JWT` as well.
/// `nonce` and `at_hash` are not used as marks of an ID token: some issuers put them into access
/// tokens too, and the `aud` of an ID token is the client, not this gateway.
const OTHER_TYPES: [&str; 4] = ["id", "logout", "offline", "refresh"];

/// Checks that the token was issued for this gateway, as an access token that its holder may
/// present without further proof.
pub(super) fn check_purpose(issuer: &Issuer, claims: &Claims) -> Result<(), InvalidToken> {
    let accepted = |audience: &Value| issuer.audiences.iter().any(|known| audience == known);
    let is_for_us = match claims.get("aud") {
        Some(audience @ Value::String(_)) => accepted(audience),
        Some(Value::Array(list)) if list.iter().all(Value::is_string) => list.iter().any(accepted),
        _ => {
            return invalid("the token's `aud` is missing, or not a string or a list of strings");
        }
    };
    if !is_for_us {
        return invalid("the token's `aud` does not contain an audience of this gateway");
    }
    if claims.contains_key("cnf") {
        return invalid(
            "the token is bound to a key (`cnf`), and proof of possession is not supported",
        );
    }
    let has_other_type = claims
        .get("typ")
        .and_then(Value::as_str)
        .is_some_and(|typ| OTHER_TYPES.iter().any(|it| typ.eq_ignore_ascii_case(it)));
    // `events` marks security events (RFC 8417 §2.2), including logout tokens that have no `typ`.
    if has_other_type || claims.contains_key("events") {
        return invalid("the token is not an access token (claim `typ` or `events`)");
    }
    Ok(())
}

pub(super) fn check_times(claims: &Claims, now: Timestamp) -> Result<(), InvalidToken> {
    let latest = now.plus(LEEWAY);
    match millis(claims, "exp") {
        // `Timestamp` would silently reduce it to the last year that it can hold.
        Ok(Some(exp)) if Timestamp::from_millis(exp).millis() < exp => {
            return invalid("the token's `exp` is beyond the year 9999");
        }
        _ => {}
    }
    match moment(claims, "exp") {
        Ok(Some(exp)) if now >= exp.plus(LEEWAY) => return invalid("the token has expired"),
        Ok(Some(_)) => {}
        _ => return invalid("the token's `exp` is missing or not a number"),
    }
    match moment(claims, "nbf") {
        Ok(Some(nbf)) if nbf > latest => return invalid("the token is not valid yet (`nbf`)"),
        Ok(_) => {}
        Err(NotANumber) => return invalid("the token's `nbf` is not a number"),
    }
    match moment(claims, "iat") {
        Ok(Some(iat)) if iat > latest => return invalid("the token's `iat` is in the future"),
        Ok(_) => {}
        Err(NotANumber) => return invalid("the token's `iat` is not a number"),
    }
    match moment(claims, "auth_time") {
        Ok(Some(at)) if at > latest => invalid("the token's `auth_time` is in the future"),
        Ok(_) => Ok(()),
        Err(NotANumber) => invalid("the token's `auth_time` is not a number"),
    }
}
