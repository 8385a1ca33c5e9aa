//! The contract of both backends for backup codes: trying, guessing and replacing them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cedargate::store::{
    CodeSet, CompleteOutcome, ReplaceCodesOutcome, Store, TRIES_LIMIT, TRIES_WINDOW, TryCodeOutcome,
};
use cedargate_core::{Bytes, SessionKey, UserId};
use tempfile::TempDir;

use super::fixture::*;
use crate::support::redis_server::RedisServer;

on_both! {
    new_set_replaces_the_old_one
    replacing_a_set_is_stale_on_another_version
    a_code_works_once
    fifty_racing_tries_with_one_code_succeed_once
    an_attempt_is_counted_before_it_is_compared
    right_code_resets_the_count
    a_code_of_another_set_is_not_tried
    a_count_ends_with_its_set
    wrong_codes_of_one_session_leave_the_codes_of_another_working
    four_racing_regenerations_store_one_set
}

fn wrong() -> Bytes {
    Bytes(vec![0xee; 32])
}

async fn attempt(store: &Store, user: &UserId, set: &CodeSet, hash: &Bytes) -> TryCodeOutcome {
    store
        .try_code(&session("a"), user, &set.salt, hash)
        .await
        .unwrap()
}

async fn guess(store: &Store, user: &UserId, set: &CodeSet, times: u64) {
    for _ in 0..times {
        assert_eq!(
            attempt(store, user, set, &wrong()).await,
            TryCodeOutcome::Wrong
        );
    }
}

async fn assert_too_many(store: &Store, user: &UserId, set: &CodeSet) -> Duration {
    let mut waits = Vec::new();
    // the right one too
    for hash in [&wrong(), &set.hashes[0]] {
        match attempt(store, user, set, hash).await {
            TryCodeOutcome::TooMany { retry_after } => waits.push(retry_after),
            outcome => panic!("{outcome:?}"),
        }
    }
    assert!(waits.iter().all(|it| *it <= TRIES_WINDOW), "{waits:?}");
    waits[1]
}

/// A user with an authenticator and this set.
async fn with_codes(store: &Store, user: &UserId) -> CodeSet {
    enrolled(store, user, 1).await;
    let set = codes();
    let version = store.read(user, None).await.unwrap().version;
    let outcome = replace(store, user, version, &set).await;
    assert_eq!(outcome, Ok(ReplaceCodesOutcome::Stored));
    set
}

async fn remaining(store: &Store, user: &UserId) -> usize {
    store.read(user, None).await.unwrap().codes_remaining
}

/// The time for which this session may not try codes.
async fn shut(store: &Store, user: &UserId, name: &str) -> Option<Duration> {
    let read = store.read_in(&session(name), user, None).await.unwrap();
    read.codes_retry_after
}

fn used(remaining: usize) -> TryCodeOutcome {
    TryCodeOutcome::Used {
        remaining,
        epoch: 0,
    }
}

mod cases {
    use super::*;

    pub(super) async fn new_set_replaces_the_old_one(store: Arc<Store>) {
        let alice = user("alice");
        let old = with_codes(&store, &alice).await;
        assert_eq!(attempt(&store, &alice, &old, &old.hashes[3]).await, used(9));
        let mut new = codes();
        new.pepper_id = "p2".to_owned();
        for _ in 0..3 {
            let outcome = replace(&store, &alice, 1, &new).await;
            assert_eq!(outcome, Ok(ReplaceCodesOutcome::Stored), "a repetition too");
        }
        let read = account(&store, &alice, 1).await;
        assert_eq!((read.version, read.epoch, read.codes_remaining), (1, 0, 10));
        let salt = read.codes.unwrap().salt;
        assert_eq!((&salt.salt, salt.pepper_id.as_str()), (&new.salt, "p2"));
        for hash in &old.hashes {
            assert_eq!(
                attempt(&store, &alice, &old, hash).await,
                TryCodeOutcome::OtherSet
            );
        }
        assert_eq!(
            attempt(&store, &alice, &new, &old.hashes[0]).await,
            TryCodeOutcome::Wrong
        );
        assert_eq!(attempt(&store, &alice, &new, &new.hashes[0]).await, used(9));
        // a repeated try does not restore the code
        let outcome = replace(&store, &alice, 1, &new).await;
        assert_eq!(outcome, Ok(ReplaceCodesOutcome::Stored));
        assert_eq!(remaining(&store, &alice).await, 9);
    }

