//! A store that does not answer: nothing is permitted, nothing is lost, and it heals by itself.

use std::time::{Duration, Instant};

use serde_json::json;

use super::limits::head;
use super::{Deployment, PASSKEY, Place, methods, on_redis};
use crate::client::{COMPLETE, METHODS, REGISTER};
use crate::poll::until;
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
    until("it recovers", async || {
        alice.get(METHODS).await.status == 200
    })
    .await;
    assert_eq!(methods(&alice).await, 0);
    begun.stays_pending(0).await;
    insta::assert_snapshot!(place.close());
}

#[tokio::test]
async fn a_caller_who_hangs_up_leaves_a_record() {
    let redis = RedisServer::start();
    let place = Place::open(on_redis(&redis));
    redis.pause();
    let head = head(&place, "alice", "GET", METHODS);
    place.hang_up("gone", &format!("{head}X-Request-ID: gone\r\n\r\n"));
    let event = place.gateway.event("gone");
    redis.resume();
    assert_eq!(event["status"], json!(null), "{event}");
    assert_eq!(event["decisions"], json!([]), "{event}");
    assert_eq!(event["undecided"], "the caller hung up", "{event}");
    place.close();
}
