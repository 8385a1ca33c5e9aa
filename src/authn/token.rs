//! One token in compact serialisation: parsed, verified, and turned into a user. The checks beside
//! the signature are those of RFC 7519 §7.2, RFC 8725 §3 and RFC 9068 §4.

mod checks;
mod claims;
mod header;
mod user;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::error::{InvalidToken, invalid};
use super::issuer::Issuer;
use super::keys::Keys;
use cedargate_core::{Timestamp, User};
pub(super) use checks::Times;
use checks::check_purpose;
use claims::Claims;
use header::Header;

/// The reason why a token gives no user.
#[derive(Clone, Copy)]
pub(super) enum Refusal {
    /// The token is not accepted, whatever the keys are.
    Invalid(InvalidToken),
    /// The `kid` names no known key of the issuer.
    UnknownKey,
    /// No known key of the issuer made the signature.
    BadSignature {
        /// True if the token names its key.
        has_kid: bool,
    },
    /// No keys of the issuer are known.
    NoKeys,
}

impl Refusal {
    /// Returns true if newer keys of the issuer may verify the token. If the keys of an issuer have no
    /// ids, a failed verification is the only sign of a rotation.
    pub(super) fn may_end_with_newer_keys(self) -> bool {
        match self {
            Refusal::UnknownKey | Refusal::NoKeys => true,
            Refusal::BadSignature { has_kid } => !has_kid,
            Refusal::Invalid(_) => false,
        }
    }
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
    times: Times,
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
        let header_members = Header::read(header)?;
        let claims = claims::read(payload)?;
        Ok(Self {
            header: header_members,
            times: Times::read(&claims),
            claims: Arc::new(claims),
            message: &text.as_bytes()[..header.len() + 1 + payload.len()],
            signature,
        })
    }

    pub(super) fn times(&self) -> Times {
        self.times
    }

    /// Returns the position of the issuer that the token names. Its keys must still verify the token.
    pub(super) fn issuer(&self, issuers: &[Issuer]) -> Result<usize, InvalidToken> {
        let Some(Value::String(iss)) = self.claims.get("iss") else {
            return invalid("the token's `iss` is missing or not a string");
        };
        match issuers.iter().position(|issuer| issuer.issuer == *iss) {
            Some(position) => Ok(position),
            None => invalid("the token's `iss` is not a configured issuer"),
        }
    }

    /// Verifies the token with the keys of its issuer and returns its user. Adds the number of
    /// signature checks to `checks`.
    pub(super) fn user(
        &self,
        issuer: &Issuer,
        issuers: &[Issuer],
        keys: Option<&Keys>,
        checks: &AtomicU64,
        now: Timestamp,
    ) -> Result<User, Refusal> {
        // These checks come before the signature, so that an expired token, or one for another
        // audience, cannot cause a fetch of keys.
        if !issuer.algorithms.contains(&self.header.algorithm) {
            invalid("the token's `alg` is not one that its issuer is configured with")?;
        }
        check_purpose(issuer, &self.claims)?;
        self.times.check(now)?;
        self.verify(keys.ok_or(Refusal::NoKeys)?, checks)?;
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

    fn verify(&self, keys: &Keys, checks: &AtomicU64) -> Result<(), Refusal> {
        let kid = self.header.kid.as_deref();
        let mut candidates = keys.candidates(kid).peekable();
        if candidates.peek().is_none() {
            return Err(Refusal::UnknownKey);
        }
        let mut fitting = candidates
            .filter(|key| key.algorithm() == self.header.algorithm)
            .peekable();
        if fitting.peek().is_none() {
            invalid("the token's key is for another algorithm than its `alg`")?;
        }
        if fitting.any(|key| key.verifies(self.message, self.signature, checks)) {
            return Ok(());
        }
        Err(Refusal::BadSignature {
            has_kid: kid.is_some(),
        })
    }
}
