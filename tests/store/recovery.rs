//! What both backends promise of resets, administrators' removals and recovery codes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cedargate::model::{Authenticator, Bytes, CodeKind, UserId};
use cedargate::store::{
    Account, AuthenticateOutcome, CodeSet, CompleteOutcome, Completion, RecoveryCode,
    RemoveOutcome, Remover, ReplaceCodesOutcome, ResetOutcome, Store, TRIES_LIMIT, TryCodeOutcome,
};
use tempfile::TempDir;

use super::fixture::*;
use crate::redis_server::RedisServer;

on_both! {
    a_recovery_code_works_once_and_its_salt_stays
    a_recovery_code_past_its_deadline_is_wrong
    a_second_reset_ends_the_recovery_code_of_the_first
    wrong_recovery_codes_are_counted_for_each_session
    an_authenticator_ends_the_reset_and_brings_a_full_set
    a_reset_spares_who_is_enrolled_unless_told_otherwise
    a_reset_returns_what_it_removed_oldest_first
    an_admins_removal_clears_pending_ceremonies_and_an_owners_does_not
    an_admins_removal_of_the_last_authenticator_stores_the_recovery_code
    an_admins_removal_of_the_last_authenticator_without_a_code_is_stale
    of_racing_admin_removals_the_one_that_empties_the_account_leaves_a_code
    an_account_without_authenticators_never_gets_backup_codes
    the_salt_of_a_replaced_set_is_kept_for_the_session_that_it_opened
    the_salt_of_a_replaced_set_goes_when_the_active_set_changes_again
    an_enrolment_over_the_limit_is_refused_and_its_credential_stays_free
    of_racing_enrolments_for_the_last_place_one_is_stored
    a_use_carries_the_epoch_of_the_step_that_stored_it
    a_code_carries_the_epoch_of_the_step_that_used_it
}

async fn read(store: &Store, user: &UserId) -> Account {
    store.read(user, None).await.unwrap()
}

async fn attempt(store: &Store, user: &UserId, name: &str, set: &CodeSet) -> TryCodeOutcome {
    let hash = set.hashes.first().unwrap();
    let outcome = store.try_code(&session(name), user, &set.salt, hash).await;
    outcome.unwrap()
}

async fn guess(store: &Store, user: &UserId, name: &str, set: &CodeSet) -> TryCodeOutcome {
    let wrong = Bytes(vec![0xee; 32]);
    let outcome = store
        .try_code(&session(name), user, &set.salt, &wrong)
        .await;
    outcome.unwrap()
}

fn recovered(epoch: u64) -> TryCodeOutcome {
    TryCodeOutcome::Used {
        remaining: 0,
        epoch,
    }
}

/// A pending enrolment and a pending authentication.
async fn both_pending(store: &Store, user: &UserId) {
    begun(store, user, 50).await;
    asked(store, user, 51).await;
}

async fn pending(store: &Store, user: &UserId) -> (bool, bool) {
    let enrolment = account(store, user, 50).await.pending;
    let authentication = account(store, user, 51).await.authentication;
    (enrolment.is_some(), authentication.is_some())
}

