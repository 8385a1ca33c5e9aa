//! The words of the domain: values, how they are parsed, and the one way each is spelt.

mod id;
pub mod json;
mod origin;
mod session;
mod timestamp;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

pub use id::{GroupId, IdError, IssuerName, Tenant, UserId};
pub use origin::Origin;
pub use session::{CodeKind, CodeSetId, CodeUse, Confirmation, Session, SessionKey};
pub use timestamp::Timestamp;

/// The two kinds of WebAuthn authenticator that can be enrolled.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum MethodType {
    /// A passkey: discoverable, user-verified, may be synced.
    #[serde(rename = "webauthn_passkey")]
    Passkey,
    /// A FIDO security key as a second factor: bound to one device.
    #[serde(rename = "webauthn_fido")]
    Fido,
}

impl MethodType {
    /// All of them, in the order in which they are listed to people.
    pub const ALL: [MethodType; 2] = [MethodType::Passkey, MethodType::Fido];

    /// What a field that holds one must be.
    pub const RULE: &str = "must be \"webauthn_passkey\" or \"webauthn_fido\"";

    /// The spelling in the API, in policies and in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            MethodType::Passkey => "webauthn_passkey",
            MethodType::Fido => "webauthn_fido",
        }
    }

    /// What an authenticator of this type is called when nobody named it.
    pub fn noun(self) -> &'static str {
        match self {
            MethodType::Passkey => "Passkey",
            MethodType::Fido => "Security key",
        }
    }
}

impl fmt::Display for MethodType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MethodType {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|one| one.as_str() == text)
            .ok_or(())
    }
}

impl JsonSchema for MethodType {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MethodType".into()
    }

    /// A plain list of words: what the derived schema makes of documented variants is understood by
    /// fewer tools.
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "enum": Self::ALL })
    }
}

/// What a request asks to do: the actions of `schema/gate.cedarschema`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Action {
    /// Start an enrolment.
    BeginWebauthnRegistration,
    /// Finish an enrolment.
    CompleteWebauthnRegistration,
    /// Keep a verified authenticator.
    TrustAuthenticator,
    /// Start a step-up.
    BeginWebauthnAuthentication,
    /// Finish a step-up.
    CompleteWebauthnAuthentication,
    /// List the caller's authenticators.
    ListMfaMethods,
    /// Rename one of them.
    RenameMfaMethod,
    /// Remove one of them.
    DeleteMfaMethod,
    /// Get a new set of backup codes.
    RegenerateBackupCodes,
    /// Use a backup code.
    VerifyBackupCode,
    /// List another user's authenticators.
    AdminListMfaMethods,
    /// Remove one of another user's authenticators.
    AdminDeleteMfaMethod,
    /// Remove all of another user's authenticators and codes.
    AdminResetMfa,
    /// Read the OpenAPI description.
    ReadApiDescription,
    /// Read the keys of step-up tokens.
    ReadKeys,
    /// Read a relying party's related origins.
    ReadRelatedOrigins,
    /// Ask whether a page of another origin may call (CORS).
    Preflight,
    /// Anything else. Opens nothing, permitted or not.
    Unknown,
}

impl Action {
    /// All of them.
    pub const ALL: [Action; 18] = [
        Action::BeginWebauthnRegistration,
        Action::CompleteWebauthnRegistration,
        Action::TrustAuthenticator,
        Action::BeginWebauthnAuthentication,
        Action::CompleteWebauthnAuthentication,
        Action::ListMfaMethods,
        Action::RenameMfaMethod,
        Action::DeleteMfaMethod,
        Action::RegenerateBackupCodes,
        Action::VerifyBackupCode,
        Action::AdminListMfaMethods,
        Action::AdminDeleteMfaMethod,
        Action::AdminResetMfa,
        Action::ReadApiDescription,
        Action::ReadKeys,
        Action::ReadRelatedOrigins,
        Action::Preflight,
        Action::Unknown,
    ];

