//! Limits per session: no session uses up what another session of the same user needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cedargate::store::{
    BEGINS_LIMIT, BEGINS_WINDOW, BeginOutcome, PENDING_PER_ACCOUNT, PENDING_PER_SESSION, Store,
};
use cedargate_core::{SessionKey, UserId};
use tempfile::TempDir;

use super::fixture::*;
use crate::support::redis_server::RedisServer;

on_both! {
    a_hundred_begins_of_one_session_leave_the_pending_ceremonies_of_another
    an_account_with_64_pending_drops_the_oldest_of_the_session_with_the_most
    sessions_with_as_many_pending_drop_the_oldest_of_all
    begins_of_a_session_are_limited_over_both_kinds
    racing_begins_are_counted_one_by_one
    a_stale_begin_is_not_counted
}

async fn begin_in(store: &Store, user: &UserId, of: &SessionKey, seed: u8) -> BeginOutcome {
    let version = store.read(user, None).await.unwrap().version;
    let pending = enrolment_in(of, seed);
    let outcome = store.begin(user, version, handle(user), &pending, TTL);
    outcome.await.unwrap()
}

async fn ask_in(store: &Store, user: &UserId, of: &SessionKey, seed: u8) -> BeginOutcome {
    let version = store.read(user, None).await.unwrap().version;
    let pending = authentication_in(of, seed);
    let outcome = store.begin_authentication(user, version, &pending, TTL);
    outcome.await.unwrap()
}

fn assert_stored(outcome: BeginOutcome) {
    assert!(
        matches!(outcome, BeginOutcome::Stored { .. }),
        "{outcome:?}"
    );
}

/// The seeds of the enrolments that are pending.
async fn pending(store: &Store, user: &UserId, seeds: std::ops::RangeInclusive<u8>) -> Vec<u8> {
    let mut found = Vec::new();
    for seed in seeds {
        if account(store, user, seed).await.pending.is_some() {
            found.push(seed);
        }
    }
    found
}

mod cases {
    use super::*;

    pub(super) async fn a_hundred_begins_of_one_session_leave_the_pending_ceremonies_of_another(
        store: Arc<Store>,
    ) {
        let alice = user("alice");
        let (owner, thief) = (session("owner"), session("thief"));
        enrolled(&store, &alice, 1).await;
        assert_stored(begin_in(&store, &alice, &owner, 201).await);
        assert_stored(ask_in(&store, &alice, &owner, 202).await);
        let mut refused = 0;
        for seed in 0..100 {
            let outcome = match seed % 2 {
                0 => begin_in(&store, &alice, &thief, seed).await,
                _ => ask_in(&store, &alice, &thief, seed).await,
            };
            refused += u64::from(matches!(outcome, BeginOutcome::TooMany { .. }));
        }
        assert_eq!(refused, 100 - BEGINS_LIMIT);
        let read = account(&store, &alice, 201).await;
        assert_eq!(read.pending, Some(enrolment_in(&owner, 201)));
        let read = account(&store, &alice, 202).await;
        assert_eq!(read.authentication, Some(authentication_in(&owner, 202)));
        let of_thief = pending(&store, &alice, 0..=99).await;
        assert_eq!(of_thief.len(), PENDING_PER_SESSION);
        assert_stored(begin_in(&store, &alice, &owner, 203).await);
    }

    pub(super) async fn an_account_with_64_pending_drops_the_oldest_of_the_session_with_the_most(
        store: Arc<Store>,
    ) {
        let alice = user("alice");
        // Seven sessions have 8 each, one has 7, and the owner's has the oldest of all.
        assert_stored(begin_in(&store, &alice, &session("owner"), 0).await);
        let mut seed = 1;
        for (at, count) in [7, 8, 8, 8, 8, 8, 8, 8].into_iter().enumerate() {
            for _ in 0..count {
                assert_stored(begin_in(&store, &alice, &session(&format!("s{at}")), seed).await);
                seed += 1;
            }
        }
        assert_eq!(usize::from(seed), PENDING_PER_ACCOUNT);
        let all: Vec<u8> = (0..seed).collect();
        assert_eq!(pending(&store, &alice, 0..=seed).await, all, "64 are there");

        // Several sessions have 8, the most. The oldest of theirs is number 8, the first of s1, and
        // the next begin drops it.
        assert_stored(begin_in(&store, &alice, &session("owner"), 100).await);
        let without = |gone: &[u8]| -> Vec<u8> {
            all.iter()
                .copied()
                .filter(|it| !gone.contains(it))
                .collect()
        };
        assert_eq!(pending(&store, &alice, 0..=99).await, without(&[8]));
        // A begin by another session drops one of s2, which is next. The ninth begin of a session
        // with 8 drops one of its own.
        assert_stored(begin_in(&store, &alice, &session("new"), 101).await);
        assert_eq!(pending(&store, &alice, 0..=99).await, without(&[8, 16]));
        assert_stored(begin_in(&store, &alice, &session("s7"), 102).await);
        assert_eq!(pending(&store, &alice, 0..=99).await, without(&[8, 16, 56]));
        let newest = pending(&store, &alice, 100..=102).await;
        assert_eq!(newest, [100, 101, 102]);
    }

