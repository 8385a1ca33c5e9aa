//! The contract of both backends for removals by admins.

use std::sync::Arc;

use cedargate::store::{AuthenticateOutcome, RecoveryCode, RemoveOutcome, Remover, Store};
use cedargate_core::UserId;

use super::fixture::*;
use super::recovery::*;

on_both! {
    an_admins_removal_clears_pending_ceremonies_and_an_owners_does_not
    an_admins_removal_of_the_last_authenticator_stores_the_recovery_code
    an_admins_removal_of_the_last_authenticator_without_a_code_is_stale
    racing_admin_removals_that_empty_the_account_store_one_code
}

mod cases {
    use super::*;

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

        // a refused removal changes nothing
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

    pub(super) async fn racing_admin_removals_that_empty_the_account_store_one_code(
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

    /// Removes as the handler of admins does, with a code for the last authenticator only. Returns
    /// the stored code.
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
}
