//! The public keys of one issuer, parsed from a JWKS (RFC 7517, 7518 §6, 8037 §2).

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, EcdsaVerificationAlgorithm, ParsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, DecodingKeyKind};
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::json::{self, ObjectError};

/// The largest JWKS that is read, in bytes. Real ones are far smaller.
pub(super) const MAX_BYTES: usize = 256 * 1024;
/// The most keys that a JWKS may hold.
const MAX_KEYS: usize = 64;

/// The members of private keys (RFC 7518 §6.2.2, §6.3.2, RFC 8037 §2) and of shared secrets
/// (RFC 7518 §6.4.1).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The public keys of one issuer.
#[derive(Debug, PartialEq)]
pub struct Keys(Vec<Key>);

/// A public key. It verifies one algorithm only, so that a token cannot choose another.
pub(super) struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    public: DecodingKey,
}

impl Key {
    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns true if this key made the signature (base64url) of the message. Adds one to `checks`.
    pub(super) fn verifies(&self, message: &[u8], signature: &str, checks: &AtomicU64) -> bool {
        checks.fetch_add(1, Ordering::Relaxed);
        let algorithm = self.algorithm.into();
        jsonwebtoken::crypto::verify(signature, message, &self.public, algorithm).unwrap_or(false)
    }
}

/// Keys are equal if they have the same id, algorithm and public members.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        let has_same_members = match (self.public.kind(), other.public.kind()) {
            (DecodingKeyKind::SecretOrDer(key), DecodingKeyKind::SecretOrDer(other)) => {
                key == other
            }
            (
                DecodingKeyKind::RsaModulusExponent { n, e },
                DecodingKeyKind::RsaModulusExponent {
                    n: other_n,
                    e: other_e,
                },
            ) => n == other_n && e == other_e,
            _ => false,
        };
        has_same_members && self.id == other.id && self.algorithm == other.algorithm
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.id, self.algorithm)
    }
}

/// The reason why a JWKS is not accepted. In the messages, "it" is the JWKS.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeysError {
    #[error("it is larger than {} KiB", MAX_BYTES / 1024)]
    TooLarge,
    #[error("it is not a JSON object")]
    NotAnObject,
    /// A member is repeated, at any depth.
    #[error("a member in it is repeated")]
    RepeatedMember,
    #[error("it is not a JWKS: it has no list `keys` (RFC 7517, section 5)")]
    NoList,
    #[error("it has more than {MAX_KEYS} keys")]
    TooMany,
    #[error("key {position} in it is not an object")]
    NotAKey {
        /// The position of the key, from 1.
        position: usize,
    },
    /// The JWKS holds a private key or a shared secret, with which every reader could sign tokens.
    #[error(
        "it holds private keys: key {position} has `{member}`. Replace that key at the issuer, and \
         give the public keys only"
    )]
    PrivateKey {
        /// The position of the key, from 1.
        position: usize,
        member: &'static str,
    },
    /// No key can verify a token of these algorithms.
    #[error("{}", none_fits(algorithms, left_out))]
    NoneFits {
        algorithms: Vec<Algorithm>,
        /// The position of each key, from 1, and the reason why it is left out.
        left_out: Vec<(usize, UnusableKey)>,
    },
    /// Two keys have the same id.
    #[error("two keys in it have the `kid` {0:?}")]
    RepeatedId(String),
}

/// The reason why one key of a JWKS is left out. The messages follow the position of the key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UnusableKey {
    #[error("is not for verifying signatures (`use`, `key_ops`)")]
    Purpose,
    #[error("has a `kid` that is not a string")]
    Id,
    /// The key is for an algorithm that the issuer is not configured with.
    #[error("is for another algorithm (`kty`, `crv`, `alg`)")]
    Algorithm,
    /// The key fits several algorithms of the issuer.
    #[error("fits several algorithms and has no `alg` that says which")]
    Ambiguous,
    #[error("is malformed, or its size is not supported")]
    Malformed,
}

impl Keys {
    /// Reads a JWKS (RFC 7517 §5). Leaves out the keys that cannot verify a token of these algorithms,
    /// as §5 demands.
    ///
    /// # Errors
    /// The document is not a JWKS, holds a private key, or has no usable key.
    pub fn parse(jwks: &[u8], algorithms: &[Algorithm]) -> Result<Self, KeysError> {
        if jwks.len() > MAX_BYTES {
            return Err(KeysError::TooLarge);
        }
        let mut set = json::object(jwks).map_err(|error| match error {
            ObjectError::NotAnObject => KeysError::NotAnObject,
            ObjectError::RepeatedMember => KeysError::RepeatedMember,
        })?;
        let Some(Value::Array(list)) = set.remove("keys") else {
            return Err(KeysError::NoList);
        };
        if list.len() > MAX_KEYS {
            return Err(KeysError::TooMany);
        }
        let mut keys = Vec::new();
        let mut left_out = Vec::new();
        for (position, jwk) in (1..).zip(&list) {
            let jwk = jwk.as_object().ok_or(KeysError::NotAKey { position })?;
            if let Some(member) = PRIVATE_MEMBERS
                .into_iter()
                .find(|member| jwk.contains_key(*member))
            {
                return Err(KeysError::PrivateKey { position, member });
            }
            match key(jwk, algorithms) {
                Ok(key) => keys.push(key),
                Err(reason) => left_out.push((position, reason)),
            }
        }
        if keys.is_empty() {
            return Err(KeysError::NoneFits {
                algorithms: algorithms.to_vec(),
                left_out,
            });
        }
        match repeated_id(&keys) {
            Some(id) => Err(KeysError::RepeatedId(id.to_owned())),
            None => Ok(Self(keys)),
        }
    }

