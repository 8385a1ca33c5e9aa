//! The answer to the start of an enrolment: the user in the options, and their timeout.

use crate::support::base64url;
use crate::support::deployment::{Deployment, SAME_PARTY, TENANT};
use std::collections::{BTreeSet, HashSet};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::{Client, FIDO, PASSKEY, REGISTER};
use crate::support::place::{Place, on_both, plain};

fn decoded(text: &Value) -> Vec<u8> {
    base64url::decode(text.as_str().unwrap())
}

fn members(value: &Value) -> BTreeSet<&str> {
    let members = value.as_object().unwrap().keys();
    members.map(String::as_str).collect()
}

/// Alice after a strong sign-in, with these claims added to the token.
fn alice_with(place: &Place, changes: Value) -> Client {
    let mut claims = place.deployment.strong_claims("alice", TENANT);
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    place.nobody.with(place.deployment.sign(&claims), TENANT)
}

#[tokio::test]
async fn user_handle_is_random_and_fixed_for_issuer_tenant_and_sub() {
    on_both(plain, handles).await;
}

async fn handles(place: &Place) {
    let alice = place.strong("alice");
    let first = place.begun(&alice, PASSKEY).await;
    let handle = async |caller: &Client, method_type| {
        let options = caller.begin(method_type).await;
        let bytes: [u8; 16] = decoded(&options["user"]["id"]).try_into().unwrap();
        let handle = Uuid::from_bytes(bytes);
        assert_eq!(handle.get_version_num(), 4, "{handle}");
        handle
    };
    let before = handle(&alice, FIDO).await;
    assert_eq!(first.complete().await.status, 200);
    assert_eq!(handle(&alice, PASSKEY).await, before);
    let renamed = alice_with(
        place,
        json!({ "email": "new@example.com", "groups": ["x"] }),
    );
    assert_eq!(handle(&renamed, PASSKEY).await, before);
    let others = [
        handle(&place.user("bob"), PASSKEY).await,
        handle(&place.user("Alice"), PASSKEY).await,
        handle(&place.user_in("alice", SAME_PARTY), PASSKEY).await,
        before,
    ];
    assert_eq!(HashSet::from(others).len(), others.len());
}

#[tokio::test]
async fn user_names_in_the_options_come_from_the_token() {
    on_both(plain, names).await;
}

async fn names(place: &Place) {
    for (claims, name, display_name) in [
        (json!({}), "alice", "alice"),
        (
            json!({ "email": "a@example.com" }),
            "a@example.com",
            "a@example.com",
        ),
        (
            json!({ "email": "a@example.com", "preferred_username": "al" }),
            "al",
            "al",
        ),
        (json!({ "name": "Älice 🔑" }), "alice", "Älice 🔑"),
        (
            json!({ "name": " ", "preferred_username": "" }),
            "alice",
            "alice",
        ),
    ] {
        for method_type in [PASSKEY, FIDO] {
            let options = alice_with(place, claims.clone()).begin(method_type).await;
            let user = &options["user"];
            assert_eq!(members(user), ["displayName", "id", "name"].into());
            assert_eq!(
                (&user["name"], &user["displayName"]),
                (&json!(name), &json!(display_name))
            );
        }
    }
}

#[tokio::test]
async fn start_answers_the_options_and_no_ceremony_state() {
    on_both(plain, begun).await;
}

async fn begun(place: &Place) {
    let mut challenges = HashSet::new();
    for method_type in [PASSKEY, FIDO, PASSKEY] {
        let target = format!("{REGISTER}?method_type={method_type}");
        let answer = place.user("alice").post_text(&target, "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(
            members(&answer.body),
            ["expires_at", "method_type", "options"].into()
        );
        assert_eq!(answer.body["method_type"], method_type);
        let challenge = decoded(&answer.body["options"]["challenge"]);
        assert_eq!(challenge.len(), 32);
        assert!(challenges.insert(challenge), "a challenge came twice");
        assert!(!answer.body.to_string().contains(":null"), "{answer:?}");
    }
}

#[tokio::test]
async fn timeout_in_the_options_is_nine_tenths_of_the_ttl() {
    for (ttl, timeout) in [("10s", 9_000), ("5m", 270_000)] {
        let limited = |it: Deployment| it.with_enrollment_ttl(ttl);
        on_both(limited, async |place| {
            let options = place.user("alice").begin(PASSKEY).await;
            assert_eq!(options["timeout"], timeout);
        })
        .await;
    }
}
