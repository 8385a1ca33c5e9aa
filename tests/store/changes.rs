//! The contract of both backends for changes of authenticators: renaming, removal and reset.

use std::sync::Arc;

use cedargate::store::{
    AuthenticateOutcome, CompleteOutcome, Error, RemoveOutcome, ReplaceCodesOutcome, Store, Use,
};
use cedargate_core::UserId;
use uuid::Uuid;

use super::fixture::*;

on_both! {
    renaming_changes_the_name_only
    renaming_and_use_do_not_undo_each_other
    a_removal_raises_version_and_epoch
    a_removal_is_stale_on_another_version
    racing_removals_find_the_authenticator_once
    removal_of_the_last_authenticator_removes_the_codes
    removed_credential_is_free_for_another_user
    reset_leaves_nothing
    reset_of_an_unknown_user_creates_an_account
    ceremony_begun_before_a_removal_is_stale_after_it
}

pub(super) async fn authenticate(
    store: &Store,
    user: &UserId,
    seed: u8,
    made: &Use,
) -> AuthenticateOutcome {
    store
        .authenticate(user, &challenge(seed), made)
        .await
        .unwrap()
}

mod cases {
    use super::*;

    pub(super) async fn renaming_changes_the_name_only(store: Arc<Store>) {
        let alice = user("alice");
        let (one, other) = (
            enrolled(&store, &alice, 1).await,
            enrolled(&store, &alice, 2).await,
        );
        asked(&store, &alice, 3).await;
        let made = assertion(&one, 4);
        assert_eq!(authenticate(&store, &alice, 3, &made).await, USED);
        let before = account(&store, &alice, 3).await;
        let name = "ｎew \u{1f511} | \"{}\\";
        assert_eq!(store.rename(&alice, one.id, name).await, Ok(true));
        let read = account(&store, &alice, 3).await;
        let mut renamed = before.authenticators[0].clone();
        renamed.device_name = name.to_owned();
        assert_eq!(read.authenticators, [renamed, other]);
        assert_eq!((read.version, read.epoch), (before.version, before.epoch));

        assert_eq!(store.rename(&alice, Uuid::new_v4(), "x").await, Ok(false));
        assert_eq!(store.rename(&user("bob"), one.id, "x").await, Ok(false));
        let bob = account(&store, &user("bob"), 1).await;
        assert_eq!((bob.version, bob.handle), (0, None));
    }

    pub(super) async fn renaming_and_use_do_not_undo_each_other(store: Arc<Store>) {
        let alice = user("alice");
        let one = enrolled(&store, &alice, 1).await;
        for round in 1..=8_u8 {
            for seed in 1..=4 {
                asked(&store, &alice, seed).await;
            }
            let uses = (1..=4).map(|seed| {
                let made = assertion(&one, u32::from(round) * 10 + u32::from(seed));
                let (store, alice) = (Arc::clone(&store), alice.clone());
                tokio::spawn(async move { authenticate(&store, &alice, seed, &made).await })
            });
            let uses: Vec<_> = uses.collect();
            let name = format!("name {round}");
            let renamed = store.rename(&alice, one.id, &name).await;
            assert_eq!(renamed, Ok(true));
            for made in uses {
                let outcome = made.await.unwrap();
                assert!(matches!(outcome, USED | AuthenticateOutcome::CounterBack));
            }
            let read = account(&store, &alice, 1).await;
            assert_eq!(read.authenticators[0].device_name, name);
            // the greatest counter stays stored
            let greatest = u32::from(round) * 10 + 4;
            assert_eq!(read.authenticators[0].sign_count, greatest);
        }
    }

    pub(super) async fn a_removal_raises_version_and_epoch(store: Arc<Store>) {
        let alice = user("alice");
        let (one, other) = (
            enrolled(&store, &alice, 1).await,
            enrolled(&store, &alice, 2).await,
        );
        let before = account(&store, &alice, 1).await;
        assert_eq!((before.version, before.epoch), (2, 0));
        let outcome = remove(&store, &alice, 2, one.id).await;
        assert_eq!(outcome, Ok(removed(&one)));
        let read = account(&store, &alice, 1).await;
        assert_eq!(read.authenticators, [other]);
        assert_eq!((read.version, read.epoch, read.codes_remaining), (3, 1, 10));
        assert_eq!(read.codes, before.codes);
        assert_eq!(read.handle, before.handle);
        for version in [3, 0] {
            let again = remove(&store, &alice, version, one.id).await;
            assert_eq!(again, Ok(RemoveOutcome::Nothing));
        }
        let of_bob = remove(&store, &user("bob"), 0, one.id).await;
        assert_eq!(of_bob, Ok(RemoveOutcome::Nothing));
        assert_eq!(account(&store, &alice, 1).await.version, 3);
        assert_eq!(account(&store, &user("bob"), 1).await.version, 0);
    }

