//! One token: read, verified, and made a user. What is refused here beside a bad signature is what
//! a lenient reader would let through (RFC 7519 §7.2, RFC 8725 §3, RFC 9068 §4).

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::json;
use super::keys::Keys;
use super::step_up;
use super::{Error, Issuer, IssuerKind};
use crate::model::{
    Confirmation, IssuerName, Session, SessionKey, Tenant, Timestamp, User, UserId,
};

/// How far the issuer's clock and ours may be apart.
const LEEWAY: Duration = Duration::from_secs(60);

/// The media types of a JWT and of an access token (RFC 7519 §5.1, RFC 9068 §2.1), as RFC 7515
/// §4.1.9 writes them. A token of any other type was made for another purpose: logout, DPoP proof,
/// security event (RFC 8725 §3.11).
const TYPES: [&str; 4] = ["jwt", "application/jwt", "at+jwt", "application/at+jwt"];

/// What Keycloak says in a *claim* `typ` of tokens that are no access tokens; their header says
/// `JWT`. No other sign of an ID token is looked for: some issuers put `nonce` or `at_hash` into
/// access tokens too, and an ID token's `aud` is the client, not us.
const CLAIM_TYPES: [&str; 4] = ["id", "logout", "offline", "refresh"];

/// The longest `sub`, in bytes.
const LONGEST_SUB: usize = 255;

type Claims = Map<String, Value>;
type Result<T> = std::result::Result<T, InvalidToken>;

fn fault<T>(why: &'static str) -> Result<T> {
    Err(InvalidToken(why))
}

/// A token is not accepted, whatever the keys are.
#[derive(Debug)]
pub(super) struct InvalidToken(pub(super) &'static str);

impl From<InvalidToken> for Error {
    fn from(InvalidToken(why): InvalidToken) -> Self {
        Error::InvalidToken(why)
    }
}

/// The reason why a token gives no user.
pub(super) enum Refusal {
    /// It is not accepted.
    Invalid(InvalidToken),
    /// None of the known keys of its issuer signed it, and a newer one may have: the reason if not.
    UnknownKey(&'static str),
    /// No keys of its issuer are known.
    NoKeys,
}

impl From<InvalidToken> for Refusal {
    fn from(invalid: InvalidToken) -> Self {
        Refusal::Invalid(invalid)
    }
}

/// A token that was read, in compact serialisation (RFC 7515 §7.1). Nothing in it is believed yet.
pub(super) struct Token<'a> {
    header: Header,
    claims: Arc<Claims>,
    /// What is signed: header and payload as they were sent.
    message: &'a [u8],
    signature: &'a str,
}

impl<'a> Token<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self> {
        let parts: Vec<_> = text.split('.').collect();
        let [header, payload, signature] = parts[..] else {
            return fault("the token is no signed JWT: it has not three parts");
        };
        if URL_SAFE_NO_PAD.decode(signature).is_err() {
            return fault("the token's signature is not base64url");
        }
        Ok(Self {
            header: Header::read(header)?,
            claims: Arc::new(claims(payload)?),
            message: &text.as_bytes()[..header.len() + 1 + payload.len()],
            signature,
        })
    }

    /// The issuer that it claims to be from. Its keys decide whether it is.
    pub(super) fn issuer<'i>(&self, issuers: &'i [Issuer]) -> Result<&'i Issuer> {
        let Some(Value::String(iss)) = self.claims.get("iss") else {
            return fault("the token's `iss` is missing or not a string");
        };
        match issuers.iter().find(|issuer| issuer.issuer == *iss) {
            Some(issuer) => Ok(issuer),
            None => fault("the token's `iss` is not a configured issuer"),
        }
    }

    /// Its user, if it is good by these keys of its issuer.
    pub(super) fn user(
        &self,
        issuer: &Issuer,
        issuers: &[Issuer],
        keys: Option<&Keys>,
        now: Timestamp,
    ) -> std::result::Result<User, Refusal> {
        // These come before the signature, so that a token that has expired, or is for somebody
        // else, makes nobody fetch its key.
        if !issuer.algorithms.contains(&self.header.algorithm) {
            fault("the token's `alg` is not one that its issuer is configured with")?;
        }
        check_purpose(issuer, &self.claims)?;
        check_times(&self.claims, now)?;
        self.verify(keys.ok_or(Refusal::NoKeys)?)?;
        Ok(describe(issuer, issuers, self)?)
    }

    /// What tells this session from the user's others.
    fn session_id(&self) -> String {
        let named = ["sid", "jti"].into_iter().find_map(|claim| {
            let value = self.claims.get(claim)?.as_str()?;
            (!value.is_empty()).then(|| value.to_owned())
        });
        named.unwrap_or_else(|| URL_SAFE_NO_PAD.encode(digest(&SHA256, self.message)))
    }

    /// The session that limits count for.
    fn session_key(&self, signed_in_at: Option<Timestamp>) -> SessionKey {
        let sid = self.claims.get("sid").and_then(Value::as_str);
        match (sid.filter(|sid| !sid.is_empty()), signed_in_at) {
            (Some(sid), _) => SessionKey::of_sid(sid),
            (None, Some(at)) => SessionKey::of_sign_in(at),
            (None, None) => SessionKey::of_account(),
        }
    }

    fn verify(&self, keys: &Keys) -> std::result::Result<(), Refusal> {
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
            fault("the token's key is for another algorithm than its `alg`")?;
        }
        if fitting.any(|key| key.verifies(self.message, self.signature)) {
            return Ok(());
        }
        let why = "the token's signature does not verify";
        match kid {
            Some(_) => Ok(fault(why)?),
            // An issuer that gives its keys no ids changes them without another sign.
            None => Err(Refusal::UnknownKey(why)),
        }
    }
}

