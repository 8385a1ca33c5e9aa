//! The contract of both backends for epochs: each use and each code carries that of its step.

use std::sync::Arc;

use cedargate::store::{AuthenticateOutcome, ReplaceCodesOutcome, Store, TryCodeOutcome};

use super::fixture::*;
use super::recovery::*;

on_both! {
    a_use_carries_the_epoch_of_the_step_that_stored_it
    a_code_carries_the_epoch_of_the_step_that_used_it
}

mod cases {
    use super::*;

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

        // A use stored during a removal has the epoch from before or after it. Once the removal was
        // answered, it has the latter.
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
