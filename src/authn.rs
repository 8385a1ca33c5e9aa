//! Bearer tokens: an `Authorization` header becomes a user, nobody, or a fault (RFC 6750, 7519,
//! 8725, 9068). To judge a token is pure: keys are data, `now` is handed in. Only where an issuer's
//! keys are named by URL are they fetched, in the background; what a token names never is.

mod algorithm;
mod error;
mod fetch;
mod json;
mod keys;
pub mod signing;
pub mod step_up;
mod token;

use std::fmt;
use std::sync::Arc;

use tokio::task::JoinSet;

pub use algorithm::Algorithm;
pub use error::{Error, OpenError};
pub use fetch::{JwksUrl, RemoteKeys, RootsError};
pub use keys::{Keys, KeysError, UnusableKey};

use crate::model::{IssuerName, Tenant, Timestamp, User};
use step_up::StepUpIssuer;
use token::{InvalidToken, Refusal, Token};

/// The longest token that is read, in bytes: more than real issuers send, and far less than what
/// the server lets a header hold.
const LONGEST_TOKEN: usize = 16 * 1024;

/// The issuers that are trusted.
pub struct Settings {
    /// Each of them. No two have the same name or the same `issuer`.
    pub issuers: Vec<Issuer>,
}

/// One trusted issuer.
pub struct Issuer {
    /// Its kind.
    pub kind: IssuerKind,
    /// The `iss` of its tokens, compared exactly.
    pub issuer: String,
    /// One of these is in the `aud` of its tokens.
    pub audiences: Vec<String>,
    /// The algorithms that it signs with.
    pub algorithms: Vec<Algorithm>,
    /// Its public keys.
    pub keys: KeySource,
    /// The claim that holds the tenant.
    pub tenant_claim: String,
    /// The claim that holds the groups, if its tokens have one.
    pub groups_claim: Option<String>,
    /// The `acr` values that count as a strong sign-in.
    pub strong_acr: Arc<[String]>,
    /// The tenants that its tokens may name; every tenant if `None`.
    pub tenants: Option<Vec<Tenant>>,
}

impl Issuer {
    /// Returns true if a token of a sign-in here may name this tenant. A token that names none
    /// asserts nothing about any.
    fn may_assert(&self, tenant: Option<Tenant>) -> bool {
        match (&self.tenants, tenant) {
            (Some(tenants), Some(tenant)) => tenants.contains(&tenant),
            _ => true,
        }
    }
}

/// The kind of an issuer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum IssuerKind {
    /// Users sign in at it. Policies know it by this name.
    SignIn(IssuerName),
    /// It is this gateway, which issues step-up tokens. They name the issuer that the session began
    /// at.
    StepUp,
}

impl IssuerKind {
    /// Returns the name in policies, or `None` for this gateway.
    pub fn name(&self) -> Option<&IssuerName> {
        match self {
            IssuerKind::SignIn(name) => Some(name),
            IssuerKind::StepUp => None,
        }
    }
}

impl fmt::Display for IssuerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IssuerKind::SignIn(name) => name.fmt(f),
            IssuerKind::StepUp => f.write_str("of step-ups"),
        }
    }
}

/// Where the keys of an issuer come from.
pub enum KeySource {
    /// They were read at start.
    Here(Arc<Keys>),
    /// They are fetched.
    Remote(Arc<RemoteKeys>),
}

impl KeySource {
    /// The keys that are trusted now, if there are any.
    fn current(&self) -> Option<Arc<Keys>> {
        match self {
            KeySource::Here(keys) => Some(Arc::clone(keys)),
            KeySource::Remote(remote) => remote.current(),
        }
    }

    /// Newer keys than those that were `tried`; waits a moment for them, if they may be fetched now.
    async fn renewed(&self, tried: Option<&Arc<Keys>>) -> Option<Arc<Keys>> {
        match self {
            KeySource::Here(_) => None,
            KeySource::Remote(remote) => remote.renewed(tried).await,
        }
    }
}

/// Whether tokens can be judged.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Health {
    /// Why no token at all can be.
    pub faults: Vec<String>,
    /// What an operator should know all the same.
    pub warnings: Vec<String>,
}

/// Makes tokens users.
pub struct Authn {
    issuers: Vec<Issuer>,
    /// What fetches keys. Ends when this is dropped.
    _fetchers: JoinSet<()>,
}

