//! The issuer of `dev`: the claims of its tokens, and its settings.

use std::error::Error;
use std::time::Duration;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::authn::signing::{SigningKey, jwks};
use crate::authn::step_up::{self, StepUpIssuer};
use crate::authn::{Algorithm, Issuer, IssuerKind, KeySource, Keys};
use cedargate_core::{Tenant, Timestamp};

/// The name of the issuer in policies.
pub(in crate::cli) const NAME: &str = "dev";
/// The `iss` of its tokens. It is constant, so that `token` needs no running server. Its domain can
/// never exist (RFC 6761 §6.4), so that no real issuer has it.
pub(in crate::cli) const ISSUER: &str = "https://dev.cedargate.invalid";
/// The `aud` of its tokens.
pub(in crate::cli) const AUDIENCE: &str = "https://api.dev.cedargate.invalid";
/// The `iss` of its step-up tokens.
const STEP_UP_ISSUER: &str = "https://mfa.dev.cedargate.invalid";
const STEP_UP_TTL: Duration = Duration::from_secs(10 * 60);
/// The tenant that the greeting's token opens.
pub(in crate::cli) const TENANT: &str = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";
/// The user of the greeting's token.
pub(in crate::cli) const USER: &str = "alice";
/// The `amr` of a sign-in that names no other method.
pub(in crate::cli) const PASSWORD: &str = "pwd";

const TENANT_CLAIM: &str = "tenant_id";
const GROUPS_CLAIM: &str = "groups";
const STRONG_ACR: &str = "phr";

/// The made-up sign-in that a development token describes.
pub(in crate::cli) struct SignIn {
    pub(in crate::cli) user: String,
    pub(in crate::cli) tenant: Tenant,
    pub(in crate::cli) groups: Vec<String>,
    pub(in crate::cli) acr: Option<String>,
    pub(in crate::cli) amr: Vec<String>,
    /// Seconds since the epoch.
    pub(in crate::cli) auth_time: Option<i64>,
    pub(in crate::cli) ttl: Duration,
    /// Further claims, which override those of the other fields.
    pub(in crate::cli) claims: Map<String, Value>,
}

impl SignIn {
    /// A sign-in with a password, without groups, `acr` or `auth_time`.
    pub(in crate::cli) fn with_password(
        user: impl Into<String>,
        tenant: Tenant,
        ttl: Duration,
    ) -> Self {
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

    /// Returns the claims of an access token (RFC 9068 §2.2).
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

/// Signs a token for a sign-in.
pub(in crate::cli) fn token(
    key: &SigningKey,
    sign_in: &SignIn,
    now: Timestamp,
) -> jsonwebtoken::errors::Result<String> {
    key.sign(&sign_in.claims(now))
}

/// Returns the settings with which `authn` trusts the issuer.
pub(super) fn issuer(key: &SigningKey) -> Result<Issuer, Box<dyn Error>> {
    let algorithms = vec![Algorithm::Es256];
    Ok(Issuer {
        kind: IssuerKind::SignIn(NAME.parse()?),
        issuer: ISSUER.to_owned(),
        audiences: vec![AUDIENCE.to_owned()],
        keys: KeySource::Local(Keys::parse(&jwks([key])?, &algorithms)?.into()),
        algorithms,
        tenant_claim: TENANT_CLAIM.to_owned(),
        groups_claim: Some(GROUPS_CLAIM.to_owned()),
        strong_acr: [STRONG_ACR.to_owned()].into(),
        tenants: None,
    })
}

/// Returns the issuer of step-up tokens.
pub(super) fn step_up(key: SigningKey) -> serde_json::Result<StepUpIssuer> {
    StepUpIssuer::new(step_up::Settings {
        issuer: STEP_UP_ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        ttl: STEP_UP_TTL,
        keys: vec![key],
    })
}

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
    fn token_verifies_with_the_published_key_and_has_the_claims_of_the_sign_in() {
        let key = key();
        let now = Timestamp::from_millis(1_768_467_600_999);
        let mut sign_in = SignIn::with_password("ålice", tenant(), Duration::from_secs(600));
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
    fn further_claim_overrides_a_field_and_occurs_once() {
        let mut sign_in = SignIn::with_password("alice", tenant(), Duration::from_secs(600));
        sign_in.claims.insert("sub".into(), "bob".into());
        let claims = serde_json::to_string(&sign_in.claims(Timestamp::from_millis(0))).unwrap();
        assert_eq!(claims.matches("\"sub\"").count(), 1);
        assert!(claims.contains(r#""sub":"bob""#));
    }
}
