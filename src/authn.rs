//! Bearer tokens: turns an `Authorization` header into a user, no user, or an error (RFC 6750, 7519,
//! 8725, 9068).
//!
//! Verifying a token does no I/O: the keys are data and the time is a parameter. Keys that an issuer
//! publishes at a URL are fetched in the background; a URL inside a token is never followed.

mod algorithm;
mod error;
mod fetch;
mod issuer;
mod json;
mod keys;
mod memory;
pub mod signing;
pub mod step_up;
mod token;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinSet;

pub use algorithm::Algorithm;
pub use error::{Error, OpenError};
pub use fetch::{JwksUrl, RemoteKeys, RootsError};
pub use issuer::{Issuer, IssuerKind, KeySource};
pub use keys::{Keys, KeysError, UnusableKey};

use cedargate_core::{IssuerName, Timestamp, User};
use error::InvalidToken;
use memory::{Entry, Memory, TokenHash, Verdict};
use step_up::StepUpIssuer;
use token::{Refusal, Token};

/// The longest token that is read, in bytes: longer than the tokens of real issuers, and much
/// shorter than the headers that the server accepts.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

pub struct Settings {
    /// The trusted issuers. No two have the same name or the same `issuer`.
    pub issuers: Vec<Issuer>,
}

/// The state of the issuers' keys.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Health {
    /// The reasons why no token can be verified at all; empty if some can.
    pub faults: Vec<String>,
    /// Problems that leave some tokens verifiable.
    pub warnings: Vec<String>,
}

/// The outcome of verifying a token with the keys of its issuer.
struct Attempt<'a> {
    issuer: &'a Issuer,
    /// The keys that were tried; `None` if none are known.
    keys: Option<Arc<Keys>>,
    outcome: Result<Arc<User>, Refusal>,
}

impl Attempt<'_> {
    /// Returns newer keys than those that were tried, if they may verify the token.
    async fn newer_keys(&self) -> Option<Arc<Keys>> {
        let refusal = self.outcome.as_ref().err()?;
        if !refusal.may_end_with_newer_keys() {
            return None;
        }
        let tried = self.keys.as_ref();
        let renewed = self.issuer.keys.renewed(tried).await?;
        tried
            .is_none_or(|tried| !Arc::ptr_eq(tried, &renewed))
            .then_some(renewed)
    }
}

/// Authenticates requests.
pub struct Authn {
    issuers: Vec<Issuer>,
    memory: Memory,
    /// The number of signatures that were checked.
    signature_checks: AtomicU64,
    /// The tasks that fetch keys. They end when this is dropped.
    _fetchers: JoinSet<()>,
}

impl Authn {
    /// Trusts the issuers of `settings` and the tokens of `step_up`. Starts a task for each issuer
    /// whose keys are at a URL, which needs a tokio runtime; does not wait for the first fetch.
    ///
    /// # Errors
    /// The system's root certificates cannot be read, or the keys of `step_up` cannot be used.
    pub fn open(settings: Settings, step_up: Option<&StepUpIssuer>) -> Result<Self, OpenError> {
        let mut fetchers = JoinSet::new();
        for issuer in &settings.issuers {
            let KeySource::Remote(keys) = &issuer.keys else {
                continue;
            };
            let download = keys.download()?;
            let keys = Arc::clone(keys);
            fetchers.spawn(async move { keys.keep_fetching(&download).await });
        }
        let mut issuers = settings.issuers;
        if let Some(step_up) = step_up {
            issuers.push(step_up.as_issuer()?);
        }
        Ok(Self {
            issuers,
            memory: Memory::new(),
            signature_checks: AtomicU64::new(0),
            _fetchers: fetchers,
        })
    }

    /// Returns the names of the issuers that users sign in at.
    pub fn issuer_names(&self) -> impl Iterator<Item = &IssuerName> {
        self.issuers.iter().filter_map(|issuer| issuer.kind.name())
    }

