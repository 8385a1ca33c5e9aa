//! The embedded store with a clock that the test controls: it jumps or stands still.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use cedargate::store::{BeginOutcome, CompleteOutcome, Error, Health, Store};
use tempfile::TempDir;

use super::fixture::*;
use crate::support::poll::PATIENCE;

#[tokio::test]
async fn clock_jump_extends_no_deadline() {
    let folder = TempDir::new().unwrap();
    let moved = Arc::new(AtomicI64::new(0));
    let open = || Store::embedded(folder.path(), moved_clock(Arc::clone(&moved))).unwrap();
    let alice = user("alice");
    let store = open();
    begun(&store, &alice, 1).await;
    let ttl = i64::try_from(TTL.as_millis()).unwrap();

    moved.store(ttl - 60_000, Ordering::SeqCst);
    assert_eq!(account(&store, &alice, 1).await.pending, Some(enrolment(1)));
    moved.store(ttl, Ordering::SeqCst);
    assert_eq!(account(&store, &alice, 1).await.pending, None);
    // Before the time of its begin it is not valid, and gone after a restart.
    moved.store(-3_600_000, Ordering::SeqCst);
    assert_eq!(account(&store, &alice, 1).await.pending, None);
    let outcome = complete(&store, &alice, 0, 1, &authenticator(1), Some(&codes())).await;
    assert_eq!(outcome, Ok(CompleteOutcome::Gone));
}

/// A busy disk can take longer than readiness waits.
async fn until_healthy(store: &Store) {
    until("the store is healthy", async || {
        store.health().await == Health::default()
    })
    .await;
}

/// A store whose disk stalls while the mutex is held, as its writer reads the clock in each step.
fn open_stuck(folder: &TempDir) -> (Store, Arc<Mutex<()>>) {
    let stuck = Arc::new(Mutex::new(()));
    let clock = {
        let stuck = Arc::clone(&stuck);
        move || {
            drop(stuck.lock().unwrap());
            wall()
        }
    };
    let store = Store::embedded(folder.path(), Arc::new(clock)).unwrap();
    (store, stuck)
}

/// A health check is answered and does not wait in the queue.
#[tokio::test]
#[expect(
    clippy::await_holding_lock,
    reason = "the disk stands still while it is waited for"
)]
async fn store_on_a_stalled_disk_is_not_ready() {
    let folder = TempDir::new().unwrap();
    let (store, stuck) = open_stuck(&folder);
    let held = stuck.lock().unwrap();
    let patience = Duration::from_secs(10);
    let health = tokio::time::timeout(patience, store.health()).await;
    drop(held);
    assert_eq!(
        health.unwrap().faults,
        ["the store does not answer in time"]
    );
    until_healthy(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_disk_is_reported_and_waiting_steps_are_stored() {
    let folder = TempDir::new().unwrap();
    let (store, stuck) = open_stuck(&folder);
    let store = Arc::new(store);
    begun(&store, &user("alice"), 1).await;

    // More than the queue and one group hold.
    let all = 1500;
    let (refuse, refused) = mpsc::channel();
    let held = stuck.lock().unwrap();
    let begins: Vec<_> = (0..all)
        .map(|at| {
            let (store, refuse) = (Arc::clone(&store), refuse.clone());
            tokio::spawn(async move {
                let user = user(&format!("user{at}"));
                let outcome = store
                    .begin(&user, 0, handle(&user), &enrolment(1), TTL)
                    .await;
                if outcome.is_err() {
                    refuse.send(()).unwrap();
                }
                (user, outcome)
            })
        })
        .collect();
    for _ in 0..all - 1024 - 128 {
        refused.recv_timeout(PATIENCE).expect("a refusal");
    }
    drop(held);
    for begin in begins {
        let (user, outcome) = begin.await.unwrap();
        let stored = match outcome {
            Ok(BeginOutcome::Stored { .. }) => true,
            Err(Error::Unavailable { cause }) => {
                assert_eq!(
                    cause,
                    "the embedded store's queue is full: the disk is too slow for the load"
                );
                false
            }
            other => panic!("{other:?}"),
        };
        let pending = account(&store, &user, 1).await.pending;
        assert_eq!(pending.is_some(), stored);
    }
}

#[tokio::test]
async fn expired_records_are_swept() {
    let folder = TempDir::new().unwrap();
    let moved = Arc::new(AtomicI64::new(0));
    let open = || Store::embedded(folder.path(), moved_clock(Arc::clone(&moved))).unwrap();
    let alice = user("alice");
    let store = open();
    begun(&store, &alice, 1).await;
    drop(store);

    moved.store(3_600_000, Ordering::SeqCst);
    // A new writer sweeps before its first step.
    let store = open();
    until_healthy(&store).await;
    moved.store(0, Ordering::SeqCst);
    assert_eq!(
        account(&store, &alice, 1).await.pending,
        None,
        "it is not there any more"
    );
}
