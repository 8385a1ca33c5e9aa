//! The JOSE header of a token (RFC 7515 §4).

use serde_json::Value;

use super::claims::decode;
use crate::authn::algorithm::Algorithm;
use crate::authn::error::{InvalidToken, invalid};
use crate::authn::json::ObjectError;

/// The media types of a JWT and of an access token (RFC 7519 §5.1, RFC 9068 §2.1), written as in
/// RFC 7515 §4.1.9. A token of any other type was made for another purpose, such as a logout, a DPoP
/// proof or a security event (RFC 8725 §3.11).
const TYPES: [&str; 4] = ["jwt", "application/jwt", "at+jwt", "application/at+jwt"];

/// The members of a header that are used. Keys in a header, or at URLs in it (`jwk`, `jku`, `x5c`,
/// `x5u`), are ignored.
pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
}

impl Header {
    pub(super) fn read(encoded: &str) -> Result<Self, InvalidToken> {
        let members = match decode(encoded) {
            Ok(members) => members,
            Err(ObjectError::NotAnObject) => {
                return invalid("the token's header is not a JSON object");
            }
            Err(ObjectError::RepeatedMember) => {
                return invalid("a member of the token's header is repeated");
            }
        };
        // RFC 7515 §4.1.11: a recipient that does not understand a listed extension refuses the token.
        if members.contains_key("crit") {
            return invalid("the token's header has `crit`, and no extension is supported");
        }
        let type_fits = members.get("typ").is_none_or(|value| {
            value
                .as_str()
                .is_some_and(|typ| TYPES.iter().any(|known| typ.eq_ignore_ascii_case(known)))
        });
        if !type_fits {
            return invalid("the token's `typ` is not that of an access token");
        }
        let algorithm = members
            .get("alg")
            .and_then(Value::as_str)
            .and_then(|name| name.parse().ok());
        let Some(algorithm) = algorithm else {
            return invalid("the token's `alg` is not a signature algorithm that is accepted");
        };
        let kid = match members.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return invalid("the token's `kid` is not a string"),
        };
        Ok(Self { algorithm, kid })
    }
}