    /// Reads the user from the bytes of an `Authorization` header. Returns `None` if the header holds
    /// no bearer token. A token that was verified before is not verified again, unless the keys of its
    /// issuer have changed. A token that is signed with an unknown key waits a moment for newer keys,
    /// if the keys of its issuer may be fetched now.
    ///
    /// # Errors
    /// [`Error::InvalidToken`], or [`Error::UnknownKeys`] if no keys of the issuer are known.
    pub async fn user(
        &self,
        header: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Option<Arc<User>>, Error> {
        let Some(text) = header.map(bearer).transpose()?.flatten() else {
            return Ok(None);
        };
        self.memory.sweep(&self.issuers, now);
        let hash = TokenHash::of(text);
        let mut attempt = match self.memory.get(&hash, &self.issuers) {
            None => self.verify(text, hash, None, now)?,
            Some(entry) => {
                entry.times.check(now)?;
                match &entry.verdict {
                    Verdict::Verified(user) => return Ok(Some(Arc::clone(user))),
                    &Verdict::BadSignature { has_kid } => Attempt {
                        issuer: &self.issuers[entry.issuer],
                        keys: Some(Arc::clone(&entry.keys)),
                        outcome: Err(Refusal::BadSignature { has_kid }),
                    },
                }
            }
        };
        if let Some(keys) = attempt.newer_keys().await {
            attempt = self.verify(text, hash, Some(keys), now)?;
        }
        let why = match attempt.outcome {
            Ok(user) => return Ok(Some(user)),
            Err(Refusal::Invalid(InvalidToken(why))) => why,
            Err(Refusal::UnknownKey) => "the token's `kid` names no key of its issuer",
            Err(Refusal::BadSignature { .. }) => "the token's signature does not verify",
            Err(Refusal::NoKeys) => return Err(Error::UnknownKeys(attempt.issuer.kind.clone())),
        };
        Err(Error::InvalidToken(why))
    }

    /// Verifies a token with these keys, or else with the current keys of its issuer, and remembers it.
    fn verify(
        &self,
        text: &str,
        hash: TokenHash,
        keys: Option<Arc<Keys>>,
        now: Timestamp,
    ) -> Result<Attempt<'_>, InvalidToken> {
        let token = Token::read(text)?;
        let position = token.issuer(&self.issuers)?;
        let issuer = &self.issuers[position];
        let keys = keys.or_else(|| issuer.keys.current());
        let checks = &self.signature_checks;
        let outcome = token.user(issuer, &self.issuers, keys.as_deref(), checks, now);
        let outcome = outcome.map(Arc::new);
        let verdict = match &outcome {
            Ok(user) => Some(Verdict::Verified(Arc::clone(user))),
            &Err(Refusal::BadSignature { has_kid }) => Some(Verdict::BadSignature { has_kid }),
            Err(_) => None,
        };
        if let (Some(verdict), Some(keys)) = (verdict, &keys) {
            let keys = Arc::clone(keys);
            let entry = Entry::new(position, keys, token.times(), verdict);
            self.memory.insert(hash, entry);
        }
        Ok(Attempt {
            issuer,
            keys,
            outcome,
        })
    }

    /// Reports issuers whose keys are missing or cannot be renewed. These are faults only if no
    /// issuer has usable keys: one unreachable issuer must not make the gateway unready for the
    /// users of the others.
    pub fn health(&self) -> Health {
        let mut problems = Vec::new();
        let mut any_usable = false;
        for issuer in &self.issuers {
            let Some(name) = issuer.kind.name() else {
                continue;
            };
            let has_keys = issuer.keys.current().is_some();
            any_usable |= has_keys;
            let KeySource::Remote(remote) = &issuer.keys else {
                continue;
            };
            match (has_keys, remote.last_failure()) {
                (true, None) => {}
                (true, Some(why)) => problems.push(format!(
                    "keys: the keys of issuer {name} cannot be renewed, and the last ones are used: {why}"
                )),
                (false, why) => {
                    let why = why.as_deref().unwrap_or("they have not been fetched yet");
                    problems.push(format!("keys: issuer {name} has no usable keys: {why}"));
                }
            }
        }
        if any_usable {
            Health {
                warnings: problems,
                ..Health::default()
            }
        } else {
            Health {
                faults: problems,
                ..Health::default()
            }
        }
    }

    /// Returns the number of signatures that were checked since the start.
    pub fn signature_checks(&self) -> u64 {
        self.signature_checks.load(Ordering::Relaxed)
    }

    /// Returns the number of fetches of keys that have failed since the start.
    pub fn failed_fetches(&self) -> u64 {
        let failures = self.issuers.iter().map(|issuer| match &issuer.keys {
            KeySource::Local(_) => 0,
            KeySource::Remote(remote) => remote.failed_fetches(),
        });
        failures.sum()
    }
}

/// Reads the token of a header (RFC 6750 §2.1). The scheme is case-insensitive (RFC 9110 §11.1).
/// Returns `None` for a scheme other than Bearer.
fn bearer(header: &[u8]) -> Result<Option<&str>, InvalidToken> {
    let text = std::str::from_utf8(header)
        .ok()
        .filter(|text| text.bytes().all(|byte| (b' '..=b'~').contains(&byte)))
        .ok_or(InvalidToken(
            "the Authorization header has bytes that are not printable ASCII",
        ))?;
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let token = rest.trim_matches(' ');
    if token.is_empty() {
        return Err(InvalidToken("no token follows the word Bearer"));
    }
    if token.len() > MAX_TOKEN_BYTES {
        return Err(InvalidToken("the token is longer than 16 KiB"));
    }
    if !is_b64token(token) {
        return Err(InvalidToken(
            "the text after the word Bearer is not one token (RFC 6750, section 2.1)",
        ));
    }
    Ok(Some(token))
}

/// Returns true for a `b64token` of RFC 6750 §2.1.
fn is_b64token(token: &str) -> bool {
    let unpadded = token.trim_end_matches('=');
    let is_in_token = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
    };
    !unpadded.is_empty() && unpadded.bytes().all(is_in_token)
}

#[cfg(test)]
mod tests;
