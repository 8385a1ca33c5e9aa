//! Any sequence of steps has the same results on both backends, and these are the model's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cedargate::model::{Authenticator, UserId};
use cedargate::store::{Account, Begun, CodeSet, Committed, PENDING_LIMIT, Store};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

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
    ];
    proptest::collection::vec((any::<bool>(), step), 1..60)
}

/// The contract in the fewest words: no time, no failures.
#[derive(Default)]
struct Model {
    users: BTreeMap<String, User>,
}

#[derive(Default)]
struct User {
    known: bool,
    version: u64,
    pending: Vec<u8>,
    /// Ids and credentials.
    authenticators: Vec<(uuid::Uuid, u8)>,
    salt: Option<String>,
    codes: usize,
    last: Option<(u64, u8, Authenticator, Option<CodeSet>)>,
}

impl Model {
    fn user(&mut self, user: &UserId) -> &mut User {
        self.users.entry(user.subject.clone()).or_default()
    }

    fn begin(&mut self, user: &UserId, version: u64, challenge: u8) -> bool {
        let user = self.user(user);
        if user.version != version {
            return false;
        }
        user.known = true;
        user.pending.retain(|other| *other != challenge);
        user.pending.push(challenge);
        let surplus = user.pending.len().saturating_sub(PENDING_LIMIT);
        user.pending.drain(..surplus);
        true
    }

    fn complete(
        &mut self,
        id: &UserId,
        version: u64,
        challenge: u8,
        one: &Authenticator,
        set: Option<&CodeSet>,
    ) -> Committed {
        let credential = one.credential_id.0[0];
        let held = |user: &User| {
            user.authenticators
                .iter()
                .any(|(_, other)| *other == credential)
        };
        let elsewhere = self
            .users
            .iter()
            .any(|(name, user)| *name != id.subject && held(user));
        let user = self.user(id);
        let salt = set.map(|set| set.salt.to_string());
        if user
            .authenticators
            .iter()
            .any(|(other, _)| *other == one.id)
        {
            return Committed::Stored {
                codes_stored: salt.is_some() && salt == user.salt,
                remaining: user.codes,
            };
        }
        if elsewhere {
            return Committed::Exists;
        }
        if !user.pending.contains(&challenge) {
            return Committed::Gone;
        }
        if held(user) {
            return Committed::Exists;
        }
        if user.version != version {
            return Committed::Stale;
        }
        user.pending.retain(|other| *other != challenge);
        user.authenticators.push((one.id, credential));
        user.version += 1;
        let codes_stored = salt.is_some() && user.codes == 0;
        if codes_stored {
            (user.salt, user.codes) = (salt, 10);
        }
        Committed::Stored {
            codes_stored,
            remaining: user.codes,
        }
    }

    fn discard(&mut self, user: &UserId, challenge: u8) -> bool {
        let pending = &mut self.user(user).pending;
        let before = pending.len();
        pending.retain(|other| *other != challenge);
        pending.len() < before
    }
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
        assert_eq!(read.version, expected.version);
        assert_eq!(read.handle, expected.known.then(|| handle(user)));
        assert_eq!(read.codes_remaining, expected.codes);
        let stored: BTreeSet<_> = read.authenticators.iter().map(|one| one.id).collect();
        let ids: BTreeSet<_> = expected.authenticators.iter().map(|(id, _)| *id).collect();
        assert_eq!(stored, ids);
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
                    run(&store, &mut model, &users[usize::from(*second)], step).await;
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
