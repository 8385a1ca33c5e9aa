//! What both backends promise of authenticators once they are enrolled: they are used, renamed and
//! removed.

use std::sync::Arc;
use std::time::Duration;

use cedargate::model::{Timestamp, UserId};
use cedargate::store::{
    AuthenticateOutcome, BeginOutcome, CompleteOutcome, Error, PENDING_PER_SESSION, RemoveOutcome,
    ReplaceCodesOutcome, Store, Use,
};
use uuid::Uuid;

use super::fixture::*;

on_both! {
    a_use_is_kept
    only_its_own_user_finds_an_authentication
    an_authentication_is_begun_on_the_account_as_it_is
    authentications_have_a_limit_of_their_own
    a_pending_authentication_runs_out
    the_counter_grows_or_is_not_there
    what_does_not_count_uses_the_challenge_up
    a_hundred_racing_uses_of_one_challenge_store_one
    of_racing_uses_with_one_counter_one_is_stored
    a_discarded_authentication_is_gone_and_an_enrolment_stays
    a_name_is_changed_and_nothing_else
    no_renaming_and_no_use_undoes_the_other
    a_removal_raises_version_and_epoch
    a_removal_is_stale_on_another_version
    of_racing_removals_one_finds_it
    the_last_authenticator_takes_the_codes_along
    what_was_removed_is_another_users_to_enrol
    nothing_is_left_after_a_reset
    a_user_without_a_record_gets_one_by_a_reset
    what_was_begun_before_a_removal_is_decided_anew
}

async fn authenticate(store: &Store, user: &UserId, seed: u8, made: &Use) -> AuthenticateOutcome {
    store
        .authenticate(user, &challenge(seed), made)
        .await
        .unwrap()
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

    pub(super) async fn a_use_is_kept(store: Arc<Store>) {
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

    pub(super) async fn only_its_own_user_finds_an_authentication(store: Arc<Store>) {
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
        // a challenge of an enrolment is none of an authentication, and the other way round
        begun(&store, &alice, 4).await;
        assert_eq!(
            authenticate(&store, &alice, 4, &made).await,
            AuthenticateOutcome::Gone
        );
        let outcome = complete(&store, &alice, 1, 3, &authenticator(9), None).await;
        assert_eq!(outcome, Ok(CompleteOutcome::Gone));
        assert_eq!(pending(&store, &alice, 1..=4).await, [3]);
        assert_eq!(account(&store, &alice, 4).await.pending, Some(enrolment(4)));
        // an authenticator of another user is not there
        let made = assertion(&of_bob, 1);
        assert_eq!(
            authenticate(&store, &alice, 3, &made).await,
            AuthenticateOutcome::NoAuthenticator
        );
        assert_eq!(account(&store, &bob, 3).await.authenticators, [of_bob]);
    }

    pub(super) async fn an_authentication_is_begun_on_the_account_as_it_is(store: Arc<Store>) {
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

    pub(super) async fn a_pending_authentication_runs_out(store: Arc<Store>) {
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

    pub(super) async fn the_counter_grows_or_is_not_there(store: Arc<Store>) {
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

    pub(super) async fn what_does_not_count_uses_the_challenge_up(store: Arc<Store>) {
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

    pub(super) async fn of_racing_uses_with_one_counter_one_is_stored(store: Arc<Store>) {
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

    pub(super) async fn a_name_is_changed_and_nothing_else(store: Arc<Store>) {
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

    pub(super) async fn no_renaming_and_no_use_undoes_the_other(store: Arc<Store>) {
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
            // the greatest counter is stored, whatever came between
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

    pub(super) async fn of_racing_removals_one_finds_it(store: Arc<Store>) {
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

    pub(super) async fn the_last_authenticator_takes_the_codes_along(store: Arc<Store>) {
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
        // what was decided on before gives nobody codes
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
        // the next is a first one again
        begun(&store, &alice, 2).await;
        let outcome = complete(&store, &alice, 2, 2, &authenticator(2), Some(&codes())).await;
        assert_eq!(outcome, Ok(FIRST));
        assert_eq!(
            account(&store, &alice, 1).await.epoch,
            1,
            "it never goes back"
        );
    }

    pub(super) async fn what_was_removed_is_another_users_to_enrol(store: Arc<Store>) {
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
            // and not the first user's any more
            begun(&store, &alice, 2).await;
            let version = account(&store, &alice, 1).await.version;
            let outcome = complete(&store, &alice, version, 2, &authenticator(1), None).await;
            assert_eq!(outcome, Ok(CompleteOutcome::Exists));
            assert_eq!(reset(&store, &bob).await.0.len(), 1);
        }
    }

    pub(super) async fn nothing_is_left_after_a_reset(store: Arc<Store>) {
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
        // the same authenticator once more: nothing is known of its uses
        begun(&store, &alice, 1).await;
        let outcome = complete(&store, &alice, 3, 1, &one, Some(&codes())).await;
        assert_eq!(outcome, Ok(FIRST));
        let account_of_one = account(&store, &alice, 1).await.authenticators;
        assert_eq!(account_of_one, [one]);
        assert_eq!(reset(&store, &alice).await.0, account_of_one);
        assert_eq!(account(&store, &alice, 1).await.epoch, 2);
    }

    pub(super) async fn a_user_without_a_record_gets_one_by_a_reset(store: Arc<Store>) {
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

    pub(super) async fn what_was_begun_before_a_removal_is_decided_anew(store: Arc<Store>) {
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
