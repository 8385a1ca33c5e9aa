//! The contract of both backends for enrolments.

use std::sync::Arc;
use std::time::Duration;

use cedargate::store::{BeginOutcome, CompleteOutcome, PENDING_PER_SESSION, Store};
use uuid::Uuid;

use super::fixture::*;

on_both! {
    an_unknown_user_is_an_empty_account
    stored_account_is_read_back
    enrolment_is_found_by_its_own_user_only
    begin_is_stale_on_another_version_or_handle
    nine_begins_at_once_keep_eight
    ninth_begin_drops_the_oldest
    pending_enrolment_expires
    a_hundred_racing_completions_store_one
    credential_of_two_racing_users_is_stored_for_one
    one_credential_id_at_two_parties_is_two_credentials
    two_racing_first_enrolments_store_one_set_of_codes
    unknown_challenge_is_gone_on_any_version_and_stale_commit_changes_nothing
    own_credential_is_reported_as_existing_and_leaves_the_enrolment
    repeated_commit_answers_as_the_first
    codes_are_stored_only_if_none_are_left
    an_enrolment_is_discarded_once
    a_failed_attempt_leaves_the_credential_to_others
}

#[tokio::test]
async fn a_restart_between_begin_and_complete_loses_nothing() {
    for mut home in Home::both() {
        let alice = user("alice");
        let store = home.open().await;
        begun(&store, &alice, 1).await;
        begun(&store, &alice, 2).await;
        drop(store);
        home.restart();

        let store = home.open().await;
        let (one, set) = (authenticator(1), codes());
        let outcome = complete(&store, &alice, 0, 1, &one, Some(&set)).await;
        assert_eq!(outcome, Ok(FIRST), "{}", home.name());
        drop(store);
        home.restart();

        let store = home.open().await;
        let account = account(&store, &alice, 2).await;
        assert_eq!(account.authenticators, [one]);
        assert_eq!(account.pending, Some(enrolment(2)));
        assert_whole(&account);
    }
}

mod cases {
    use super::*;

    pub(super) async fn an_unknown_user_is_an_empty_account(store: Arc<Store>) {
        let account = account(&store, &user("nobody"), 1).await;
        assert_eq!((account.version, account.handle), (0, None));
        assert_eq!((account.codes_remaining, account.pending), (0, None));
        assert!(account.authenticators.is_empty());
        assert_eq!(store.failures(), 0);
    }

    pub(super) async fn stored_account_is_read_back(store: Arc<Store>) {
        let alice = user("alice");
        let before = wall();
        let BeginOutcome::Stored { expires_at } = begin(&store, &alice, 0, 9).await else {
            panic!("stale");
        };
        let earliest = before.plus(TTL);
        assert!(earliest <= expires_at && expires_at <= wall().plus(TTL));
        begun(&store, &alice, 3).await;

        let read = account(&store, &alice, 9).await;
        assert_eq!(read.pending, Some(enrolment(9)));
        assert_eq!(read.handle, Some(handle(&alice)));
        assert_eq!(read.version, 0);

        // Stored in another order than they were made in.
        let (newer, older) = (authenticator(9), authenticator(3));
        let outcome = complete(&store, &alice, 0, 9, &newer, Some(&codes())).await;
        assert_eq!(outcome, Ok(FIRST));
        let outcome = complete(&store, &alice, 1, 3, &older, None).await;
        assert_eq!(outcome, Ok(FURTHER));

        let read = account(&store, &alice, 9).await;
        assert_eq!(read.authenticators, [older, newer]);
        assert_eq!(read.pending, None);
        assert_eq!(read.handle, Some(handle(&alice)));
        assert_whole(&read);
    }

    pub(super) async fn enrolment_is_found_by_its_own_user_only(store: Arc<Store>) {
        let (alice, bob) = (user("alice"), user("bob"));
        begun(&store, &alice, 1).await;
        assert_eq!(account(&store, &bob, 1).await.pending, None);
        let outcome = complete(&store, &bob, 0, 1, &authenticator(1), None).await;
        assert_eq!(outcome, Ok(CompleteOutcome::Gone));
        assert_eq!(store.discard(&bob, &challenge(1)).await, Ok(false));
        let other_tenant = "corp||alice".parse().unwrap();
        assert_eq!(account(&store, &other_tenant, 1).await.pending, None);
        assert_eq!(account(&store, &alice, 1).await.pending, Some(enrolment(1)));
    }

