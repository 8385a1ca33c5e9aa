//! Tests of algorithms, keys and the JOSE header.

use super::*;

#[test]
fn key_of_each_algorithm_verifies_that_algorithm_only() {
    for algorithm in Algorithm::ALL {
        let signer = Signer::new(algorithm);
        let good = authn(&[signer.jwk("a")], &Algorithm::ALL);
        assert!(
            user(&good, &signer.token(json!({}), json!({}))).is_ok(),
            "{algorithm}"
        );
        let other_key = Signer::new(algorithm);
        assert_eq!(
            refusal(&good, &other_key, json!({}), json!({})),
            "the token's signature does not verify",
            "{algorithm}"
        );
        for other in Algorithm::ALL
            .into_iter()
            .filter(|other| *other != algorithm)
        {
            assert_eq!(
                refusal(&good, &signer, json!({"alg": other.as_str()}), json!({})),
                "the token's key is for another algorithm than its `alg`",
                "{algorithm} as {other}"
            );
        }
    }
}

#[test]
fn malformed_token_header_is_refused_with_its_reason() {
    let (authn, signer) = corp();
    let alg = "the token's `alg` is not a signature algorithm that is accepted";
    let typ = "the token's `typ` is not that of an access token";
    let crit = "the token's header has `crit`, and no extension is supported";
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
        (json!({"kid": 1}), "the token's `kid` is not a string"),
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
            refusal(&authn, &signer, header.clone(), json!({})),
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
fn key_in_a_token_header_is_not_used() {
    let (authn, _) = corp();
    let attacker = Signer::new(Algorithm::Es256);
    let header = json!({
        "jwk": attacker.jwk("a"), "jku": "http://127.0.0.1:1/keys", "x5u": "http://127.0.0.1:1/", "x5c": ["AA"],
    });
    assert_eq!(
        refusal(&authn, &attacker, header.clone(), json!({})),
        "the token's signature does not verify"
    );
    assert_eq!(
        refusal(
            &authn,
            &attacker,
            merged(header, json!({"kid": null})),
            json!({})
        ),
        "the token's signature does not verify"
    );
}

#[test]
fn public_key_used_as_a_shared_secret_is_refused() {
    let signer = Signer::new(Algorithm::Rs256);
    let authn = authn(&[signer.jwk("a")], &[Algorithm::Rs256]);
    let public = signer.jwk("a").to_string();
    let forger = Signer {
        key: EncodingKey::from_secret(public.as_bytes()),
        algorithm: jsonwebtoken::Algorithm::HS256,
    };
    assert_eq!(
        refusal(&authn, &forger, json!({}), json!({})),
        "the token's `alg` is not a signature algorithm that is accepted"
    );
    assert_eq!(
        refusal(&authn, &forger, json!({"alg": "RS256"}), json!({})),
        "the token's signature does not verify"
    );
}

#[test]
fn token_without_a_kid_is_verified_with_each_key_of_its_algorithm() {
    let (first, second) = (Signer::new(Algorithm::Es256), Signer::new(Algorithm::Es256));
    let unknown = Signer::new(Algorithm::Es256);
    let authn = authn(&[first.jwk("1"), second.jwk("2")], &[Algorithm::Es256]);
    let no_kid = json!({"kid": null});
    assert!(user(&authn, &second.token(no_kid.clone(), json!({}))).is_ok());
    assert_eq!(
        refusal(&authn, &unknown, no_kid, json!({})),
        "the token's signature does not verify"
    );
    assert_eq!(
        refusal(&authn, &second, json!({"kid": "1"}), json!({})),
        "the token's signature does not verify"
    );
}
