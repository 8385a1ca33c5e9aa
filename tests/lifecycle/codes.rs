//! Backup codes: using, guessing and regenerating them.

use serde_json::{Value, json};

use super::*;
use crate::support::client::{BACKUP_CODES, BACKUP_CODES_VERIFY, FIDO, REGISTER};
use crate::support::place::{on_both, plain};

#[tokio::test]
async fn backup_code_lets_its_holder_enrol_and_nothing_else() {
    on_both(plain, async |place| {
        let alice = Enrolled::at(place, "alice").await;
        let typed = alice.codes[0]
            .to_lowercase()
            .replace('-', " ")
            .replace('0', "o");
        let answer = verify(&alice.weak, &typed).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body["remaining"], 9);
        assert_eq!(answer.body["amr"], json!(["pwd", "otp"]));
        assert_eq!(answer.body.get("acr"), None);
        assert_eq!(changes(place, &answer), ["code_used"]);
        let coded = alice.weak.with(text(&answer.body["access_token"]), TENANT);

        let id = ids(&coded).await.remove(0);
        let refused = coded.delete(&format!("{METHODS}/{id}")).await;
        assert_eq!(refused.says(), (401, "step_up_required"));
        let refused = coded.post(BACKUP_CODES, &json!({})).await;
        assert_eq!(refused.says(), (401, "step_up_required"));

        let (mut new, enrolled) = Key::enrol(&coded, FIDO, &place.deployment.origin()).await;
        assert_eq!(enrolled.status, 200, "{enrolled:?}");
        assert_eq!(enrolled.body["remaining"], 9);
        // the new key removes the lost one
        let strong = coded.with(new.token(&coded).await, TENANT);
        assert_eq!(strong.delete(&format!("{METHODS}/{id}")).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn wrong_used_and_malformed_codes_are_answered_alike() {
    on_both(plain, async |place| {
        let alice = Enrolled::at(place, "alice").await;
        assert_eq!(verify(&alice.weak, &alice.codes[3]).await.status, 200);
        let wrong = "0000-0000-00000";
        let long = "0".repeat(10_000);
        let mut bodies = Vec::new();
        for code in [
            wrong,
            &alice.codes[3],
            "",
            "0000-0000-0000",
            "\u{ff10}",
            "UUUU-UUUU-UUUUU",
            &long,
        ] {
            let answer = verify(&alice.weak, code).await;
            assert_eq!(answer.says(), (400, "invalid_credential"), "{code}");
            bodies.push(answer.body);
        }
        assert_eq!(bodies[0]["details"], json!({"reason": "code"}));
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
        for body in [json!({}), json!({"code": 7}), json!({"code": null})] {
            let answer = alice.weak.post(BACKUP_CODES_VERIFY, &body).await;
            assert_eq!(answer.says(), (400, "invalid_request"), "{body}");
        }
        // a user without codes
        let answer = verify(&place.user("nobody"), wrong).await;
        assert_eq!(answer.body, bodies[0]);
        // another user's code
        let bob = Enrolled::at(place, "bob").await;
        assert_eq!(verify(&bob.weak, &alice.codes[4]).await.body, bodies[0]);
        assert_eq!(remaining(&alice.weak).await, 9);
    })
    .await;
}

#[tokio::test]
async fn codes_are_refused_with_429_after_ten_wrong_ones_in_a_row() {
    on_both(plain, async |place| {
        let mut alice = Enrolled::at(place, "alice").await;
        let wrong = async |times: usize| {
            for _ in 0..times {
                let answer = verify(&alice.weak, "0000-0000-00000").await;
                assert_eq!(answer.says(), (400, "invalid_credential"));
                // a malformed code is not counted
                verify(&alice.weak, "nonsense").await;
            }
        };
        wrong(9).await;
        assert_eq!(verify(&alice.weak, &alice.codes[0]).await.status, 200);
        wrong(10).await;
        for code in [&alice.codes[1], "0000-0000-00000"] {
            let answer = verify(&alice.weak, code).await;
            assert_eq!(answer.says(), (429, "rate_limited"), "the right one too");
            let seconds: u64 = answer.header("retry-after").parse().unwrap();
            assert!((1..=900).contains(&seconds), "{seconds}");
        }
        assert_eq!(remaining(&alice.weak).await, 9);
        // the key and other users' codes still work
        alice.key.token(&alice.weak).await;
        let bob = Enrolled::at(place, "bob").await;
        assert_eq!(verify(&bob.weak, &bob.codes[0]).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn racing_requests_with_one_code_succeed_once() {
    on_both(plain, async |place| {
        let alice = Enrolled::at(place, "alice").await;
        let racers = (0..50).map(|_| verify(&alice.weak, &alice.codes[0]));
        let answers = futures_util::future::join_all(racers).await;
        assert_one(&answers);
        assert_eq!(remaining(&alice.weak).await, 9);
    })
    .await;
}

#[tokio::test]
async fn new_codes_replace_the_old_set() {
    on_both(plain, async |place| {
        let mut alice = Enrolled::at(place, "alice").await;
        let strong = alice.strong().await;
        let refused = alice.weak.post(BACKUP_CODES, &json!({})).await;
        assert_eq!(refused.says(), (401, "step_up_required"));
        let answer = strong.post(BACKUP_CODES, &json!({})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.body["remaining"], 10);
        assert_eq!(changes(place, &answer), ["codes_regenerated"]);
        let new = answer.body["codes"].as_array().unwrap();
        assert_eq!(new.len(), 10);
        assert_eq!(verify(&alice.weak, &alice.codes[0]).await.status, 400);
        assert_eq!(verify(&alice.weak, text(&new[0])).await.status, 200);
        assert_eq!(remaining(&alice.weak).await, 9);
        let members = strong.post(BACKUP_CODES, &json!({"count": 99})).await;
        assert_eq!(members.says(), (400, "invalid_request"));
    })
    .await;
}

#[tokio::test]
async fn codes_without_a_factor_are_refused_with_404() {
    on_both(plain, async |place| {
        let strong = place.strong("nobody");
        let answer = strong.post(BACKUP_CODES, &json!({})).await;
        assert_eq!(answer.says(), (404, "not_found"), "{answer:?}");
        let target = format!("{REGISTER}?method_type={PASSKEY}");
        let begun = place.user("nobody").post(&target, &Value::Null).await;
        assert_eq!(begun.says(), (400, "invalid_request"));
    })
    .await;
}
