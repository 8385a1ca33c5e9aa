//! Backup codes: regenerated, used, guessed.

use serde_json::{Value, json};

use super::*;
use crate::answers::{FIDO, on_both, plain};
use crate::client::{BACKUP_CODES, BACKUP_CODES_VERIFY, REGISTER};

async fn verify(caller: &Client, code: &str) -> Answer {
    caller
        .post(BACKUP_CODES_VERIFY, &json!({ "code": code }))
        .await
}

#[tokio::test]
async fn a_lost_only_key_is_replaced_with_a_code_which_opens_nothing_else() {
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
        // with the new key the lost one goes
        let strong = coded.with(new.token(&coded).await, TENANT);
        assert_eq!(strong.delete(&format!("{METHODS}/{id}")).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_wrong_a_used_and_a_malformed_code_are_answered_alike() {
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
        // one who has none
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
async fn ten_wrong_codes_shut_the_door_and_a_right_one_before_that_opens_it_anew() {
    on_both(plain, async |place| {
        let mut alice = Enrolled::at(place, "alice").await;
        let wrong = async |times: usize| {
            for _ in 0..times {
                let answer = verify(&alice.weak, "0000-0000-00000").await;
                assert_eq!(answer.says(), (400, "invalid_credential"));
                // what cannot be a code is no attempt
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
        // the key still works, and another user is not concerned
        alice.key.token(&alice.weak).await;
        let bob = Enrolled::at(place, "bob").await;
        assert_eq!(verify(&bob.weak, &bob.codes[0]).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn of_racing_requests_with_one_code_one_succeeds() {
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
async fn a_new_set_takes_the_place_of_the_old() {
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
async fn without_a_factor_there_are_no_codes() {
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