    /// The id of the schema's `Gate::Action`.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::BeginWebauthnRegistration => "beginWebauthnRegistration",
            Action::CompleteWebauthnRegistration => "completeWebauthnRegistration",
            Action::TrustAuthenticator => "trustAuthenticator",
            Action::BeginWebauthnAuthentication => "beginWebauthnAuthentication",
            Action::CompleteWebauthnAuthentication => "completeWebauthnAuthentication",
            Action::ListMfaMethods => "listMfaMethods",
            Action::RenameMfaMethod => "renameMfaMethod",
            Action::DeleteMfaMethod => "deleteMfaMethod",
            Action::RegenerateBackupCodes => "regenerateBackupCodes",
            Action::VerifyBackupCode => "verifyBackupCode",
            Action::AdminListMfaMethods => "adminListMfaMethods",
            Action::AdminDeleteMfaMethod => "adminDeleteMfaMethod",
            Action::AdminResetMfa => "adminResetMfa",
            Action::ReadApiDescription => "readApiDescription",
            Action::ReadKeys => "readKeys",
            Action::ReadRelatedOrigins => "readRelatedOrigins",
            Action::Preflight => "preflight",
            Action::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The path patterns of the API, each the id of a `Gate::Route`.
pub mod path {
    /// Starts an enrolment.
    pub const REGISTER: &str = "/v1/users/me/mfa/webauthn/register";
    /// Finishes an enrolment.
    pub const REGISTER_COMPLETE: &str = "/v1/users/me/mfa/webauthn/register/complete";
    /// Starts a step-up.
    pub const AUTHENTICATE: &str = "/v1/users/me/mfa/webauthn/authenticate";
    /// Finishes a step-up.
    pub const AUTHENTICATE_COMPLETE: &str = "/v1/users/me/mfa/webauthn/authenticate/complete";
    /// The caller's authenticators.
    pub const METHODS: &str = "/v1/users/me/mfa";
    /// One of them.
    pub const METHOD: &str = "/v1/users/me/mfa/{id}";
    /// The caller's backup codes.
    pub const BACKUP_CODES: &str = "/v1/users/me/mfa/backup-codes";
    /// Uses one of them.
    pub const BACKUP_CODES_VERIFY: &str = "/v1/users/me/mfa/backup-codes/verify";
    /// Another user's authenticators.
    pub const ADMIN_METHODS: &str = "/v1/admin/users/{user}/mfa";
    /// One of them.
    pub const ADMIN_METHOD: &str = "/v1/admin/users/{user}/mfa/{id}";
    /// The keys of step-up tokens.
    pub const KEYS: &str = "/.well-known/jwks.json";
    /// The OpenAPI description.
    pub const OPENAPI: &str = "/v1/openapi.json";
    /// Related origins, WebAuthn Level 3 §5.11.
    pub const RELATED_ORIGINS: &str = "/.well-known/webauthn";
    /// The `Gate::Route` of every other path.
    pub const UNKNOWN: &str = "unknown";

    /// Every `Gate::Route` that version 1 of the schema speaks of.
    pub const ALL: [&str; 14] = [
        REGISTER,
        REGISTER_COMPLETE,
        AUTHENTICATE,
        AUTHENTICATE_COMPLETE,
        METHODS,
        METHOD,
        BACKUP_CODES,
        BACKUP_CODES_VERIFY,
        ADMIN_METHODS,
        ADMIN_METHOD,
        OPENAPI,
        KEYS,
        RELATED_ORIGINS,
        UNKNOWN,
    ];
}

/// An authenticated caller, as the token describes them.
#[derive(Clone, Debug)]
pub struct User {
    /// Who they are: issuer, tenant and subject.
    pub id: UserId,
    /// The groups that the token names.
    pub groups: Vec<String>,
    /// All claims of the token; policies see those that `Site::Claims` declares.
    pub claims: Arc<Map<String, Value>>,
    /// The sign-in behind the token.
    pub session: Session,
    /// The `acr` values that a sign-in at the token's issuer can reach and that count as strong.
    pub strong_acr: Arc<[String]>,
    /// WebAuthn `user.name`: `preferred_username`, else `email`, else `sub`. Never empty.
    pub name: String,
    /// WebAuthn `user.displayName`: `name`, else the same. Never empty.
    pub display_name: String,
}

/// Whoever sent a request, before anything protected is looked at.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The caller, if a token was sent and is good.
    pub user: Option<User>,
    /// The client's address, seen through trusted proxies only; never IPv4-mapped IPv6.
    pub address: IpAddr,
    /// The one moment of this request.
    pub now: Timestamp,
    /// The path pattern: one of [`path::ALL`].
    pub route: &'static str,
}

