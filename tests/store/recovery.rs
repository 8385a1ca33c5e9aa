//! The contract of both backends for resets and recovery codes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cedargate::store::{
    Account, CodeSet, CompleteOutcome, Completion, RecoveryCode, RemoveOutcome,
    ReplaceCodesOutcome, ResetOutcome, Store, TRIES_LIMIT, TryCodeOutcome,
};
use cedargate_core::{Bytes, CodeKind, UserId};
use tempfile::TempDir;

use super::fixture::*;

on_both! {
    a_recovery_code_works_once_and_its_salt_stays
    a_recovery_code_past_its_deadline_is_wrong
    a_second_reset_ends_the_recovery_code_of_the_first
    wrong_recovery_codes_are_counted_for_each_session
    an_authenticator_ends_the_reset_and_brings_a_full_set
    reset_spares_an_enrolled_account_unless_told_otherwise
    a_reset_returns_what_it_removed_oldest_first
    an_account_without_authenticators_never_gets_backup_codes
    the_salt_of_a_replaced_set_is_kept_for_the_session_that_it_opened
    the_salt_of_a_replaced_set_goes_when_the_active_set_changes_again
}

pub(super) async fn read(store: &Store, user: &UserId) -> Account {
    store.read(user, None).await.unwrap()
}

pub(super) async fn attempt(
    store: &Store,
    user: &UserId,
    name: &str,
    set: &CodeSet,
) -> TryCodeOutcome {
    let hash = set.hashes.first().unwrap();
    let outcome = store.try_code(&session(name), user, &set.salt, hash).await;
    outcome.unwrap()
}

pub(super) async fn guess(
    store: &Store,
    user: &UserId,
    name: &str,
    set: &CodeSet,
) -> TryCodeOutcome {
    let wrong = Bytes(vec![0xee; 32]);
    let outcome = store
        .try_code(&session(name), user, &set.salt, &wrong)
        .await;
    outcome.unwrap()
}

pub(super) fn recovered(epoch: u64) -> TryCodeOutcome {
    TryCodeOutcome::Used {
        remaining: 0,
        epoch,
    }
}

/// A pending enrolment and a pending authentication.
pub(super) async fn both_pending(store: &Store, user: &UserId) {
    begun(store, user, 50).await;
    asked(store, user, 51).await;
}

pub(super) async fn pending(store: &Store, user: &UserId) -> (bool, bool) {
    let enrolment = account(store, user, 50).await.pending;
    let authentication = account(store, user, 51).await.authentication;
    (enrolment.is_some(), authentication.is_some())
}

/// Enrols one more authenticator in a session that this code opened, on the current version.
pub(super) async fn enrolled_by(
    store: &Store,
    user: &UserId,
    seed: u8,
    codes: Option<&CodeSet>,
    opened_by: Option<&Bytes>,
) -> CompleteOutcome {
    begun(store, user, seed).await;
    let completion = Completion {
        version: read(store, user).await.version,
        challenge: &challenge(seed),
        authenticator: &authenticator(seed),
        codes,
        max_authenticators: MAX_AUTHENTICATORS,
        opened_by,
    };
    store.complete(user, &completion).await.unwrap()
}

pub(super) fn expires_at(account: &Account) -> Option<cedargate_core::Timestamp> {
    let codes = account.codes.as_ref().unwrap();
    assert_eq!(codes.kind, CodeKind::Recovery);
    codes.expires_at
}

mod cases {
    use super::*;

    pub(super) async fn a_recovery_code_works_once_and_its_salt_stays(store: Arc<Store>) {
        let alice = user("alice");
        enrolled(&store, &alice, 1).await;
        let code = recovery();
        let before = wall();
        let outcome = store.reset(&alice, &code, true).await;
        let Ok(ResetOutcome::Done { expires_at: at, .. }) = outcome else {
            panic!("{outcome:?}");
        };
        assert!(before.plus(code.ttl) <= at && at <= wall().plus(code.ttl));
        let account = read(&store, &alice).await;
        assert!(account.reset);
        assert_eq!((account.codes_remaining, account.epoch), (0, 1));
        assert_eq!(expires_at(&account), Some(at));
        assert_eq!(account.codes.unwrap().salt.pepper_id, code.set.pepper_id);

        assert_eq!(
            guess(&store, &alice, "a", &code.set).await,
            TryCodeOutcome::Wrong
        );
        assert_eq!(attempt(&store, &alice, "a", &code.set).await, recovered(1));
        for name in ["a", "b"] {
            assert_eq!(
                attempt(&store, &alice, name, &code.set).await,
                TryCodeOutcome::Wrong
            );
        }
        let account = read(&store, &alice).await;
        assert!(account.reset, "nothing is enrolled yet");
        assert_eq!(expires_at(&account), None);
        assert_eq!(active_salt(&account), Some(code.set.salt));
    }

