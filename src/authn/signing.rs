//! Keys that sign tokens (ES256, RFC 7518 §3.4).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{EncodingKey, Header};
use serde::Serialize;

const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the system gave no randomness")]
pub struct NoRandomness;

/// The error for bytes that are not a signing key. Its message follows the name of the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("holds no P-256 key as PKCS#8, in DER or PEM")]
pub struct NotASigningKey;

/// A P-256 key pair. It has no `Debug`, so that the private key cannot be logged by accident.
pub struct SigningKey {
    key: EncodingKey,
    public: Jwk,
}

impl SigningKey {
    /// Generates a key as PKCS#8 in DER.
    ///
    /// # Errors
    /// The system gave no randomness.
    pub fn generate() -> Result<Vec<u8>, NoRandomness> {
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map(|document| document.as_ref().to_vec())
            .map_err(|_| NoRandomness)
    }

    /// Reads PKCS#8 (RFC 5958) in DER or PEM. The id of the key is its thumbprint (RFC 7638).
    ///
    /// # Errors
    /// The bytes are not a P-256 key in this format.
    pub fn parse(pkcs8: &[u8]) -> Result<Self, NotASigningKey> {
        let der = match std::str::from_utf8(pkcs8).ok().map(str::trim) {
            Some(text) if text.starts_with("-----BEGIN") => {
                decode_pem(text).ok_or(NotASigningKey)?
            }
            _ => pkcs8.to_vec(),
        };
        let key = EncodingKey::from_ec_der(&der);
        let algorithm = jsonwebtoken::Algorithm::ES256;
        let mut public = Jwk::from_encoding_key(&key, algorithm).map_err(|_| NotASigningKey)?;
        public.common.key_algorithm = Some(KeyAlgorithm::ES256);
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        let thumbprint = public
            .thumbprint(ThumbprintHash::SHA256)
            .map_err(|_| NotASigningKey)?;
        public.common.key_id = Some(thumbprint);
        Ok(Self { key, public })
    }

    /// Returns the `kid` of the tokens that it signs.
    pub fn id(&self) -> &str {
        self.public.common.key_id.as_deref().unwrap_or_default()
    }

    /// Signs an access token (RFC 9068 §2.1).
    ///
    /// # Errors
    /// The claims cannot be written as JSON, or signing fails; no request can cause either.
    pub fn sign(&self, claims: &impl Serialize) -> jsonwebtoken::errors::Result<String> {
        let mut header = Header::new(jsonwebtoken::Algorithm::ES256);
        header.typ = Some("at+jwt".to_owned());
        header.kid.clone_from(&self.public.common.key_id);
        jsonwebtoken::encode(&header, claims, &self.key)
    }
}

/// Writes the public keys as a JWKS (RFC 7517 §5).
///
/// # Errors
/// The keys cannot be written as JSON; no request can cause that.
pub fn jwks<'a>(keys: impl IntoIterator<Item = &'a SigningKey>) -> serde_json::Result<Vec<u8>> {
    let keys = keys.into_iter().map(|key| key.public.clone()).collect();
    serde_json::to_vec(&JwkSet { keys })
}

/// Decodes the bytes between the first and the last line.
fn decode_pem(text: &str) -> Option<Vec<u8>> {
    let body = text.strip_prefix(PEM_BEGIN)?.strip_suffix(PEM_END)?;
    let body: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_read_from_der_and_from_pem() {
        let der = SigningKey::generate().unwrap();
        let pem = format!("{PEM_BEGIN}\n{}\n{PEM_END}\n", STANDARD.encode(&der));
        let from_der = SigningKey::parse(&der).ok().unwrap();
        let from_pem = SigningKey::parse(pem.as_bytes()).ok().unwrap();
        assert_eq!(from_der.id(), from_pem.id());
    }

    #[test]
    fn bytes_that_are_not_a_p256_key_are_refused() {
        let rsa = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----";
        for wrong in [&b""[..], b"key", rsa.as_bytes(), PEM_BEGIN.as_bytes()] {
            assert_eq!(SigningKey::parse(wrong).err(), Some(NotASigningKey));
        }
    }

    #[test]
    fn published_key_has_no_private_member() {
        let key = SigningKey::parse(&SigningKey::generate().unwrap())
            .ok()
            .unwrap();
        let text = String::from_utf8(jwks([&key]).unwrap()).unwrap();
        let set: serde_json::Value = serde_json::from_str(&text).unwrap();
        let published = set["keys"][0].as_object().unwrap();
        let mut members: Vec<_> = published.keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
        assert_eq!(published["kid"], key.id());
    }
}
