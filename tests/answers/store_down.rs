//! A store that does not answer: nothing is permitted, nothing is lost, and it heals by itself.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Deployment, PASSKEY, Place, methods};
use crate::client::{COMPLETE, METHODS, REGISTER};
use crate::redis_server::RedisServer;

/// A second is promised; two more are for a busy machine.
const PROMPT: Duration = Duration::from_secs(3);

#[tokio::test]
async fn without_its_store_the_gateway_says_so_and_recovers() {
    let mut redis = RedisServer::durable();
    let place = Place::open(Deployment::new(&redis.url()));
    let alice = place.user("alice");
    let begun = place.begun(&alice, PASSKEY).await;

    redis.kill();
    let started = Instant::now();
    place.note("complete", &alice.post(COMPLETE, &begun.body()).await);
    assert!(started.elapsed() < PROMPT);
    place.note("begin", &alice.post(REGISTER, &json!({})).await);
    place.note("list", &alice.get(METHODS).await);
    place.note(
        "what needs no store",
        &place.nobody.get("/.well-known/webauthn").await,
    );
    place.note("malformed", &alice.post(COMPLETE, &json!({})).await);
    place.note("nobody", &place.nobody.get(METHODS).await);

    redis.restart();
    let deadline = Instant::now() + PROMPT;
    while alice.get(METHODS).await.status != 200 {
        assert!(Instant::now() < deadline, "it does not recover");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(methods(&alice).await, 0);
    begun.is_pending_after(0).await;
    insta::assert_snapshot!(place.close());
}
