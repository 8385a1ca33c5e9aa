//! The user that the claims of a verified token describe.

use std::sync::Arc;

use serde_json::Value;

use super::claims::{Claims, moment, strings};
use crate::authn::error::{InvalidToken, invalid};
use crate::authn::issuer::{Issuer, IssuerKind};
use crate::authn::step_up;
use cedargate_core::{
    Confirmation, IssuerName, STEP_UP_ACR, Session, SessionKey, Tenant, Timestamp, User, UserId,
};

/// The longest `sub`, in bytes (OpenID Connect Core §2).
const MAX_SUB_BYTES: usize = 255;

type Result<T> = std::result::Result<T, InvalidToken>;

/// Reads the user from the claims of a verified token of `issuer`, which is one of `issuers`.
pub(super) fn read(
    issuer: &Issuer,
    issuers: &[Issuer],
    claims: &Arc<Claims>,
    session_id: String,
) -> Result<User> {
    let subject = subject(claims)?;
    let (issuer_name, first) = match &issuer.kind {
        IssuerKind::SignIn(name) => (name, issuer),
        IssuerKind::StepUp => first_issuer(claims, issuers)?,
    };
    let tenant = tenant(issuer, claims)?;
    // For a step-up token, the tenants of the first issuer count: a tenant that is removed there
    // loses both kinds of tokens.
    if !first.may_assert(tenant) {
        return invalid("the issuer of the sign-in may not assert the token's tenant");
    }
    let groups = groups(issuer, claims)?;
    let session = session(issuer, first, claims, session_id)?;
    let (name, display_name) = names(claims, &subject);
    Ok(User {
        id: UserId {
            issuer: issuer_name.clone(),
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
        name,
        display_name,
    })
}

/// Reads the `sub`. Control characters are refused because they are invisible in logs and messages.
fn subject(claims: &Claims) -> Result<String> {
    match claims.get("sub") {
        Some(Value::String(sub)) if sub.len() > MAX_SUB_BYTES => {
            invalid("the token's `sub` is longer than 255 bytes")
        }
        Some(Value::String(sub)) if sub.chars().any(char::is_control) => {
            invalid("the token's `sub` holds a control character")
        }
        Some(Value::String(sub)) if !sub.is_empty() => Ok(sub.clone()),
        _ => invalid("the token's `sub` is missing, empty or not a string"),
    }
}

/// Finds the issuer of the sign-in that a step-up token names.
fn first_issuer<'i>(
    claims: &Claims,
    issuers: &'i [Issuer],
) -> Result<(&'i IssuerName, &'i Issuer)> {
    let named = claims.get(step_up::FIRST_ISSUER).and_then(Value::as_str);
    let first = issuers.iter().find_map(|issuer| {
        let name = issuer.kind.name()?;
        (Some(name.as_str()) == named).then_some((name, issuer))
    });
    match first {
        Some(first) => Ok(first),
        None => invalid("the issuer of the sign-in is no longer configured"),
    }
}

/// Returns the claims of the first token that a step-up token repeats, without the step-up token's
/// own claims.
fn first_claims(claims: &Claims) -> Claims {
    let mut first = claims.clone();
    first.retain(|name, _| !step_up::RESERVED_CLAIMS.contains(&name.as_str()));
    if let Some(Value::Object(renamed)) = claims.get(step_up::FIRST_CLAIMS) {
        first.extend(renamed.clone());
    }
    first
}

/// Returns the `name` and the `displayName` of the WebAuthn user entity.
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
            None => invalid("the token's tenant claim is not one UUID"),
        },
    }
}

/// Reads the groups. A token whose groups are kept elsewhere is refused: its user must not pass for
/// a user without groups, whom a policy that forbids something to a group would not stop.
fn groups(issuer: &Issuer, claims: &Claims) -> Result<Vec<String>> {
    let Some(claim) = &issuer.groups_claim else {
        return Ok(Vec::new());
    };
    // Distributed claims (OpenID Connect Core §5.6.2); Entra ID uses `hasgroups` for the same.
    let elsewhere = match claims.get("_claim_names") {
        None => claims.get("hasgroups").is_some_and(|value| value == true),
        Some(Value::Object(names)) => names.contains_key(claim),
        Some(_) => true,
    };
    if elsewhere {
        return invalid(
            "the token does not hold its groups: they are kept elsewhere (`_claim_names`)",
        );
    }
    match strings(claims, claim) {
        Some(groups) if !groups.iter().any(String::is_empty) => Ok(groups),
        _ => invalid("the token's groups are not a list of non-empty strings"),
    }
}

/// Reads the session. `first` is the issuer of its sign-in.
fn session(issuer: &Issuer, first: &Issuer, claims: &Claims, id: String) -> Result<Session> {
    let Some(amr) = strings(claims, "amr") else {
        return invalid("the token's `amr` is not a list of strings");
    };
    let acr = match claims.get("acr") {
        None => String::new(),
        Some(Value::String(acr)) => acr.clone(),
        Some(_) => return invalid("the token's `acr` is not a string"),
    };
    let at = |claim| moment(claims, claim).ok().flatten();
    let is_step_up = issuer.kind == IssuerKind::StepUp;
    // In tokens of other issuers, these claims mean nothing.
    let own = if is_step_up {
        match step_up::StepUpClaims::read(claims) {
            Some(own) => own,
            None => return invalid("the step-up token's `epoch` is missing or not a number"),
        }
    } else {
        step_up::StepUpClaims::default()
    };
    let is_strong = first.strong_acr.contains(&acr) || (is_step_up && acr == STEP_UP_ACR);
    let signed_in_at = at("auth_time");
    let strong_at = signed_in_at.filter(|_| is_strong);
    Ok(Session {
        id,
        key: session_key(claims, signed_in_at),
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

/// Returns the key of the session that limits are counted for.
fn session_key(claims: &Claims, signed_in_at: Option<Timestamp>) -> SessionKey {
    let sid = claims.get("sid").and_then(Value::as_str);
    match (sid.filter(|sid| !sid.is_empty()), signed_in_at) {
        (Some(sid), _) => SessionKey::of_sid(sid),
        (None, Some(at)) => SessionKey::of_sign_in(at),
        (None, None) => SessionKey::of_account(),
    }
}
