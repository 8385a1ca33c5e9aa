//! Step-up tokens: access tokens that the gateway issues after a user has proved more than their
//! first token does (RFC 9470, 9068). Issuing and reading a token does no I/O.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::algorithm::Algorithm;
use super::error::Error;
use super::issuer::{Issuer, IssuerKind, KeySource};
use super::keys::{Keys, KeysError};
use super::signing::{self, SigningKey};
use cedargate_core::{CodeKind, CodeSetId, CodeUse, Confirmation, STEP_UP_ACR, Timestamp, User};

const TENANT: &str = "tenant_id";
const GROUPS: &str = "groups";
/// The configured name of the issuer of the sign-in.
pub(super) const FIRST_ISSUER: &str = "first_issuer";
/// The epoch of the account.
const EPOCH: &str = "epoch";
/// The time at which a backup or recovery code was used.
const CODE_TIME: &str = "code_time";
/// The set that the code belongs to.
const CODE_SET: &str = "code_set";
/// True for a recovery code, else absent.
const RECOVERY: &str = "recovery";
/// The time at which the confirming authenticator was enrolled.
const ENROLLED_AT: &str = "enrolled_at";
/// True if the confirming authenticator is trusted.
const TRUSTED: &str = "trusted";
/// The claims of the first token whose names are in [`RESERVED_CLAIMS`].
pub(super) const FIRST_CLAIMS: &str = "first_claims";

/// The claims that have a meaning of their own in a step-up token. Claims of the first token with
/// these names are copied into [`FIRST_CLAIMS`], and policies never see the step-up token's own.
pub(super) const RESERVED_CLAIMS: [&str; 23] = [
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
    // They would mark the groups as kept elsewhere.
    "_claim_names",
    "hasgroups",
];

/// The claims that the names of a WebAuthn user are made from. They are copied so that an enrolment
/// after a step-up has the same names.
const NAME_CLAIMS: [&str; 3] = ["preferred_username", "email", "name"];

pub struct Settings {
    /// The `iss` of step-up tokens. No configured issuer has the same.
    pub issuer: String,
    /// The `aud` of step-up tokens.
    pub audience: String,
    /// The lifetime of a step-up token, unless the presented token expires earlier.
    pub ttl: Duration,
    /// The first key signs; all verify and are published. Never empty.
    pub keys: Vec<SigningKey>,
}

/// The proof that a step-up token is issued for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Proof {
    /// An assertion of an authenticator.
    Assertion {
        /// True if attestation proved the model, which is then known to keep its keys in hardware.
        proven_model: bool,
        /// The UV flag (WebAuthn §6.1).
        user_verified: bool,
        enrolled_at: Timestamp,
        trusted: bool,
    },
    /// A backup or recovery code.
    Code { set: CodeSetId, kind: CodeKind },
}

/// The claims that only step-up tokens have.
#[derive(Default)]
pub(super) struct StepUpClaims {
    pub(super) epoch: Option<u64>,
    pub(super) confirmation: Confirmation,
    pub(super) code: Option<CodeUse>,
}

impl StepUpClaims {
    /// Reads the claims of a verified step-up token. Returns `None` if it has no epoch. Any other
    /// claim that is missing, as in a token of an older release, or malformed, gets its weakest value.
    pub(super) fn read(claims: &Map<String, Value>) -> Option<Self> {
        let moment = |name| {
            let seconds = claims.get(name)?.as_i64()?;
            Some(Timestamp::from_millis(seconds.saturating_mul(1000)))
        };
        let is_true = |name| claims.get(name).and_then(Value::as_bool) == Some(true);
        let code = || {
            Some(CodeUse {
                at: moment(CODE_TIME)?,
                set: CodeSetId::named(claims.get(CODE_SET)?.as_str()?),
                kind: if is_true(RECOVERY) {
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
                    trusted: is_true(TRUSTED),
                },
                None => Confirmation::Nothing,
            },
            code: code(),
        })
    }
}

/// A step-up token, with the values that the answer repeats beside it. It has no `Debug`, so that the
/// token cannot be logged by accident.
pub struct Issued {
    pub token: String,
    /// The remaining lifetime in seconds.
    pub expires_in: u64,
    pub acr: Option<&'static str>,
    pub amr: Vec<String>,
}