/// What is read of a JOSE header (RFC 7515 §4). Keys that it brings along or points to (`jwk`,
/// `jku`, `x5c`, `x5u`) are not read at all.
struct Header {
    algorithm: Algorithm,
    kid: Option<String>,
}

impl Header {
    fn read(encoded: &str) -> Result<Self> {
        let members = match decode(encoded) {
            Ok(members) => members,
            Err(json::Fault::NoObject) => return fault("the token's header is not a JSON object"),
            Err(json::Fault::Repeated) => {
                return fault("a member of the token's header is repeated");
            }
        };
        // We understand no extension, so each that must be understood is a reason to refuse
        // (RFC 7515 §4.1.11).
        if members.contains_key("crit") {
            return fault("the token's header has `crit`: no extension is understood");
        }
        let type_fits = members.get("typ").is_none_or(|value| {
            value
                .as_str()
                .is_some_and(|typ| TYPES.iter().any(|one| typ.eq_ignore_ascii_case(one)))
        });
        if !type_fits {
            return fault("the token's `typ` is not that of an access token");
        }
        let algorithm = members
            .get("alg")
            .and_then(Value::as_str)
            .and_then(|name| name.parse().ok());
        let Some(algorithm) = algorithm else {
            return fault("the token's `alg` is not a signature algorithm that is accepted");
        };
        let kid = match members.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return fault("the token's `kid` is no string"),
        };
        Ok(Self { algorithm, kid })
    }
}

fn decode(encoded: &str) -> std::result::Result<Map<String, Value>, json::Fault> {
    let bytes = URL_SAFE_NO_PAD
        .decode(encoded)
        .map_err(|_| json::Fault::NoObject)?;
    json::object(&bytes)
}

/// The claims, not verified yet. A claim that is `null` is absent.
fn claims(encoded: &str) -> Result<Claims> {
    match decode(encoded) {
        Ok(mut claims) => {
            claims.retain(|_, value| !value.is_null());
            Ok(claims)
        }
        Err(json::Fault::NoObject) => fault("the token's payload is not a JSON object"),
        Err(json::Fault::Repeated) => fault("a claim of the token is repeated"),
    }
}

/// Whether the token was made for us, to be presented by whoever holds it.
fn check_purpose(issuer: &Issuer, claims: &Claims) -> Result<()> {
    let ours = |audience: &Value| issuer.audiences.iter().any(|one| audience == one);
    let for_us = match claims.get("aud") {
        Some(one @ Value::String(_)) => ours(one),
        Some(Value::Array(list)) if list.iter().all(Value::is_string) => list.iter().any(ours),
        _ => return fault("the token's `aud` is missing, or no string or list of strings"),
    };
    if !for_us {
        return fault("the token's `aud` does not contain an audience of this gateway");
    }
    if claims.contains_key("cnf") {
        return fault("the token is bound to a key (`cnf`), whose proof is not checked here");
    }
    let other_type = claims
        .get("typ")
        .and_then(Value::as_str)
        .is_some_and(|typ| CLAIM_TYPES.iter().any(|one| typ.eq_ignore_ascii_case(one)));
    // Security events (RFC 8417 §2.2), logout tokens among them: some have no `typ`.
    if other_type || claims.contains_key("events") {
        return fault("the token is no access token (claim `typ` or `events`)");
    }
    Ok(())
}

