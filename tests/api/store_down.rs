//! A store that does not answer: requests that need it get a 503, nothing is lost, and the gateway
//! recovers by itself.

use crate::support::poll::{IN_TIME, until};
use std::time::Instant;

use serde_json::json;

use super::limits::head;
use crate::support::client::{COMPLETE, METHODS, PASSKEY, REGISTER};
use crate::support::deployment::Deployment;
use crate::support::place::{Place, methods};
use crate::support::redis_server::RedisServer;

#[tokio::test]
async fn unreachable_store_is_answered_with_503_until_it_is_back() {
    let mut redis = RedisServer::durable();
    let place = Place::open(Deployment::new(&redis.url()));
    let alice = place.user("alice");
    let begun = place.begun(&alice, PASSKEY).await;

    redis.kill();
    let started = Instant::now();
    place.note("complete", &alice.post(COMPLETE, &begun.body()).await);
    assert!(started.elapsed() < IN_TIME);
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
async fn caller_who_hangs_up_leaves_an_event() {
    let redis = RedisServer::start();
    let place = Place::open(Deployment::on_redis(&redis));
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
