//! An issuer of tokens for `serve`: a key of its own, and its JWKS as a file.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

/// The `iss` of its tokens.
pub const ISSUER: &str = "https://id.example.com";
/// Their `aud`.
pub const AUDIENCE: &str = "https://api.example.com";

/// An issuer.
pub struct Issuer {
    key: EncodingKey,
    /// Its JWKS.
    pub jwks: PathBuf,
}

impl Issuer {
    /// One with a new key, whose JWKS is written to this folder.
    pub fn new(folder: &Path) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        let key = EncodingKey::from_ec_der(pkcs8.unwrap().as_ref());
        let mut public = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
        public.common.key_id = Some("one".to_owned());
        let keys = JwkSet { keys: vec![public] };
        let jwks = folder.join("jwks.json");
        std::fs::write(&jwks, serde_json::to_vec(&keys).unwrap()).unwrap();
        Self { key, jwks }
    }

    /// A token for ten minutes.
    pub fn token(&self, user: &str, tenant: &str) -> String {
        let now = now();
        let claims = json!({
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user,
            "tenant_id": tenant,
            "iat": now,
            "exp": now + 600,
        });
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("one".to_owned());
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test is an edge: nobody hands it the time"
)]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}
