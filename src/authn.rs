//! Bearer tokens: an `Authorization` header becomes a user, nobody, or a fault (RFC 6750, 7519,
//! 8725, 9068). Pure: keys are data, `now` is handed in, nothing is fetched.

mod algorithm;
mod json;
mod keys;
mod token;

use std::sync::Arc;

pub use algorithm::Algorithm;
pub use keys::Keys;

use crate::error::TokenFault;
use crate::model::{IssuerName, Timestamp, User};

/// The longest token that is read, in bytes: more than real issuers send, and far less than what
/// the server lets a header hold.
const LONGEST_TOKEN: usize = 16 * 1024;

/// The issuers that are trusted.
pub struct Settings {
    /// Each of them. No two have the same `name` or the same `issuer`.
    pub issuers: Vec<Issuer>,
}

/// One trusted issuer.
pub struct Issuer {
    /// Its name in policies.
    pub name: IssuerName,
    /// The `iss` of its tokens, compared exactly.
    pub issuer: String,
    /// One of these is in the `aud` of its tokens.
    pub audiences: Vec<String>,
    /// The algorithms that it signs with.
    pub algorithms: Vec<Algorithm>,
    /// Its public keys.
    pub keys: Keys,
    /// The claim that holds the tenant.
    pub tenant_claim: String,
    /// The claim that holds the groups, if its tokens have one.
    pub groups_claim: Option<String>,
    /// The `acr` values that count as a strong sign-in.
    pub strong_acr: Arc<[String]>,
}

/// Makes tokens users.
pub struct Authn {
    issuers: Vec<Issuer>,
}

impl Authn {
    /// From settings.
    pub fn new(settings: Settings) -> Self {
        Self {
            issuers: settings.issuers,
        }
    }

    /// The user of an `Authorization` header's bytes; none when no bearer token was sent.
    pub fn user(&self, header: Option<&[u8]>, now: Timestamp) -> Result<Option<User>, TokenFault> {
        let Some(header) = header else {
            return Ok(None);
        };
        match bearer(header)? {
            Some(token) => token::user(&self.issuers, token, now).map(Some),
            None => Ok(None),
        }
    }
}

/// The token of a header (RFC 6750 §2.1). A scheme is read in any letter case (RFC 9110 §11.1);
/// another one than Bearer counts as no token.
fn bearer(header: &[u8]) -> Result<Option<&str>, TokenFault> {
    let text = std::str::from_utf8(header)
        .ok()
        .filter(|text| text.bytes().all(|byte| (b' '..=b'~').contains(&byte)))
        .ok_or(TokenFault::Invalid(
            "the Authorization header has bytes that are not printable ASCII",
        ))?;
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let token = rest.trim_matches(' ');
    if token.is_empty() {
        return Err(TokenFault::Invalid("no token follows the word Bearer"));
    }
    if token.len() > LONGEST_TOKEN {
        return Err(TokenFault::Invalid("the token is longer than 16 KiB"));
    }
    if !is_b64token(token) {
        return Err(TokenFault::Invalid(
            "what follows the word Bearer is not one token (RFC 6750, section 2.1)",
        ));
    }
    Ok(Some(token))
}

/// `b64token` of RFC 6750 §2.1.
fn is_b64token(token: &str) -> bool {
    let unpadded = token.trim_end_matches('=');
    !unpadded.is_empty()
        && unpadded
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

#[cfg(test)]
mod tests;