fn check_times(claims: &Claims, now: Timestamp) -> Result<()> {
    let latest = now.plus(LEEWAY);
    match millis(claims, "exp") {
        // A `Timestamp` would keep it within the year, as if the issuer had said so.
        Ok(Some(exp)) if Timestamp::from_millis(exp).millis() < exp => {
            return fault("the token's `exp` is beyond the year 9999");
        }
        _ => {}
    }
    match moment(claims, "exp") {
        Ok(Some(exp)) if now >= exp.plus(LEEWAY) => return fault("the token has expired"),
        Ok(Some(_)) => {}
        _ => return fault("the token's `exp` is missing or not a number"),
    }
    match moment(claims, "nbf") {
        Ok(Some(nbf)) if nbf > latest => return fault("the token is not valid yet (`nbf`)"),
        Ok(_) => {}
        Err(NotANumber) => return fault("the token's `nbf` is not a number"),
    }
    match moment(claims, "iat") {
        Ok(Some(iat)) if iat > latest => return fault("the token's `iat` is in the future"),
        Ok(_) => {}
        Err(NotANumber) => return fault("the token's `iat` is not a number"),
    }
    match moment(claims, "auth_time") {
        Ok(Some(at)) if at > latest => fault("the token's `auth_time` is in the future"),
        Ok(_) => Ok(()),
        Err(NotANumber) => fault("the token's `auth_time` is not a number"),
    }
}

struct NotANumber;

/// A NumericDate, kept within the years that a [`Timestamp`] knows.
fn moment(claims: &Claims, name: &str) -> std::result::Result<Option<Timestamp>, NotANumber> {
    Ok(millis(claims, name)?.map(Timestamp::from_millis))
}

/// The milliseconds of a NumericDate: seconds since the epoch, perhaps with a fraction (RFC 7519 §2).
/// A value that is out of range is the nearest in range.
fn millis(claims: &Claims, name: &str) -> std::result::Result<Option<i64>, NotANumber> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    match (value.as_i64(), value.as_f64()) {
        (Some(seconds), _) => Ok(Some(seconds.saturating_mul(1000))),
        (None, Some(seconds)) => Ok(Some((seconds * 1000.0) as i64)),
        (None, None) => Err(NotANumber),
    }
}

/// The user that a verified token describes.
fn describe(issuer: &Issuer, issuers: &[Issuer], token: &Token<'_>) -> Result<User> {
    let claims = &token.claims;
    let subject = subject(claims)?;
    let (name, first) = match &issuer.kind {
        IssuerKind::SignIn(name) => (name, issuer),
        IssuerKind::StepUp => first_issuer(claims, issuers)?,
    };
    let tenant = tenant(issuer, claims)?;
    // The list of the first issuer holds for step-up tokens too, so that a tenant that is taken out
    // of it ends both.
    if !first.may_assert(tenant) {
        return fault("the issuer of the sign-in may not assert the token's tenant");
    }
    let groups = groups(issuer, claims)?;
    let session = session(issuer, first, token)?;
    let (user_name, display_name) = names(claims, &subject);
    Ok(User {
        id: UserId {
            issuer: name.clone(),
            tenant,
            subject,
        },
        groups,
        claims: match issuer.kind {
            IssuerKind::SignIn(_) => Arc::clone(claims),
            IssuerKind::StepUp => Arc::new(first_claims(claims)),
        },
        session,
        strong_acr: Arc::clone(&first.strong_acr),
        name: user_name,
        display_name,
    })
}

/// The `sub`. OpenID Connect Core §2 has the bound; a control character would be invisible wherever
/// the user is named.
fn subject(claims: &Claims) -> Result<String> {
    match claims.get("sub") {
        Some(Value::String(sub)) if sub.len() > LONGEST_SUB => {
            fault("the token's `sub` is longer than 255 bytes")
        }
        Some(Value::String(sub)) if sub.chars().any(char::is_control) => {
            fault("the token's `sub` holds a control character")
        }
        Some(Value::String(sub)) if !sub.is_empty() => Ok(sub.clone()),
        _ => fault("the token's `sub` is missing, empty or not a string"),
    }
}

