//! One token in compact serialisation: parsed, verified, and turned into a user. The checks beside
//! the signature are those of RFC 7519 §7.2, RFC 8725 §3 and RFC 9068 §4.

mod checks;
mod claims;
mod header;
mod user;

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::error::{InvalidToken, invalid};
use super::issuer::Issuer;
use super::keys::Keys;
use cedargate_core::{Timestamp, User};
use checks::{check_purpose, check_times};
use claims::Claims;
use header::Header;

/// The reason why a token gives no user.
pub(super) enum Refusal {
    /// The token is not accepted, whatever the keys are.
    Invalid(InvalidToken),
    /// No known key of the issuer signed the token, but a newer key may have. The text is the reason
    /// if there is no newer key.
    UnknownKey(&'static str),
    /// No keys of the issuer are known.
    NoKeys,
}

impl From<InvalidToken> for Refusal {
    fn from(invalid: InvalidToken) -> Self {
        Refusal::Invalid(invalid)
    }
}

/// An unverified token in compact serialisation (RFC 7515 §7.1).
pub(super) struct Token<'a> {
    header: Header,
    claims: Arc<Claims>,
    /// The signed bytes: header and payload as they were sent.
    message: &'a [u8],
    signature: &'a str,
}

impl<'a> Token<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, InvalidToken> {
        let parts: Vec<_> = text.split('.').collect();
        let [header, payload, signature] = parts[..] else {
            return invalid("the token is not a signed JWT: it does not have three parts");
        };
        if URL_SAFE_NO_PAD.decode(signature).is_err() {
            return invalid("the token's signature is not base64url");
        }
        Ok(Self {
            header: Header::read(header)?,
            claims: Arc::new(claims::read(payload)?),
            message: &text.as_bytes()[..header.len() + 1 + payload.len()],
            signature,
        })
    }

    /// Returns the issuer that the token names. Its keys must still verify the token.
    pub(super) fn issuer<'i>(&self, issuers: &'i [Issuer]) -> Result<&'i Issuer, InvalidToken> {
        let Some(Value::String(iss)) = self.claims.get("iss") else {
            return invalid("the token's `iss` is missing or not a string");
        };
        match issuers.iter().find(|issuer| issuer.issuer == *iss) {
            Some(issuer) => Ok(issuer),
            None => invalid("the token's `iss` is not a configured issuer"),
        }
    }

    /// Verifies the token with the keys of its issuer and returns its user.
    pub(super) fn user(
        &self,
        issuer: &Issuer,
        issuers: &[Issuer],
        keys: Option<&Keys>,
        now: Timestamp,
    ) -> Result<User, Refusal> {
        // These checks come before the signature, so that an expired token, or one for another
        // audience, cannot cause a fetch of keys.
        if !issuer.algorithms.contains(&self.header.algorithm) {
            invalid("the token's `alg` is not one that its issuer is configured with")?;
        }
        check_purpose(issuer, &self.claims)?;
        check_times(&self.claims, now)?;
        self.verify(keys.ok_or(Refusal::NoKeys)?)?;
        let session_id = self.session_id();
        Ok(user::read(issuer, issuers, &self.claims, session_id)?)
    }

    /// Returns the id that distinguishes this session from the user's others: `sid`, else `jti`,
    /// else a hash of the token.
    fn session_id(&self) -> String {
        let named = ["sid", "jti"].into_iter().find_map(|claim| {
            let value = self.claims.get(claim)?.as_str()?;
            (!value.is_empty()).then(|| value.to_owned())
        });
        named.unwrap_or_else(|| URL_SAFE_NO_PAD.encode(digest(&SHA256, self.message)))
    }

    fn verify(&self, keys: &Keys) -> Result<(), Refusal> {
        let kid = self.header.kid.as_deref();
        let mut candidates = keys.candidates(kid).peekable();
        if candidates.peek().is_none() {
            let why = "the token's `kid` names no key of its issuer";
            return Err(Refusal::UnknownKey(why));
        }
        let mut fitting = candidates
            .filter(|key| key.algorithm() == self.header.algorithm)
            .peekable();
        if fitting.peek().is_none() {
            invalid("the token's key is for another algorithm than its `alg`")?;
        }
        if fitting.any(|key| key.verifies(self.message, self.signature)) {
            return Ok(());
        }
        let why = "the token's signature does not verify";
        match kid {
            Some(_) => Ok(invalid(why)?),
            // If the keys of an issuer have no ids, a failed verification is the only sign of a
            // rotation.
            None => Err(Refusal::UnknownKey(why)),
        }
    }
}
