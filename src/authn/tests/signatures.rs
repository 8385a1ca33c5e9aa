//! Algorithms, keys, and what a header may say of them.

use super::*;

#[test]
fn every_algorithm_verifies_and_no_key_verifies_another_one() {
    for algorithm in Algorithm::ALL {
        let signer = Signer::new(algorithm);
        let good = authn(&[signer.jwk("a")], &Algorithm::ALL);
        assert!(
            user(&good, &signer.token(json!({}), json!({}))).is_ok(),
            "{algorithm}"
        );
        let stranger = Signer::new(algorithm);
        assert_eq!(
            refused(&good, &stranger, json!({}), json!({})),
            "the token's signature does not verify",
            "{algorithm}"
        );
        for other in Algorithm::ALL.into_iter().filter(|one| *one != algorithm) {
            assert_eq!(
                refused(&good, &signer, json!({"alg": other.as_str()}), json!({})),
                "the token's key is for another algorithm than its `alg`",
                "{algorithm} as {other}"
            );
        }
    }
}

#[test]
fn a_header_is_read_for_what_it_allows() {
    let (authn, signer) = corp();
    let alg = "the token's `alg` is not a signature algorithm that is accepted";
    let typ = "the token's `typ` is not that of an access token";
    let crit = "the token's header has `crit`: no extension is understood";
    for (header, why) in [
        (json!({"alg": "none"}), alg),
        (json!({"alg": "HS256"}), alg),
        (json!({"alg": "es256"}), alg),
        (json!({"alg": ["ES256"]}), alg),
        (json!({"alg": null}), alg),
        (
            json!({"alg": "ES384"}),
            "the token's `alg` is not one that its issuer is configured with",
        ),
        (json!({"typ": "logout+jwt"}), typ),
        (json!({"typ": "dpop+jwt"}), typ),
        (json!({"typ": "secevent+jwt"}), typ),
        (json!({"typ": "id_token+jwt"}), typ),
        (json!({"typ": ""}), typ),
        (json!({"typ": 1}), typ),
        (json!({"crit": ["b64"], "b64": false}), crit),
        (json!({"crit": []}), crit),
        (json!({"kid": 1}), "the token's `kid` is no string"),
        (
            json!({"kid": "b"}),
            "the token's `kid` names no key of its issuer",
        ),
        (
            json!({"kid": ""}),
            "the token's `kid` names no key of its issuer",
        ),
    ] {
        assert_eq!(
            refused(&authn, &signer, header.clone(), json!({})),
            why,
            "{header}"
        );
    }
    for typ in [
        json!(null),
        json!("JWT"),
        json!("AT+jwt"),
        json!("application/at+jwt"),
    ] {
        assert!(
            user(&authn, &signer.token(json!({"typ": typ}), json!({}))).is_ok(),
            "{typ}"
        );
    }
}

#[test]
fn keys_that_a_token_brings_along_are_not_used() {
    let (authn, _) = corp();
    let thief = Signer::new(Algorithm::Es256);
    let header = json!({
        "jwk": thief.jwk("a"), "jku": "http://127.0.0.1:1/keys", "x5u": "http://127.0.0.1:1/", "x5c": ["AA"],
    });
    assert_eq!(
        refused(&authn, &thief, header.clone(), json!({})),
        "the token's signature does not verify"
    );
    assert_eq!(
        refused(
            &authn,
            &thief,
            merged(header, json!({"kid": null})),
            json!({})
        ),
        "the token's signature does not verify"
    );
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let signer = Signer::new(Algorithm::Rs256);
    let authn = authn(&[signer.jwk("a")], &[Algorithm::Rs256]);
    let public = signer.jwk("a").to_string();
    let forger = Signer {
        key: EncodingKey::from_secret(public.as_bytes()),
        algorithm: jsonwebtoken::Algorithm::HS256,
    };
    assert_eq!(
        refused(&authn, &forger, json!({}), json!({})),
        "the token's `alg` is not a signature algorithm that is accepted"
    );
    assert_eq!(
        refused(&authn, &forger, json!({"alg": "RS256"}), json!({})),
        "the token's signature does not verify"
    );
}

#[test]
fn without_a_kid_each_key_of_the_algorithm_is_tried() {
    let (one, two) = (Signer::new(Algorithm::Es256), Signer::new(Algorithm::Es256));
    let three = Signer::new(Algorithm::Es256);
    let authn = authn(&[one.jwk("1"), two.jwk("2")], &[Algorithm::Es256]);
    let no_kid = json!({"kid": null});
    assert!(user(&authn, &two.token(no_kid.clone(), json!({}))).is_ok());
    assert_eq!(
        refused(&authn, &three, no_kid, json!({})),
        "the token's signature does not verify"
    );
    assert_eq!(
        refused(&authn, &two, json!({"kid": "1"}), json!({})),
        "the token's signature does not verify"
    );
}