/// Issues step-up tokens.
pub struct StepUpIssuer {
    settings: Settings,
    jwks: Vec<u8>,
}

impl StepUpIssuer {
    /// # Errors
    /// The public keys cannot be written as JSON.
    pub fn new(settings: Settings) -> Result<Self, serde_json::Error> {
        let jwks = signing::jwks(&settings.keys)?;
        Ok(Self { settings, jwks })
    }

    /// Returns the public keys as a JWKS (RFC 7517 §5).
    pub fn jwks(&self) -> &[u8] {
        &self.jwks
    }

    /// Returns this gateway as one of the issuers whose tokens are accepted.
    pub(super) fn as_issuer(&self) -> Result<Issuer, KeysError> {
        let algorithms = vec![Algorithm::Es256];
        Ok(Issuer {
            kind: IssuerKind::StepUp,
            issuer: self.settings.issuer.clone(),
            audiences: vec![self.settings.audience.clone()],
            keys: KeySource::Local(Keys::parse(&self.jwks, &algorithms)?.into()),
            algorithms,
            tenant_claim: TENANT.to_owned(),
            groups_claim: Some(GROUPS.to_owned()),
            strong_acr: Arc::default(),
            tenants: None,
        })
    }

    /// Issues a token for this proof. It expires no later than the presented token, so that no chain
    /// of step-ups outlives the sign-in. `declared` are the names of the claims that policies may
    /// read; `epoch` is that of the account.
    ///
    /// # Errors
    /// [`Error::NoSigningKey`] or [`Error::Signing`]; no request can cause them.
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
        let (acr, amr) = acr_and_amr(user, &proof);
        let mut claims = copied_claims(user, declared);
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
        add_proof(&mut claims, user, &proof, now);
        Ok(Issued {
            token: key.sign(&claims)?,
            expires_in: expires_at.since(now).as_secs(),
            acr,
            amr,
        })
    }
}

/// Returns the claims that are copied from the presented token: those that policies may read, the
/// client, and the user's names. Claims with a reserved name go into [`FIRST_CLAIMS`].
fn copied_claims<'a>(
    user: &User,
    declared: impl IntoIterator<Item = &'a str>,
) -> Map<String, Value> {
    let mut claims = Map::new();
    let mut renamed = Map::new();
    for name in declared.into_iter().chain(NAME_CLAIMS).chain(["client_id"]) {
        let Some(value) = user.claims.get(name) else {
            continue;
        };
        let target = if RESERVED_CLAIMS.contains(&name) {
            &mut renamed
        } else {
            &mut claims
        };
        target.insert(name.to_owned(), value.clone());
    }
    if !renamed.is_empty() {
        claims.insert(FIRST_CLAIMS.to_owned(), renamed.into());
    }
    claims
}

/// Adds the claims that record the proof. An assertion is a fresh sign-in; a code leaves the time of
/// the sign-in as it was.
fn add_proof(claims: &mut Map<String, Value>, user: &User, proof: &Proof, now: Timestamp) {
    let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    match proof {
        Proof::Assertion {
            enrolled_at,
            trusted,
            ..
        } => {
            set("auth_time", seconds(now).into());
            set(ENROLLED_AT, seconds(*enrolled_at).into());
            set(TRUSTED, (*trusted).into());
        }
        Proof::Code {
            set: code_set,
            kind,
        } => {
            set(CODE_TIME, seconds(now).into());
            set(CODE_SET, code_set.as_str().into());
            if *kind == CodeKind::Recovery {
                set(RECOVERY, true.into());
            }
            if let Some(at) = user.session.signed_in_at {
                set("auth_time", seconds(at).into());
            }
        }
    }
}

/// Returns `acr` and `amr` (RFC 8176 §2).
fn acr_and_amr(user: &User, proof: &Proof) -> (Option<&'static str>, Vec<String>) {
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
            (
                Some(STEP_UP_ACR),
                amr.into_iter().map(str::to_owned).collect(),
            )
        }
        Proof::Code { .. } => {
            // A code may be written on paper, so the new token does not claim a hardware key.
            let presented = user.session.amr.iter();
            let mut amr: Vec<String> = presented.filter(|it| *it != "hwk").cloned().collect();
            if !amr.iter().any(|it| it == "otp") {
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