    pub(super) async fn a_recovery_code_past_its_deadline_is_wrong(store: Arc<Store>) {
        let alice = user("alice");
        let code = RecoveryCode {
            ttl: Duration::from_millis(100),
            ..recovery()
        };
        let outcome = store.reset(&alice, &code, false).await;
        let Ok(ResetOutcome::Done { expires_at: at, .. }) = outcome else {
            panic!("{outcome:?}");
        };
        until("its time is over", async || wall() >= at).await;
        let read = read(&store, &alice).await;
        assert!(read.reset, "it stays reset");
        assert_eq!(expires_at(&read), Some(at), "it was never used");
        for _ in 0..TRIES_LIMIT {
            assert_eq!(
                attempt(&store, &alice, "a", &code.set).await,
                TryCodeOutcome::Wrong
            );
        }
        let outcome = attempt(&store, &alice, "a", &code.set).await;
        assert!(
            matches!(outcome, TryCodeOutcome::TooMany { .. }),
            "{outcome:?}"
        );
        // a reset lets the user in again
        let (_, code) = reset(&store, &alice).await;
        assert_eq!(attempt(&store, &alice, "a", &code.set).await, recovered(2));
    }

    pub(super) async fn a_second_reset_ends_the_recovery_code_of_the_first(store: Arc<Store>) {
        let alice = user("alice");
        let (_, first) = reset(&store, &alice).await;
        let (_, second) = reset(&store, &alice).await;
        assert_eq!(
            attempt(&store, &alice, "a", &first.set).await,
            TryCodeOutcome::OtherSet
        );
        assert_eq!(
            attempt(&store, &alice, "a", &second.set).await,
            recovered(2)
        );
        let (_, third) = reset(&store, &alice).await;
        assert_eq!(
            attempt(&store, &alice, "a", &second.set).await,
            TryCodeOutcome::OtherSet
        );
        assert_eq!(attempt(&store, &alice, "a", &third.set).await, recovered(3));
    }

    pub(super) async fn wrong_recovery_codes_are_counted_for_each_session(store: Arc<Store>) {
        let alice = user("alice");
        let (_, code) = reset(&store, &alice).await;
        for _ in 0..TRIES_LIMIT {
            assert_eq!(
                guess(&store, &alice, "thief", &code.set).await,
                TryCodeOutcome::Wrong
            );
        }
        let outcome = attempt(&store, &alice, "thief", &code.set).await;
        assert!(
            matches!(outcome, TryCodeOutcome::TooMany { .. }),
            "{outcome:?}"
        );
        assert_eq!(
            attempt(&store, &alice, "owner", &code.set).await,
            recovered(1)
        );
    }

    pub(super) async fn an_authenticator_ends_the_reset_and_brings_a_full_set(store: Arc<Store>) {
        let alice = user("alice");
        for is_used in [false, true] {
            enrolled(&store, &alice, 1).await;
            let (_, code) = reset(&store, &alice).await;
            if is_used {
                let outcome = attempt(&store, &alice, "a", &code.set).await;
                assert!(
                    matches!(outcome, TryCodeOutcome::Used { .. }),
                    "{outcome:?}"
                );
            }
            let set = codes();
            let outcome = enrolled_by(&store, &alice, 2, Some(&set), None).await;
            assert_eq!(outcome, FIRST);
            let account = read(&store, &alice).await;
            assert!(!account.reset);
            let active = account.codes.unwrap();
            assert_eq!((active.kind, active.expires_at), (CodeKind::Backup, None));
            assert_eq!(active.salt.salt, set.salt);
            assert_eq!(account.codes_remaining, 10);
            assert_eq!(
                attempt(&store, &alice, "a", &code.set).await,
                TryCodeOutcome::OtherSet
            );
            // the owner may remove everything, which is no reset
            let one = account.authenticators[0].id;
            let outcome = remove(&store, &alice, account.version, one).await;
            assert!(matches!(outcome, Ok(RemoveOutcome::Removed { .. })));
            let account = read(&store, &alice).await;
            assert!(!account.reset);
            assert_eq!(account.codes, None);
        }
    }