impl Authn {
    /// Opens it with settings; the tokens of `step_up` are accepted as well. Keys that are named by a
    /// URL begin to be fetched, which needs a tokio runtime; this function does not wait for them.
    ///
    /// # Errors
    /// The system has no root certificates to check an issuer's server by, or the keys of `step_up`
    /// cannot be used.
    pub fn open(settings: Settings, step_up: Option<&StepUpIssuer>) -> Result<Self, OpenError> {
        let mut fetchers = JoinSet::new();
        let remote = settings.issuers.iter().filter_map(|one| match &one.keys {
            KeySource::Here(_) => None,
            KeySource::Remote(remote) => Some(remote),
        });
        for keys in remote {
            let download = keys.download()?;
            let keys = Arc::clone(keys);
            fetchers.spawn(async move { keys.keep(&download).await });
        }
        let mut issuers = settings.issuers;
        if let Some(step_up) = step_up {
            issuers.push(step_up.accepted()?);
        }
        Ok(Self {
            issuers,
            _fetchers: fetchers,
        })
    }

    /// The names of the issuers that users sign in at.
    pub fn names(&self) -> impl Iterator<Item = &IssuerName> {
        self.issuers.iter().filter_map(|one| one.kind.name())
    }

    /// Reads the user from the bytes of an `Authorization` header. Returns `None` if it holds no bearer
    /// token. A token that is signed with a key that is not known waits a moment for newer keys, if its
    /// issuer's keys may be fetched now.
    ///
    /// # Errors
    /// [`Error::InvalidToken`], or [`Error::UnknownKeys`] if no keys of the issuer are known.
    pub async fn user(&self, header: Option<&[u8]>, now: Timestamp) -> Result<Option<User>, Error> {
        let Some(text) = header.map(bearer).transpose()?.flatten() else {
            return Ok(None);
        };
        let token = Token::read(text)?;
        let issuer = token.issuer(&self.issuers)?;
        let keys = issuer.keys.current();
        let mut outcome = token.user(issuer, &self.issuers, keys.as_deref(), now);
        if let Err(Refusal::NoKeys | Refusal::UnknownKey(_)) = outcome
            && let Some(keys) = issuer.keys.renewed(keys.as_ref()).await
        {
            outcome = token.user(issuer, &self.issuers, Some(&keys), now);
        }
        match outcome {
            Ok(user) => Ok(Some(user)),
            Err(Refusal::Invalid(InvalidToken(why)) | Refusal::UnknownKey(why)) => {
                Err(Error::InvalidToken(why))
            }
            Err(Refusal::NoKeys) => Err(Error::UnknownKeys(issuer.kind.clone())),
        }
    }

    /// Which keys are missing or old, and why.
    pub fn health(&self) -> Health {
        let mut troubles = Vec::new();
        let mut usable = false;
        let sign_ins = self.issuers.iter();
        for issuer in sign_ins.filter(|one| one.kind != IssuerKind::StepUp) {
            let name = &issuer.kind;
            let has_keys = issuer.keys.current().is_some();
            usable |= has_keys;
            match &issuer.keys {
                KeySource::Remote(remote) if !has_keys => {
                    let why = remote.trouble();
                    let why = why.as_deref().unwrap_or("they are not fetched yet");
                    troubles.push(format!("keys: none of issuer {name}: {why}"));
                }
                KeySource::Remote(remote) => troubles.extend(remote.trouble().map(|why| {
                    format!("keys: those of issuer {name} are served from memory: {why}")
                })),
                KeySource::Here(_) => {}
            }
        }
        // One issuer that is away must not take the users of the others along.
        if usable {
            Health {
                warnings: troubles,
                ..Health::default()
            }
        } else {
            Health {
                faults: troubles,
                ..Health::default()
            }
        }
    }

    /// How many fetches of keys have failed so far.
    pub fn failed_fetches(&self) -> u64 {
        let remote = self.issuers.iter().map(|one| match &one.keys {
            KeySource::Here(_) => 0,
            KeySource::Remote(remote) => remote.failures(),
        });
        remote.sum()
    }
}

/// The token of a header (RFC 6750 §2.1). A scheme is read in any letter case (RFC 9110 §11.1);
/// another one than Bearer counts as no token.
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
    if token.len() > LONGEST_TOKEN {
        return Err(InvalidToken("the token is longer than 16 KiB"));
    }
    if !is_b64token(token) {
        return Err(InvalidToken(
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
