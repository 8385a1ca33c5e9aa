//! The contract of both backends for authentications: beginning, using and discarding them.

use std::sync::Arc;
use std::time::Duration;

use cedargate::store::{
    AuthenticateOutcome, BeginOutcome, CompleteOutcome, PENDING_PER_SESSION, Store, Use,
};
use cedargate_core::{Timestamp, UserId};
use uuid::Uuid;

use super::changes::*;
use super::fixture::*;

on_both! {
    use_of_an_authenticator_is_stored
    authentication_is_found_by_its_own_user_only
    begin_of_an_authentication_is_stale_on_another_version
    authentications_have_a_limit_of_their_own
    pending_authentication_expires
    counter_must_grow_unless_it_is_zero
    use_with_a_stale_counter_uses_up_the_challenge
    a_hundred_racing_uses_of_one_challenge_store_one
    racing_uses_with_one_counter_store_one
    a_discarded_authentication_is_gone_and_an_enrolment_stays
}

/// The seeds of the authentications that are pending.
async fn pending(store: &Store, user: &UserId, seeds: std::ops::RangeInclusive<u8>) -> Vec<u8> {
    let mut found = Vec::new();
    for seed in seeds {
        let read = account(store, user, seed).await;
        if read.authentication.is_some() {
            assert_eq!(read.authentication, Some(authentication(seed)));
            found.push(seed);
        }
    }
    found
}

mod cases {
    use super::*;

    pub(super) async fn use_of_an_authenticator_is_stored(store: Arc<Store>) {
        let alice = user("alice");
        let (one, other) = (
            enrolled(&store, &alice, 1).await,
            enrolled(&store, &alice, 2).await,
        );
        let before = account(&store, &alice, 1).await;
        asked(&store, &alice, 3).await;
        let made = Use {
            backed_up: true,
            ..assertion(&one, 7)
        };
        assert_eq!(authenticate(&store, &alice, 3, &made).await, USED);
        let read = account(&store, &alice, 3).await;
        assert_eq!(read.authentication, None, "it is used up");
        let mut used = one;
        used.sign_count = 7;
        used.backed_up = true;
        used.last_used_at = Some(made.at);
        assert_eq!(read.authenticators, [used, other]);
        assert_eq!((read.version, read.epoch), (before.version, before.epoch));
        assert_whole(&read);
    }

    pub(super) async fn authentication_is_found_by_its_own_user_only(store: Arc<Store>) {
        let (alice, bob) = (user("alice"), user("bob"));
        let one = enrolled(&store, &alice, 1).await;
        let of_bob = enrolled(&store, &bob, 2).await;
        asked(&store, &alice, 3).await;
        assert_eq!(account(&store, &bob, 3).await.authentication, None);
        for made in [assertion(&one, 1), assertion(&of_bob, 1)] {
            assert_eq!(
                authenticate(&store, &bob, 3, &made).await,
                AuthenticateOutcome::Gone
            );
        }
        let other_tenant: UserId = "corp||alice".parse().unwrap();
        let made = assertion(&one, 1);
        assert_eq!(
            authenticate(&store, &other_tenant, 3, &made).await,
            AuthenticateOutcome::Gone
        );
        assert_eq!(store.discard(&bob, &challenge(3)).await, Ok(false));
        // a challenge of an enrolment finds no authentication, and the other way round
        begun(&store, &alice, 4).await;
        assert_eq!(
            authenticate(&store, &alice, 4, &made).await,
            AuthenticateOutcome::Gone
        );
        let outcome = complete(&store, &alice, 1, 3, &authenticator(9), None).await;
        assert_eq!(outcome, Ok(CompleteOutcome::Gone));
        assert_eq!(pending(&store, &alice, 1..=4).await, [3]);
        assert_eq!(account(&store, &alice, 4).await.pending, Some(enrolment(4)));
        // an authenticator of another user is not found
        let made = assertion(&of_bob, 1);
        assert_eq!(
            authenticate(&store, &alice, 3, &made).await,
            AuthenticateOutcome::NoAuthenticator
        );
        assert_eq!(account(&store, &bob, 3).await.authenticators, [of_bob]);
    }