    pub(super) async fn replacing_a_set_is_stale_on_another_version(store: Arc<Store>) {
        let alice = user("alice");
        let set = with_codes(&store, &alice).await;
        for version in [0, 2] {
            let outcome = replace(&store, &alice, version, &codes()).await;
            assert_eq!(outcome, Ok(ReplaceCodesOutcome::Stale));
        }
        assert_eq!(attempt(&store, &alice, &set, &set.hashes[0]).await, used(9));
    }

    pub(super) async fn a_code_works_once(store: Arc<Store>) {
        let (alice, bob) = (user("alice"), user("bob"));
        let set = with_codes(&store, &alice).await;
        begun(&store, &bob, 2).await;
        assert_eq!(
            attempt(&store, &bob, &set, &set.hashes[0]).await,
            TryCodeOutcome::OtherSet
        );
        for (at, hash) in set.hashes.iter().enumerate() {
            assert_eq!(attempt(&store, &alice, &set, hash).await, used(9 - at));
            assert_eq!(
                attempt(&store, &alice, &set, hash).await,
                TryCodeOutcome::Wrong
            );
        }
        let read = account(&store, &alice, 1).await;
        assert_eq!((read.codes_remaining, read.authenticators.len()), (0, 1));
        // when none are left, the next enrolment brings new ones
        begun(&store, &alice, 2).await;
        let outcome = complete(&store, &alice, 1, 2, &authenticator(2), Some(&codes())).await;
        assert_eq!(outcome, Ok(FIRST));
    }

    pub(super) async fn fifty_racing_tries_with_one_code_succeed_once(store: Arc<Store>) {
        let alice = user("alice");
        let set = with_codes(&store, &alice).await;
        let racers = (0..50).map(|_| {
            let (store, alice, set) = (Arc::clone(&store), alice.clone(), set.clone());
            tokio::spawn(async move {
                let outcome = store
                    .try_code(&session("a"), &alice, &set.salt, &set.hashes[4])
                    .await;
                answered(outcome)
            })
        });
        let (mut successes, mut wrong, mut unanswered) = (0, 0, 0);
        for racer in racers.collect::<Vec<_>>() {
            match racer.await.unwrap() {
                Some(TryCodeOutcome::Used { remaining: 9, .. }) => successes += 1,
                Some(TryCodeOutcome::Wrong) => wrong += 1,
                Some(outcome) => assert!(
                    matches!(outcome, TryCodeOutcome::TooMany { .. }),
                    "{outcome:?}"
                ),
                None => unanswered += 1,
            }
        }
        let is_one = successes == 1 || (successes == 0 && unanswered > 0);
        assert!(is_one, "{successes} {unanswered}");
        assert!(wrong <= TRIES_LIMIT && (wrong == TRIES_LIMIT || unanswered > 0));
        assert!(remaining(&store, &alice).await >= 9);
    }