    pub(super) async fn begin_is_stale_on_another_version_or_handle(store: Arc<Store>) {
        let alice = user("alice");
        assert_eq!(begin(&store, &alice, 1, 1).await, BeginOutcome::Stale);
        assert_eq!(account(&store, &alice, 1).await.handle, None);

        begun(&store, &alice, 1).await;
        let outcome = store
            .begin(&alice, 0, Uuid::new_v4(), &enrolment(2), TTL)
            .await;
        assert_eq!(outcome, Ok(BeginOutcome::Stale));
        let read = account(&store, &alice, 2).await;
        assert_eq!((read.pending, read.handle), (None, Some(handle(&alice))));
    }

    pub(super) async fn nine_begins_at_once_keep_eight(store: Arc<Store>) {
        let alice = user("alice");
        let begins = (1..=9).map(|seed| {
            let (store, alice) = (Arc::clone(&store), alice.clone());
            tokio::spawn(async move { begin(&store, &alice, 0, seed).await })
        });
        for begin in begins.collect::<Vec<_>>() {
            assert!(matches!(begin.await.unwrap(), BeginOutcome::Stored { .. }));
        }
        assert_eq!(pending(&store, 1..=9).await.len(), PENDING_PER_SESSION);
    }

    pub(super) async fn ninth_begin_drops_the_oldest(store: Arc<Store>) {
        for seed in 1..=10 {
            begun(&store, &user("alice"), seed).await;
        }
        assert_eq!(pending(&store, 1..=10).await, [3, 4, 5, 6, 7, 8, 9, 10]);
        // A challenge that is begun again becomes the newest and drops no other.
        begun(&store, &user("alice"), 3).await;
        begun(&store, &user("alice"), 11).await;
        assert_eq!(pending(&store, 1..=11).await, [3, 5, 6, 7, 8, 9, 10, 11]);
    }

    async fn pending(store: &Store, seeds: std::ops::RangeInclusive<u8>) -> Vec<u8> {
        let mut found = Vec::new();
        for seed in seeds {
            if account(store, &user("alice"), seed).await.pending.is_some() {
                found.push(seed);
            }
        }
        found
    }

    pub(super) async fn pending_enrolment_expires(store: Arc<Store>) {
        let alice = user("alice");
        // A second, longer one keeps the set of pending enrolments alive when the short one
        // expires.
        begun(&store, &alice, 2).await;
        let short = Duration::from_millis(200);
        let begun = store
            .begin(&alice, 0, handle(&alice), &enrolment(1), short)
            .await;
        let Ok(BeginOutcome::Stored { expires_at }) = begun else {
            panic!("{begun:?}");
        };
        until("it has run out", async || {
            account(&store, &alice, 1).await.pending.is_none()
        })
        .await;
        assert!(wall() >= expires_at, "not before its time");
        let outcome = complete(&store, &alice, 0, 1, &authenticator(1), Some(&codes())).await;
        assert_eq!(outcome, Ok(CompleteOutcome::Gone));
        assert_eq!(store.discard(&alice, &challenge(1)).await, Ok(false));
        let read = account(&store, &alice, 2).await;
        assert_eq!(read.pending, Some(enrolment(2)));
        assert_whole(&read);
    }

    pub(super) async fn a_hundred_racing_completions_store_one(store: Arc<Store>) {
        let alice = user("alice");
        begun(&store, &alice, 1).await;
        let racers = (0..100).map(|_| {
            let (store, alice) = (Arc::clone(&store), alice.clone());
            tokio::spawn(async move {
                complete_in_the_end(&store, &alice, 1, &authenticator(1), &codes()).await
            })
        });
        let mut stored = 0;
        for racer in racers.collect::<Vec<_>>() {
            match racer.await.unwrap() {
                FIRST => stored += 1,
                outcome => assert_eq!(outcome, CompleteOutcome::Gone),
            }
        }
        assert_eq!(stored, 1);
        let read = account(&store, &alice, 1).await;
        assert_eq!(read.authenticators.len(), 1);
        assert_whole(&read);
    }

