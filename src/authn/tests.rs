//! Tests of token verification with real keys and signatures.

mod claims;
mod hostile;
mod memory;
mod signatures;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt as _;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::jwk::Jwk;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use cedargate_core::Confirmation;

const NOW: i64 = 1_800_000_000;
const TENANT: &str = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";
const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://api.example.com";

/// An issuer's private key.
pub(super) struct Signer {
    key: EncodingKey,
    algorithm: jsonwebtoken::Algorithm,
}

impl Signer {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        let random = SystemRandom::new();
        let ec = |curve| {
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(curve, &random).unwrap();
            EncodingKey::from_ec_der(pkcs8.as_ref())
        };
        let key = match algorithm {
            Algorithm::Es256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::Es384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::EdDsa => {
                let pkcs8 = Ed25519KeyPair::generate_pkcs8v1(&random).unwrap();
                EncodingKey::from_ed_der(pkcs8.as_ref())
            }
            _ => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
                // PKCS#8 (RFC 5208) puts 26 bytes before the PKCS#1 key of this size.
                EncodingKey::from_rsa_der(&pair.as_der().unwrap().as_ref()[26..])
            }
        };
        Self {
            key,
            algorithm: algorithm.as_str().parse().unwrap(),
        }
    }

    pub(super) fn jwk(&self, kid: &str) -> Value {
        let jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = kid.into();
        jwk
    }

    fn sign(&self, header: &str, claims: &str) -> String {
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }

    /// Signs a good token with these changes to its members. A change to `null` removes a member.
    pub(super) fn token(&self, header: Value, claims: Value) -> String {
        let alg = format!("{:?}", self.algorithm);
        let header = merged(json!({"alg": alg, "typ": "at+jwt", "kid": "a"}), header);
        self.sign(
            &header.to_string(),
            &merged(good_claims(), claims).to_string(),
        )
    }
}

fn good_claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": NOW + 600, "iat": NOW - 10,
        "tenant_id": TENANT, "groups": ["staff"],
    })
}

fn merged(mut good: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            good.as_object_mut().unwrap().remove(name);
        } else {
            good[name] = value.clone();
        }
    }
    good
}

fn authn(keys: &[Value], algorithms: &[Algorithm]) -> Authn {
    let issuers = vec![issuer(keys, algorithms)];
    Authn::open(Settings { issuers }, None).unwrap()
}

/// Accepts tokens of the issuer corp, signed by `signer`, and those of `step_up`.
pub(super) fn authn_with(signer: &Signer, step_up: &StepUpIssuer) -> Authn {
    let issuers = vec![issuer(&[signer.jwk("a")], &[Algorithm::Es256])];
    Authn::open(Settings { issuers }, Some(step_up)).unwrap()
}

fn issuer(keys: &[Value], algorithms: &[Algorithm]) -> Issuer {
    let jwks = json!({ "keys": keys }).to_string();
    Issuer {
        kind: IssuerKind::SignIn("corp".parse().unwrap()),
        issuer: ISSUER.into(),
        audiences: vec!["https://other.example.com".into(), AUDIENCE.into()],
        algorithms: algorithms.to_vec(),
        keys: KeySource::Local(Keys::parse(jwks.as_bytes(), algorithms).unwrap().into()),
        tenant_claim: "tenant_id".into(),
        groups_claim: Some("groups".into()),
        strong_acr: Arc::new(["phr".to_owned(), "phrh".to_owned()]),
        tenants: None,
    }
}

fn corp() -> (Authn, Signer) {
    let signer = Signer::new(Algorithm::Es256);
    (authn(&[signer.jwk("a")], &[Algorithm::Es256]), signer)
}

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn user(authn: &Authn, token: &str) -> Result<User, &'static str> {
    user_at(authn, token, at(NOW))
}

pub(super) fn user_at(authn: &Authn, token: &str, now: Timestamp) -> Result<User, &'static str> {
    match read(authn, Some(format!("Bearer {token}").as_bytes()), now) {
        Ok(Some(user)) => Ok(Arc::unwrap_or_clone(user)),
        Err(Error::InvalidToken(why)) => Err(why),
        other => panic!("{other:?}"),
    }
}

/// Reads a header. Local keys make the future ready at once.
fn read(authn: &Authn, header: Option<&[u8]>, now: Timestamp) -> Result<Option<Arc<User>>, Error> {
    let outcome = authn.user(header, now).now_or_never();
    outcome.expect("local keys need no waiting")
}

/// Returns the reason why a token with these changes is refused.
fn refusal(authn: &Authn, signer: &Signer, header: Value, claims: Value) -> &'static str {
    let changes = format!("{header} {claims}");
    user(authn, &signer.token(header, claims)).expect_err(&changes)
}