    pub(super) async fn sessions_with_as_many_pending_drop_the_oldest_of_all(store: Arc<Store>) {
        let alice = user("alice");
        for seed in 0..=64 {
            let own = session(&format!("s{seed}"));
            assert_stored(begin_in(&store, &alice, &own, seed).await);
        }
        let left: Vec<u8> = (1..=64).collect();
        assert_eq!(pending(&store, &alice, 0..=64).await, left);
    }

    pub(super) async fn begins_of_a_session_are_limited_over_both_kinds(store: Arc<Store>) {
        let alice = user("alice");
        enrolled(&store, &alice, 1).await;
        let thief = session("thief");
        for at in 0..BEGINS_LIMIT {
            let outcome = match at % 2 {
                0 => begin_in(&store, &alice, &thief, 2).await,
                _ => ask_in(&store, &alice, &thief, 3).await,
            };
            assert_stored(outcome);
        }
        for outcome in [
            begin_in(&store, &alice, &thief, 4).await,
            ask_in(&store, &alice, &thief, 5).await,
        ] {
            let BeginOutcome::TooMany { retry_after } = outcome else {
                panic!("{outcome:?}");
            };
            assert!(retry_after <= BEGINS_WINDOW && retry_after > BEGINS_WINDOW / 4);
        }
        assert_eq!(account(&store, &alice, 4).await.pending, None);
        assert_eq!(account(&store, &alice, 5).await.authentication, None);
        // others are not affected
        assert_stored(begin_in(&store, &alice, &session("owner"), 4).await);
        assert_stored(begin_in(&store, &alice, &SessionKey::of_account(), 5).await);
        assert_stored(begin_in(&store, &user("bob"), &thief, 4).await);
    }

    pub(super) async fn racing_begins_are_counted_one_by_one(store: Arc<Store>) {
        let alice = user("alice");
        let racers = (0..100).map(|seed| {
            let (store, alice) = (Arc::clone(&store), alice.clone());
            tokio::spawn(async move {
                let pending = enrolment_in(&session("thief"), seed);
                let outcome = store.begin(&alice, 0, handle(&alice), &pending, TTL);
                answered(outcome.await)
            })
        });
        let (mut stored, mut unanswered) = (0, 0);
        for racer in racers.collect::<Vec<_>>() {
            match racer.await.unwrap() {
                Some(BeginOutcome::Stored { .. }) => stored += 1,
                Some(outcome) => assert!(
                    matches!(outcome, BeginOutcome::TooMany { .. }),
                    "{outcome:?}"
                ),
                None => unanswered += 1,
            }
        }
        assert!(stored <= BEGINS_LIMIT, "{stored}");
        assert!(stored == BEGINS_LIMIT || unanswered > 0, "{stored}");
    }

    pub(super) async fn a_stale_begin_is_not_counted(store: Arc<Store>) {
        let (alice, own) = (user("alice"), session("owner"));
        for seed in 0..100 {
            let pending = enrolment_in(&own, seed);
            let outcome = store.begin(&alice, 7, handle(&alice), &pending, TTL).await;
            assert_eq!(outcome, Ok(BeginOutcome::Stale));
        }
        assert_stored(begin_in(&store, &alice, &own, 1).await);
    }
}