    pub(super) async fn credential_of_two_racing_users_is_stored_for_one(store: Arc<Store>) {
        for seed in 1..=20 {
            let users = [user(&format!("alice{seed}")), user(&format!("bob{seed}"))];
            let racers = users.each_ref().map(|user| {
                let (store, user) = (Arc::clone(&store), user.clone());
                tokio::spawn(async move {
                    begun(&store, &user, seed).await;
                    complete(&store, &user, 0, seed, &authenticator(seed), Some(&codes())).await
                })
            });
            let mut outcomes = Vec::new();
            for (racer, user) in racers.into_iter().zip(&users) {
                let outcome = racer.await.unwrap().unwrap();
                let read = account(&store, user, seed).await;
                assert_eq!(
                    read.pending.is_none(),
                    outcome == FIRST,
                    "the loser's stands"
                );
                assert_whole(&read);
                outcomes.push(outcome);
            }
            assert!(
                outcomes == [FIRST, CompleteOutcome::Exists]
                    || outcomes == [CompleteOutcome::Exists, FIRST],
                "{outcomes:?}"
            );
        }
    }

    pub(super) async fn one_credential_id_at_two_parties_is_two_credentials(store: Arc<Store>) {
        let (alice, bob) = (user("alice"), user("bob"));
        begun(&store, &alice, 1).await;
        begun(&store, &bob, 1).await;
        let mut elsewhere = authenticator(1);
        elsewhere.rp_id = "example.org".to_owned();
        let set = codes();
        let outcome = complete(&store, &alice, 0, 1, &authenticator(1), Some(&set)).await;
        assert_eq!(outcome, Ok(FIRST));
        let outcome = complete(&store, &bob, 0, 1, &elsewhere, Some(&codes())).await;
        assert_eq!(outcome, Ok(FIRST));
    }

    pub(super) async fn two_racing_first_enrolments_store_one_set_of_codes(store: Arc<Store>) {
        let alice = user("alice");
        begun(&store, &alice, 1).await;
        begun(&store, &alice, 2).await;
        let racers = [1, 2].map(|seed| {
            let (store, alice) = (Arc::clone(&store), alice.clone());
            tokio::spawn(async move {
                let one = authenticator(seed);
                let outcome = complete(&store, &alice, 0, seed, &one, Some(&codes())).await;
                (seed, one, outcome.unwrap())
            })
        });
        let mut losers = Vec::new();
        for racer in racers {
            let (seed, one, outcome) = racer.await.unwrap();
            if outcome == FIRST {
                continue;
            }
            assert_eq!(outcome, CompleteOutcome::Stale);
            losers.push((seed, one));
        }
        let [(seed, one)] = losers.as_slice() else {
            panic!("not one winner: {losers:?}");
        };
        let read = account(&store, &alice, *seed).await;
        assert_eq!((read.version, read.codes_remaining), (1, 10));
        assert_eq!(read.pending, Some(enrolment(*seed)), "it stands");
        let again = complete(&store, &alice, 1, *seed, one, Some(&codes())).await;
        assert_eq!(again, Ok(FURTHER));
        assert_whole(&account(&store, &alice, *seed).await);
    }

    pub(super) async fn unknown_challenge_is_gone_on_any_version_and_stale_commit_changes_nothing(
        store: Arc<Store>,
    ) {
        let alice = user("alice");
        begun(&store, &alice, 1).await;
        let set = codes();
        let outcome = complete(&store, &alice, 7, 2, &authenticator(1), Some(&set)).await;
        assert_eq!(outcome, Ok(CompleteOutcome::Gone));
        let outcome = complete(&store, &alice, 7, 1, &authenticator(1), Some(&set)).await;
        assert_eq!(outcome, Ok(CompleteOutcome::Stale));
        let read = account(&store, &alice, 1).await;
        assert_eq!(read.pending, Some(enrolment(1)));
        assert_whole(&read);
    }