    pub(super) async fn begin_of_an_authentication_is_stale_on_another_version(store: Arc<Store>) {
        let alice = user("alice");
        enrolled(&store, &alice, 1).await;
        for version in [0, 2] {
            let outcome = store
                .begin_authentication(&alice, version, &authentication(3), TTL)
                .await;
            assert_eq!(outcome, Ok(BeginOutcome::Stale));
        }
        assert_eq!(account(&store, &alice, 3).await.authentication, None);
        let before = wall();
        let outcome = store
            .begin_authentication(&alice, 1, &authentication(3), TTL)
            .await;
        let Ok(BeginOutcome::Stored { expires_at }) = outcome else {
            panic!("{outcome:?}");
        };
        assert!(before.plus(TTL) <= expires_at && expires_at <= wall().plus(TTL));
        let read = account(&store, &alice, 3).await;
        assert_eq!(read.handle, Some(handle(&alice)), "as it was");
        assert_eq!((read.version, read.pending), (1, None));
    }

    pub(super) async fn authentications_have_a_limit_of_their_own(store: Arc<Store>) {
        let alice = user("alice");
        enrolled(&store, &alice, 1).await;
        for seed in 1..=8 {
            begun(&store, &alice, seed).await;
        }
        let begins = (1..=9).map(|seed| {
            let (store, alice) = (Arc::clone(&store), alice.clone());
            tokio::spawn(async move { asked(&store, &alice, seed).await })
        });
        for begin in begins.collect::<Vec<_>>() {
            begin.await.unwrap();
        }
        assert_eq!(
            pending(&store, &alice, 1..=9).await.len(),
            PENDING_PER_SESSION
        );
        for seed in 11..=18 {
            asked(&store, &alice, seed).await;
        }
        asked(&store, &alice, 11).await;
        asked(&store, &alice, 19).await;
        let left = pending(&store, &alice, 1..=19).await;
        assert_eq!(left, [11, 13, 14, 15, 16, 17, 18, 19], "the oldest goes");
        begun(&store, &alice, 9).await;
        for seed in 2..=9 {
            let read = account(&store, &alice, seed).await;
            assert_eq!(read.pending, Some(enrolment(seed)), "an enrolment stays");
        }
        assert_eq!(
            pending(&store, &alice, 11..=19).await.len(),
            PENDING_PER_SESSION
        );
    }

    pub(super) async fn pending_authentication_expires(store: Arc<Store>) {
        let alice = user("alice");
        let one = enrolled(&store, &alice, 1).await;
        asked(&store, &alice, 2).await;
        let short = Duration::from_millis(200);
        let outcome = store
            .begin_authentication(&alice, 1, &authentication(3), short)
            .await;
        let Ok(BeginOutcome::Stored { expires_at }) = outcome else {
            panic!("{outcome:?}");
        };
        until("it has run out", async || {
            account(&store, &alice, 3).await.authentication.is_none()
        })
        .await;
        assert!(wall() >= expires_at, "not before its time");
        let made = assertion(&one, 1);
        assert_eq!(
            authenticate(&store, &alice, 3, &made).await,
            AuthenticateOutcome::Gone
        );
        assert_eq!(store.discard(&alice, &challenge(3)).await, Ok(false));
        assert_eq!(pending(&store, &alice, 2..=3).await, [2]);
    }

    pub(super) async fn counter_must_grow_unless_it_is_zero(store: Arc<Store>) {
        let alice = user("alice");
        let one = enrolled(&store, &alice, 1).await;
        for (shown, outcome, kept) in [
            (0, USED, 0),
            (0, USED, 0),
            (1, USED, 1),
            (1, AuthenticateOutcome::CounterBack, 1),
            (0, AuthenticateOutcome::CounterBack, 1),
            (9, USED, 9),
            (8, AuthenticateOutcome::CounterBack, 9),
            (10, USED, 10),
            (u32::MAX - 1, USED, u32::MAX - 1),
            (u32::MAX, USED, u32::MAX),
            (u32::MAX, AuthenticateOutcome::CounterBack, u32::MAX),
            (0, AuthenticateOutcome::CounterBack, u32::MAX),
        ] {
            asked(&store, &alice, 2).await;
            let made = assertion(&one, shown);
            assert_eq!(
                authenticate(&store, &alice, 2, &made).await,
                outcome,
                "{shown}"
            );
            let read = account(&store, &alice, 2).await;
            assert_eq!(read.authenticators[0].sign_count, kept, "{shown}");
            assert_eq!(read.authentication, None, "{shown}");
        }
    }

