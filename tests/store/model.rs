//! Any sequence of steps has the same results on both backends, and these are the model's.

mod reference;

use std::collections::BTreeMap;
use std::time::Duration;

use cedargate::model::{Authenticator, Bytes, Timestamp, UserId};
use cedargate::store::{Account, Begun, CodeSet, Store, Tried, Use};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use uuid::Uuid;

use self::reference::Model;
use super::fixture::*;

#[derive(Clone, Debug)]
enum Step {
    Begin {
        version: Version,
        challenge: u8,
    },
    Complete {
        version: Version,
        challenge: u8,
        credential: u8,
        codes: bool,
    },
    /// The last completion of this user's once more, as a lost answer makes it.
    Repeat,
    Discard {
        challenge: u8,
    },
    Ask {
        version: Version,
        challenge: u8,
    },
    Use {
        challenge: u8,
        which: Index,
        sign_count: u32,
    },
    Rename {
        which: Index,
    },
    Remove {
        version: Version,
        which: Index,
    },
    Reset,
    /// New codes, as only who has an authenticator gets them.
    Replace {
        version: Version,
    },
    Try {
        right: bool,
    },
}

/// What the caller decided on.
#[derive(Clone, Copy, Debug)]
enum Version {
    Current,
    Other,
}

fn steps() -> impl Strategy<Value = Vec<(bool, Step)>> {
    let version = || prop_oneof![4 => Just(Version::Current), 1 => Just(Version::Other)];
    let step = prop_oneof![
        5 => (version(), 0..12_u8)
            .prop_map(|(version, challenge)| Step::Begin { version, challenge }),
        4 => (version(), 0..12_u8, 0..4_u8, any::<bool>()).prop_map(
            |(version, challenge, credential, codes)| Step::Complete {
                version, challenge, credential, codes
            }
        ),
        1 => Just(Step::Repeat),
        1 => (0..12_u8).prop_map(|challenge| Step::Discard { challenge }),
        3 => (version(), 0..12_u8)
            .prop_map(|(version, challenge)| Step::Ask { version, challenge }),
        3 => (0..12_u8, any::<Index>(), 0..4_u32).prop_map(|(challenge, which, sign_count)| {
            Step::Use { challenge, which, sign_count }
        }),
        1 => any::<Index>().prop_map(|which| Step::Rename { which }),
        2 => (version(), any::<Index>())
            .prop_map(|(version, which)| Step::Remove { version, which }),
        1 => Just(Step::Reset),
        1 => version().prop_map(|version| Step::Replace { version }),
        3 => any::<bool>().prop_map(|right| Step::Try { right }),
    ];
    proptest::collection::vec((any::<bool>(), step), 1..60)
}

async fn run(store: &Store, model: &mut Model, user: &UserId, step: &Step) {
    let current = model.user(user).version;
    let version = |version: &Version| match version {
        Version::Current => current,
        Version::Other => current + 1,
    };
    match step {
        Step::Begin {
            version: decided,
            challenge,
        } => {
            let stored = model.begin(user, version(decided), *challenge);
            let outcome = begin(store, user, version(decided), *challenge).await;
            assert_eq!(stored, outcome != Begun::Stale, "{step:?}");
        }
        Step::Complete {
            version: decided,
            challenge,
            credential,
            codes: with,
        } => {
            let mut one = authenticator(*credential);
            // Both users of a case are at its own relying party: credential ids are free again.
            one.rp_id = user.subject[1..].to_owned();
            let set = with.then(codes);
            let attempt = (version(decided), *challenge, one, set);
            assert_completed(store, model, user, &attempt).await;
            model.user(user).last = Some(attempt);
        }
        Step::Repeat => {
            if let Some(attempt) = model.user(user).last.clone() {
                assert_completed(store, model, user, &attempt).await;
            }
        }
        Step::Discard { challenge: at } => {
            let expected = model.discard(user, *at);
            assert_eq!(store.discard(user, &challenge(*at)).await, Ok(expected));
        }
        Step::Ask {
            version: decided,
            challenge,
        } => {
            let stored = model.ask(user, version(decided), *challenge);
            let pending = authentication(*challenge);
            let outcome = store
                .begin_authentication(user, version(decided), &pending, TTL)
                .await;
            assert_eq!(stored, outcome.unwrap() != Begun::Stale, "{step:?}");
        }
        Step::Use {
            challenge: at,
            which,
            sign_count,
        } => {
            let made = Use {
                id: model.user(user).pick(which),
                sign_count: *sign_count,
                backed_up: sign_count % 2 == 0,
                at: Timestamp::from_millis(1_800_000_000_000 + i64::from(*sign_count)),
            };
            let expected = model.authenticate(user, *at, &made);
            let outcome = store.authenticate(user, &challenge(*at), &made).await;
            assert_eq!(outcome, Ok(expected), "{step:?}");
        }
        Step::Rename { which } => {
            let id = model.user(user).pick(which);
            let name = Uuid::new_v4().to_string();
            let found = model.user(user).authenticators.iter_mut();
            let found = found.into_iter().find(|one| one.id == id);
            let expected = found.map(|one| one.device_name.clone_from(&name)).is_some();
            assert_eq!(store.rename(user, id, &name).await, Ok(expected));
        }
        Step::Remove {
            version: decided,
            which,
        } => {
            let id = model.user(user).pick(which);
            let expected = model.remove(user, version(decided), id);
            let outcome = store.remove(user, version(decided), id).await;
            assert_eq!(outcome, Ok(expected), "{step:?}");
        }
        Step::Reset => {
            let expected = model.reset(user);
            assert_eq!(store.reset(user).await, Ok(expected));
        }
        Step::Replace { version: decided } => {
            if !model.user(user).authenticators.is_empty() {
                let set = codes();
                let expected = model.replace(user, version(decided), &set);
                let outcome = store.replace_codes(user, version(decided), &set).await;
                assert_eq!(outcome, Ok(expected), "{step:?}");
            }
        }
        Step::Try { right } => {
            let set = model.user(user).set.clone().unwrap_or_else(codes);
            let right = set.hashes.first().filter(|_| *right).cloned();
            let hash = right.unwrap_or(Bytes(vec![0xee; 32]));
            let outcome = store.try_code(user, &set.salt, &hash).await.unwrap();
            match model.attempt(user, &set.salt, &hash) {
                Some(expected) => assert_eq!(outcome, expected, "{step:?}"),
                None => assert!(matches!(outcome, Tried::TooMany { .. }), "{outcome:?}"),
            }
        }
    }
}