    pub(super) async fn own_credential_is_reported_as_existing_and_leaves_the_enrolment(
        store: Arc<Store>,
    ) {
        let alice = user("alice");
        begun(&store, &alice, 1).await;
        begun(&store, &alice, 2).await;
        let set = codes();
        let outcome = complete(&store, &alice, 0, 1, &authenticator(1), Some(&set)).await;
        assert_eq!(outcome, Ok(FIRST));
        let outcome = complete(&store, &alice, 1, 2, &authenticator(1), None).await;
        assert_eq!(outcome, Ok(CompleteOutcome::Exists));
        assert_eq!(account(&store, &alice, 2).await.pending, Some(enrolment(2)));
        // It still conflicts with others.
        let bob = user("bob");
        begun(&store, &bob, 1).await;
        let outcome = complete(&store, &bob, 0, 1, &authenticator(1), Some(&codes())).await;
        assert_eq!(outcome, Ok(CompleteOutcome::Exists));
    }

    pub(super) async fn repeated_commit_answers_as_the_first(store: Arc<Store>) {
        let alice = user("alice");
        begun(&store, &alice, 1).await;
        begun(&store, &alice, 2).await;
        let (first, set) = (authenticator(1), codes());
        for _ in 0..3 {
            let outcome = complete(&store, &alice, 0, 1, &first, Some(&set)).await;
            assert_eq!(outcome, Ok(FIRST));
        }
        let (second, unused) = (authenticator(2), codes());
        for _ in 0..3 {
            let outcome = complete(&store, &alice, 1, 2, &second, Some(&unused)).await;
            assert_eq!(outcome, Ok(FURTHER));
        }
        assert_eq!(
            complete(&store, &alice, 0, 1, &first, Some(&set)).await,
            Ok(FIRST)
        );
        let read = account(&store, &alice, 1).await;
        assert_eq!(read.authenticators, [first, second]);
        assert_whole(&read);
    }

    pub(super) async fn codes_are_stored_only_if_none_are_left(store: Arc<Store>) {
        let alice = user("alice");
        begun(&store, &alice, 1).await;
        begun(&store, &alice, 2).await;
        begun(&store, &alice, 3).await;
        let outcome = complete(&store, &alice, 0, 1, &authenticator(1), None).await;
        let without = CompleteOutcome::Stored {
            codes_stored: false,
            remaining: 0,
        };
        assert_eq!(outcome, Ok(without));
        let outcome = complete(&store, &alice, 1, 2, &authenticator(2), Some(&codes())).await;
        assert_eq!(outcome, Ok(FIRST));
        let outcome = complete(&store, &alice, 2, 3, &authenticator(3), Some(&codes())).await;
        assert_eq!(outcome, Ok(FURTHER));
    }

    pub(super) async fn an_enrolment_is_discarded_once(store: Arc<Store>) {
        let alice = user("alice");
        begun(&store, &alice, 1).await;
        let racers = (0..20).map(|_| {
            let (store, alice) = (Arc::clone(&store), alice.clone());
            tokio::spawn(async move { store.discard(&alice, &challenge(1)).await })
        });
        let mut discarded = 0;
        for racer in racers.collect::<Vec<_>>() {
            discarded += usize::from(racer.await.unwrap().unwrap());
        }
        assert_eq!(discarded, 1);
        assert_eq!(account(&store, &alice, 1).await.pending, None);
    }

    pub(super) async fn a_failed_attempt_leaves_the_credential_to_others(store: Arc<Store>) {
        let (alice, bob) = (user("alice"), user("bob"));
        begun(&store, &alice, 1).await;
        begun(&store, &bob, 1).await;
        for (version, seed, outcome) in [
            (0, 2, CompleteOutcome::Gone),
            (5, 1, CompleteOutcome::Stale),
        ] {
            let answer = complete(&store, &alice, version, seed, &authenticator(1), None).await;
            assert_eq!(answer, Ok(outcome));
        }
        let outcome = complete(&store, &bob, 0, 1, &authenticator(1), Some(&codes())).await;
        assert_eq!(outcome, Ok(FIRST));
    }
}
