use serde_json::json;

use super::*;
use crate::authn::tests::Signer;

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
fn key_without_alg_gets_the_only_algorithm_that_fits_it() {
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
fn unusable_key_is_left_out_with_its_reason() {
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
            "has a `kid` that is not a string",
        ),
        (changed(&good, "alg", json!("ES384")), other),
        (changed(&good, "alg", json!(["ES256"])), other),
        (changed(&good, "kty", json!("OKP")), other),
        (changed(&good, "crv", json!("P-384")), other),
        (changed(&good, "crv", json!("secp256k1")), other),
        (json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": ""}), other),
        (changed(&good, "x", json!("AA")), malformed),
        (changed(&good, "x", json!("====")), malformed),
        // The length is right, but the point is not on the curve.
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
fn rsa_key_of_less_than_2048_bits_is_left_out() {
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
fn document_that_is_not_a_jwks_is_refused_with_the_reason() {
    let es256 = [Algorithm::Es256];
    let error = |bytes: &[u8]| Keys::parse(bytes, &es256).unwrap_err().to_string();
    assert_eq!(error(b"<html>"), "it is not a JSON object");
    assert_eq!(
        error(br#"{"keys":[],"keys":[]}"#),
        "a member in it is repeated"
    );
    let no_list = "it is not a JWKS: it has no list `keys` (RFC 7517, section 5)";
    assert_eq!(error(br#"{"keys":{}}"#), no_list);
    assert_eq!(error(br#"{"kty":"EC"}"#), no_list);
    assert_eq!(error(br#"{"keys":[1]}"#), "key 1 in it is not an object");
    assert_eq!(
        error(br#"{"keys":[]}"#),
        "it has no key that verifies ES256"
    );
    assert_eq!(
        error(&vec![b' '; MAX_BYTES + 1]),
        "it is larger than 256 KiB"
    );
    let many = json!({ "keys": vec![json!({}); MAX_KEYS + 1] }).to_string();
    assert_eq!(error(many.as_bytes()), "it has more than 64 keys");
    let twice = Signer::new(Algorithm::Es256).jwk("a");
    assert_eq!(
        parse(json!([twice, twice]), &es256).unwrap_err(),
        "two keys in it have the `kid` \"a\""
    );
}

#[test]
fn keys_are_equal_only_with_the_same_ids_algorithms_and_members() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let (jwk, other) = (
            Signer::new(algorithm).jwk("a"),
            Signer::new(algorithm).jwk("a"),
        );
        let keys = |list: &[&Value]| {
            let keys = json!({ "keys": list }).to_string();
            Keys::parse(keys.as_bytes(), &Algorithm::ALL).unwrap()
        };
        let same = keys(&[&changed(&jwk, "use", json!("sig"))]);
        assert_eq!(keys(&[&jwk]), same);
        assert_ne!(keys(&[&jwk]), keys(&[&other]));
        assert_ne!(keys(&[&jwk]), keys(&[&changed(&jwk, "kid", json!("b"))]));
        let more = changed(&other, "kid", json!("b"));
        assert_ne!(keys(&[&jwk]), keys(&[&jwk, &more]));
    }
    let rsa = Signer::new(Algorithm::Rs256).jwk("a");
    let with = |alg: &str| parse(json!([changed(&rsa, "alg", json!(alg))]), &Algorithm::ALL);
    assert_ne!(with("RS256"), with("PS256"));
    let exponent = parse(json!([changed(&rsa, "e", json!("Aw"))]), &Algorithm::ALL);
    assert_ne!(with("RS256"), exponent);
}
