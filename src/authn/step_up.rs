//! Step-up tokens: what the gateway gives to whoever proved more than their token says (RFC 9470,
//! 9068), and how it reads them again. Pure.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::algorithm::Algorithm;
use super::keys::Keys;
use super::signing::{self, SigningKey};
use super::{Error, Issuer, IssuerKind, KeySource, KeysError};
use crate::model::{CodeKind, CodeSetId, CodeUse, Confirmation, Timestamp, User};

/// The `acr` of a sign-in that resists phishing.
pub const ACR: &str = "phr";
/// The claim that holds the tenant.
pub(super) const TENANT: &str = "tenant_id";
/// The claim that holds the groups.
pub(super) const GROUPS: &str = "groups";
/// The configured name of the issuer that the session began at.
pub(super) const FIRST_ISSUER: &str = "first_issuer";
/// The epoch of the account.
const EPOCH: &str = "epoch";
/// When a backup or recovery code was used.
const CODE_TIME: &str = "code_time";
/// The set that the code was of.
const CODE_SET: &str = "code_set";
/// Present and true if it was a recovery code.
const RECOVERY: &str = "recovery";
/// When the authenticator was enrolled that confirmed the session.
const ENROLLED_AT: &str = "enrolled_at";
/// Present and true if that authenticator is trusted.
const TRUSTED: &str = "trusted";
/// Copied claims whose names are taken here.
pub(super) const FIRST_CLAIMS: &str = "first_claims";

/// Claims that mean something in a token of ours: what the first token says by these names is set
/// apart, and what ours says by them is no claim that policies could ask for.
pub(super) const OWN: [&str; 23] = [
    "iss",
    "aud",
    "sub",
    "jti",
    "iat",
    "exp",
    "nbf",
    "sid",
    "amr",
    "acr",
    "auth_time",
    TENANT,
    GROUPS,
    FIRST_ISSUER,
    EPOCH,
    CODE_TIME,
    CODE_SET,
    RECOVERY,
    ENROLLED_AT,
    TRUSTED,
    FIRST_CLAIMS,
    // They would say that the groups are kept elsewhere.
    "_claim_names",
    "hasgroups",
];

/// Claims that WebAuthn calls the user by: whoever enrols after a step-up has the same name.
const NAMES: [&str; 3] = ["preferred_username", "email", "name"];

/// How step-up tokens are made.
pub struct Settings {
    /// Their `iss`. No configured issuer has the same.
    pub issuer: String,
    /// Their `aud`.
    pub audience: String,
    /// How long they are good for, unless the presented token ends earlier.
    pub ttl: Duration,
    /// The first signs, all verify and are published. Never empty.
    pub keys: Vec<SigningKey>,
}

/// What was proved.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Proof {
    /// An assertion of an authenticator.
    Assertion {
        /// Its model is proven, so that its key is known to be in hardware.
        proven_model: bool,
        /// UV.
        user_verified: bool,
        /// When the authenticator was enrolled.
        enrolled_at: Timestamp,
        /// Whether the authenticator is trusted.
        trusted: bool,
    },
    /// A backup or recovery code.
    Code {
        /// The set that it is of.
        set: CodeSetId,
        /// Which of the two.
        kind: CodeKind,
    },
}

/// The claims that only our own tokens have.
#[derive(Default)]
pub(super) struct OwnClaims {
    pub(super) epoch: Option<u64>,
    pub(super) confirmation: Confirmation,
    pub(super) code: Option<CodeUse>,
}

impl OwnClaims {
    /// Reads them. A member that is missing, as in a token of an older release, or is not what we
    /// write, has its weakest value. `None` without an epoch.
    pub(super) fn read(claims: &Map<String, Value>) -> Option<Self> {
        let moment = |name| {
            let seconds = claims.get(name)?.as_i64()?;
            Some(Timestamp::from_millis(seconds.saturating_mul(1000)))
        };
        let is = |name| claims.get(name).and_then(Value::as_bool) == Some(true);
        let code = || {
            Some(CodeUse {
                at: moment(CODE_TIME)?,
                set: CodeSetId::named(claims.get(CODE_SET)?.as_str()?),
                kind: if is(RECOVERY) {
                    CodeKind::Recovery
                } else {
                    CodeKind::Backup
                },
            })
        };
        Some(Self {
            epoch: Some(claims.get(EPOCH)?.as_u64()?),
            confirmation: match moment(ENROLLED_AT) {
                Some(enrolled_at) => Confirmation::Authenticator {
                    enrolled_at,
                    trusted: is(TRUSTED),
                },
                None => Confirmation::Nothing,
            },
            code: code(),
        })
    }
}

/// A token that was issued. No `Debug`, so that no log can hold it.
pub struct Issued {
    /// The token.
    pub token: String,
    /// For how long it is good, in seconds.
    pub expires_in: u64,
    /// Its `acr`.
    pub acr: Option<&'static str>,
    /// Its `amr`.
    pub amr: Vec<String>,
}

/// Issues step-up tokens.
pub struct StepUpIssuer {
    settings: Settings,
    published: Vec<u8>,
}

