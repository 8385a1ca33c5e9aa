//! Authenticators: listing, renaming and removing them, and their limit.

use serde_json::json;

use super::*;
use crate::support::client::{BACKUP_CODES_VERIFY, FIDO};
use crate::support::deployment::Deployment;
use crate::support::key::{begin, complete};
use crate::support::place::{on_both, plain};

fn method(id: &str) -> String {
    format!("{METHODS}/{id}")
}

const NOBODYS: &str = "00000000-0000-4000-8000-000000000000";

#[tokio::test]
async fn authenticator_is_renamed_by_the_rules_of_an_enrolment() {
    on_both(plain, async |place| {
        let alice = Enrolled::at(place, "alice").await;
        let id = ids(&alice.weak).await.remove(0);
        let rename = async |name: &str| {
            let body = json!({"device_name": name});
            alice.weak.patch(&method(&id), &body).await
        };
        let answer = rename("Ålice’s 🔑").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body["device_name"], "Ålice’s 🔑");
        assert_eq!(changes(place, &answer), ["renamed"]);
        let listed = alice.weak.get(METHODS).await;
        assert_eq!(listed.body["methods"][0], answer.body);
        assert_eq!(rename(" ").await.body["device_name"], "Passkey");
        assert_eq!(
            rename(&"x".repeat(101)).await.says(),
            (400, "invalid_request")
        );
        assert_eq!(rename("a\nb").await.says(), (400, "invalid_request"));
        let missing = alice.weak.patch(&method(&id), &json!({})).await;
        assert_eq!(missing.says(), (400, "invalid_request"));
        let upper = method(&id.to_uppercase());
        let answer = alice.weak.patch(&upper, &json!({"device_name": "a"})).await;
        assert_eq!(answer.status, 200, "a UUID in any letter case");
    })
    .await;
}

#[tokio::test]
async fn unknown_and_foreign_authenticators_are_answered_alike() {
    on_both(plain, async |place| {
        let mut alice = Enrolled::at(place, "alice").await;
        let bob = Enrolled::at(place, "bob").await;
        let of_bob = ids(&bob.weak).await.remove(0);
        let strong = alice.strong().await;
        for id in [&of_bob, NOBODYS, "7", "webauthn", "%20"] {
            let renamed = strong
                .patch(&method(id), &json!({"device_name": "x"}))
                .await;
            let deleted = strong.delete(&method(id)).await;
            for answer in [renamed, deleted] {
                assert_eq!(answer.says(), (404, "not_found"), "{id}");
                let message = "There is no such authenticator.";
                assert_eq!(
                    answer.body,
                    json!({"code": "not_found", "message": message})
                );
                let event = place.gateway.event(answer.header("x-request-id"));
                assert_eq!(event["action"], "unknown", "{id}");
            }
        }
        assert_eq!(ids(&bob.weak).await, [of_bob]);
    })
    .await;
}

#[tokio::test]
async fn removal_needs_a_step_up_and_ends_earlier_ones() {
    on_both(plain, async |place| {
        let mut alice = Enrolled::at(place, "alice").await;
        let strong = alice.strong().await;
        let origin = place.deployment.origin();
        let second = Key::enrolled(&strong, FIDO, &origin).await;
        let [first, other] = <[String; 2]>::try_from(ids(&alice.weak).await).unwrap();

        let refused = alice.weak.delete(&method(&other)).await;
        assert_eq!(refused.says(), (401, "step_up_required"));
        let removed = strong.delete(&method(&other)).await;
        assert_eq!(removed.status, 200, "{removed:?}");
        assert_eq!(changes(place, &removed), ["deleted"]);
        let signal = &removed.body["signal"];
        assert_eq!(signal["rpId"], "localhost");
        assert_eq!(signal["userId"], json!(second.user_handle));
        let left = alice
            .key
            .sign(&alice.key.assertion(&json!({"challenge": "AAAA"})))["id"]
            .clone();
        assert_eq!(signal["allAcceptedCredentialIds"], json!([left]));
        assert_eq!(ids(&alice.weak).await, std::slice::from_ref(&first));
        assert_eq!(remaining(&alice.weak).await, 10, "there is a factor left");

        let ended = strong.get(METHODS).await;
        assert_eq!(ended.says(), (401, "unauthenticated"));
        assert!(ended.header("www-authenticate").contains("invalid_token"));
        let gone = strong.delete(&method(&first)).await;
        assert_eq!(gone.says(), (401, "unauthenticated"));

        // the removal of the last one removes the codes
        let fresh = alice.strong().await;
        let removed = fresh.delete(&method(&first)).await;
        assert_eq!(
            removed.body["signal"]["allAcceptedCredentialIds"],
            json!([])
        );
        assert_eq!(remaining(&alice.weak).await, 0);
        let code = json!({"code": alice.codes[0]});
        let answer = alice.weak.post(BACKUP_CODES_VERIFY, &code).await;
        assert_eq!(answer.says(), (400, "invalid_credential"));
        // the credential can then be enrolled again, as a first factor
        let options = alice.weak.begin(PASSKEY).await;
        let attestation = alice.key.attestation(&options);
        let answer = alice
            .weak
            .complete(PASSKEY, &attestation.credential())
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body["codes"].as_array().unwrap().len(), 10);
    })
    .await;
}