    pub(super) async fn an_attempt_is_counted_before_it_is_compared(store: Arc<Store>) {
        let alice = user("alice");
        let set = with_codes(&store, &alice).await;
        let racers = (0..50).map(|_| {
            let (store, alice, set) = (Arc::clone(&store), alice.clone(), set.clone());
            tokio::spawn(async move {
                let outcome = store
                    .try_code(&session("a"), &alice, &set.salt, &wrong())
                    .await;
                answered(outcome)
            })
        });
        let (mut compared, mut unanswered) = (0, 0);
        for racer in racers.collect::<Vec<_>>() {
            match racer.await.unwrap() {
                Some(TryCodeOutcome::Wrong) => compared += 1,
                Some(outcome) => assert!(
                    matches!(outcome, TryCodeOutcome::TooMany { .. }),
                    "{outcome:?}"
                ),
                None => unanswered += 1,
            }
        }
        assert!(compared <= TRIES_LIMIT && (compared == TRIES_LIMIT || unanswered > 0));
        while attempt(&store, &alice, &set, &wrong()).await == TryCodeOutcome::Wrong {
            compared += 1;
            assert!(compared <= TRIES_LIMIT, "{compared}");
        }
        assert_too_many(&store, &alice, &set).await;
        assert_eq!(remaining(&store, &alice).await, 10);
        // others are not affected
        let bob = user("bob");
        enrolled(&store, &bob, 2).await;
        let of_bob = codes();
        let outcome = replace(&store, &bob, 1, &of_bob).await;
        assert_eq!(outcome, Ok(ReplaceCodesOutcome::Stored));
        assert_eq!(
            attempt(&store, &bob, &of_bob, &of_bob.hashes[0]).await,
            used(9)
        );
    }

    pub(super) async fn right_code_resets_the_count(store: Arc<Store>) {
        let alice = user("alice");
        let set = with_codes(&store, &alice).await;
        for round in 0..2 {
            guess(&store, &alice, &set, TRIES_LIMIT - 1).await;
            let hash = &set.hashes[round];
            assert_eq!(attempt(&store, &alice, &set, hash).await, used(9 - round));
        }
        guess(&store, &alice, &set, TRIES_LIMIT).await;
        assert_too_many(&store, &alice, &set).await;
    }

    pub(super) async fn a_code_of_another_set_is_not_tried(store: Arc<Store>) {
        let alice = user("alice");
        let set = with_codes(&store, &alice).await;
        let mut other = codes();
        other.hashes.clone_from(&set.hashes);
        for _ in 0..2 * TRIES_LIMIT {
            let outcome = attempt(&store, &alice, &other, &set.hashes[0]).await;
            assert_eq!(outcome, TryCodeOutcome::OtherSet);
        }
        assert_eq!(
            attempt(&store, &alice, &set, &set.hashes[0]).await,
            used(9),
            "not counted"
        );
        let nobody = user("nobody");
        assert_eq!(
            attempt(&store, &nobody, &set, &wrong()).await,
            TryCodeOutcome::OtherSet
        );
    }

    pub(super) async fn a_count_ends_with_its_set(store: Arc<Store>) {
        let alice = user("alice");
        let set = with_codes(&store, &alice).await;
        guess(&store, &alice, &set, TRIES_LIMIT).await;
        let new = codes();
        let outcome = replace(&store, &alice, 1, &new).await;
        assert_eq!(outcome, Ok(ReplaceCodesOutcome::Stored));
        assert_eq!(shut(&store, &alice, "a").await, None);
        assert_eq!(attempt(&store, &alice, &new, &new.hashes[0]).await, used(9));
        guess(&store, &alice, &new, TRIES_LIMIT).await;
        assert_too_many(&store, &alice, &new).await;
        // a recovery code made while the session is throttled
        let (_, code) = reset(&store, &alice).await;
        let hash = &code.set.hashes[0];
        let outcome = attempt(&store, &alice, &code.set, hash).await;
        let used = TryCodeOutcome::Used {
            remaining: 0,
            epoch: 1,
        };
        assert_eq!(outcome, used);
    }

    pub(super) async fn wrong_codes_of_one_session_leave_the_codes_of_another_working(
        store: Arc<Store>,
    ) {
        let alice = user("alice");
        let set = with_codes(&store, &alice).await;
        guess(&store, &alice, &set, TRIES_LIMIT).await;
        assert_too_many(&store, &alice, &set).await;
        let wait = shut(&store, &alice, "a").await.unwrap();
        assert!(wait > TRIES_WINDOW / 2 && wait <= TRIES_WINDOW, "{wait:?}");

        for (at, owner) in [session("b"), SessionKey::of_account()].iter().enumerate() {
            let read = store.read_in(owner, &alice, None).await.unwrap();
            assert_eq!(read.codes_retry_after, None);
            let hash = &set.hashes[at];
            let outcome = store.try_code(owner, &alice, &set.salt, hash).await;
            assert_eq!(outcome, Ok(used(9 - at)));
        }
        // a right code of one session does not lift the limit of the other
        assert_too_many(&store, &alice, &set).await;
    }