#[test]
fn good_token_gives_its_user() {
    let (authn, signer) = corp();
    let claims = json!({
        "auth_time": NOW - 60, "acr": "phr", "amr": ["pwd", "otp"], "employment": "contractor",
        "tenant_id": TENANT.to_uppercase(), "groups": ["staff", "ops"],
    });
    let user = user(&authn, &signer.token(json!({}), claims)).unwrap();
    assert_eq!(user.id.to_string(), format!("corp|{TENANT}|alice"));
    assert_eq!(user.groups, ["staff", "ops"]);
    assert_eq!(user.claims["employment"], "contractor");
    assert_eq!(user.session.amr, ["pwd", "otp"]);
    assert_eq!(user.session.acr, "phr");
    assert_eq!(user.session.strong_at, Some(at(NOW - 60)));
    assert_eq!(user.session.confirmation, Confirmation::SignIn);
    assert_eq!(user.session.code, None);
    assert_eq!(*user.strong_acr, ["phr".to_owned(), "phrh".to_owned()]);
}

#[test]
fn token_with_only_the_required_claims_is_accepted() {
    let (authn, signer) = corp();
    let claims =
        json!({"iss": ISSUER, "aud": [AUDIENCE], "sub": "a|b", "exp": NOW + 1, "nbf": null});
    let token = signer.sign(r#"{"alg":"ES256"}"#, &claims.to_string());
    let user = user(&authn, &token).unwrap();
    assert_eq!(user.id.to_string(), "corp||a|b");
    assert!(user.groups.is_empty());
    assert!(!user.claims.contains_key("nbf"));
    assert_eq!(user.session.acr, "");
    assert_eq!(user.session.strong_at, None);
}

#[test]
fn user_without_a_name_claim_is_named_by_email_or_sub() {
    let (authn, signer) = corp();
    let names = |claims| {
        let user = user(&authn, &signer.token(json!({}), claims)).unwrap();
        (user.name, user.display_name)
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(names(json!({})), pair("alice", "alice"));
    assert_eq!(
        names(json!({"email": "a@example.com", "preferred_username": " "})),
        pair("a@example.com", "a@example.com")
    );
    assert_eq!(
        names(json!({"email": "a@example.com", "preferred_username": "al", "name": "Alice A."})),
        pair("al", "Alice A.")
    );
    assert_eq!(
        names(json!({"name": 7, "email": []})),
        pair("alice", "alice")
    );
}

#[test]
fn sign_in_is_strong_only_with_a_strong_acr_and_an_auth_time() {
    let (authn, signer) = corp();
    let strong_at = |claims| {
        let token = signer.token(json!({}), claims);
        user(&authn, &token).unwrap().session.strong_at
    };
    assert_eq!(strong_at(json!({"acr": "phr"})), None);
    assert_eq!(strong_at(json!({"auth_time": NOW})), None);
    assert_eq!(strong_at(json!({"acr": "pwd", "auth_time": NOW})), None);
    assert_eq!(strong_at(json!({"acr": "PHR", "auth_time": NOW})), None);
    let in_future = strong_at(json!({"acr": "phrh", "auth_time": NOW + 60})).unwrap();
    assert_eq!(at(NOW).since(in_future), std::time::Duration::ZERO);
    assert_eq!(
        strong_at(json!({"acr": "phr", "auth_time": 1_799_999_999.5})),
        Some(Timestamp::from_millis(1_799_999_999_500))
    );
}

#[test]
fn text_that_is_not_a_jwt_is_refused_with_the_reason() {
    let (authn, signer) = corp();
    let good = signer.token(json!({}), json!({}));
    let parts: Vec<_> = good.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let three = "the token is not a signed JWT: it does not have three parts";
    let no_header = "the token's header is not a JSON object";
    let no_payload = "the token's payload is not a JSON object";
    for (token, why) in [
        ("abc".to_owned(), three),
        (format!("{header}.{payload}"), three),
        (format!("{good}.x.y"), three),
        (
            format!("{header}.{payload}."),
            "the token's signature does not verify",
        ),
        (format!("{good}="), "the token's signature is not base64url"),
        (
            format!("{header}.{payload}.+/+/"),
            "the token's signature is not base64url",
        ),
        (format!("bm90IGpzb24.{payload}.{signature}"), no_header),
        (format!("W10.{payload}.{signature}"), no_header),
        (format!("{header}.bm90IGpzb24.{signature}"), no_payload),
        (format!("{header}..{signature}"), no_payload),
    ] {
        assert_eq!(user(&authn, &token).unwrap_err(), why, "{token}");
    }
}

#[test]
fn authorization_header_is_read_by_rfc_6750() {
    let (authn, signer) = corp();
    let token = signer.token(json!({}), json!({}));
    let read_text = |header: &str| read(&authn, Some(header.as_bytes()), at(NOW));
    for header in [
        format!("Bearer {token}"),
        format!("bearer {token}"),
        format!("BEARER   {token} "),
    ] {
        assert!(read_text(&header).unwrap().is_some(), "{header}");
    }
    assert!(read(&authn, None, at(NOW)).unwrap().is_none());
    for header in ["", "Basic YTpi", "DPoP abc", "Bearerabc", "Bearer,abc"] {
        assert!(read_text(header).unwrap().is_none(), "{header}");
    }
    let empty = "no token follows the word Bearer";
    let not_one = "the text after the word Bearer is not one token (RFC 6750, section 2.1)";
    let bytes = "the Authorization header has bytes that are not printable ASCII";
    let long = format!("Bearer {}", "a".repeat(MAX_TOKEN_BYTES + 1));
    for (header, why) in [
        ("Bearer", empty),
        ("Bearer  ", empty),
        ("Bearer a b", not_one),
        ("Bearer a,b", not_one),
        ("Bearer ==", not_one),
        ("Bearer \"a\"", not_one),
        ("Bearer\ta", bytes),
        ("Bearer é", bytes),
        ("Basic é", bytes),
        (long.as_str(), "the token is longer than 16 KiB"),
    ] {
        assert_eq!(
            read_text(header).unwrap_err(),
            Error::InvalidToken(why),
            "{header}"
        );
    }
    let error = read(&authn, Some(b"Bearer \xff"), at(NOW)).unwrap_err();
    assert_eq!(error, Error::InvalidToken(bytes));
}

#[test]
fn unreachable_issuer_is_a_warning_while_another_has_keys() {
    let (mut authn, signer) = corp();
    assert_eq!(authn.health(), Health::default());
    let (mut other, _) = corp();
    let mut other = other.issuers.remove(0);
    let url = "https://id.example.org/jwks".parse().unwrap();
    other.keys = KeySource::Remote(RemoteKeys::new(url, vec![Algorithm::Es256]).into());
    other.kind = IssuerKind::SignIn("other".parse().unwrap());
    other.issuer = "https://id.example.org".into();
    authn.issuers.push(other);
    let problems =
        ["keys: issuer other has no usable keys: they have not been fetched yet".to_owned()];
    let health = authn.health();
    assert!(health.faults.is_empty());
    assert_eq!(health.warnings, problems);
    assert!(user(&authn, &signer.token(json!({}), json!({}))).is_ok());
    authn.issuers.remove(0);
    let health = authn.health();
    assert_eq!(health.faults, problems);
    assert!(health.warnings.is_empty());
}

#[test]
fn unsupported_algorithm_is_refused_with_an_explanation() {
    for algorithm in Algorithm::ALL {
        assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
    }
    let error = |text: &str| text.parse::<Algorithm>().unwrap_err();
    assert!(error("HS256").starts_with("HS algorithms sign with a shared secret"));
    assert!(error("none").starts_with("a token that is not signed proves nothing"));
    assert!(error("ES512").starts_with("the algorithms are ES256"));
}

proptest! {
    #[test]
    fn header_of_arbitrary_bytes_gives_no_user(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (authn, _) = corp();
        let with_scheme = [b"Bearer ".as_slice(), &bytes].concat();
        for header in [bytes, with_scheme] {
            let outcome = read(&authn, Some(&header), at(NOW));
            prop_assert!(matches!(
                outcome,
                Ok(None) | Err(Error::InvalidToken(_))
            ));
        }
    }

    /// A forger without the key can choose header, payload and signature freely.
    #[test]
    fn token_with_an_arbitrary_signature_gives_no_user(
        header in "\\{\"alg\":\"(ES256|none|HS256)\"(,\"(kid|typ|crit)\":\"?[a-c]\"?){0,2}\\}",
        sub in ".{0,10}",
        signature in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let (authn, _) = corp();
        let claims = merged(good_claims(), json!({ "sub": sub }));
        let token = format!(
            "{}.{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims.to_string()),
            URL_SAFE_NO_PAD.encode(signature),
        );
        prop_assert!(user(&authn, &token).is_err());
    }

    #[test]
    fn token_with_one_changed_byte_gives_no_user(at_byte in any::<prop::sample::Index>(), to in "[A-Za-z0-9._-]") {
        let (authn, signer) = corp();
        let token = signer.token(json!({}), json!({}));
        let at_byte = at_byte.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(at_byte..=at_byte, &to);
        prop_assume!(changed != token);
        prop_assert!(user(&authn, &changed).is_err());
    }
}
