//! Invalid step-up tokens, each refused with its own reason.

use crate::support::base64url::claims;
use serde_json::{Value, json};

use super::*;
use crate::support::deployment::{OWN_PARTY, new_key};
use crate::support::place::{on_both, plain};

/// A claim to change in a step-up token, its new value (`null` removes it), and the cause in the
/// log.
type Wrong = (&'static str, fn(&Value) -> Value, &'static str);

const WRONG: [Wrong; 8] = [
    (
        "exp",
        |claims| json!(claims["iat"].as_i64().unwrap() - 120),
        "the token has expired",
    ),
    (
        "aud",
        |_| json!("https://elsewhere.example"),
        "the token's `aud` does not contain an audience of this gateway",
    ),
    (
        "first_issuer",
        |_| json!("acme"),
        "the issuer of the sign-in is no longer configured",
    ),
    (
        "first_issuer",
        |_| Value::Null,
        "the issuer of the sign-in is no longer configured",
    ),
    (
        "iss",
        |_| json!("https://mfa.example.com/"),
        "the token's `iss` is not a configured issuer",
    ),
    (
        "iss",
        |_| json!("https://id.example.com"),
        "the token's `kid` names no key of its issuer",
    ),
    (
        "epoch",
        |_| Value::Null,
        "the step-up token's `epoch` is missing or not a number",
    ),
    (
        "epoch",
        |claims| json!(claims["epoch"].as_u64().unwrap() + 1),
        "an authenticator was removed since this step-up",
    ),
];

/// Checks that the token is refused, with this cause in the log.
async fn assert_refused(place: &Place, token: &str, cause: &str) {
    let answer = place.nobody.with(token, TENANT).get(METHODS).await;
    assert_eq!(answer.says(), (401, "unauthenticated"), "{cause}");
    let challenge = answer.header("www-authenticate");
    assert!(
        challenge.contains(r#"error="invalid_token""#),
        "{cause}: {challenge}"
    );
    let event = place.gateway.event(answer.header("x-request-id"));
    assert_eq!(event["cause"], cause);
}

#[tokio::test]
async fn invalid_step_up_token_is_refused_with_its_reason() {
    on_both(plain, async |place| {
        let mut alice = Enrolled::at(place, "alice").await;
        let token = alice.key.token(&alice.weak).await;
        let header = jsonwebtoken::decode_header(&token).unwrap();
        let good = claims(&token);
        let sign = |claims: &Value| place.deployment.sign_step_up(&header, claims);
        for (claim, value, cause) in WRONG {
            let mut claims = good.clone();
            claims[claim] = value(&good);
            assert_refused(place, &sign(&claims), cause).await;
        }

        // signed with a foreign key, and with that of the first issuer
        let folder = tempfile::tempdir().unwrap();
        let foreign = new_key(&folder.path().join("jwks.json"));
        let signed = jsonwebtoken::encode(&header, &good, &foreign).unwrap();
        let cause = "the token's signature does not verify";
        assert_refused(place, &signed, cause).await;
        let cause = "the token's `kid` names no key of its issuer";
        assert_refused(place, &place.deployment.sign(&good), cause).await;

        // without a change the token is valid
        let again = alice.weak.with(sign(&good), TENANT).get(METHODS).await;
        assert_eq!(again.status, 200, "{again:?}");
    })
    .await;
}

#[tokio::test]
async fn step_up_token_of_another_tenant_opens_nothing() {
    on_both(plain, async |place| {
        let mut alice = Enrolled::at(place, "alice").await;
        let token = alice.key.token(&alice.weak).await;
        let header = jsonwebtoken::decode_header(&token).unwrap();
        let mut elsewhere = claims(&token);
        elsewhere["tenant_id"] = json!(OWN_PARTY);
        let elsewhere = place.deployment.sign_step_up(&header, &elsewhere);
        let answer = alice.weak.with(&elsewhere, TENANT).get(METHODS).await;
        assert_eq!(answer.says(), (403, "tenant_mismatch"));
        let event = place.gateway.event(answer.header("x-request-id"));
        assert_eq!(event["principal"], format!("corp|{OWN_PARTY}|alice"));
        // there the user has nothing
        let answer = alice.weak.with(&elsewhere, OWN_PARTY).get(METHODS).await;
        assert_eq!(answer.body["methods"], json!([]), "{answer:?}");
    })
    .await;
}