    pub(super) async fn reset_spares_an_enrolled_account_unless_told_otherwise(store: Arc<Store>) {
        let alice = user("alice");
        let one = enrolled(&store, &alice, 1).await;
        both_pending(&store, &alice).await;
        let before = read(&store, &alice).await;
        let outcome = store.reset(&alice, &recovery(), false).await;
        assert_eq!(outcome, Ok(ResetOutcome::Enrolled));
        let after = read(&store, &alice).await;
        assert_eq!(after.authenticators, [one]);
        assert_eq!((after.version, after.epoch), (before.version, before.epoch));
        assert_eq!((after.reset, after.codes), (false, before.codes));
        assert_eq!(after.codes_remaining, 10);
        assert_eq!(pending(&store, &alice).await, (true, true));

        let outcome = store.reset(&alice, &recovery(), true).await;
        assert!(
            matches!(outcome, Ok(ResetOutcome::Done { .. })),
            "{outcome:?}"
        );
        both_pending(&store, &alice).await;
        let outcome = store.reset(&alice, &recovery(), false).await;
        assert!(
            matches!(outcome, Ok(ResetOutcome::Done { .. })),
            "{outcome:?}"
        );
        assert_eq!(pending(&store, &alice).await, (false, false));
    }

    pub(super) async fn a_reset_returns_what_it_removed_oldest_first(store: Arc<Store>) {
        let alice = user("alice");
        let newer = enrolled(&store, &alice, 3).await;
        let mut older = enrolled(&store, &alice, 2).await;
        asked(&store, &alice, 9).await;
        let made = assertion(&older, 7);
        let outcome = store.authenticate(&alice, &challenge(9), &made).await;
        assert_eq!(outcome, Ok(USED));
        older.sign_count = 7;
        older.last_used_at = Some(made.at);
        assert_eq!(reset(&store, &alice).await.0, [older, newer]);
    }

    pub(super) async fn an_account_without_authenticators_never_gets_backup_codes(
        store: Arc<Store>,
    ) {
        let (alice, nobody) = (user("alice"), user("nobody"));
        let outcome = store.replace_codes(&nobody, 0, None, &codes()).await;
        assert_eq!(outcome, Ok(ReplaceCodesOutcome::Stale));
        let (_, code) = reset(&store, &alice).await;
        for old in [None, Some(&code.set.salt)] {
            let outcome = store.replace_codes(&alice, 1, old, &codes()).await;
            assert_eq!(outcome, Ok(ReplaceCodesOutcome::Stale));
        }
        let account = read(&store, &alice).await;
        assert_eq!(active_salt(&account), Some(code.set.salt.clone()));
        assert_eq!(account.codes_remaining, 0);
        assert_eq!(attempt(&store, &alice, "a", &code.set).await, recovered(1));
    }