impl StepUpIssuer {
    /// Makes an issuer with these settings.
    ///
    /// # Errors
    /// The public keys cannot be written as JSON.
    pub fn new(settings: Settings) -> Result<Self, serde_json::Error> {
        let published = signing::jwks(&settings.keys)?;
        Ok(Self {
            settings,
            published,
        })
    }

    /// The public keys, as a JWKS (RFC 7517 §5).
    pub fn published(&self) -> &[u8] {
        &self.published
    }

    /// As one of the issuers whose tokens are accepted.
    pub(super) fn accepted(&self) -> Result<Issuer, KeysError> {
        let algorithms = vec![Algorithm::Es256];
        Ok(Issuer {
            kind: IssuerKind::StepUp,
            issuer: self.settings.issuer.clone(),
            audiences: vec![self.settings.audience.clone()],
            keys: KeySource::Here(Keys::parse(&self.published, &algorithms)?.into()),
            algorithms,
            tenant_claim: TENANT.to_owned(),
            groups_claim: Some(GROUPS.to_owned()),
            strong_acr: Arc::default(),
            tenants: None,
        })
    }

    /// Issues a token to a user who proved something. It ends when the presented one does, so that
    /// no chain of step-ups outlives the sign-in. `declared` are the claims that policies may ask
    /// for, `epoch` is that of the account.
    ///
    /// # Errors
    /// [`Error::NoSigningKey`] or [`Error::Signing`]. No request can bring it about.
    pub fn issue<'a>(
        &self,
        user: &User,
        proof: Proof,
        epoch: u64,
        declared: impl IntoIterator<Item = &'a str>,
        now: Timestamp,
    ) -> Result<Issued, Error> {
        let key = self.settings.keys.first();
        let key = key.ok_or(Error::NoSigningKey)?;
        let expires_at = now.plus(self.settings.ttl).min(user.session.expires_at);
        let (acr, amr) = strength(user, &proof);
        let mut claims = copied(user, declared);
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("iss", self.settings.issuer.as_str().into());
        set("aud", self.settings.audience.as_str().into());
        set("sub", user.id.subject.as_str().into());
        set("jti", now.uuid().to_string().into());
        set("iat", seconds(now).into());
        set("exp", seconds(expires_at).into());
        set("sid", user.session.id.as_str().into());
        set("amr", json!(amr));
        set(GROUPS, json!(user.groups));
        set(FIRST_ISSUER, user.id.issuer.as_str().into());
        set(EPOCH, epoch.into());
        if let Some(tenant) = user.id.tenant {
            set(TENANT, tenant.to_string().into());
        }
        if let Some(acr) = acr {
            set("acr", acr.into());
        }
        match proof {
            Proof::Assertion {
                enrolled_at,
                trusted,
                ..
            } => {
                set("auth_time", seconds(now).into());
                set(ENROLLED_AT, seconds(enrolled_at).into());
                set(TRUSTED, trusted.into());
            }
            Proof::Code { set: of, kind } => {
                set(CODE_TIME, seconds(now).into());
                set(CODE_SET, of.as_str().into());
                if kind == CodeKind::Recovery {
                    set(RECOVERY, true.into());
                }
                if let Some(at) = user.session.signed_in_at {
                    set("auth_time", seconds(at).into());
                }
            }
        }
        Ok(Issued {
            token: key.sign(&claims)?,
            expires_in: expires_at.since(now).as_secs(),
            acr,
            amr,
        })
    }
}

/// The claims that are as presented: those that policies may ask for, the client, and the names. One
/// whose name a step-up token uses itself is set apart.
fn copied<'a>(user: &User, declared: impl IntoIterator<Item = &'a str>) -> Map<String, Value> {
    let mut claims = Map::new();
    let mut apart = Map::new();
    for name in declared.into_iter().chain(NAMES).chain(["client_id"]) {
        let Some(value) = user.claims.get(name) else {
            continue;
        };
        let there = if OWN.contains(&name) {
            &mut apart
        } else {
            &mut claims
        };
        there.insert(name.to_owned(), value.clone());
    }
    if !apart.is_empty() {
        claims.insert(FIRST_CLAIMS.to_owned(), apart.into());
    }
    claims
}

/// `acr` and `amr` (RFC 8176 §2).
fn strength(user: &User, proof: &Proof) -> (Option<&'static str>, Vec<String>) {
    match proof {
        Proof::Assertion {
            proven_model,
            user_verified,
            ..
        } => {
            let key = if *proven_model { "hwk" } else { "swk" };
            let mut amr = vec!["pop", "user", key];
            if *user_verified {
                amr.push("mfa");
            }
            (Some(ACR), amr.into_iter().map(str::to_owned).collect())
        }
        // It claims no hardware: a code is a word on paper.
        Proof::Code { .. } => {
            let presented = user.session.amr.iter();
            let mut amr: Vec<String> = presented.filter(|one| *one != "hwk").cloned().collect();
            if !amr.iter().any(|one| one == "otp") {
                amr.push("otp".to_owned());
            }
            (None, amr)
        }
    }
}

fn seconds(at: Timestamp) -> i64 {
    at.millis().div_euclid(1000)
}

#[cfg(test)]
mod tests;
