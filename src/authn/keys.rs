//! The keys of one issuer: a JWKS as data (RFC 7517, 7518 §6, 8037 §2).

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, EcdsaVerificationAlgorithm, ParsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::json;

/// The largest JWKS that is read, in bytes, and the most keys in it: far above what issuers publish.
pub(super) const LARGEST: usize = 256 * 1024;
const MOST_KEYS: usize = 64;

/// Members that only private keys (RFC 7518 §6.2.2, §6.3.2, RFC 8037 §2) or shared secrets
/// (RFC 7518 §6.4.1) have.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The keys of one issuer: public ones, parsed, each with its one algorithm.
#[derive(Debug)]
pub struct Keys(Vec<Key>);

/// One key. It verifies with one algorithm and no other, so that no token can choose.
pub(super) struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    public: DecodingKey,
}

impl Key {
    /// The algorithm that it verifies.
    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether the signature (base64url) of the message is this key's.
    pub(super) fn verifies(&self, message: &[u8], signature: &str) -> bool {
        let algorithm = self.algorithm.into();
        jsonwebtoken::crypto::verify(signature, message, &self.public, algorithm).unwrap_or(false)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.id, self.algorithm)
    }
}

/// The reason why a JWKS is not accepted. The messages are sentences about "it".
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeysError {
    /// It is larger than any that is read.
    #[error("it is larger than {} KiB", LARGEST / 1024)]
    TooLarge,
    /// It is not a JSON object.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// It has a member twice, at any depth.
    #[error("a member in it is repeated")]
    RepeatedMember,
    /// It has no list of keys.
    #[error("it is no JWKS: it has no list `keys` (RFC 7517, section 5)")]
    NoList,
    /// It has more keys than are read.
    #[error("it has more than {MOST_KEYS} keys")]
    TooMany,
    /// One of its keys is not an object.
    #[error("key {position} in it is not an object")]
    NotAKey {
        /// The position of the key, from 1.
        position: usize,
    },
    /// It holds a private key or a shared secret: whoever can read it could sign tokens.
    #[error(
        "it holds private keys: key {position} has `{member}`. Replace that key at the issuer, and \
         give the public keys only"
    )]
    PrivateKey {
        /// The position of the key, from 1.
        position: usize,
        /// The member that only private keys have.
        member: &'static str,
    },
    /// None of its keys can verify a token of these algorithms.
    #[error("{}", none_fits(algorithms, left_out))]
    NoneFits {
        /// The algorithms.
        algorithms: Vec<Algorithm>,
        /// The position of each key, from 1, with the reason why it is left out.
        left_out: Vec<(usize, UnusableKey)>,
    },
    /// Two of its keys have the same id.
    #[error("two keys in it have the `kid` {0:?}")]
    RepeatedId(String),
}

/// The reason why one key of a JWKS is left out. The messages are the ends of sentences that begin with
/// the key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UnusableKey {
    /// It is not for verifying signatures.
    #[error("is not for verifying signatures (`use`, `key_ops`)")]
    Purpose,
    /// Its id is not a string.
    #[error("has a `kid` that is no string")]
    Id,
    /// It is for an algorithm that is not among those of the issuer.
    #[error("is for another algorithm (`kty`, `crv`, `alg`)")]
    Algorithm,
    /// It fits several algorithms of the issuer.
    #[error("fits several algorithms and has no `alg` that says which")]
    Ambiguous,
    /// Its parts are malformed, or of sizes that are not supported.
    #[error("is malformed, or its size is not supported")]
    Malformed,
}