    pub(super) async fn use_with_a_stale_counter_uses_up_the_challenge(store: Arc<Store>) {
        let alice = user("alice");
        let one = enrolled(&store, &alice, 1).await;
        asked(&store, &alice, 2).await;
        assert_eq!(
            authenticate(&store, &alice, 2, &assertion(&one, 5)).await,
            USED
        );
        let before = account(&store, &alice, 2).await.authenticators;
        asked(&store, &alice, 3).await;
        let back = Use {
            backed_up: true,
            at: Timestamp::from_millis(1_900_000_000_000),
            ..assertion(&one, 5)
        };
        assert_eq!(
            authenticate(&store, &alice, 3, &back).await,
            AuthenticateOutcome::CounterBack
        );
        assert_eq!(
            authenticate(&store, &alice, 3, &assertion(&one, 6)).await,
            AuthenticateOutcome::Gone
        );
        asked(&store, &alice, 4).await;
        let nobodys = Use {
            id: Uuid::new_v4(),
            ..assertion(&one, 6)
        };
        assert_eq!(
            authenticate(&store, &alice, 4, &nobodys).await,
            AuthenticateOutcome::NoAuthenticator
        );
        assert_eq!(
            authenticate(&store, &alice, 4, &assertion(&one, 6)).await,
            AuthenticateOutcome::Gone
        );
        let read = account(&store, &alice, 4).await;
        assert_eq!(read.authenticators, before, "nothing of a use was stored");
    }

    pub(super) async fn a_hundred_racing_uses_of_one_challenge_store_one(store: Arc<Store>) {
        let alice = user("alice");
        let one = enrolled(&store, &alice, 1).await;
        asked(&store, &alice, 2).await;
        let racers = (1..=100).map(|count| {
            let (store, alice, made) = (Arc::clone(&store), alice.clone(), assertion(&one, count));
            tokio::spawn(async move {
                let outcome = store.authenticate(&alice, &challenge(2), &made).await;
                (count, answered(outcome))
            })
        });
        let (mut stored, mut unanswered) = (Vec::new(), 0);
        for racer in racers.collect::<Vec<_>>() {
            match racer.await.unwrap() {
                (count, Some(USED)) => stored.push(count),
                (_, Some(outcome)) => assert_eq!(outcome, AuthenticateOutcome::Gone),
                (_, None) => unanswered += 1,
            }
        }
        let kept = account(&store, &alice, 2).await.authenticators[0].sign_count;
        assert!(
            stored == [kept] || (stored.is_empty() && unanswered > 0),
            "{stored:?} {kept} {unanswered}"
        );
    }

    pub(super) async fn racing_uses_with_one_counter_store_one(store: Arc<Store>) {
        let alice = user("alice");
        let one = enrolled(&store, &alice, 1).await;
        for seed in 1..=8 {
            asked(&store, &alice, seed).await;
        }
        let racers = (1..=8).map(|seed| {
            let (store, alice, made) = (Arc::clone(&store), alice.clone(), assertion(&one, 1));
            tokio::spawn(async move {
                let outcome = store.authenticate(&alice, &challenge(seed), &made).await;
                answered(outcome)
            })
        });
        let (mut stored, mut unanswered) = (0, 0);
        for racer in racers.collect::<Vec<_>>() {
            match racer.await.unwrap() {
                Some(USED) => stored += 1,
                Some(outcome) => assert_eq!(outcome, AuthenticateOutcome::CounterBack),
                None => unanswered += 1,
            }
        }
        assert!(stored == 1 || (stored == 0 && unanswered > 0));
        let left = pending(&store, &alice, 1..=8).await;
        assert!(left.len() <= unanswered, "{left:?}");
    }

    pub(super) async fn a_discarded_authentication_is_gone_and_an_enrolment_stays(
        store: Arc<Store>,
    ) {
        let alice = user("alice");
        let one = enrolled(&store, &alice, 1).await;
        begun(&store, &alice, 2).await;
        asked(&store, &alice, 3).await;
        let racers = (0..20).map(|_| {
            let (store, alice) = (Arc::clone(&store), alice.clone());
            tokio::spawn(async move { store.discard(&alice, &challenge(3)).await.unwrap() })
        });
        let mut discarded = 0;
        for racer in racers.collect::<Vec<_>>() {
            discarded += usize::from(racer.await.unwrap());
        }
        assert_eq!(discarded, 1);
        let made = assertion(&one, 1);
        assert_eq!(
            authenticate(&store, &alice, 3, &made).await,
            AuthenticateOutcome::Gone
        );
        assert_eq!(account(&store, &alice, 2).await.pending, Some(enrolment(2)));
    }
}
