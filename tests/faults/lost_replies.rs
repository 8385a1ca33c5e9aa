//! Redis carries out a change and its reply is lost.

use std::sync::Arc;

use super::*;
use crate::support::deployment::ADMINS;
use crate::support::poll::{ATTEMPTS, until};
use crate::support::redis_proxy::{COMMIT, Loss, Proxy};

/// A gateway behind a proxy to Redis that loses replies to commands with these words.
async fn behind(marker: &'static str, loss: Loss) -> (Site, Gateway, Proxy) {
    let redis = RedisServer::durable();
    let proxy = Proxy::before(&redis, marker, loss).await;
    let site = Site {
        deployment: Deployment::new(proxy.url()),
        redis: Some(redis),
    };
    let gateway = site.serve();
    (site, gateway, proxy)
}

#[tokio::test]
async fn commit_with_a_lost_reply_still_answers_the_codes() {
    for loss in [Loss::Broken, Loss::Silent] {
        let (site, gateway, proxy) = behind(COMMIT, loss).await;
        let is_repeated = async |attempt: usize| {
            let alice = site.user(&gateway, &format!("alice-{attempt}"));
            let credential = site.begin(&alice).await;
            proxy.lose(1);
            let answer = alice.complete(PASSKEY, &credential).await;
            assert_eq!(proxy.lost(), attempt);
            assert_eq!(holdings(&alice).await, (1, 10));
            if answer.status == 503 {
                // there was no time for a retry
                assert_eq!(answer.body["details"], json!({ "outcome": "unknown" }));
                return false;
            }
            assert_first(&answer);
            true
        };
        let mut attempt = 1;
        while !is_repeated(attempt).await {
            attempt += 1;
            assert!(attempt <= ATTEMPTS, "it is never repeated");
        }
    }
}

/// Words that are in the script only that uses up an enrolment.
const DISCARD: &str = "local removed = 0";

#[tokio::test]
async fn discard_whose_replies_keep_being_lost_is_503_without_a_signal() {
    for loss in [Loss::Broken, Loss::Silent] {
        let (site, gateway, proxy) = behind(DISCARD, loss).await;
        let alice = site.user(&gateway, "alice");
        let mut wrong = site.attest(&alice.begin(PASSKEY).await);
        wrong.client_data["origin"] = json!("https://evil.example");
        proxy.lose(1);
        until("the outcome is unknown", async || {
            let answer = alice.complete(PASSKEY, &wrong.credential()).await;
            assert_eq!(answer.says(), (503, "unavailable"));
            let is_unknown = answer.body["details"] == json!({ "outcome": "unknown" });
            if !is_unknown {
                // a busy machine did not get as far as the enrolment
                assert_unavailable(&answer);
            }
            is_unknown
        })
        .await;
        // A busy proxy may lose the reply after the gateway has given up on it.
        until("the answer is lost", async || proxy.lost() == 1).await;
        let again = alice.complete(PASSKEY, &wrong.credential()).await;
        assert_eq!(again.says(), (404, "not_found"), "it was used up");
        assert_eq!(holdings(&alice).await, (0, 0));
    }
}

/// After a removal the gateway sends the store no command whose failure would be answered as if
/// nothing was done.
#[tokio::test]
async fn removal_is_reported_to_the_admin_if_redis_is_silent_after_it() {
    let redis = Arc::new(RedisServer::durable());
    let removal = "local record = redis.call('HGET', KEYS[2], id)";
    let proxy = Proxy::before(&redis, removal, Loss::Broken).await;
    let deployment = Deployment::new(proxy.url()).with_admins();
    let gateway = deployment.serve();
    let client = |claims: &Value| Client::new(&gateway.url).with(deployment.sign(claims), TENANT);
    let mut claims = deployment.strong_claims("root", TENANT);
    claims["groups"] = json!([ADMINS]);
    let admin = client(&claims);
    let is_told = async |attempt: usize| {
        let name = format!("alice-{attempt}");
        let alice = client(&deployment.claims(&name, TENANT));
        let options = alice.begin(PASSKEY).await;
        let credential = Attestation::to(&options, &deployment.origin()).credential();
        assert_first(&alice.complete(PASSKEY, &credential).await);
        let listed = alice.get(METHODS).await.body;
        let id = listed["methods"][0]["id"].as_str().unwrap();
        proxy.meanwhile({
            let redis = Arc::clone(&redis);
            move || redis.pause()
        });
        let target = format!("/v1/admin/users/corp%7C{name}/mfa/{id}");
        let answer = admin.delete(&target).await;
        redis.resume();
        until("the store is back", async || {
            alice.get(METHODS).await.status == 200
        })
        .await;
        assert_eq!(holdings(&alice).await, (0, 0));
        if answer.status == 503 {
            // a busy machine took too long for the removal itself
            assert_eq!(answer.body["details"], json!({ "outcome": "unknown" }));
            return false;
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        let signal = &answer.body["signal"];
        assert_eq!(signal["allAcceptedCredentialIds"], json!([]));
        true
    };
    let mut attempt = 1;
    while !is_told(attempt).await {
        attempt += 1;
        assert!(attempt <= ATTEMPTS, "it is never told");
    }
}

#[tokio::test]
async fn commit_whose_replies_keep_being_lost_is_answered_as_unknown() {
    for loss in [Loss::Broken, Loss::Silent] {
        let (site, gateway, proxy) = behind(COMMIT, loss).await;
        let alice = site.user(&gateway, "alice");
        let credential = site.begin(&alice).await;
        proxy.lose(usize::MAX);
        let started = Instant::now();
        let answer = alice.complete(PASSKEY, &credential).await;
        assert!(started.elapsed() < IN_TIME, "{:?}", started.elapsed());
        assert_eq!(answer.says(), (503, "unavailable"));
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(answer.body["details"], json!({ "outcome": "unknown" }));
        assert!(proxy.lost() > 0);

        proxy.lose(0);
        assert_eq!(holdings(&alice).await, (1, 10), "it was stored");
        // The policies come first: a user with a factor must step up.
        let again = alice.complete(PASSKEY, &credential).await;
        assert_eq!(again.says(), (401, "step_up_required"));
        let again = site
            .strong(&gateway, "alice")
            .complete(PASSKEY, &credential)
            .await;
        assert_eq!(again.says(), (409, "credential_exists"));
        assert_eq!(again.body.get("details"), None, "{again:?}");
        assert_eq!(holdings(&alice).await, (1, 10));
    }
}