    pub(super) async fn a_removal_is_stale_on_another_version(store: Arc<Store>) {
        let alice = user("alice");
        let one = enrolled(&store, &alice, 1).await;
        for version in [0, 2] {
            let outcome = remove(&store, &alice, version, one.id).await;
            assert_eq!(outcome, Ok(RemoveOutcome::Stale));
        }
        let read = account(&store, &alice, 1).await;
        assert_eq!(read.authenticators, std::slice::from_ref(&one));
        assert_eq!(read.epoch, 0);
        assert_whole(&read);
        let removed = remove(&store, &alice, 1, one.id).await;
        assert!(
            matches!(removed, Ok(RemoveOutcome::Removed { .. })),
            "{removed:?}"
        );
    }

    pub(super) async fn racing_removals_find_the_authenticator_once(store: Arc<Store>) {
        let alice = user("alice");
        let (one, other) = (
            enrolled(&store, &alice, 1).await,
            enrolled(&store, &alice, 2).await,
        );
        let racers = (0..20).map(|at| {
            let (store, alice) = (Arc::clone(&store), alice.clone());
            let id = [one.id, other.id][at % 2];
            tokio::spawn(async move { remove(&store, &alice, 2, id).await.unwrap() })
        });
        let mut removed = 0;
        for racer in racers.collect::<Vec<_>>() {
            match racer.await.unwrap() {
                RemoveOutcome::Removed { .. } => removed += 1,
                outcome => assert!(matches!(
                    outcome,
                    RemoveOutcome::Nothing | RemoveOutcome::Stale
                )),
            }
        }
        assert_eq!(removed, 1, "both were decided on the same account");
        let read = account(&store, &alice, 1).await;
        assert_eq!((read.authenticators.len(), read.codes_remaining), (1, 10));
        assert_eq!(read.epoch, 1);
    }

    pub(super) async fn removal_of_the_last_authenticator_removes_the_codes(store: Arc<Store>) {
        let alice = user("alice");
        let one = enrolled(&store, &alice, 1).await;
        let removed = remove(&store, &alice, 1, one.id).await;
        assert!(
            matches!(removed, Ok(RemoveOutcome::Removed { .. })),
            "{removed:?}"
        );
        let read = account(&store, &alice, 1).await;
        assert!(read.authenticators.is_empty());
        assert_eq!((read.codes_remaining, read.codes), (0, None));
        // an enrolment decided on before stores no codes
        for version in [1, 2] {
            let outcome = store.replace_codes(&alice, version, None, &codes()).await;
            assert_eq!(
                outcome,
                Ok(ReplaceCodesOutcome::Stale),
                "nor does what is true now"
            );
        }
        let read = account(&store, &alice, 1).await;
        assert_eq!((read.codes_remaining, read.codes), (0, None));
        assert!(!read.reset, "its owner removed it");
        // the next authenticator is a first one again
        begun(&store, &alice, 2).await;
        let outcome = complete(&store, &alice, 2, 2, &authenticator(2), Some(&codes())).await;
        assert_eq!(outcome, Ok(FIRST));
        assert_eq!(
            account(&store, &alice, 1).await.epoch,
            1,
            "it never goes back"
        );
    }

    pub(super) async fn removed_credential_is_free_for_another_user(store: Arc<Store>) {
        let (alice, bob) = (user("alice"), user("bob"));
        for round in 0..2 {
            let one = enrolled(&store, &alice, 1).await;
            begun(&store, &bob, 1).await;
            let version = account(&store, &bob, 1).await.version;
            let take = async || {
                complete(&store, &bob, version, 1, &authenticator(1), Some(&codes())).await
            };
            assert_eq!(take().await, Ok(CompleteOutcome::Exists));
            if round == 0 {
                let removed = remove(&store, &alice, 1, one.id).await;
                assert!(
                    matches!(removed, Ok(RemoveOutcome::Removed { .. })),
                    "{removed:?}"
                );
            } else {
                assert_eq!(reset(&store, &alice).await.0.len(), 1);
            }
            assert_eq!(take().await, Ok(FIRST));
            // the first user no longer has it
            begun(&store, &alice, 2).await;
            let version = account(&store, &alice, 1).await.version;
            let outcome = complete(&store, &alice, version, 2, &authenticator(1), None).await;
            assert_eq!(outcome, Ok(CompleteOutcome::Exists));
            assert_eq!(reset(&store, &bob).await.0.len(), 1);
        }
    }