/// The issuer that the session of a step-up token began at.
fn first_issuer<'i>(
    claims: &Claims,
    issuers: &'i [Issuer],
) -> Result<(&'i IssuerName, &'i Issuer)> {
    let named = claims.get(step_up::FIRST_ISSUER).and_then(Value::as_str);
    let found = issuers.iter().find_map(|one| {
        let name = one.kind.name()?;
        (Some(name.as_str()) == named).then_some((name, one))
    });
    match found {
        Some(found) => Ok(found),
        None => fault("the issuer that this session began at is not configured any more"),
    }
}

/// The claims of the first token, as far as a step-up token repeats them; none of its own.
fn first_claims(claims: &Claims) -> Claims {
    let mut first = claims.clone();
    first.retain(|name, _| !step_up::OWN.contains(&name.as_str()));
    if let Some(Value::Object(apart)) = claims.get(step_up::FIRST_CLAIMS) {
        first.extend(apart.clone());
    }
    first
}

/// What WebAuthn calls the user.
fn names(claims: &Claims, subject: &str) -> (String, String) {
    let text = |name| {
        let value = claims.get(name).and_then(Value::as_str);
        value.filter(|text| !text.trim().is_empty())
    };
    let name = text("preferred_username").or_else(|| text("email"));
    let name = name.unwrap_or(subject).to_owned();
    let display_name = text("name").unwrap_or(&name).to_owned();
    (name, display_name)
}

fn tenant(issuer: &Issuer, claims: &Claims) -> Result<Option<Tenant>> {
    match claims.get(&issuer.tenant_claim) {
        None => Ok(None),
        Some(value) => match value.as_str().and_then(|text| text.parse().ok()) {
            Some(tenant) => Ok(Some(tenant)),
            None => fault("the token's tenant claim is not one UUID"),
        },
    }
}

/// The groups. When the token says that they are kept elsewhere, it must not pass for one of a user
/// without groups: a policy that forbids something to a group would be silent.
fn groups(issuer: &Issuer, claims: &Claims) -> Result<Vec<String>> {
    let Some(claim) = &issuer.groups_claim else {
        return Ok(Vec::new());
    };
    // Distributed claims (OpenID Connect Core §5.6.2); `hasgroups` is how Entra ID says the same.
    let elsewhere = match claims.get("_claim_names") {
        None => claims.get("hasgroups").is_some_and(|value| value == true),
        Some(Value::Object(names)) => names.contains_key(claim),
        Some(_) => true,
    };
    if elsewhere {
        return fault("the token's groups are not in it but kept elsewhere (`_claim_names`)");
    }
    match strings(claims, claim) {
        Some(groups) if !groups.iter().any(String::is_empty) => Ok(groups),
        _ => fault("the token's groups are no list of strings"),
    }
}

/// The sign-in behind a token. `first` is the issuer that the session began at.
fn session(issuer: &Issuer, first: &Issuer, token: &Token<'_>) -> Result<Session> {
    let claims = &token.claims;
    let Some(amr) = strings(claims, "amr") else {
        return fault("the token's `amr` is no list of strings");
    };
    let acr = match claims.get("acr") {
        None => String::new(),
        Some(Value::String(acr)) => acr.clone(),
        Some(_) => return fault("the token's `acr` is no string"),
    };
    let at = |claim| moment(claims, claim).ok().flatten();
    let is_step_up = issuer.kind == IssuerKind::StepUp;
    // What our own tokens add counts in them only.
    let own = if is_step_up {
        match step_up::OwnClaims::read(claims) {
            Some(own) => own,
            None => return fault("the step-up token's `epoch` is missing or no number"),
        }
    } else {
        step_up::OwnClaims::default()
    };
    let is_strong = first.strong_acr.contains(&acr) || (is_step_up && acr == step_up::ACR);
    let signed_in_at = at("auth_time");
    let strong_at = signed_in_at.filter(|_| is_strong);
    Ok(Session {
        id: token.session_id(),
        key: token.session_key(signed_in_at),
        expires_at: at("exp").unwrap_or_default(),
        signed_in_at,
        epoch: own.epoch,
        amr,
        acr,
        strong_at,
        confirmation: match (is_step_up, strong_at) {
            (false, Some(_)) => Confirmation::SignIn,
            (false, None) => Confirmation::Nothing,
            (true, _) => own.confirmation,
        },
        code: own.code,
    })
}

/// A list of strings; empty when the claim is absent.
fn strings(claims: &Claims, name: &str) -> Option<Vec<String>> {
    match claims.get(name) {
        None => Some(Vec::new()),
        Some(value) => value
            .as_array()?
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect(),
    }
}