/// A caller with a token and a tenant header: who may ask for a protected operation.
#[derive(Clone, Debug)]
pub struct Member {
    /// The caller.
    pub user: User,
    /// What `X-Tenant-ID` says. Only policies compare it.
    pub tenant: Tenant,
    /// As [`Visitor::address`].
    pub address: IpAddr,
    /// As [`Visitor::now`].
    pub now: Timestamp,
    /// As [`Visitor::route`].
    pub route: &'static str,
}

/// Bytes that are written as base64url without padding.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Bytes {
    type Err = base64::DecodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        URL_SAFE_NO_PAD.decode(text).map(Self)
    }
}

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// An authenticator, verified and, but for the moment before `trustAuthenticator`, enrolled.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Authenticator {
    /// The `id` in the methods list, random; also the commit id that makes its storing idempotent.
    pub id: Uuid,
    /// How it was enrolled.
    pub method_type: MethodType,
    /// The name its owner gave it, or what stands in for one.
    pub device_name: String,
    /// The relying party that it was enrolled at.
    pub rp_id: String,
    /// The credential id, 16 to 1023 bytes.
    pub credential_id: Bytes,
    /// The AAGUID, where attestation proved it up to a root trusted for that very model.
    pub proven_model: Option<Uuid>,
    /// The AAGUID in authenticator data: without proof the word of the caller's own browser.
    pub claimed_model: Option<Uuid>,
    /// What the browser says of the transports; proves nothing.
    pub claimed_transports: Vec<String>,
    /// Whether the user was verified (UV) when it was enrolled.
    pub user_verified: bool,
    /// The BE flag: may be synced.
    pub backup_eligible: bool,
    /// The BS flag: is synced now.
    pub backed_up: bool,
    /// The signature counter as it was last seen; 0 for authenticators that have none.
    #[serde(default)]
    pub sign_count: u32,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// When it was last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// Whether it was enrolled under a strong sign-in at the issuer, with a recovery code, or in a
    /// session that another trusted authenticator confirmed. Records of older releases are not.
    #[serde(default)]
    pub trusted: bool,
    /// The public key and what else the WebAuthn library needs for an assertion, in its own form.
    pub credential: Value,
}

/// What a decision may know of the caller's authenticators. Backup codes do not count.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Factors {
    /// How many are stored, usable at this relying party or not.
    pub count: usize,
    /// Of which types, each once, sorted.
    pub method_types: Vec<MethodType>,
    /// Whether an administrator left the account without any, and none was stored since.
    pub reset: bool,
}

impl Factors {
    /// The factors that these authenticators are.
    pub fn of(authenticators: &[Authenticator], reset: bool) -> Self {
        let mut method_types: Vec<_> = authenticators.iter().map(|one| one.method_type).collect();
        method_types.sort_unstable();
        method_types.dedup();
        Self {
            count: authenticators.len(),
            method_types,
            reset,
        }
    }
}

/// How the caller could prove more than their token does, here and now. Not a fact that policies
/// read: it tells which step-up can be offered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Means {
    /// The authenticators that can confirm this session: of this relying party, and not disabled.
    pub authenticators: Vec<Confirmer>,
    /// Whether a backup code works.
    pub backup_code: bool,
    /// Whether a recovery code works.
    pub recovery_code: bool,
}

/// An authenticator that can confirm a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Confirmer {
    /// How it was enrolled.
    pub method_type: MethodType,
    /// Whether the session would be trusted.
    pub trusted: bool,
    /// For how many seconds it has been enrolled.
    pub age: u64,
}