/// Enrols one more in a session that this code opened, on the account as it is.
async fn enrolled_by(
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

/// Enrols one more while the account may have this many.
async fn enrolled_within(
    store: &Store,
    user: &UserId,
    version: u64,
    one: &Authenticator,
    seed: u8,
    max_authenticators: usize,
) -> CompleteOutcome {
    let completion = Completion {
        version,
        challenge: &challenge(seed),
        authenticator: one,
        codes: None,
        max_authenticators,
        opened_by: None,
    };
    store.complete(user, &completion).await.unwrap()
}

fn expires_at(account: &Account) -> Option<cedargate::model::Timestamp> {
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
        // the way back in
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
            // its owner may leave again, and nobody has reset anything
            let one = account.authenticators[0].id;
            let outcome = remove(&store, &alice, account.version, one).await;
            assert!(matches!(outcome, Ok(RemoveOutcome::Removed { .. })));
            let account = read(&store, &alice).await;
            assert!(!account.reset);
            assert_eq!(account.codes, None);
        }
    }

    pub(super) async fn a_reset_spares_who_is_enrolled_unless_told_otherwise(store: Arc<Store>) {
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

    pub(super) async fn an_admins_removal_clears_pending_ceremonies_and_an_owners_does_not(
        store: Arc<Store>,
    ) {
        let alice = user("alice");
        let (one, other) = (
            enrolled(&store, &alice, 1).await,
            enrolled(&store, &alice, 2).await,
        );
        enrolled(&store, &alice, 3).await;
        both_pending(&store, &alice).await;
        let outcome = remove(&store, &alice, 3, one.id).await;
        assert_eq!(outcome, Ok(removed(&one)));
        assert_eq!(pending(&store, &alice).await, (true, true));

        // nothing happens by a removal that does not happen
        let code = recovery();
        for (version, id) in [(3, other.id), (4, one.id)] {
            let outcome = store.remove(&alice, version, id, Remover::Admin(Some(&code)));
            let outcome = outcome.await;
            assert!(matches!(
                outcome,
                Ok(RemoveOutcome::Stale | RemoveOutcome::Nothing)
            ));
            assert_eq!(pending(&store, &alice).await, (true, true));
        }
        let outcome = store.remove(&alice, 4, other.id, Remover::Admin(Some(&code)));
        assert_eq!(
            outcome.await,
            Ok(removed(&other)),
            "no code: it was not the last"
        );
        assert_eq!(pending(&store, &alice).await, (false, false));
        let account = read(&store, &alice).await;
        assert_eq!((account.reset, account.codes_remaining), (false, 10));
        let made = assertion(&account.authenticators[0], 1);
        let outcome = store.authenticate(&alice, &challenge(51), &made).await;
        assert_eq!(outcome, Ok(AuthenticateOutcome::Gone));
    }

    pub(super) async fn an_admins_removal_of_the_last_authenticator_stores_the_recovery_code(
        store: Arc<Store>,
    ) {
        let alice = user("alice");
        let one = enrolled(&store, &alice, 1).await;
        both_pending(&store, &alice).await;
        let code = recovery();
        let before = wall();
        let by = Remover::Admin(Some(&code));
        let outcome = store.remove(&alice, 1, one.id, by).await;
        let Ok(RemoveOutcome::Removed {
            authenticator,
            recovery_expires_at: Some(at),
        }) = outcome
        else {
            panic!("{outcome:?}");
        };
        assert_eq!(*authenticator, one);
        assert!(before.plus(code.ttl) <= at && at <= wall().plus(code.ttl));
        assert_eq!(pending(&store, &alice).await, (false, false));
        let account = read(&store, &alice).await;
        assert!(account.reset);
        assert_eq!((account.version, account.epoch), (2, 1));
        assert_eq!(account.codes_remaining, 0);
        assert_eq!(expires_at(&account), Some(at));
        assert_eq!(attempt(&store, &alice, "a", &code.set).await, recovered(1));
    }

    pub(super) async fn an_admins_removal_of_the_last_authenticator_without_a_code_is_stale(
        store: Arc<Store>,
    ) {
        let alice = user("alice");
        let one = enrolled(&store, &alice, 1).await;
        both_pending(&store, &alice).await;
        let by = Remover::Admin(None);
        assert_eq!(
            store.remove(&alice, 1, one.id, by).await,
            Ok(RemoveOutcome::Stale)
        );
        let account = read(&store, &alice).await;
        assert_eq!(account.authenticators, [one]);
        assert_eq!(account.epoch, 0);
        assert_whole(&account);
        assert_eq!(pending(&store, &alice).await, (true, true));
    }

    pub(super) async fn of_racing_admin_removals_the_one_that_empties_the_account_leaves_a_code(
        store: Arc<Store>,
    ) {
        for round in 0..10 {
            let alice = user(&format!("alice{round}"));
            let ids = [
                enrolled(&store, &alice, 2 * round).await.id,
                enrolled(&store, &alice, 2 * round + 1).await.id,
            ];
            let racers = ids.map(|id| {
                let (store, alice) = (Arc::clone(&store), alice.clone());
                tokio::spawn(async move { remove_as_admin(&store, &alice, id).await })
            });
            let mut stored = Vec::new();
            for racer in racers {
                stored.extend(racer.await.unwrap());
            }
            let account = read(&store, &alice).await;
            assert!(account.authenticators.is_empty());
            assert!(account.reset);
            let salts: Vec<_> = stored.into_iter().map(|code| code.set.salt).collect();
            assert_eq!(salts, [active_salt(&account).unwrap()]);
        }
    }

    /// As the handler does it: a code only for the last one. Returns the code that was stored.
    async fn remove_as_admin(store: &Store, user: &UserId, id: uuid::Uuid) -> Option<RecoveryCode> {
        loop {
            let account = read(store, user).await;
            let code = recovery();
            let is_last = account.authenticators.len() == 1;
            let by = Remover::Admin(Some(&code).filter(|_| is_last));
            match store.remove(user, account.version, id, by).await.unwrap() {
                RemoveOutcome::Stale => {}
                RemoveOutcome::Removed {
                    recovery_expires_at,
                    ..
                } => return recovery_expires_at.map(|_| code),
                RemoveOutcome::Nothing => panic!("nobody else removes it"),
            }
        }
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
        // a recovery code
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
        // what does not change the active set does not end it
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

        // the last backup code
        attempt(&store, &alice, "a", &set).await;
        assert_eq!(read(&store, &alice).await.codes_remaining, 0);
        let outcome = enrolled_by(&store, &alice, 3, Some(&codes()), Some(&set.salt)).await;
        assert_eq!(outcome, FIRST);
        let account = read(&store, &alice).await;
        assert_eq!(account.replaced_salt, Some(set.salt));

        // a set that is not the active one opened nothing
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

    pub(super) async fn an_enrolment_over_the_limit_is_refused_and_its_credential_stays_free(
        store: Arc<Store>,
    ) {
        let (alice, bob) = (user("alice"), user("bob"));
        let one = enrolled(&store, &alice, 1).await;
        enrolled(&store, &alice, 2).await;
        begun(&store, &alice, 3).await;
        let third = authenticator(3);
        for version in [2, 1] {
            let outcome = enrolled_within(&store, &alice, version, &third, 3, 2).await;
            assert_eq!(outcome, CompleteOutcome::LimitReached, "before stale");
        }
        // what comes before the limit
        let outcome = enrolled_within(&store, &alice, 2, &third, 4, 2).await;
        assert_eq!(outcome, CompleteOutcome::Gone);
        let outcome = enrolled_within(&store, &alice, 2, &authenticator(1), 3, 2).await;
        assert_eq!(outcome, CompleteOutcome::Exists);
        let outcome = enrolled_within(&store, &alice, 0, &one, 1, 1).await;
        assert!(
            matches!(outcome, CompleteOutcome::Stored { .. }),
            "a repetition"
        );

        let account = account(&store, &alice, 3).await;
        assert_eq!(account.pending, Some(enrolment(3)), "it stands");
        assert_eq!(account.authenticators.len(), 2);
        begun(&store, &bob, 3).await;
        let outcome = enrolled_within(&store, &bob, 0, &authenticator(3), 3, 2).await;
        assert!(
            matches!(outcome, CompleteOutcome::Stored { .. }),
            "{outcome:?}"
        );
        remove(&store, &alice, 2, one.id).await.unwrap();
        begun(&store, &alice, 4).await;
        let outcome = enrolled_within(&store, &alice, 3, &authenticator(4), 4, 2).await;
        assert!(
            matches!(outcome, CompleteOutcome::Stored { .. }),
            "{outcome:?}"
        );
    }

    pub(super) async fn of_racing_enrolments_for_the_last_place_one_is_stored(store: Arc<Store>) {
        let alice = user("alice");
        enrolled(&store, &alice, 1).await;
        for seed in 2..=6 {
            begun(&store, &alice, seed).await;
        }
        let racers = (2..=6).map(|seed| {
            let (store, alice) = (Arc::clone(&store), alice.clone());
            tokio::spawn(async move {
                let one = authenticator(seed);
                loop {
                    let version = read(&store, &alice).await.version;
                    let outcome = enrolled_within(&store, &alice, version, &one, seed, 2).await;
                    if outcome != CompleteOutcome::Stale {
                        return outcome;
                    }
                }
            })
        });
        let mut stored = 0;
        for racer in racers.collect::<Vec<_>>() {
            match racer.await.unwrap() {
                CompleteOutcome::Stored { .. } => stored += 1,
                outcome => assert_eq!(outcome, CompleteOutcome::LimitReached),
            }
        }
        assert_eq!(stored, 1);
        assert_eq!(read(&store, &alice).await.authenticators.len(), 2);
    }

    pub(super) async fn a_use_carries_the_epoch_of_the_step_that_stored_it(store: Arc<Store>) {
        let alice = user("alice");
        let one = enrolled(&store, &alice, 1).await;
        let other = enrolled(&store, &alice, 2).await;
        asked(&store, &alice, 3).await;
        remove(&store, &alice, 2, other.id).await.unwrap();
        let outcome = store
            .authenticate(&alice, &challenge(3), &assertion(&one, 1))
            .await;
        assert_eq!(
            outcome,
            Ok(AuthenticateOutcome::Stored { epoch: 1 }),
            "not that of before"
        );

        // A use that is stored beside a removal has the epoch from before it or from after it, and
        // after it was answered, only the latter.
        for round in 1..=10_u8 {
            let other = enrolled(&store, &alice, 10 + round).await;
            let account = read(&store, &alice).await;
            asked(&store, &alice, 3).await;
            asked(&store, &alice, 4).await;
            let removal = {
                let (store, alice) = (Arc::clone(&store), alice.clone());
                tokio::spawn(async move {
                    remove(&store, &alice, account.version, other.id)
                        .await
                        .unwrap()
                })
            };
            let made = assertion(&one, 2 * u32::from(round));
            let outcome = store.authenticate(&alice, &challenge(3), &made).await;
            let Ok(AuthenticateOutcome::Stored { epoch }) = outcome else {
                panic!("{outcome:?}");
            };
            assert!([account.epoch, account.epoch + 1].contains(&epoch));
            removal.await.unwrap();
            let made = assertion(&one, 2 * u32::from(round) + 1);
            let outcome = store.authenticate(&alice, &challenge(4), &made).await;
            let epoch = account.epoch + 1;
            assert_eq!(outcome, Ok(AuthenticateOutcome::Stored { epoch }));
        }
    }

    pub(super) async fn a_code_carries_the_epoch_of_the_step_that_used_it(store: Arc<Store>) {
        let alice = user("alice");
        enrolled(&store, &alice, 1).await;
        let other = enrolled(&store, &alice, 2).await;
        let set = codes();
        let outcome = replace(&store, &alice, 2, &set).await;
        assert_eq!(outcome, Ok(ReplaceCodesOutcome::Stored));
        remove(&store, &alice, 2, other.id).await.unwrap();
        let used = TryCodeOutcome::Used {
            remaining: 9,
            epoch: 1,
        };
        assert_eq!(attempt(&store, &alice, "a", &set).await, used);
    }
}

#[tokio::test]
async fn a_recovery_code_of_the_embedded_store_ends_at_its_deadline_and_no_clock_stretches_it() {
    let folder = TempDir::new().unwrap();
    let moved = Arc::new(AtomicI64::new(0));
    let open = || Store::embedded(folder.path(), moved_clock(Arc::clone(&moved))).unwrap();
    let (store, alice) = (open(), user("alice"));
    let (_, code) = reset(&store, &alice).await;
    let ttl = i64::try_from(code.ttl.as_millis()).unwrap();
    // Back to before it was made: it would work for too long.
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

#[tokio::test]
async fn a_reset_deletes_the_count_of_the_release_before() {
    let server = RedisServer::start();
    let store = open_redis(&server.url()).await;
    let alice = user("alice");
    begun(&store, &alice, 1).await;
    let account = server.command::<Vec<String>>(&["KEYS", "*:user"]).remove(0);
    let older = account.replace(":user", ":tries");
    let _: () = server.command(&["SET", &older, "10"]);
    let set = codes();
    enrolled_by(&store, &alice, 2, Some(&set), None).await;
    let outcome = attempt(&store, &alice, "a", &set).await;
    assert!(
        matches!(outcome, TryCodeOutcome::Used { .. }),
        "{outcome:?}"
    );
    reset(&store, &alice).await;
    assert_eq!(server.command::<u64>(&["EXISTS", &older]), 0);
}

/// Two neighbouring releases share one Redis. The one before this raises the version with each change
/// of the authenticators, and knows nothing of resets and recovery codes.
#[tokio::test]
async fn what_the_release_before_enrols_ends_a_reset() {
    let server = RedisServer::start();
    let store = open_redis(&server.url()).await;
    let alice = user("alice");
    let (_, code) = reset(&store, &alice).await;
    let account = server.command::<Vec<String>>(&["KEYS", "*:user"]).remove(0);
    let creds = account.replace(":user", ":creds");
    let one = authenticator(1);
    let record = serde_json::to_string(&one).unwrap();
    let _: () = server.command(&["HSET", &creds, &one.id.to_string(), &record]);
    let _: () = server.command(&["HINCRBY", &account, "version", "1"]);
    let read = read(&store, &alice).await;
    assert_eq!(read.authenticators, std::slice::from_ref(&one));
    assert_eq!((read.reset, read.codes), (false, None));
    assert_eq!(
        attempt(&store, &alice, "a", &code.set).await,
        TryCodeOutcome::OtherSet
    );
    let set = codes();
    let outcome = enrolled_by(&store, &alice, 2, Some(&set), None).await;
    assert_eq!(outcome, FIRST);
    let outcome = remove(&store, &alice, 3, one.id).await;
    assert_eq!(outcome, Ok(removed(&one)));
}

/// A file of the release before this one has no table of counts, and its records lack what was added.
#[tokio::test]
async fn an_embedded_store_of_the_release_before_is_opened_and_used() {
    use redb::{Database, TableDefinition};
    const USERS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("users");
    const COUNTS: TableDefinition<'_, &str, (i64, i64, u64, &str)> = TableDefinition::new("counts");
    let folder = TempDir::new().unwrap();
    let store = open_embedded(folder.path()).await.unwrap();
    let alice = user("alice");
    let one = enrolled(&store, &alice, 1).await;
    drop(store);
    let database = Database::open(folder.path().join("cedargate.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut users = transaction.open_table(USERS).unwrap();
        older_record(&mut users);
    }
    assert!(transaction.delete_table(COUNTS).unwrap());
    transaction.commit().unwrap();
    drop(database);

    let store = open_embedded(folder.path()).await.unwrap();
    let account = read(&store, &alice).await;
    assert_eq!(account.authenticators, [one]);
    assert_eq!((account.reset, account.replaced_salt), (false, None));
    assert_eq!(account.codes_shut, None);
    enrolled(&store, &alice, 2).await;
    let (removed, code) = reset(&store, &alice).await;
    assert_eq!(removed.len(), 2);
    assert_eq!(attempt(&store, &alice, "a", &code.set).await, recovered(1));
}

/// Rewrites the only user's record as the release before this one wrote it.
fn older_record(users: &mut redb::Table<'_, &str, &[u8]>) {
    use redb::ReadableTable as _;
    let (key, record) = {
        let (key, record) = users.first().unwrap().unwrap();
        let record: serde_json::Value = serde_json::from_slice(record.value()).unwrap();
        (key.value().to_owned(), record)
    };
    let mut record = record;
    let fields = record.as_object_mut().unwrap();
    for added in ["recovery", "replaced_salt"] {
        assert!(fields.remove(added).is_some(), "{added}");
    }
    fields.insert(
        "tries".to_owned(),
        serde_json::json!({ "count": 10, "since": 0 }),
    );
    users
        .insert(key.as_str(), record.to_string().as_bytes())
        .unwrap();
}
