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

/// The claims of a token that are compared with the time of a request.
#[derive(Clone, Copy)]
pub(in crate::authn) struct Times {
    /// `exp`, or the reason why it is refused.
    expires_at: Result<Timestamp, &'static str>,
    not_before: Result<Option<Timestamp>, NotANumber>,
    issued_at: Result<Option<Timestamp>, NotANumber>,
    signed_in_at: Result<Option<Timestamp>, NotANumber>,
}

impl Times {
    pub(super) fn read(claims: &Claims) -> Self {
        Self {
            expires_at: expires_at(claims),
            not_before: moment(claims, "nbf"),
            issued_at: moment(claims, "iat"),
            signed_in_at: moment(claims, "auth_time"),
        }
    }

    /// Checks that the token is valid now.
    pub(in crate::authn) fn check(&self, now: Timestamp) -> Result<(), InvalidToken> {
        let latest = now.plus(LEEWAY);
        match self.expires_at {
            Ok(exp) if now >= exp.plus(LEEWAY) => return invalid("the token has expired"),
            Ok(_) => {}
            Err(why) => return invalid(why),
        }
        match self.not_before {
            Ok(Some(nbf)) if nbf > latest => return invalid("the token is not valid yet (`nbf`)"),
            Ok(_) => {}
            Err(NotANumber) => return invalid("the token's `nbf` is not a number"),
        }
        match self.issued_at {
            Ok(Some(iat)) if iat > latest => return invalid("the token's `iat` is in the future"),
            Ok(_) => {}
            Err(NotANumber) => return invalid("the token's `iat` is not a number"),
        }
        match self.signed_in_at {
            Ok(Some(at)) if at > latest => invalid("the token's `auth_time` is in the future"),
            Ok(_) => Ok(()),
            Err(NotANumber) => invalid("the token's `auth_time` is not a number"),
        }
    }

    /// Returns true if the token is refused now and at every later time.
    pub(in crate::authn) fn have_passed(&self, now: Timestamp) -> bool {
        !self.expires_at.is_ok_and(|exp| now < exp.plus(LEEWAY))
    }
}

fn expires_at(claims: &Claims) -> Result<Timestamp, &'static str> {
    match millis(claims, "exp") {
        // `Timestamp` would silently reduce it to the last year that it can hold.
        Ok(Some(exp)) if Timestamp::from_millis(exp).millis() < exp => {
            Err("the token's `exp` is beyond the year 9999")
        }
        Ok(Some(exp)) => Ok(Timestamp::from_millis(exp)),
        Ok(None) | Err(NotANumber) => Err("the token's `exp` is missing or not a number"),
    }
}