async fn assert_completed(
    store: &Store,
    model: &mut Model,
    user: &UserId,
    (version, challenge, one, set): &(u64, u8, Authenticator, Option<CodeSet>),
) {
    let expected = model.complete(user, *version, *challenge, one, set.as_ref());
    let outcome = complete(store, user, *version, *challenge, one, set.as_ref()).await;
    assert_eq!(outcome, Ok(expected));
}

async fn assert_reads(store: &Store, model: &mut Model, user: &UserId) {
    let expected = model.user(user);
    for seed in 0..12 {
        let read: Account = account(store, user, seed).await;
        let there = expected.pending.contains(&seed);
        assert_eq!(read.pending, there.then(|| enrolment(seed)));
        let there = expected.asked.contains(&seed);
        assert_eq!(read.authentication, there.then(|| authentication(seed)));
        assert_eq!(
            (read.version, read.epoch),
            (expected.version, expected.epoch)
        );
        assert_eq!(read.handle, expected.known.then(|| handle(user)));
        assert_eq!(read.codes_remaining, expected.codes());
        let salt = read.code_salt.map(|it| it.salt);
        assert_eq!(salt.as_ref(), expected.set.as_ref().map(|set| &set.salt));
        let by_id = |all: &[Authenticator]| -> BTreeMap<Uuid, Authenticator> {
            all.iter().map(|one| (one.id, one.clone())).collect()
        };
        let (stored, kept) = (&read.authenticators, &expected.authenticators);
        assert_eq!(by_id(stored), by_id(kept));
        assert!(read.authenticators.is_sorted_by_key(|one| one.created_at));
    }
}

#[test]
fn any_sequence_of_steps_does_what_the_model_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for home in Home::both() {
        let store = runtime.block_on(home.open());
        let round = std::cell::Cell::new(0);
        let mut runner = TestRunner::new(Config {
            cases: 48,
            max_shrink_time: u32::try_from(Duration::from_secs(20).as_millis()).unwrap(),
            failure_persistence: None,
            ..Config::default()
        });
        let outcome = runner.run(&steps(), |steps| {
            // Each case on users and credentials of its own: opening a store is slower.
            round.set(round.get() + 1);
            let users = ["a", "b"].map(|name| user(&format!("{name}{}", round.get())));
            let mut model = Model::default();
            runtime.block_on(async {
                for (second, step) in &steps {
                    let user = &users[usize::from(*second)];
                    run(&store, &mut model, user, step).await;
                    let read = store.read(user, None).await.unwrap();
                    let has_codes = read.codes_remaining > 0 || read.code_salt.is_some();
                    assert!(
                        !has_codes || !read.authenticators.is_empty(),
                        "codes without a credential after {step:?}: {read:?}"
                    );
                }
                for user in &users {
                    assert_reads(&store, &mut model, user).await;
                }
            });
            Ok(())
        });
        if let Err(error) = outcome {
            panic!("{}: {error}", home.name());
        }
    }
}
