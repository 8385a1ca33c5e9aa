//! Tests of each claim.

use super::*;

/// The last second of the year 9999, the last that RFC 3339 can write.
const LAST_SECOND: i64 = 253_402_300_799;

#[test]
fn malformed_claim_is_refused_with_its_reason() {
    let (authn, signer) = corp();
    let iss = "the token's `iss` is missing or not a string";
    let other_iss = "the token's `iss` is not a configured issuer";
    let aud = "the token's `aud` is missing, or not a string or a list of strings";
    let not_us = "the token's `aud` does not contain an audience of this gateway";
    let sub = "the token's `sub` is missing, empty or not a string";
    let long = "the token's `sub` is longer than 255 bytes";
    let control = "the token's `sub` holds a control character";
    let exp = "the token's `exp` is missing or not a number";
    let too_late = "the token's `exp` is beyond the year 9999";
    let tenant = "the token's tenant claim is not one UUID";
    let groups = "the token's groups are not a list of non-empty strings";
    let elsewhere = "the token does not hold its groups: they are kept elsewhere (`_claim_names`)";
    let purpose = "the token is not an access token (claim `typ` or `events`)";
    let cnf = "the token is bound to a key (`cnf`), and proof of possession is not supported";
    for (claims, why) in [
        (json!({"iss": null}), iss),
        (json!({"iss": [ISSUER]}), iss),
        (json!({"iss": "https://id.example.com/"}), other_iss),
        (json!({"iss": "HTTPS://id.example.com"}), other_iss),
        (json!({"aud": null}), aud),
        (json!({"aud": {"a": AUDIENCE}}), aud),
        (json!({"aud": [AUDIENCE, 1]}), aud),
        (json!({"aud": []}), not_us),
        (json!({"aud": ["https://api.example.com/x"]}), not_us),
        (json!({"sub": null}), sub),
        (json!({"sub": ""}), sub),
        (json!({"sub": 1}), sub),
        (json!({"sub": "a".repeat(256)}), long),
        (json!({"sub": "é".repeat(128)}), long),
        (json!({"sub": "a\u{0}b"}), control),
        (json!({"sub": "\n"}), control),
        (json!({"sub": "a\u{7f}"}), control),
        (json!({"sub": "\u{85}a"}), control),
        (json!({"exp": null}), exp),
        (json!({"exp": "1900000000"}), exp),
        (json!({"exp": LAST_SECOND + 1}), too_late),
        (json!({"exp": (LAST_SECOND + 1) as f64}), too_late),
        (json!({"exp": i64::MAX}), too_late),
        (json!({"exp": u64::MAX}), too_late),
        (json!({"exp": 1e300}), too_late),
        (json!({"nbf": "0"}), "the token's `nbf` is not a number"),
        (json!({"iat": "0"}), "the token's `iat` is not a number"),
        (
            json!({"auth_time": "0"}),
            "the token's `auth_time` is not a number",
        ),
        (json!({"tenant_id": ""}), tenant),
        (json!({"tenant_id": [TENANT]}), tenant),
        (json!({"tenant_id": TENANT.replace('-', "")}), tenant),
        (json!({"tenant_id": format!("{TENANT},{TENANT}")}), tenant),
        (json!({"groups": "staff"}), groups),
        (json!({"groups": ["staff", 1]}), groups),
        (json!({"groups": [""]}), groups),
        (json!({"_claim_names": {"groups": "src1"}}), elsewhere),
        (
            json!({"_claim_names": {"groups": "src1"}, "groups": null}),
            elsewhere,
        ),
        (json!({"_claim_names": "groups"}), elsewhere),
        (json!({"hasgroups": true, "groups": null}), elsewhere),
        (json!({"cnf": {"jkt": "x"}}), cnf),
        (json!({"cnf": false}), cnf),
        (json!({"typ": "ID"}), purpose),
        (json!({"typ": "Logout"}), purpose),
        (json!({"typ": "Refresh"}), purpose),
        (json!({"events": {}}), purpose),
        (
            json!({"amr": "pwd"}),
            "the token's `amr` is not a list of strings",
        ),
        (
            json!({"amr": [1]}),
            "the token's `amr` is not a list of strings",
        ),
        (json!({"acr": 1}), "the token's `acr` is not a string"),
    ] {
        assert_eq!(
            refusal(&authn, &signer, json!({}), claims.clone()),
            why,
            "{claims}"
        );
    }
    let accepted = json!({"_claim_names": {"photos": "src1"}, "hasgroups": false, "typ": "Bearer", "nonce": "x"});
    assert!(user(&authn, &signer.token(json!({}), accepted)).is_ok());
}