#[tokio::test]
async fn removed_authenticator_completes_no_step_up() {
    on_both(plain, async |place| {
        let mut alice = Enrolled::at(place, "alice").await;
        let strong = alice.strong().await;
        let (key, _) = Key::enrol(&strong, FIDO, &place.deployment.origin()).await;
        let options = begin(&alice.weak).await;
        let id = ids(&alice.weak).await.remove(1);
        assert_eq!(strong.delete(&method(&id)).await.status, 200);
        let answer = complete(&alice.weak, &key.answer(&options)).await;
        assert_eq!(answer.says(), (404, "not_found"));
    })
    .await;
}

#[tokio::test]
async fn policy_that_keeps_the_last_factor_holds_for_racing_removals() {
    let policy = r#"@id("keep-one") @code("last_factor") @notice("Keep at least one authenticator.")
forbid (principal in Gate::Issuer::"corp", action == Gate::Action::"deleteMfaMethod", resource)
when { context.factors.count <= 1 };"#;
    let arrange = |it: crate::support::deployment::Deployment| it.policy("keep-one.cedar", policy);
    on_both(arrange, async |place| {
        let mut alice = Enrolled::at(place, "alice").await;
        let strong = alice.strong().await;
        let (_, _) = Key::enrol(&strong, FIDO, &place.deployment.origin()).await;
        let both = ids(&alice.weak).await;
        let strong = alice.strong().await;
        // of two removals at once, one would remove the last factor
        let (one, other) = (method(&both[0]), method(&both[1]));
        let (one, other) = tokio::join!(strong.delete(&one), strong.delete(&other));
        let mut outcomes = [one.says(), other.says()];
        outcomes.sort_unstable();
        assert!(
            outcomes == [(200, ""), (401, "unauthenticated")]
                || outcomes == [(200, ""), (403, "last_factor")],
            "{outcomes:?}"
        );
        assert_eq!(ids(&alice.weak).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn enrolment_over_max_authenticators_is_refused_with_409() {
    let arrange = |it: Deployment| it.with_max_authenticators(2);
    on_both(arrange, async |place| {
        let origin = place.deployment.origin();
        let mut alice = Enrolled::at(place, "alice").await;
        let strong = alice.strong().await;
        let begun = strong.begin(FIDO).await;
        let (_, second) = Key::enrol(&strong, FIDO, &origin).await;
        assert_eq!(second.status, 200, "{second:?}");
        let refused = strong.register(FIDO).await;
        assert_eq!(refused.says(), (409, "limit_reached"), "{refused:?}");
        assert_eq!(refused.body["details"], json!({"limit": 2}));
        // an enrolment begun before the second one completed
        let third = Key::for_options(&begun, &origin, 5);
        let third = third.attestation(&begun).credential();
        let refused = strong.complete(FIDO, &third).await;
        assert_eq!(refused.says(), (409, "limit_reached"), "{refused:?}");
        assert_eq!(ids(&alice.weak).await.len(), 2);
        // after a removal the same response completes
        let id = ids(&alice.weak).await.remove(1);
        assert_eq!(strong.delete(&method(&id)).await.status, 200);
        let strong = alice.strong().await;
        let answer = strong.complete(FIDO, &third).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    })
    .await;
}

#[tokio::test]
async fn racing_enrolments_do_not_exceed_max_authenticators() {
    let arrange = |it: Deployment| it.with_max_authenticators(2);
    on_both(arrange, async |place| {
        let origin = place.deployment.origin();
        let mut alice = Enrolled::at(place, "alice").await;
        let strong = alice.strong().await;
        let mut responses = Vec::new();
        for _ in 0..4 {
            let options = strong.begin(FIDO).await;
            let key = Key::for_options(&options, &origin, 5);
            responses.push(key.attestation(&options).credential());
        }
        let racers = responses.iter().map(|one| strong.complete(FIDO, one));
        let answers = futures_util::future::join_all(racers).await;
        for answer in &answers {
            let known = [(200, ""), (409, "limit_reached"), (503, "unavailable")];
            assert!(known.contains(&answer.says()), "{answer:?}");
        }
        assert_eq!(ids(&alice.weak).await.len(), 2, "{answers:?}");
    })
    .await;
}
