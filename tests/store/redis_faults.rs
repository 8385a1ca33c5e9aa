//! Redis goes down, hangs, fills up, loses a reply, or cannot be reached at its URL.

use crate::support::poll::{ATTEMPTS, IN_TIME};
use crate::support::redis_proxy::{ANY_SCRIPT, COMMIT, Loss, Proxy};
use std::time::Instant;

use cedargate::store::{BeginOutcome, CompleteOutcome, Error, Store};

use super::fixture::*;
use crate::support::gateway::Port;
use crate::support::redis_server::RedisServer;

fn assert_unavailable<R: std::fmt::Debug>(outcome: Result<R, Error>, unknown: bool) -> String {
    match outcome {
        Err(Error::Unavailable { cause }) if !unknown => cause.into_owned(),
        Err(Error::OutcomeUnknown { cause }) if unknown => cause.into_owned(),
        other => panic!("{other:?}"),
    }
}

/// All steps that a request may ask of the store.
async fn assert_down(store: &Store) {
    let alice = user("alice");
    let failures = store.failures();
    let started = Instant::now();
    assert_unavailable(store.read(&alice, Some(&challenge(1))).await, false);
    let begun = store
        .begin(&alice, 0, handle(&alice), &enrolment(1), TTL)
        .await;
    assert_unavailable(begun, false);
    let outcome = complete(store, &alice, 0, 1, &authenticator(1), Some(&codes())).await;
    assert_unavailable(outcome, false);
    assert_unavailable(store.discard(&alice, &challenge(1)).await, false);
    assert!(started.elapsed() < 4 * IN_TIME, "{:?}", started.elapsed());
    assert_eq!(store.failures(), failures + 4);
    assert!(!store.health().await.faults.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_opens_without_redis_and_works_once_it_is_back() {
    let mut server = RedisServer::durable();
    server.kill();
    let store = open_redis(&server.url()).await;
    for _ in 0..3 {
        assert_down(&store).await;
        server.restart();
        // The first step already succeeds: no old connection is in the way.
        begun(&store, &user("alice"), 1).await;
        assert_eq!(store.health().await.faults, [] as [&str; 0]);
        server.kill();
    }
    server.restart();
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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hung_redis_fails_steps_in_time() {
    let server = RedisServer::start();
    let store = std::sync::Arc::new(open_redis(&server.url()).await);
    begun(&store, &user("alice"), 1).await;
    server.pause();
    // A commit is not sent if its claim got no reply.
    assert_down(&store).await;
    // Many steps at once wait no longer than one.
    let started = Instant::now();
    let waiting = (0..200).map(|_| {
        let store = std::sync::Arc::clone(&store);
        tokio::spawn(async move { store.read(&user("alice"), None).await })
    });
    for one in waiting.collect::<Vec<_>>() {
        assert_unavailable(one.await.unwrap(), false);
    }
    assert!(started.elapsed() < IN_TIME, "{:?}", started.elapsed());

    server.resume();
    let resumed = Instant::now();
    until("it answers again", async || {
        store.read(&user("alice"), None).await.is_ok()
    })
    .await;
    assert!(resumed.elapsed() < 2 * IN_TIME);
}

#[tokio::test]
async fn commit_with_a_lost_reply_loses_nothing() {
    for loss in [Loss::Broken, Loss::Silent] {
        let server = RedisServer::start();
        let proxy = Proxy::before(&server, COMMIT, loss).await;
        let store = open_redis(proxy.url()).await;
        let is_repeated = async |seed: u8| {
            let alice = user(&format!("alice{seed}"));
            begun(&store, &alice, seed).await;
            proxy.lose(1);
            let one = authenticator(seed);
            let outcome = complete(&store, &alice, 0, seed, &one, Some(&codes())).await;
            assert_eq!(proxy.lost(), usize::from(seed));
            let read = account(&store, &alice, seed).await;
            assert_eq!(
                (read.authenticators.as_slice(), &read.pending),
                ([one].as_slice(), &None)
            );
            assert_whole(&read);
            if outcome.is_err() {
                // there was no time for a retry
                assert_unavailable(outcome, true);
                return false;
            }
            assert_eq!(outcome, Ok(FIRST), "the codes that the caller still holds");
            true
        };
        let mut seed = 1;
        while !is_repeated(seed).await {
            seed += 1;
            assert!(usize::from(seed) <= ATTEMPTS, "it is never repeated");
        }
    }
}

#[tokio::test]
async fn broken_connection_is_reported_only_where_a_retry_could_answer_wrongly() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server, ANY_SCRIPT, Loss::Broken).await;
    let store = open_redis(proxy.url()).await;
    let alice = user("alice");
    proxy.lose(1);
    let outcome = begin(&store, &alice, 0, 1).await;
    assert!(matches!(outcome, BeginOutcome::Stored { .. }));
    proxy.lose(1);
    assert_eq!(account(&store, &alice, 1).await.pending, Some(enrolment(1)));
    // A retried discard would report that nothing was there. And a caller who hears that nothing
    // changed would send the request again and find nothing.
    proxy.lose(1);
    assert_unavailable(store.discard(&alice, &challenge(1)).await, true);
    assert_eq!(proxy.lost(), 3);
    assert_eq!(account(&store, &alice, 1).await.pending, None);
}

#[tokio::test]
async fn commit_whose_replies_keep_being_lost_is_unknown() {
    for loss in [Loss::Broken, Loss::Silent] {
        let server = RedisServer::start();
        let proxy = Proxy::before(&server, COMMIT, loss).await;
        let store = open_redis(proxy.url()).await;
        let alice = user("alice");
        begun(&store, &alice, 1).await;
        proxy.lose(usize::MAX);
        let started = Instant::now();
        let (one, set) = (authenticator(1), codes());
        let outcome = complete(&store, &alice, 0, 1, &one, Some(&set)).await;
        assert_unavailable(outcome, true);
        assert!(started.elapsed() < IN_TIME, "{:?}", started.elapsed());
        assert!(proxy.lost() >= 2, "it was repeated");

        proxy.lose(0);
        let read = account(&store, &alice, 1).await;
        assert_eq!(read.authenticators, std::slice::from_ref(&one));
        assert_whole(&read);
        // Its claim stays, so a retry gets the answer.
        let bob = user("bob");
        begun(&store, &bob, 1).await;
        let outcome = complete(&store, &bob, 0, 1, &authenticator(1), Some(&codes())).await;
        assert_eq!(outcome, Ok(CompleteOutcome::Exists));
        let outcome = complete(&store, &alice, 0, 1, &one, Some(&set)).await;
        assert_eq!(outcome, Ok(FIRST));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_is_whole_or_absent_after_redis_dies() {
    let mut server = RedisServer::durable();
    let proxy = Proxy::before(&server, COMMIT, Loss::Broken).await;
    let store = open_redis(proxy.url()).await;
    let mut stored = 0;
    for round in 0..20_u8 {
        let alice = user(&format!("alice{round}"));
        begun(&store, &alice, round).await;
        let (one, set) = (authenticator(round), codes());
        let step = complete(&store, &alice, 0, round, &one, Some(&set));
        let outcome = while_redis_dies(&mut server, &proxy, round % 5, step).await;
        server.restart();
        let read = account(&store, &alice, round).await;
        assert_whole(&read);
        let there = read.authenticators == [one];
        assert_ne!(there, read.pending.is_some(), "the one or the other");
        match outcome {
            Ok(outcome) => {
                assert_eq!(
                    (outcome, there),
                    (FIRST, true),
                    "what was acknowledged is there"
                );
                stored += 1;
            }
            Err(Error::OutcomeUnknown { .. }) => {}
            Err(Error::Unavailable { .. }) => {
                assert!(!there, "known to be nothing, and it is there");
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    eprintln!("{stored} of 20 were acknowledged");
}

#[tokio::test]
async fn a_full_redis_begins_nothing_and_completes_what_was_begun() {
    let server = RedisServer::with(&["--save", "", "--maxmemory-policy", "noeviction"]);
    let store = open_redis(&server.url()).await;
    let alice = user("alice");
    for seed in 1..=3 {
        begun(&store, &alice, seed).await;
    }
    let _: () = server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let begun = store
        .begin(&alice, 0, handle(&alice), &enrolment(4), TTL)
        .await;
    let cause = assert_unavailable(begun, false);
    assert!(cause.contains("OOM"), "{cause}");
    assert_eq!(account(&store, &alice, 1).await.pending, Some(enrolment(1)));
    let outcome = complete(&store, &alice, 0, 1, &authenticator(1), Some(&codes())).await;
    assert_eq!(outcome, Ok(FIRST));
    assert_eq!(store.discard(&alice, &challenge(2)).await, Ok(true));
    // A claim is released too.
    let outcome = complete(&store, &alice, 1, 2, &authenticator(2), None).await;
    assert_eq!(outcome, Ok(CompleteOutcome::Gone));
    assert_eq!(server.command::<Vec<String>>(&["KEYS", "*claim"]).len(), 1);
}

#[tokio::test]
async fn password_and_socket_work_and_no_error_shows_the_password() {
    let server = RedisServer::with(&["--save", "", "--requirepass", "tuna-melt"]);
    let address = format!("127.0.0.1:{}", server.port());
    let store = open_redis(&format!("redis://:tuna-melt@{address}/0")).await;
    begun(&store, &user("alice"), 1).await;

    let socket = server.socket();
    let url = format!("redis+unix://{}?pass=tuna-melt", socket.display());
    let store = open_redis(&url).await;
    assert_eq!(
        account(&store, &user("alice"), 1).await.pending,
        Some(enrolment(1))
    );

    for wrong in [
        format!("redis://:wrong-word@{address}/0"),
        format!("redis://wrong-word@{address}/0"),
        format!("redis://{address}/0?pass=wrong-word"),
    ] {
        let store = open_redis(&wrong).await;
        let cause = assert_unavailable(store.read(&user("alice"), None).await, false);
        assert!(cause.contains(&address), "{cause}");
        let said = format!("{cause} {:?}", store.health().await);
        assert!(!said.contains("wrong-word"), "{said}");
    }
}

#[tokio::test]
async fn unusable_url_is_refused_without_being_quoted() {
    for (wrong, says) in [
        ("http://:secret@localhost", "is not a Redis URL"),
        ("secret", "is not a Redis URL"),
        ("redis+sentinel://:secret@localhost/x", "is not a Redis URL"),
        ("redis://:secret@localhost:99999", "the port"),
        ("redis://user:sec/ret@localhost:6379", "the port"),
        ("redis://:secret@localhost/db", "database number"),
        ("redis://:secret@0.0.0.0", "wildcard"),
        ("rediss://:secret@localhost/#insecure", "#insecure"),
    ] {
        let Err(error) = try_open_redis(wrong).await else {
            panic!("{wrong} was taken");
        };
        assert!(error.contains(says), "{wrong}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn tls_url_finds_its_cryptography_provider() {
    let nobody = Port::free();
    let store = open_redis(&format!("rediss://localhost:{}", nobody.number())).await;
    let cause = assert_unavailable(store.read(&user("alice"), None).await, false);
    assert!(cause.contains("refused"), "{cause}");
    // A server without TLS.
    let server = RedisServer::start();
    let store = open_redis(&format!("rediss://127.0.0.1:{}", server.port())).await;
    let started = Instant::now();
    assert_unavailable(store.read(&user("alice"), None).await, false);
    assert!(started.elapsed() < IN_TIME);
}
