//! The keys in Redis: claims, expiry and readable contents.

use std::sync::Arc;
use std::time::Duration;

use cedargate::store::{BeginOutcome, CompleteOutcome, Error};

use super::fixture::*;
use crate::support::redis_proxy::{COMMIT, Loss, Proxy};
use crate::support::redis_server::RedisServer;

#[tokio::test]
async fn an_orphaned_claim_is_taken_over_after_a_minute() {
    let server = RedisServer::start();
    let store = open_redis(&server.url()).await;
    let (alice, bob) = (user("alice"), user("bob"));
    begun(&store, &alice, 1).await;
    begun(&store, &bob, 1).await;
    // Alice's process dies between claim and commit and leaves only her claim. Her own completion
    // shows its form.
    begun(&store, &alice, 9).await;
    let outcome = complete(&store, &alice, 0, 9, &authenticator(1), Some(&codes())).await;
    assert_eq!(outcome, Ok(FIRST));
    let key = &server.command::<Vec<String>>(&["KEYS", "*claim"])[0];
    let claim: String = server.command(&["GET", key]);
    let [owner, attempt, claimed_at] = claim.split('|').collect::<Vec<_>>()[..] else {
        panic!("{claim}");
    };
    let claimed_at: u64 = claimed_at.parse().unwrap();
    let aged = |seconds: u64| format!("{owner}|{attempt}|{}", claimed_at - seconds * 1000);

    // While she has the credential, the claim's age does not matter.
    let _: () = server.command(&["SET", key, &aged(3600)]);
    let outcome = complete(&store, &bob, 0, 1, &authenticator(1), Some(&codes())).await;
    assert_eq!(outcome, Ok(CompleteOutcome::Exists));

    let of_alice = server.command::<Vec<String>>(&["KEYS", "*creds"]);
    let _: () = server.command(&["DEL", &of_alice[0]]);
    let _: () = server.command(&["SET", key, &aged(50)]);
    let outcome = complete(&store, &bob, 0, 1, &authenticator(1), Some(&codes())).await;
    assert_eq!(outcome, Ok(CompleteOutcome::Exists), "still hers");

    let _: () = server.command(&["SET", key, &aged(61)]);
    let outcome = complete(&store, &bob, 0, 1, &authenticator(1), Some(&codes())).await;
    assert_eq!(outcome, Ok(FIRST));
    let taken: String = server.command(&["GET", key]);
    assert_ne!(taken.split('|').next(), Some(owner));
    let outcome = complete(&store, &alice, 1, 1, &authenticator(1), None).await;
    assert_eq!(
        outcome,
        Ok(CompleteOutcome::Exists),
        "the race is lost for good"
    );
}

#[tokio::test]
async fn late_commit_stores_nothing() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server, COMMIT, Loss::Broken).await;
    let store = open_redis(proxy.url()).await;
    let alice = user("alice");
    begun(&store, &alice, 1).await;
    let outcome = complete(&store, &alice, 0, 1, &authenticator(1), Some(&codes())).await;
    assert_eq!(outcome, Ok(FIRST));

    // Sends the same commit to an empty server, as if the server had been hung for a while.
    let on_time = proxy.last_marked();
    let until = on_time
        .windows(7)
        .position(|bytes| bytes == b"\r\n$13\r\n")
        .map(|at| at + 7)
        .unwrap();
    let mut late = on_time.clone();
    let past = format!("{:013}", wall().millis() - 1);
    late[until..until + 13].copy_from_slice(past.as_bytes());
    let _: () = server.command(&["FLUSHALL"]);
    begun(&store, &alice, 1).await;
    assert!(server.exchange(&late).contains("late"));
    let read = account(&store, &alice, 1).await;
    assert_eq!(read.pending, Some(enrolment(1)));
    assert_whole(&read);
    assert!(read.authenticators.is_empty());

    assert!(server.exchange(&on_time).contains("stored"));
    // A repeated release has the same answer however late it is.
    assert!(server.exchange(&late).contains("stored"));
}

#[tokio::test]
async fn claim_is_released_by_its_maker_only() {
    let server = RedisServer::start();
    let store = open_redis(&server.url()).await;
    let alice = user("alice");
    let claims = || server.command::<Vec<String>>(&["KEYS", "*claim"]);
    let gone = async || {
        let outcome = complete(&store, &alice, 0, 2, &authenticator(1), None).await;
        assert_eq!(outcome, Ok(CompleteOutcome::Gone));
    };
    gone().await;
    assert_eq!(claims(), [] as [&str; 0], "made and released");

    begun(&store, &alice, 1).await;
    let outcome = complete(&store, &alice, 0, 1, &authenticator(1), Some(&codes())).await;
    assert_eq!(outcome, Ok(FIRST));
    gone().await;
    assert_eq!(claims().len(), 1, "that of a credential that is there");

    // Another attempt of hers has made the claim and has not committed yet.
    let creds = server.command::<Vec<String>>(&["KEYS", "*creds"]);
    let _: () = server.command(&["DEL", &creds[0]]);
    gone().await;
    assert_eq!(claims().len(), 1, "that of the other attempt");
}

