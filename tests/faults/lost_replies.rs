//! Redis carries a commit out, and its answer does not arrive.

use std::time::Instant;

use super::*;
use crate::redis_proxy::{COMMIT, Loss, Proxy};

/// A gateway whose way to Redis is this proxy.
async fn behind(loss: Loss) -> (Site, Gateway, Proxy) {
    let redis = RedisServer::durable();
    let proxy = Proxy::before(&redis, COMMIT, loss).await;
    let site = Site {
        deployment: Deployment::new(proxy.url()),
        redis: Some(redis),
    };
    let gateway = site.serve();
    (site, gateway, proxy)
}

#[tokio::test]
async fn the_caller_of_a_commit_whose_answer_was_lost_gets_the_codes() {
    for loss in [Loss::Broken, Loss::Silent] {
        let (site, gateway, proxy) = behind(loss).await;
        let alice = site.user(&gateway, "alice");
        let credential = site.begin(&alice).await;
        proxy.lose(1);
        assert_first(&alice.complete(PASSKEY, &credential).await);
        assert_eq!(proxy.lost(), 1);
        assert_eq!(holdings(&alice).await, (1, 10));
    }
}

#[tokio::test]
async fn when_answers_keep_being_lost_the_caller_hears_that_it_is_unknown() {
    for loss in [Loss::Broken, Loss::Silent] {
        let (site, gateway, proxy) = behind(loss).await;
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
        // The policies come first: who has a factor now steps up before anything else is said.
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