impl Keys {
    /// Reads a JWKS (RFC 7517 §5). Keys that cannot verify a token of these algorithms are left out, as
    /// §5 asks.
    ///
    /// # Errors
    /// It is not a JWKS, it holds private keys, or none of its keys remains.
    pub fn parse(jwks: &[u8], algorithms: &[Algorithm]) -> Result<Self, KeysError> {
        if jwks.len() > LARGEST {
            return Err(KeysError::TooLarge);
        }
        let mut set = json::object(jwks).map_err(|fault| match fault {
            json::Fault::NoObject => KeysError::NotAnObject,
            json::Fault::Repeated => KeysError::RepeatedMember,
        })?;
        let Some(Value::Array(list)) = set.remove("keys") else {
            return Err(KeysError::NoList);
        };
        if list.len() > MOST_KEYS {
            return Err(KeysError::TooMany);
        }
        let mut keys = Vec::new();
        let mut left_out = Vec::new();
        for (position, jwk) in (1..).zip(&list) {
            let jwk = jwk.as_object().ok_or(KeysError::NotAKey { position })?;
            if let Some(member) = PRIVATE.into_iter().find(|one| jwk.contains_key(*one)) {
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

    /// The keys that a token may be signed with: the one that its `kid` names; without one, all.
    pub(super) fn candidates(&self, kid: Option<&str>) -> impl Iterator<Item = &Key> {
        self.0
            .iter()
            .filter(move |key| kid.is_none() || key.id.as_deref() == kid)
    }
}

fn none_fits(algorithms: &[Algorithm], left_out: &[(usize, UnusableKey)]) -> String {
    let names: Vec<_> = algorithms.iter().map(|one| one.as_str()).collect();
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
        earlier.any(|one| one.id == key.id).then_some(id)
    })
}

/// Reads one JWK (RFC 7517 §4).
fn key(jwk: &Map<String, Value>, algorithms: &[Algorithm]) -> Result<Key, UnusableKey> {
    let is_for_signatures = jwk.get("use").is_none_or(|value| value == "sig")
        && jwk.get("key_ops").is_none_or(|operations| {
            operations
                .as_array()
                .is_some_and(|list| list.iter().any(|one| one == "verify"))
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

/// Returns the one algorithm of a key: what its `alg` says, else the only one of the issuer's that fits
/// it.
fn algorithm(jwk: &Map<String, Value>, algorithms: &[Algorithm]) -> Result<Algorithm, UnusableKey> {
    let named = jwk.get("alg");
    let fitting: Vec<_> = Algorithm::ALL
        .into_iter()
        .filter(|one| algorithms.contains(one) && fits(jwk, *one))
        .filter(|one| named.is_none_or(|name| name == one.as_str()))
        .collect();
    match fitting[..] {
        [algorithm] => Ok(algorithm),
        [] => Err(UnusableKey::Algorithm),
        _ => Err(UnusableKey::Ambiguous),
    }
}

/// Whether a key's type and curve are those of the algorithm (RFC 7518 §3.1, RFC 8037 §3.1).
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

/// The key, if its parts have the sizes that the algorithm asks for: coordinates their full length
/// (RFC 7518 §6.2.1.2), an RSA modulus 2048 to 8192 bits (§3.3).
fn public_key(jwk: &Map<String, Value>, algorithm: Algorithm) -> Option<DecodingKey> {
    match algorithm {
        Algorithm::Es256 => point(jwk, 32, &ECDSA_P256_SHA256_FIXED),
        Algorithm::Es384 => point(jwk, 48, &ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDsa => {
            let x = bytes(jwk, "x").filter(|x| x.len() == 32)?;
            Some(DecodingKey::from_ed_der(&x))
        }
        _ => rsa_key(jwk),
    }
}

fn point(
    jwk: &Map<String, Value>,
    length: usize,
    curve: &'static EcdsaVerificationAlgorithm,
) -> Option<DecodingKey> {
    let [x, y] = ["x", "y"].map(|name| bytes(jwk, name).filter(|it| it.len() == length));
    // SEC 1 §2.3.3: an uncompressed point.
    let point = [&[0x04], &x?[..], &y?[..]].concat();
    // jsonwebtoken finds out only when a token is verified; an operator wants to know at start.
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
mod tests {
    use serde_json::json;

    use super::super::tests::Signer;
    use super::*;

    fn parse(keys: Value, algorithms: &[Algorithm]) -> Result<Vec<Key>, String> {
        let jwks = json!({ "keys": keys }).to_string();
        let keys = Keys::parse(jwks.as_bytes(), algorithms);
        keys.map(|keys| keys.0).map_err(|error| error.to_string())
    }

    fn changed(jwk: &Value, member: &str, value: Value) -> Value {
        let mut jwk = jwk.clone();
        jwk[member] = value;
        jwk
    }

    #[test]
    fn a_key_without_alg_has_the_only_algorithm_that_fits_it() {
        let mut jwk = Signer::new(Algorithm::Rs256).jwk("a");
        jwk.as_object_mut().unwrap().remove("alg");
        let keys = parse(json!([jwk]), &[Algorithm::Es256, Algorithm::Ps384]).unwrap();
        assert_eq!(keys[0].algorithm(), Algorithm::Ps384);
        let both = [Algorithm::Rs256, Algorithm::Ps256];
        assert_eq!(
            parse(json!([jwk]), &both).unwrap_err(),
            "it has no key that verifies RS256 or PS256: key 1 fits several algorithms and has no \
             `alg` that says which"
        );
    }

    #[test]
    fn keys_of_no_use_are_left_out_with_the_reason() {
        let good = Signer::new(Algorithm::Es256).jwk("good");
        let other = "is for another algorithm (`kty`, `crv`, `alg`)";
        let malformed = "is malformed, or its size is not supported";
        let purpose = "is not for verifying signatures (`use`, `key_ops`)";
        let cases = [
            (changed(&good, "use", json!("enc")), purpose),
            (changed(&good, "key_ops", json!(["deriveKey"])), purpose),
            (changed(&good, "key_ops", json!("verify")), purpose),
            (
                changed(&good, "kid", json!(7)),
                "has a `kid` that is no string",
            ),
            (changed(&good, "alg", json!("ES384")), other),
            (changed(&good, "alg", json!(["ES256"])), other),
            (changed(&good, "kty", json!("OKP")), other),
            (changed(&good, "crv", json!("P-384")), other),
            (changed(&good, "crv", json!("secp256k1")), other),
            (json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": ""}), other),
            (changed(&good, "x", json!("AA")), malformed),
            (changed(&good, "x", json!("====")), malformed),
            // Right in length, but not on the curve.
            (changed(&good, "x", good["y"].clone()), malformed),
        ];
        for (jwk, reason) in cases {
            assert_eq!(
                parse(json!([jwk]), &[Algorithm::Es256]).unwrap_err(),
                format!("it has no key that verifies ES256: key 1 {reason}"),
                "{jwk}"
            );
            let beside = parse(json!([jwk, good]), &[Algorithm::Es256]).unwrap();
            assert_eq!(beside.len(), 1, "{jwk}");
        }
    }

    #[test]
    fn a_weak_rsa_key_is_left_out() {
        let good = Signer::new(Algorithm::Rs256).jwk("a");
        let modulus = bytes(good.as_object().unwrap(), "n").unwrap();
        let half = URL_SAFE_NO_PAD.encode(&modulus[128..]);
        assert_eq!(
            parse(
                json!([changed(&good, "n", json!(half))]),
                &[Algorithm::Rs256]
            )
            .unwrap_err(),
            "it has no key that verifies RS256: key 1 is malformed, or its size is not supported"
        );
        let padded = URL_SAFE_NO_PAD.encode([&[0], modulus.as_slice()].concat());
        let keys = parse(
            json!([changed(&good, "n", json!(padded))]),
            &[Algorithm::Rs256],
        );
        assert_eq!(keys.unwrap().len(), 1);
    }

    #[test]
    fn private_keys_and_shared_secrets_are_refused() {
        let good = Signer::new(Algorithm::Es256).jwk("a");
        for jwk in [
            changed(&good, "d", json!("AA")),
            json!({"kty": "oct", "k": "AA"}),
        ] {
            let error = parse(json!([good, jwk]), &[Algorithm::Es256]).unwrap_err();
            assert!(
                error.starts_with("it holds private keys: key 2 has `"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_no_jwks_is_refused() {
        let es256 = [Algorithm::Es256];
        let error = |bytes: &[u8]| Keys::parse(bytes, &es256).unwrap_err().to_string();
        assert_eq!(error(b"<html>"), "it is not a JSON object");
        assert_eq!(
            error(br#"{"keys":[],"keys":[]}"#),
            "a member in it is repeated"
        );
        let no_list = "it is no JWKS: it has no list `keys` (RFC 7517, section 5)";
        assert_eq!(error(br#"{"keys":{}}"#), no_list);
        assert_eq!(error(br#"{"kty":"EC"}"#), no_list);
        assert_eq!(error(br#"{"keys":[1]}"#), "key 1 in it is not an object");
        assert_eq!(
            error(br#"{"keys":[]}"#),
            "it has no key that verifies ES256"
        );
        assert_eq!(error(&vec![b' '; LARGEST + 1]), "it is larger than 256 KiB");
        let many = json!({ "keys": vec![json!({}); MOST_KEYS + 1] }).to_string();
        assert_eq!(error(many.as_bytes()), "it has more than 64 keys");
        let twice = Signer::new(Algorithm::Es256).jwk("a");
        assert_eq!(
            parse(json!([twice, twice]), &es256).unwrap_err(),
            "two keys in it have the `kid` \"a\""
        );
    }
}