    pub(super) async fn reset_leaves_nothing(store: Arc<Store>) {
        let alice = user("alice");
        let one = enrolled(&store, &alice, 1).await;
        enrolled(&store, &alice, 2).await;
        asked(&store, &alice, 3).await;
        let made = assertion(&one, 9);
        assert_eq!(authenticate(&store, &alice, 3, &made).await, USED);
        begun(&store, &alice, 4).await;
        asked(&store, &alice, 5).await;
        let (removed, code) = reset(&store, &alice).await;
        assert_eq!(removed.len(), 2);
        assert_eq!(removed[0].sign_count, 9, "as it was last used");

        let read = account(&store, &alice, 4).await;
        assert!(read.authenticators.is_empty());
        assert_eq!((read.version, read.epoch), (3, 1));
        assert_eq!(read.codes_remaining, 0);
        assert_eq!(active_salt(&read), Some(code.set.salt));
        assert_eq!(read.pending, None);
        assert_eq!(account(&store, &alice, 5).await.authentication, None);
        assert_eq!(read.handle, Some(handle(&alice)), "whoever comes back");
        let outcome = complete(&store, &alice, 2, 4, &authenticator(4), None).await;
        assert_eq!(outcome, Ok(CompleteOutcome::Gone));
        assert_eq!(
            authenticate(&store, &alice, 5, &made).await,
            AuthenticateOutcome::Gone
        );
        assert_eq!(store.rename(&alice, one.id, "x").await, Ok(false));
        // the same authenticator enrolled again has no uses
        begun(&store, &alice, 1).await;
        let outcome = complete(&store, &alice, 3, 1, &one, Some(&codes())).await;
        assert_eq!(outcome, Ok(FIRST));
        let account_of_one = account(&store, &alice, 1).await.authenticators;
        assert_eq!(account_of_one, [one]);
        assert_eq!(reset(&store, &alice).await.0, account_of_one);
        assert_eq!(account(&store, &alice, 1).await.epoch, 2);
    }

    pub(super) async fn reset_of_an_unknown_user_creates_an_account(store: Arc<Store>) {
        let nobody = user("nobody");
        for round in 1..=2 {
            let (removed, code) = reset(&store, &nobody).await;
            assert_eq!(removed, []);
            let read = account(&store, &nobody, 1).await;
            assert_eq!(
                (read.version, read.epoch, read.handle),
                (round, round, None)
            );
            assert!(read.reset);
            assert_eq!(active_salt(&read), Some(code.set.salt));
        }
        begun(&store, &nobody, 1).await;
        assert_eq!(reset(&store, &nobody).await.0, []);
        let read = account(&store, &nobody, 1).await;
        assert_eq!((read.version, read.epoch, read.pending), (3, 3, None));
    }

    pub(super) async fn ceremony_begun_before_a_removal_is_stale_after_it(store: Arc<Store>) {
        let alice = user("alice");
        let one = enrolled(&store, &alice, 1).await;
        enrolled(&store, &alice, 2).await;
        begun(&store, &alice, 3).await;
        asked(&store, &alice, 4).await;
        let removed = remove(&store, &alice, 2, one.id).await;
        assert!(
            matches!(removed, Ok(RemoveOutcome::Removed { .. })),
            "{removed:?}"
        );
        let outcome = complete(&store, &alice, 2, 3, &authenticator(3), None).await;
        assert_eq!(outcome, Ok(CompleteOutcome::Stale));
        let made = assertion(&one, 1);
        assert_eq!(
            authenticate(&store, &alice, 4, &made).await,
            AuthenticateOutcome::NoAuthenticator
        );
        let outcome: Result<_, Error> = remove(&store, &alice, 2, one.id).await;
        assert_eq!(outcome, Ok(RemoveOutcome::Nothing));
    }
}
