//! Redis carries out a change of an account and its reply is lost, or it is full, or it dies
//! meanwhile.

use crate::support::redis_proxy::{ANY_SCRIPT, Loss, Proxy};
use cedargate::store::{
    Account, AuthenticateOutcome, BeginOutcome, CodeSet, Error, RemoveOutcome, ReplaceCodesOutcome,
    Store, TryCodeOutcome,
};
use cedargate_core::{Bytes, UserId};

use super::fixture::*;
use crate::support::redis_server::RedisServer;

fn unknown<R: std::fmt::Debug>(outcome: &Result<R, Error>) -> bool {
    match outcome {
        Err(Error::OutcomeUnknown { .. }) => true,
        Err(Error::Unavailable { .. }) => false,
        other => panic!("{other:?}"),
    }
}

async fn read(store: &Store, user: &UserId) -> Account {
    account(store, user, 3).await
}

/// A store whose next reply is lost, and a user with an authenticator and a pending authentication.
async fn losing(loss: Loss) -> (RedisServer, Proxy, Store, UserId) {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server, ANY_SCRIPT, loss).await;
    let store = open_redis(proxy.url()).await;
    let alice = user("alice");
    enrolled(&store, &alice, 1).await;
    asked(&store, &alice, 3).await;
    proxy.lose(1);
    (server, proxy, store, alice)
}

#[tokio::test]
async fn removal_and_reset_with_a_lost_reply_are_unknown_and_carried_out() {
    for loss in [Loss::Broken, Loss::Silent] {
        let (_server, proxy, store, alice) = losing(loss).await;
        proxy.lose(0);
        let id = read(&store, &alice).await.authenticators[0].id;
        proxy.lose(1);
        assert!(unknown(&remove(&store, &alice, 1, id).await));
        let after = read(&store, &alice).await;
        assert!(after.authenticators.is_empty());
        assert_eq!((after.codes_remaining, after.codes), (0, None));
        assert_eq!((after.version, after.epoch), (2, 1));
        let again = remove(&store, &alice, 2, id).await;
        assert_eq!(again, Ok(RemoveOutcome::Nothing));

        let (_server, _proxy, store, alice) = losing(loss).await;
        let code = recovery();
        assert!(unknown(&store.reset(&alice, &code, true).await));
        let after = read(&store, &alice).await;
        assert_eq!(active_salt(&after), Some(code.set.salt));
        assert!(after.authenticators.is_empty());
        assert_eq!((after.codes_remaining, after.authentication), (0, None));
        assert_eq!((after.version, after.epoch), (2, 1));
    }
}

#[tokio::test]
async fn use_and_code_with_a_lost_reply_are_unknown_and_count_once() {
    for loss in [Loss::Broken, Loss::Silent] {
        let (_server, proxy, store, alice) = losing(loss).await;
        proxy.lose(0);
        let one = read(&store, &alice).await.authenticators.remove(0);
        proxy.lose(1);
        let made = assertion(&one, 5);
        assert!(unknown(
            &store.authenticate(&alice, &challenge(3), &made).await
        ));
        let after = read(&store, &alice).await;
        assert_eq!(after.authentication, None);
        assert_eq!(after.authenticators[0].sign_count, 5);
        let again = store.authenticate(&alice, &challenge(3), &made).await;
        assert_eq!(again, Ok(AuthenticateOutcome::Gone));

        let set = codes();
        let replaced = replace(&store, &alice, 1, &set).await;
        assert_eq!(replaced, Ok(ReplaceCodesOutcome::Stored));
        proxy.lose(1);
        let tried = store
            .try_code(&session("a"), &alice, &set.salt, &set.hashes[0])
            .await;
        assert!(unknown(&tried));
        assert_eq!(read(&store, &alice).await.codes_remaining, 9);
        let again = store
            .try_code(&session("a"), &alice, &set.salt, &set.hashes[0])
            .await;
        assert_eq!(again, Ok(TryCodeOutcome::Wrong));
    }
}

#[tokio::test]
async fn new_codes_with_a_lost_reply_are_stored_once_or_unknown() {
    for loss in [Loss::Broken, Loss::Silent] {
        let (_server, proxy, store, alice) = losing(loss).await;
        proxy.lose(0);
        until("it is sent once more", async || {
            let (old, set) = (active_salt(&read(&store, &alice).await), codes());
            proxy.lose(1);
            let replaced = store.replace_codes(&alice, 1, old.as_ref(), &set).await;
            // A busy machine may have no time to retry it, or none to send it.
            if replaced.is_ok() || unknown(&replaced) {
                assert_works(&store, &alice, &set).await;
            }
            replaced == Ok(ReplaceCodesOutcome::Stored)
        })
        .await;
        // A caller who hears that nothing changed would keep codes that no longer work.
        let (old, set) = (active_salt(&read(&store, &alice).await), codes());
        proxy.lose(usize::MAX);
        let replaced = store.replace_codes(&alice, 1, old.as_ref(), &set).await;
        assert!(unknown(&replaced));
        proxy.lose(0);
        assert_works(&store, &alice, &set).await;
    }
}

