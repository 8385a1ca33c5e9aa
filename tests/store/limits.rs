//! The contract of both backends for the limit of authenticators of an account.

use std::sync::Arc;

use cedargate::store::{CompleteOutcome, Completion, Store};
use cedargate_core::{Authenticator, UserId};

use super::fixture::*;
use super::recovery::*;

on_both! {
    an_enrolment_over_the_limit_is_refused_and_its_credential_stays_free
    racing_enrolments_for_the_last_place_store_one
}

/// Enrols one more authenticator with this limit.
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

mod cases {
    use super::*;

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
        // outcomes that come before the limit
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

    pub(super) async fn racing_enrolments_for_the_last_place_store_one(store: Arc<Store>) {
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
}