#[tokio::test]
async fn embedded_store_resets_and_forgets_the_count_of_begins_after_its_window() {
    let folder = TempDir::new().unwrap();
    let moved = Arc::new(AtomicI64::new(0));
    let open = || Store::embedded(folder.path(), moved_clock(Arc::clone(&moved))).unwrap();
    let (store, alice, own) = (open(), user("alice"), session("owner"));
    for _ in 0..BEGINS_LIMIT {
        assert_stored(begin_in(&store, &alice, &own, 1).await);
    }
    drop(store);
    let store = open();
    let outcome = begin_in(&store, &alice, &own, 1).await;
    assert!(
        matches!(outcome, BeginOutcome::TooMany { .. }),
        "{outcome:?}"
    );
    let window = i64::try_from(BEGINS_WINDOW.as_millis()).unwrap();
    moved.store(window, Ordering::SeqCst);
    assert_stored(begin_in(&store, &alice, &own, 1).await);
    drop(store);
    assert_eq!(counts(folder.path()), 1);

    // A new writer sweeps before its first step.
    moved.store(3 * window, Ordering::SeqCst);
    let store = open();
    until("a step is done after the sweep", async || {
        store.health().await.faults.is_empty()
    })
    .await;
    drop(store);
    assert_eq!(counts(folder.path()), 0);
}

/// The number of counts in the file.
fn counts(folder: &std::path::Path) -> u64 {
    use redb::{ReadableDatabase as _, ReadableTableMetadata as _};
    const COUNTS: redb::TableDefinition<'_, &str, (i64, i64, u64, &str)> =
        redb::TableDefinition::new("counts");
    let database = redb::Database::open(folder.join("cedargate.redb")).unwrap();
    let snapshot = database.begin_read().unwrap();
    snapshot.open_table(COUNTS).unwrap().len().unwrap()
}

#[tokio::test]
async fn redis_resets_the_count_of_begins_when_it_expires() {
    let server = RedisServer::start();
    let (store, alice, own) = (
        open_redis(&server.url()).await,
        user("alice"),
        session("owner"),
    );
    assert_stored(begin_in(&store, &alice, &own, 1).await);
    let key = &server.command::<Vec<String>>(&["KEYS", "*:begins:*"])[0];
    assert!(key.ends_with(own.as_str()), "{key}");
    let window = u64::try_from(BEGINS_WINDOW.as_millis()).unwrap();
    let left: u64 = server.command(&["PTTL", key]);
    assert!((window / 2..=window).contains(&left), "{left}");
    // the window began with the first
    let _: () = server.command(&["PEXPIRE", key, "30000"]);
    for _ in 1..BEGINS_LIMIT {
        assert_stored(begin_in(&store, &alice, &own, 1).await);
    }
    let outcome = begin_in(&store, &alice, &own, 1).await;
    let BeginOutcome::TooMany { retry_after } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(retry_after <= Duration::from_secs(30), "{retry_after:?}");
    let _: () = server.command(&["PEXPIRE", key, "1"]);
    until("the count has run out", async || {
        server.command::<u64>(&["EXISTS", key]) == 0
    })
    .await;
    assert_stored(begin_in(&store, &alice, &own, 1).await);
}

/// Two neighbouring releases share one Redis. The previous one does not name sessions.
#[tokio::test]
async fn records_of_the_previous_release_count_for_the_whole_account() {
    let server = RedisServer::start();
    let store = open_redis(&server.url()).await;
    let alice = user("alice");
    for seed in 0..8 {
        begun(&store, &alice, seed).await;
    }
    let key = &server.command::<Vec<String>>(&["KEYS", "*reg"])[0];
    let entries: Vec<String> = server.command(&["HGETALL", key]);
    for pair in entries.chunks(2) {
        let older = pair[1].replace(",\"session_key\":\"\"", "");
        assert_ne!(older, pair[1]);
        let _: () = server.command(&["HSET", key, &pair[0], &older]);
    }
    assert_eq!(account(&store, &alice, 0).await.pending, Some(enrolment(0)));
    assert_stored(begin_in(&store, &alice, &session("owner"), 20).await);
    assert_eq!(pending(&store, &alice, 0..=20).await.len(), 9);
    assert_stored(begin_in(&store, &alice, &SessionKey::of_account(), 21).await);
    let left: Vec<u8> = (1..8).chain([20, 21]).collect();
    assert_eq!(pending(&store, &alice, 0..=21).await, left);
}