    pub(super) async fn four_racing_regenerations_store_one_set(store: Arc<Store>) {
        let alice = user("alice");
        begun(&store, &alice, 1).await;
        let outcome = complete(&store, &alice, 0, 1, &authenticator(1), None).await;
        assert!(
            matches!(outcome, Ok(CompleteOutcome::Stored { .. })),
            "{outcome:?}"
        );
        for round in 0..2 {
            let read = store.read(&alice, None).await.unwrap();
            assert_eq!(read.codes.is_some(), round > 0);
            let racers = (0..4).map(|_| {
                let (store, alice, set) = (Arc::clone(&store), alice.clone(), codes());
                let (version, old) = (read.version, active_salt(&read));
                tokio::spawn(async move {
                    let outcome = store.replace_codes(&alice, version, old.as_ref(), &set);
                    (outcome.await.unwrap(), set)
                })
            });
            let mut stored = Vec::new();
            for racer in racers.collect::<Vec<_>>() {
                match racer.await.unwrap() {
                    (ReplaceCodesOutcome::Stored, set) => stored.push(set),
                    (outcome, _) => assert_eq!(outcome, ReplaceCodesOutcome::Superseded),
                }
            }
            let [set] = stored.as_slice() else {
                panic!("{} were stored", stored.len());
            };
            assert_eq!(attempt(&store, &alice, set, &set.hashes[0]).await, used(9));
        }
    }
}

#[tokio::test]
async fn embedded_store_resets_the_count_after_15_minutes() {
    let folder = TempDir::new().unwrap();
    let moved = Arc::new(AtomicI64::new(0));
    let open = || Store::embedded(folder.path(), moved_clock(Arc::clone(&moved))).unwrap();
    let (store, alice) = (open(), user("alice"));
    let set = with_codes(&store, &alice).await;
    let window = i64::try_from(TRIES_WINDOW.as_millis()).unwrap();
    guess(&store, &alice, &set, TRIES_LIMIT - 1).await;
    // the window began with the first, and a restart does not end it
    moved.store(window - 120_000, Ordering::SeqCst);
    guess(&store, &alice, &set, 1).await;
    let wait = assert_too_many(&store, &alice, &set).await;
    assert!(wait <= Duration::from_secs(120), "{wait:?}");
    drop(store);
    let store = open();
    assert_too_many(&store, &alice, &set).await;
    moved.store(window, Ordering::SeqCst);
    guess(&store, &alice, &set, TRIES_LIMIT).await;
    assert_too_many(&store, &alice, &set).await;
    moved.store(2 * window, Ordering::SeqCst);
    assert_eq!(attempt(&store, &alice, &set, &set.hashes[0]).await, used(9));
}

#[tokio::test]
async fn redis_resets_the_count_when_it_expires() {
    let server = RedisServer::start();
    let (store, alice) = (open_redis(&server.url()).await, user("alice"));
    let set = with_codes(&store, &alice).await;
    guess(&store, &alice, &set, 1).await;
    let key = &server.command::<Vec<String>>(&["KEYS", "*:tries:*"])[0];
    let window = u64::try_from(TRIES_WINDOW.as_millis()).unwrap();
    let left: u64 = server.command(&["PTTL", key]);
    assert!((window - 60_000..=window).contains(&left), "{left}");
    // the window began with the first
    let _: () = server.command(&["PEXPIRE", key, "100000"]);
    guess(&store, &alice, &set, TRIES_LIMIT - 1).await;
    let wait = assert_too_many(&store, &alice, &set).await;
    assert!(wait <= Duration::from_secs(100), "{wait:?}");
    let _: () = server.command(&["PEXPIRE", key, "1"]);
    until("the count has run out", async || {
        server.command::<u64>(&["EXISTS", key]) == 0
    })
    .await;
    assert_eq!(attempt(&store, &alice, &set, &set.hashes[0]).await, used(9));
}