#[test]
fn sub_of_255_bytes_without_control_characters_is_accepted() {
    let (authn, signer) = corp();
    let long = "é".repeat(127) + "a";
    for sub in [
        &long,
        " ",
        "a/b\\c",
        "..",
        "%2e;x",
        "\u{ad}\u{200b}\u{fe0f}",
        "𝕏|é",
    ] {
        let claims = json!({ "sub": sub });
        let user = user(&authn, &signer.token(json!({}), claims)).unwrap();
        assert_eq!(user.id.subject, *sub);
    }
}

#[test]
fn exp_of_the_last_second_of_9999_is_accepted() {
    let (authn, signer) = corp();
    for exp in [json!(LAST_SECOND), json!(LAST_SECOND as f64 + 0.5)] {
        let token = signer.token(json!({}), json!({ "exp": exp }));
        assert!(user(&authn, &token).is_ok(), "{exp}");
    }
}

#[test]
fn tenant_that_its_issuer_may_not_assert_is_refused() {
    const OTHER: &str = "5a5a5a5a-0000-4000-8000-000000000001";
    let (mut authn, signer) = corp();
    let mut outcome = |tenants: &[&str], claim: Value| {
        let tenants = tenants.iter().map(|tenant| tenant.parse().unwrap());
        authn.issuers[0].tenants = Some(tenants.collect());
        user(
            &authn,
            &signer.token(json!({}), json!({ "tenant_id": claim })),
        )
    };
    let why = "the issuer of the sign-in may not assert the token's tenant";
    assert_eq!(outcome(&[OTHER], json!(TENANT)).unwrap_err(), why);
    for tenants in [&[TENANT][..], &[OTHER, TENANT]] {
        assert!(outcome(tenants, json!(TENANT.to_uppercase())).is_ok());
        // A token without a tenant asserts none.
        assert!(outcome(tenants, json!(null)).unwrap().id.tenant.is_none());
    }
}

#[test]
fn groups_are_ignored_without_a_groups_claim() {
    let (mut authn, signer) = corp();
    authn.issuers[0].groups_claim = None;
    let token = signer.token(json!({}), json!({"groups": "staff"}));
    assert!(user(&authn, &token).unwrap().groups.is_empty());
}

#[test]
fn repeated_member_is_refused() {
    let (authn, signer) = corp();
    let good = good_claims().to_string();
    let twice = good.replacen('{', r#"{"sub":"bob","#, 1);
    let header = r#"{"alg":"ES256","kid":"a"}"#;
    assert!(user(&authn, &signer.sign(header, &good)).is_ok());
    assert_eq!(
        user(&authn, &signer.sign(header, &twice)).unwrap_err(),
        "a claim of the token is repeated"
    );
    let nested = good.replacen('{', r#"{"x":{"a":1,"a":2},"#, 1);
    assert_eq!(
        user(&authn, &signer.sign(header, &nested)).unwrap_err(),
        "a claim of the token is repeated"
    );
    assert_eq!(
        user(
            &authn,
            &signer.sign(r#"{"alg":"none","alg":"ES256"}"#, &good)
        )
        .unwrap_err(),
        "a member of the token's header is repeated"
    );
}

#[test]
fn times_are_checked_with_a_leeway_of_one_minute() {
    let (authn, signer) = corp();
    let token = signer.token(json!({}), json!({"exp": NOW, "iat": NOW - 600}));
    assert!(
        user_at(
            &authn,
            &token,
            Timestamp::from_millis((NOW + 60) * 1000 - 1)
        )
        .is_ok()
    );
    assert_eq!(
        user_at(&authn, &token, at(NOW + 60)).unwrap_err(),
        "the token has expired"
    );
    let ahead = json!({"nbf": NOW + 60, "iat": NOW + 60, "auth_time": NOW + 60});
    assert!(user(&authn, &signer.token(json!({}), ahead)).is_ok());
    for (claim, why) in [
        ("nbf", "the token is not valid yet (`nbf`)"),
        ("iat", "the token's `iat` is in the future"),
        ("auth_time", "the token's `auth_time` is in the future"),
    ] {
        assert_eq!(
            refusal(&authn, &signer, json!({}), json!({claim: NOW + 61})),
            why
        );
        assert_eq!(
            refusal(&authn, &signer, json!({}), json!({claim: 1e300})),
            why
        );
    }
    assert_eq!(
        refusal(&authn, &signer, json!({}), json!({"exp": -1e300})),
        "the token has expired"
    );
}