/// Between a removal and the release of its claim the same user may enrol the same credential again.
#[tokio::test]
async fn a_removal_releases_the_claim_that_it_found_and_no_later_one() {
    for (name, marker) in [
        ("remove", "local record = redis.call('HGET', KEYS[2], id)"),
        ("reset", "local removed = redis.call('HVALS', KEYS[2])"),
    ] {
        let server = Arc::new(RedisServer::start());
        let proxy = Proxy::before(&server, marker, Loss::Broken).await;
        let store = open_redis(proxy.url()).await;
        let alice = user("alice");
        let one = enrolled(&store, &alice, 1).await;
        let key = server.command::<Vec<String>>(&["KEYS", "*claim"]).remove(0);
        let claim: String = server.command(&["GET", &key]);
        let owner = claim.split('|').next().unwrap();
        let later = format!("{owner}|{}|{}", uuid::Uuid::new_v4(), wall().millis());
        proxy.meanwhile({
            let (server, key, later) = (Arc::clone(&server), key.clone(), later.clone());
            move || server.command(&["SET", &key, &later])
        });
        match name {
            "remove" => drop(remove(&store, &alice, 1, one.id).await.unwrap()),
            _ => drop(reset(&store, &alice).await),
        }
        let held: Option<String> = server.command(&["GET", &key]);
        assert_eq!(held.as_deref(), Some(later.as_str()), "{name}");
    }
}

#[tokio::test]
async fn pending_enrolments_expire_by_themselves() {
    let server = RedisServer::start();
    let store = open_redis(&server.url()).await;
    let alice = user("alice");
    begun(&store, &alice, 1).await;
    let short = Duration::from_millis(100);
    let outcome = store
        .begin(&alice, 0, handle(&alice), &enrolment(2), short)
        .await;
    assert!(matches!(outcome, Ok(BeginOutcome::Stored { .. })));
    let key = &server.command::<Vec<String>>(&["KEYS", "*reg"])[0];
    let left: u64 = server.command(&["PTTL", key]);
    assert!(
        left > 200_000,
        "a short one does not take a long one with it: {left}"
    );
    assert_eq!(store.discard(&alice, &challenge(1)).await, Ok(true));
    let outcome = store
        .begin(&alice, 0, handle(&alice), &enrolment(3), short)
        .await;
    assert!(matches!(outcome, Ok(BeginOutcome::Stored { .. })));
    until("the key is gone", async || {
        server.command::<Vec<String>>(&["KEYS", "*reg"]).is_empty()
    })
    .await;
}

#[tokio::test]
async fn keys_and_values_hold_no_name_and_no_challenge() {
    let server = RedisServer::start();
    let store = open_redis(&server.url()).await;
    begun(&store, &user("alice"), 1).await;
    let outcome = complete(
        &store,
        &user("alice"),
        0,
        1,
        &authenticator(1),
        Some(&codes()),
    )
    .await;
    assert_eq!(outcome, Ok(FIRST));
    begun(&store, &user("alice"), 2).await;
    let keys: Vec<String> = server.command(&["KEYS", "*"]);
    assert_eq!(keys.len(), 6, "{keys:?}");
    assert!(
        keys.iter()
            .all(|key| key.starts_with("cg:1:{") && !key.contains("alice"))
    );
    let reg = keys.iter().find(|key| key.ends_with(":reg")).unwrap();
    let fields: Vec<String> = server.command(&["HKEYS", reg]);
    assert_ne!(fields, [challenge(2).to_string()]);
}

#[tokio::test]
async fn a_record_of_a_newer_release_is_read_and_a_broken_one_is_not_shown() {
    let server = RedisServer::start();
    let store = open_redis(&server.url()).await;
    let alice = user("alice");
    begun(&store, &alice, 1).await;
    let one = authenticator(1);
    let outcome = complete(&store, &alice, 0, 1, &one, Some(&codes())).await;
    assert_eq!(outcome, Ok(FIRST));
    let keys: Vec<String> = server.command(&["KEYS", "*"]);
    let key = |name: &str| keys.iter().find(|key| key.ends_with(name)).unwrap().clone();
    let (creds, account_key) = (key(":creds"), key(":user"));
    let id = one.id.to_string();
    let record: String = server.command(&["HGET", &creds, &id]);
    let newer = record.replacen('{', "{\"added_later\":{\"x\":[1]},", 1);
    let _: () = server.command(&["HSET", &creds, &id, &newer]);
    let _: () = server.command(&["HSET", &account_key, "epoch", "3"]);
    let read = account(&store, &alice, 1).await;
    assert_eq!(read.authenticators, [one]);

    let _: () = server.command(&["HSET", &creds, &id, "{\"id\": \"tuna-melt\"}"]);
    let read = store.read(&alice, None).await;
    let Err(error @ Error::UnreadableRecord { .. }) = read else {
        panic!("{read:?}");
    };
    let cause = error.to_string();
    assert!(
        cause.starts_with("a stored authenticator cannot be read"),
        "{cause}"
    );
    assert!(!cause.contains("tuna"), "{cause}");
}