    pub(super) async fn the_salt_of_a_replaced_set_is_kept_for_the_session_that_it_opened(
        store: Arc<Store>,
    ) {
        let alice = user("alice");
        // a recovery code opens the session
        let (_, code) = reset(&store, &alice).await;
        attempt(&store, &alice, "a", &code.set).await;
        let salt = &code.set.salt;
        let mut set = codes();
        set.hashes.truncate(1);
        let outcome = enrolled_by(&store, &alice, 1, Some(&set), Some(salt)).await;
        assert!(matches!(
            outcome,
            CompleteOutcome::Stored {
                codes_stored: true,
                ..
            }
        ));
        assert_eq!(
            read(&store, &alice).await.replaced_salt.as_ref(),
            Some(salt)
        );
        // steps that keep the active set keep the salt
        let outcome = enrolled_by(&store, &alice, 2, Some(&codes()), None).await;
        assert!(matches!(
            outcome,
            CompleteOutcome::Stored {
                codes_stored: false,
                ..
            }
        ));
        let account = read(&store, &alice).await;
        assert_eq!(account.replaced_salt.as_ref(), Some(salt));
        let first = account.authenticators[0].id;
        remove(&store, &alice, account.version, first)
            .await
            .unwrap();
        assert_eq!(
            read(&store, &alice).await.replaced_salt.as_ref(),
            Some(salt)
        );

        // the last backup code opens the session
        attempt(&store, &alice, "a", &set).await;
        assert_eq!(read(&store, &alice).await.codes_remaining, 0);
        let outcome = enrolled_by(&store, &alice, 3, Some(&codes()), Some(&set.salt)).await;
        assert_eq!(outcome, FIRST);
        let account = read(&store, &alice).await;
        assert_eq!(account.replaced_salt, Some(set.salt));

        // the salt of a set that is not active is not kept, since it opened no session
        let outcome = enrolled_by(&store, &alice, 4, None, Some(salt)).await;
        assert_eq!(outcome, FURTHER);
        let after = read(&store, &alice).await;
        assert_eq!(after.replaced_salt, account.replaced_salt);
    }

    pub(super) async fn the_salt_of_a_replaced_set_goes_when_the_active_set_changes_again(
        store: Arc<Store>,
    ) {
        for case in ["regenerate", "remove", "reset", "enrol", "enrol by another"] {
            let alice = user(case);
            let (_, code) = reset(&store, &alice).await;
            let mut set = codes();
            set.hashes.truncate(1);
            let seed = u8::try_from(case.len()).unwrap();
            enrolled_by(&store, &alice, seed, Some(&set), Some(&code.set.salt)).await;
            let account = read(&store, &alice).await;
            assert_eq!(account.replaced_salt, Some(code.set.salt.clone()));
            let version = account.version;
            match case {
                "regenerate" => {
                    let outcome = replace(&store, &alice, version, &codes()).await;
                    assert_eq!(outcome, Ok(ReplaceCodesOutcome::Stored));
                }
                "remove" => {
                    let one = account.authenticators[0].id;
                    remove(&store, &alice, version, one).await.unwrap();
                }
                "reset" => drop(reset(&store, &alice).await),
                _ => {
                    attempt(&store, &alice, "a", &set).await;
                    let other = Some(&code.set.salt).filter(|_| case != "enrol");
                    let new = codes();
                    let outcome = enrolled_by(&store, &alice, seed + 50, Some(&new), other).await;
                    assert_eq!(outcome, FIRST);
                }
            }
            assert_eq!(read(&store, &alice).await.replaced_salt, None, "{case}");
        }
    }
}

#[tokio::test]
async fn recovery_code_of_the_embedded_store_ends_at_its_deadline_whatever_the_clock() {
    let folder = TempDir::new().unwrap();
    let moved = Arc::new(AtomicI64::new(0));
    let open = || Store::embedded(folder.path(), moved_clock(Arc::clone(&moved))).unwrap();
    let (store, alice) = (open(), user("alice"));
    let (_, code) = reset(&store, &alice).await;
    let ttl = i64::try_from(code.ttl.as_millis()).unwrap();
    // Before the time of its making it is refused, as it would work for too long.
    moved.store(-60_000, Ordering::SeqCst);
    assert_eq!(
        attempt(&store, &alice, "a", &code.set).await,
        TryCodeOutcome::Wrong
    );
    moved.store(ttl, Ordering::SeqCst);
    assert_eq!(
        attempt(&store, &alice, "b", &code.set).await,
        TryCodeOutcome::Wrong
    );
    drop(store);
    let store = open();
    assert_eq!(
        attempt(&store, &alice, "b", &code.set).await,
        TryCodeOutcome::Wrong
    );
    moved.store(ttl - 60_000, Ordering::SeqCst);
    assert_eq!(attempt(&store, &alice, "a", &code.set).await, recovered(1));
}
