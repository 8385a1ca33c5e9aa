//! `dev`'s own issuer: what its tokens say, and the key that signs them.

use std::error::Error;
use std::time::Duration;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::authn::signing::{SigningKey, jwks};
use crate::authn::step_up::{self, StepUpIssuer};
use crate::authn::{Algorithm, Issuer, IssuerKind, KeySource, Keys};
use crate::model::{Tenant, Timestamp};

/// Its name in policies.
pub(in crate::cli) const NAME: &str = "dev";
/// The `iss` of its tokens. It is constant, so that `token` needs no running server, and under a
/// domain that can never exist (RFC 6761 §6.4), so that nobody else is it.
pub(in crate::cli) const ISSUER: &str = "https://dev.cedargate.invalid";
/// The `aud` of its tokens.
pub(in crate::cli) const AUDIENCE: &str = "https://api.dev.cedargate.invalid";
/// The `iss` of its step-up tokens.
const STEP_UP_ISSUER: &str = "https://mfa.dev.cedargate.invalid";
const STEP_UP_TTL: Duration = Duration::from_secs(10 * 60);
/// `dev`'s tenant.
pub(in crate::cli) const TENANT: &str = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";
/// `dev`'s user.
pub(in crate::cli) const USER: &str = "alice";
/// What a sign-in with no other method is said to have used.
pub(in crate::cli) const PASSWORD: &str = "pwd";

const TENANT_CLAIM: &str = "tenant_id";
const GROUPS_CLAIM: &str = "groups";
const STRONG_ACR: &str = "phr";

/// A sign-in that did not happen: what a development token says of it.
pub(in crate::cli) struct SignIn {
    pub(in crate::cli) user: String,
    pub(in crate::cli) tenant: Tenant,
    pub(in crate::cli) groups: Vec<String>,
    pub(in crate::cli) acr: Option<String>,
    pub(in crate::cli) amr: Vec<String>,
    /// In seconds since the epoch.
    pub(in crate::cli) auth_time: Option<i64>,
    pub(in crate::cli) ttl: Duration,
    /// Further claims; they win over those that the rest makes.
    pub(in crate::cli) claims: Map<String, Value>,
}

impl SignIn {
    /// By password, with nothing special about it.
    pub(in crate::cli) fn of(user: impl Into<String>, tenant: Tenant, ttl: Duration) -> Self {
        Self {
            user: user.into(),
            tenant,
            groups: Vec::new(),
            acr: None,
            amr: vec![PASSWORD.to_owned()],
            auth_time: None,
            ttl,
            claims: Map::new(),
        }
    }

    /// The claims of an access token (RFC 9068 §2.2).
    fn claims(&self, now: Timestamp) -> Map<String, Value> {
        let issued_at = now.millis() / 1000;
        let ttl = i64::try_from(self.ttl.as_secs()).unwrap_or(i64::MAX);
        let mut claims = Map::new();
        claims.insert("iss".into(), ISSUER.into());
        claims.insert("aud".into(), AUDIENCE.into());
        claims.insert("sub".into(), self.user.as_str().into());
        claims.insert("client_id".into(), "cedargate-dev".into());
        claims.insert("jti".into(), Uuid::new_v4().to_string().into());
        claims.insert("iat".into(), issued_at.into());
        claims.insert("exp".into(), issued_at.saturating_add(ttl).into());
        claims.insert(TENANT_CLAIM.into(), self.tenant.to_string().into());
        claims.insert(GROUPS_CLAIM.into(), json!(self.groups));
        claims.insert("amr".into(), json!(self.amr));
        if let Some(acr) = &self.acr {
            claims.insert("acr".into(), acr.as_str().into());
        }
        if let Some(auth_time) = self.auth_time {
            claims.insert("auth_time".into(), auth_time.into());
        }
        claims.extend(self.claims.clone());
        claims
    }
}

/// A token for this sign-in.
pub(in crate::cli) fn token(
    key: &SigningKey,
    sign_in: &SignIn,
    now: Timestamp,
) -> jsonwebtoken::errors::Result<String> {
    key.sign(&sign_in.claims(now))
}

/// The issuer, as `authn` trusts one.
pub(super) fn issuer(key: &SigningKey) -> Result<Issuer, Box<dyn Error>> {
    let algorithms = vec![Algorithm::Es256];
    Ok(Issuer {
        kind: IssuerKind::SignIn(NAME.parse()?),
        issuer: ISSUER.to_owned(),
        audiences: vec![AUDIENCE.to_owned()],
        keys: KeySource::Here(Keys::parse(&jwks([key])?, &algorithms)?.into()),
        algorithms,
        tenant_claim: TENANT_CLAIM.to_owned(),
        groups_claim: Some(GROUPS_CLAIM.to_owned()),
        strong_acr: [STRONG_ACR.to_owned()].into(),
        tenants: None,
    })
}

/// How `dev` issues step-up tokens.
pub(super) fn step_up(key: SigningKey) -> serde_json::Result<StepUpIssuer> {
    StepUpIssuer::new(step_up::Settings {
        issuer: STEP_UP_ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        ttl: STEP_UP_TTL,
        keys: vec![key],
    })
}

/// `dev`'s tenant.
pub(in crate::cli) fn tenant() -> Tenant {
    TENANT.parse().expect("the constant is a UUID")
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{DecodingKey, Validation};

    fn key() -> SigningKey {
        SigningKey::parse(&SigningKey::generate().unwrap())
            .ok()
            .unwrap()
    }

    #[test]
    fn a_token_verifies_with_the_published_key_and_says_what_was_asked() {
        let key = key();
        let now = Timestamp::from_millis(1_768_467_600_999);
        let mut sign_in = SignIn::of("ålice", tenant(), Duration::from_secs(600));
        sign_in.groups = vec!["mfa-admins".into()];
        sign_in.acr = Some("phr".into());
        sign_in.auth_time = Some(1_768_467_590);
        sign_in
            .claims
            .insert("employment".into(), "contractor".into());
        let token = token(&key, &sign_in, now).unwrap();

        let published: JwkSet = serde_json::from_slice(&jwks([&key]).unwrap()).unwrap();
        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!(header.typ.as_deref(), Some("at+jwt"));
        let jwk = published.find(&header.kid.unwrap()).unwrap();
        let mut validation = Validation::new(jsonwebtoken::Algorithm::ES256);
        validation.validate_exp = false;
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        let claims = jsonwebtoken::decode::<Value>(
            &token,
            &DecodingKey::from_jwk(jwk).unwrap(),
            &validation,
        )
        .unwrap()
        .claims;
        assert_eq!(claims["sub"], "ålice");
        assert_eq!(claims["tenant_id"], TENANT);
        assert_eq!(claims["groups"], json!(["mfa-admins"]));
        assert_eq!(claims["amr"], json!(["pwd"]));
        assert_eq!(claims["acr"], "phr");
        assert_eq!(claims["auth_time"], 1_768_467_590);
        assert_eq!(claims["iat"], 1_768_467_600);
        assert_eq!(claims["exp"], 1_768_468_200);
        assert_eq!(claims["employment"], "contractor");
    }

    #[test]
    fn a_given_claim_wins_and_stands_there_once() {
        let mut sign_in = SignIn::of("alice", tenant(), Duration::from_secs(600));
        sign_in.claims.insert("sub".into(), "bob".into());
        let claims = serde_json::to_string(&sign_in.claims(Timestamp::from_millis(0))).unwrap();
        assert_eq!(claims.matches("\"sub\"").count(), 1);
        assert!(claims.contains(r#""sub":"bob""#));
    }
}