async fn assert_works(store: &Store, user: &UserId, set: &CodeSet) {
    assert_eq!(read(store, user).await.codes_remaining, 10);
    let tried = store
        .try_code(&session("a"), user, &set.salt, &set.hashes[0])
        .await;
    assert_eq!(
        tried,
        Ok(TryCodeOutcome::Used {
            remaining: 9,
            epoch: 0
        })
    );
}

#[tokio::test]
async fn renaming_and_begin_with_a_lost_reply_are_sent_again() {
    let (_server, proxy, store, alice) = losing(Loss::Broken).await;
    let begun = store
        .begin_authentication(&alice, 1, &authentication(4), TTL)
        .await;
    assert!(
        matches!(begun, Ok(BeginOutcome::Stored { .. })),
        "{begun:?}"
    );
    assert_eq!(proxy.lost(), 1);
    let id = read(&store, &alice).await.authenticators[0].id;
    proxy.lose(1);
    assert_eq!(store.rename(&alice, id, "new").await, Ok(true));
    assert_eq!(proxy.lost(), 2);
    let after = read(&store, &alice).await;
    assert_eq!(after.authenticators[0].device_name, "new");
    assert_eq!(after.version, 1);

    let (_server, _proxy, store, alice) = losing(Loss::Silent).await;
    let begun = store
        .begin_authentication(&alice, 1, &authentication(4), TTL)
        .await;
    assert!(
        !unknown(&begun),
        "one that is pending for nobody is harmless"
    );
}

#[tokio::test]
async fn full_redis_still_allows_uses_and_removals() {
    let server = RedisServer::with(&["--save", "", "--maxmemory-policy", "noeviction"]);
    let store = open_redis(&server.url()).await;
    let alice = user("alice");
    let one = enrolled(&store, &alice, 1).await;
    let other = enrolled(&store, &alice, 2).await;
    asked(&store, &alice, 3).await;
    let set = codes();
    let replaced = replace(&store, &alice, 2, &set).await;
    assert_eq!(replaced, Ok(ReplaceCodesOutcome::Stored));
    let _: () = server.command(&["CONFIG", "SET", "maxmemory", "1"]);

    let begun = store
        .begin_authentication(&alice, 2, &authentication(4), TTL)
        .await;
    assert!(!unknown(&begun));
    assert!(!unknown(&store.rename(&alice, one.id, "x").await));
    assert!(!unknown(&replace(&store, &alice, 2, &codes()).await));
    let made = assertion(&one, 1);
    let used = store.authenticate(&alice, &challenge(3), &made).await;
    assert_eq!(used, Ok(USED));
    let wrong = Bytes(vec![0xee; 32]);
    let tried = store
        .try_code(&session("a"), &alice, &set.salt, &wrong)
        .await;
    assert_eq!(tried, Ok(TryCodeOutcome::Wrong), "counted all the same");
    let tried = store
        .try_code(&session("a"), &alice, &set.salt, &set.hashes[0])
        .await;
    assert_eq!(
        tried,
        Ok(TryCodeOutcome::Used {
            remaining: 9,
            epoch: 0
        })
    );
    let outcome = remove(&store, &alice, 2, other.id).await;
    assert_eq!(outcome, Ok(removed(&other)));
    let (gone, code) = reset(&store, &alice).await;
    assert_eq!(gone.len(), 1);
    let hash = &code.set.hashes[0];
    let tried = store
        .try_code(&session("a"), &alice, &code.set.salt, hash)
        .await;
    let outcome = TryCodeOutcome::Used {
        remaining: 0,
        epoch: 2,
    };
    assert_eq!(tried, Ok(outcome));
    assert_eq!(
        server.command::<Vec<String>>(&["KEYS", "*claim"]),
        [] as [&str; 0]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removal_is_whole_or_absent_after_redis_dies() {
    let mut server = RedisServer::durable();
    let proxy = Proxy::before(&server, ANY_SCRIPT, Loss::Broken).await;
    let store = open_redis(proxy.url()).await;
    for round in 0..10_u8 {
        let alice = user(&format!("alice{round}"));
        let one = enrolled(&store, &alice, round).await;
        let step = remove(&store, &alice, 1, one.id);
        let outcome = while_redis_dies(&mut server, &proxy, round % 5, step).await;
        server.restart();
        let after = read(&store, &alice).await;
        let gone = after.authenticators.is_empty();
        let expected = if gone { (0, 2, 1) } else { (10, 1, 0) };
        assert_eq!(
            (after.codes_remaining, after.version, after.epoch),
            expected
        );
        match outcome {
            Ok(removed) => assert!(gone, "{removed:?}"),
            Err(_) => assert!(unknown(&outcome) || !gone, "said to be undone"),
        }
    }
}