    /// Returns the keys that may have signed a token: the one that its `kid` names, or all if it has
    /// no `kid`.
    pub(super) fn candidates(&self, kid: Option<&str>) -> impl Iterator<Item = &Key> {
        self.0
            .iter()
            .filter(move |key| kid.is_none() || key.id.as_deref() == kid)
    }
}

fn none_fits(algorithms: &[Algorithm], left_out: &[(usize, UnusableKey)]) -> String {
    let names: Vec<_> = algorithms
        .iter()
        .map(|algorithm| algorithm.as_str())
        .collect();
    let text = format!("it has no key that verifies {}", names.join(" or "));
    if left_out.is_empty() {
        return text;
    }
    let left_out = left_out
        .iter()
        .map(|(position, reason)| format!("key {position} {reason}"));
    format!("{text}: {}", left_out.collect::<Vec<_>>().join("; "))
}

fn repeated_id(keys: &[Key]) -> Option<&str> {
    keys.iter().enumerate().find_map(|(index, key)| {
        let id = key.id.as_deref()?;
        let mut earlier = keys[..index].iter();
        earlier.any(|it| it.id == key.id).then_some(id)
    })
}

/// Reads one JWK (RFC 7517 §4).
fn key(jwk: &Map<String, Value>, algorithms: &[Algorithm]) -> Result<Key, UnusableKey> {
    let is_for_signatures = jwk.get("use").is_none_or(|value| value == "sig")
        && jwk.get("key_ops").is_none_or(|operations| {
            operations
                .as_array()
                .is_some_and(|list| list.iter().any(|it| it == "verify"))
        });
    if !is_for_signatures {
        return Err(UnusableKey::Purpose);
    }
    let id = match jwk.get("kid") {
        None => None,
        Some(Value::String(id)) => Some(id.clone()),
        Some(_) => return Err(UnusableKey::Id),
    };
    let algorithm = algorithm(jwk, algorithms)?;
    let public = public_key(jwk, algorithm).ok_or(UnusableKey::Malformed)?;
    Ok(Key {
        id,
        algorithm,
        public,
    })
}

/// Returns the algorithm of a key: its `alg`, or else the only algorithm of the issuer that fits it.
fn algorithm(jwk: &Map<String, Value>, algorithms: &[Algorithm]) -> Result<Algorithm, UnusableKey> {
    let named = jwk.get("alg");
    let fitting: Vec<_> = Algorithm::ALL
        .into_iter()
        .filter(|algorithm| algorithms.contains(algorithm) && fits(jwk, *algorithm))
        .filter(|algorithm| named.is_none_or(|name| name == algorithm.as_str()))
        .collect();
    match fitting[..] {
        [algorithm] => Ok(algorithm),
        [] => Err(UnusableKey::Algorithm),
        _ => Err(UnusableKey::Ambiguous),
    }
}

/// Returns true if the type and curve of a key are those of the algorithm (RFC 7518 §3.1, RFC 8037
/// §3.1).
fn fits(jwk: &Map<String, Value>, algorithm: Algorithm) -> bool {
    let (kty, crv) = match algorithm {
        Algorithm::Es256 => ("EC", Some("P-256")),
        Algorithm::Es384 => ("EC", Some("P-384")),
        Algorithm::EdDsa => ("OKP", Some("Ed25519")),
        _ => ("RSA", None),
    };
    jwk.get("kty").is_some_and(|value| value == kty)
        && crv.is_none_or(|crv| jwk.get("crv").is_some_and(|value| value == crv))
}

/// Reads the key. Returns `None` unless its members have the sizes of the algorithm: coordinates of
/// the full length (RFC 7518 §6.2.1.2), an RSA modulus of 2048 to 8192 bits (§3.3).
fn public_key(jwk: &Map<String, Value>, algorithm: Algorithm) -> Option<DecodingKey> {
    match algorithm {
        Algorithm::Es256 => ec_key(jwk, 32, &ECDSA_P256_SHA256_FIXED),
        Algorithm::Es384 => ec_key(jwk, 48, &ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDsa => {
            let x = bytes(jwk, "x").filter(|x| x.len() == 32)?;
            Some(DecodingKey::from_ed_der(&x))
        }
        _ => rsa_key(jwk),
    }
}

fn ec_key(
    jwk: &Map<String, Value>,
    length: usize,
    curve: &'static EcdsaVerificationAlgorithm,
) -> Option<DecodingKey> {
    let [x, y] = ["x", "y"].map(|name| bytes(jwk, name).filter(|it| it.len() == length));
    // SEC 1 §2.3.3: an uncompressed point.
    let point = [&[0x04], &x?[..], &y?[..]].concat();
    // jsonwebtoken checks the point only when it verifies a token; an invalid one is reported at
    // start.
    ParsedPublicKey::new(curve, &point).ok()?;
    Some(DecodingKey::from_ec_der(&point))
}

fn rsa_key(jwk: &Map<String, Value>) -> Option<DecodingKey> {
    // RFC 7518 §6.3.1.1 forbids a leading zero octet, and notes that it is a common mistake.
    let number = |name| {
        let bytes = bytes(jwk, name)?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Some(bytes[zeros..].to_vec())
    };
    let (n, e) = (number("n")?, number("e")?);
    let bits = n.len() * 8 - usize::try_from(n.first()?.leading_zeros()).ok()?;
    (2048..=8192)
        .contains(&bits)
        .then(|| DecodingKey::from_rsa_raw_components(&n, &e))
}

fn bytes(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(jwk.get(name)?.as_str()?).ok()
}

#[cfg(test)]
mod tests;
