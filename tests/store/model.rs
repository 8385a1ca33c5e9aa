//! Random sequences of steps: both backends have the results of the model.

mod reference;

use std::collections::BTreeMap;
use std::time::Duration;

use cedargate::store::{
    Account, BeginOutcome, Completion, RecoveryCode, RemoveOutcome, Remover, ResetOutcome, Store,
    TryCodeOutcome, Use,
};
use cedargate_core::{Authenticator, Bytes, CodeKind, SessionKey, Timestamp, UserId};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use uuid::Uuid;

use self::reference::{Attempt, Begin, By, Codes, Model, Removal, Session};
use super::fixture::*;
use crate::support::redis_server::RedisServer;

#[derive(Clone, Debug)]
enum Step {
    Begin {
        version: Version,
        session: Session,
        challenge: u8,
    },
    /// Begins by these sessions, one after the other.
    Flood {
        sessions: std::ops::Range<Session>,
        times: u8,
        asks: bool,
    },
    Complete {
        version: Version,
        challenge: Picked,
        credential: u8,
        codes: bool,
        max: usize,
        opened: Opened,
    },
    /// The last completion of this user again, as after a lost answer.
    Repeat,
    Discard {
        challenge: Picked,
    },
    Ask {
        version: Version,
        session: Session,
        challenge: u8,
    },
    Use {
        challenge: Picked,
        which: Index,
        sign_count: u32,
    },
    Rename {
        which: Index,
    },
    Remove {
        version: Version,
        which: Index,
        by: Who,
    },
    Reset {
        even_if_enrolled: bool,
        is_expired: bool,
    },
    Replace {
        version: Version,
        old: Opened,
    },
    Try {
        session: Session,
        right: bool,
    },
    /// Tries of wrong codes by one session.
    Guess {
        session: Session,
        times: u8,
    },
}

/// The version that the caller decided on.
#[derive(Clone, Copy, Debug)]
enum Version {
    Current,
    Other,
}

/// A challenge that the caller names.
#[derive(Clone, Copy, Debug)]
enum Picked {
    Pending(Index),
    Any(u8),
}

impl Picked {
    fn among(&self, pending: &[(Session, u8)]) -> u8 {
        match self {
            Picked::Pending(which) if !pending.is_empty() => which.get(pending).1,
            Picked::Pending(_) => 0,
            Picked::Any(challenge) => *challenge,
        }
    }
}

/// A set of codes that the caller names.
#[derive(Clone, Copy, Debug)]
enum Opened {
    Nothing,
    ByActive,
    ByOther,
}

#[derive(Clone, Copy, Debug)]
enum Who {
    Owner,
    AdminWithCode { is_expired: bool },
    AdminWithoutCode,
}

fn steps() -> impl Strategy<Value = Vec<(bool, Step)>> {
    let version = || prop_oneof![4 => Just(Version::Current), 1 => Just(Version::Other)];
    // Most steps share few sessions. The limit of an account takes more than eight of them.
    let session = || prop_oneof![3 => 0..3_u8, 1 => 0..10_u8];
    let opened = || {
        prop_oneof![
            1 => Just(Opened::Nothing),
            2 => Just(Opened::ByActive),
            1 => Just(Opened::ByOther),
        ]
    };
    let who = prop_oneof![
        2 => Just(Who::Owner),
        2 => any::<bool>().prop_map(|is_expired| Who::AdminWithCode { is_expired }),
        1 => Just(Who::AdminWithoutCode),
    ];
    let picked = || {
        prop_oneof![
            6 => any::<Index>().prop_map(Picked::Pending),
            1 => (0..12_u8).prop_map(Picked::Any),
        ]
    };
    let max = prop_oneof![Just(20), Just(2_usize)];
    let completion = (version(), picked(), 0..4_u8, any::<bool>(), opened(), max).prop_map(
        |(version, challenge, credential, codes, opened, max)| Step::Complete {
            version,
            challenge,
            credential,
            codes,
            max,
            opened,
        },
    );
    // More begins than one session may make, or more sessions than the account has room for.
    let sessions = prop_oneof![
        (0..3_u8, 40..70_u8).prop_map(|(one, times)| (one..one + 1, times)),
        Just((0..10, 7)),
    ];
    let step = prop_oneof![
        10 => (version(), session(), 0..12_u8).prop_map(|(version, session, challenge)| {
            Step::Begin { version, session, challenge }
        }),
        1 => (sessions, any::<bool>())
            .prop_map(|((sessions, times), asks)| Step::Flood { sessions, times, asks }),
        14 => completion,
        2 => Just(Step::Repeat),
        2 => picked().prop_map(|challenge| Step::Discard { challenge }),
        6 => (version(), session(), 0..12_u8).prop_map(|(version, session, challenge)| {
            Step::Ask { version, session, challenge }
        }),
        6 => (picked(), any::<Index>(), 0..4_u32).prop_map(|(challenge, which, sign_count)| {
            Step::Use { challenge, which, sign_count }
        }),
        2 => any::<Index>().prop_map(|which| Step::Rename { which }),
        5 => (version(), any::<Index>(), who)
            .prop_map(|(version, which, by)| Step::Remove { version, which, by }),
        2 => any::<(bool, bool)>().prop_map(|(even_if_enrolled, is_expired)| {
            Step::Reset { even_if_enrolled, is_expired }
        }),
        4 => (version(), opened()).prop_map(|(version, old)| Step::Replace { version, old }),
        6 => (0..3_u8, any::<bool>()).prop_map(|(session, right)| Step::Try { session, right }),
        2 => (0..3_u8, 1..12_u8).prop_map(|(session, times)| Step::Guess { session, times }),
    ];
    proptest::collection::vec((any::<bool>(), step), 1..60)
}

/// One of the sessions. The last stands for all callers that name none.
fn key(of: Session) -> SessionKey {
    match of {
        9 => SessionKey::of_account(),
        of => session(&of.to_string()),
    }
}

/// A recovery code, and true if it is expired.
fn recovery_code(is_expired: bool) -> RecoveryCode {
    let mut code = recovery();
    if is_expired {
        code.ttl = Duration::ZERO;
    }
    code
}

async fn run(store: &Store, model: &mut Model, user: &UserId, step: &Step) {
    let current = model.user(user).version;
    let version = |version: &Version| match version {
        Version::Current => current,
        Version::Other => current + 1,
    };
    let active = model.user(user).codes.salt().cloned();
    let named = |set: &Opened| match set {
        Opened::Nothing => None,
        Opened::ByActive => active.clone(),
        Opened::ByOther => Some(codes().salt),
    };
    match step {
        Step::Begin {
            version: decided,
            session,
            challenge,
        } => {
            let expected = model
                .user(user)
                .begin(version(decided), *session, *challenge);
            let outcome = begin_in(store, user, version(decided), *session, *challenge).await;
            assert_eq!(outcome, expected, "{step:?}");
        }
        Step::Flood {
            sessions,
            times,
            asks,
        } => {
            for (session, at) in sessions
                .clone()
                .flat_map(|of| (0..*times).map(move |at| (of, at)))
            {
                let challenge = 100 + session * 10 + at % 10;
                let (expected, outcome) = if *asks {
                    (
                        model.user(user).ask(current, session, challenge),
                        ask_in(store, user, current, session, challenge).await,
                    )
                } else {
                    (
                        model.user(user).begin(current, session, challenge),
                        begin_in(store, user, current, session, challenge).await,
                    )
                };
                assert_eq!(outcome, expected, "{step:?}");
            }
        }
        Step::Complete {
            version: decided,
            challenge,
            credential,
            codes: with,
            max,
            opened,
        } => {
            let mut one = authenticator(*credential);
            // Each case has a relying party of its own, so credential ids are free again.
            one.rp_id = user.subject[1..].to_owned();
            let attempt = Attempt {
                version: version(decided),
                challenge: challenge.among(&model.user(user).pending),
                one,
                set: with.then(codes),
                max: *max,
                opened_by: named(opened),
            };
            assert_completed(store, model, user, &attempt).await;
            model.user(user).last = Some(attempt);
        }
        Step::Repeat => {
            if let Some(attempt) = model.user(user).last.clone() {
                assert_completed(store, model, user, &attempt).await;
            }
        }
        Step::Discard { challenge: picked } => {
            let at = picked.among(&model.user(user).pending);
            let expected = model.user(user).discard(at);
            assert_eq!(store.discard(user, &challenge(at)).await, Ok(expected));
        }
        Step::Ask {
            version: decided,
            session,
            challenge,
        } => {
            let expected = model.user(user).ask(version(decided), *session, *challenge);
            let outcome = ask_in(store, user, version(decided), *session, *challenge).await;
            assert_eq!(outcome, expected, "{step:?}");
        }
        Step::Use {
            challenge: picked,
            which,
            sign_count,
        } => {
            let at = picked.among(&model.user(user).asked);
            let made = Use {
                id: model.user(user).pick(which),
                sign_count: *sign_count,
                backed_up: sign_count % 2 == 0,
                at: Timestamp::from_millis(1_800_000_000_000 + i64::from(*sign_count)),
            };
            let expected = model.user(user).authenticate(at, &made);
            let outcome = store.authenticate(user, &challenge(at), &made).await;
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
            by,
        } => {
            let id = model.user(user).pick(which);
            assert_removed(store, model, user, version(decided), id, *by).await;
        }
        Step::Reset {
            even_if_enrolled,
            is_expired,
        } => {
            let code = recovery_code(*is_expired);
            let user_model = model.user(user);
            let expected = user_model.reset(code.set.clone(), *is_expired, *even_if_enrolled);
            let outcome = store.reset(user, &code, *even_if_enrolled).await;
            let removed = match outcome.unwrap() {
                ResetOutcome::Done { removed, .. } => Some(removed),
                ResetOutcome::Enrolled => None,
            };
            assert_eq!(removed, expected, "{step:?}");
        }
        Step::Replace {
            version: decided,
            old,
        } => {
            let (old, set) = (named(old), codes());
            let expected = model
                .user(user)
                .replace(version(decided), old.as_ref(), &set);
            let outcome = store
                .replace_codes(user, version(decided), old.as_ref(), &set)
                .await;
            assert_eq!(outcome, Ok(expected), "{step:?}");
        }
        Step::Try { session, right } => {
            assert_tried(store, model, user, *session, *right).await;
        }
        Step::Guess { session, times } => {
            for _ in 0..*times {
                assert_tried(store, model, user, *session, false).await;
            }
        }
    }
}

async fn assert_tried(
    store: &Store,
    model: &mut Model,
    user: &UserId,
    session: Session,
    right: bool,
) {
    let set = model.user(user).codes.set().cloned();
    let set = set.unwrap_or_else(codes);
    let right = set.hashes.first().filter(|_| right).cloned();
    let hash = right.unwrap_or(Bytes(vec![0xee; 32]));
    let outcome = store.try_code(&key(session), user, &set.salt, &hash).await;
    match model.user(user).attempt(session, &set.salt, &hash) {
        Some(expected) => assert_eq!(outcome, Ok(expected)),
        None => assert!(
            matches!(outcome, Ok(TryCodeOutcome::TooMany { .. })),
            "{outcome:?}"
        ),
    }
}

async fn begin_in(
    store: &Store,
    user: &UserId,
    version: u64,
    session: Session,
    challenge: u8,
) -> Begin {
    let pending = enrolment_in(&key(session), challenge);
    let outcome = store.begin(user, version, handle(user), &pending, TTL);
    begin_of(&outcome.await.unwrap())
}

async fn ask_in(
    store: &Store,
    user: &UserId,
    version: u64,
    session: Session,
    challenge: u8,
) -> Begin {
    let pending = authentication_in(&key(session), challenge);
    let outcome = store.begin_authentication(user, version, &pending, TTL);
    begin_of(&outcome.await.unwrap())
}

fn begin_of(outcome: &BeginOutcome) -> Begin {
    match outcome {
        BeginOutcome::Stored { .. } => Begin::Stored,
        BeginOutcome::Stale => Begin::Stale,
        BeginOutcome::TooMany { .. } => Begin::TooMany,
    }
}

async fn assert_completed(store: &Store, model: &mut Model, user: &UserId, attempt: &Attempt) {
    let expected = model.complete(user, attempt);
    let completion = Completion {
        version: attempt.version,
        challenge: &challenge(attempt.challenge),
        authenticator: &attempt.one,
        codes: attempt.set.as_ref(),
        max_authenticators: attempt.max,
        opened_by: attempt.opened_by.as_ref(),
    };
    assert_eq!(store.complete(user, &completion).await, Ok(expected));
}

async fn assert_removed(
    store: &Store,
    model: &mut Model,
    user: &UserId,
    version: u64,
    id: Uuid,
    who: Who,
) {
    let is_expired = matches!(who, Who::AdminWithCode { is_expired: true });
    let code = recovery_code(is_expired);
    let (remover, by) = match who {
        Who::Owner => (Remover::Owner, By::Owner),
        Who::AdminWithoutCode => (Remover::Admin(None), By::Admin(None)),
        Who::AdminWithCode { is_expired } => (
            Remover::Admin(Some(&code)),
            By::Admin(Some((code.set.clone(), is_expired))),
        ),
    };
    let expected = model.user(user).remove(version, id, by);
    let outcome = match store.remove(user, version, id, remover).await.unwrap() {
        RemoveOutcome::Removed {
            authenticator,
            recovery_expires_at,
        } => Removal::Removed {
            authenticator,
            with_code: recovery_expires_at.is_some(),
        },
        RemoveOutcome::Nothing => Removal::Nothing,
        RemoveOutcome::Stale => Removal::Stale,
    };
    assert_eq!(outcome, expected, "by {who:?}");
}

async fn assert_reads(store: &Store, model: &mut Model, user: &UserId) {
    let expected = model.user(user);
    for seed in expected.seen.iter().copied() {
        let read: Account = account(store, user, seed).await;
        let session_of = |pending: &[(Session, u8)]| {
            let found = pending.iter().find(|(_, challenge)| *challenge == seed);
            found.map(|(session, _)| key(*session))
        };
        let of = session_of(&expected.pending);
        assert_eq!(read.pending, of.map(|of| enrolment_in(&of, seed)));
        let of = session_of(&expected.asked);
        assert_eq!(
            read.authentication,
            of.map(|of| authentication_in(&of, seed))
        );
    }
    for session in 0..3 {
        let read = store.read_in(&key(session), user, None).await.unwrap();
        assert_eq!(read.codes_retry_after.is_some(), expected.is_shut(session));
    }
    let read = store.read(user, None).await.unwrap();
    assert_eq!(
        (read.version, read.epoch),
        (expected.version, expected.epoch)
    );
    assert_eq!(read.handle, expected.known.then(|| handle(user)));
    assert_eq!(read.codes_remaining, expected.codes.remaining());
    assert_eq!(active_salt(&read).as_ref(), expected.codes.salt());
    assert_eq!(read.replaced_salt, expected.replaced);
    let is_reset = matches!(expected.codes, Codes::Recovery { .. });
    assert_eq!(read.reset, is_reset);
    if let Some(active) = &read.codes {
        assert_eq!(active.kind == CodeKind::Recovery, is_reset);
        let is_unused = expected.codes.set().is_some_and(|it| !it.hashes.is_empty());
        assert_eq!(active.expires_at.is_some(), is_reset && is_unused);
    }
    let by_id = |all: &[Authenticator]| -> BTreeMap<Uuid, Authenticator> {
        all.iter().map(|one| (one.id, one.clone())).collect()
    };
    let (stored, kept) = (&read.authenticators, &expected.authenticators);
    assert_eq!(by_id(stored), by_id(kept));
    assert!(read.authenticators.is_sorted_by_key(|one| one.created_at));
}

/// Checks the properties that hold after every step.
fn assert_consistent(read: &Account, step: &Step) {
    let is_empty = read.authenticators.is_empty();
    let is_recovery = read.codes.as_ref().map(|it| it.kind) == Some(CodeKind::Recovery);
    assert_eq!(read.reset, is_recovery, "after {step:?}: {read:?}");
    assert!(!read.reset || is_empty, "after {step:?}: {read:?}");
    let has_codes = read.codes_remaining > 0 || (read.codes.is_some() && !is_recovery);
    assert!(
        !has_codes || !is_empty,
        "codes without a credential after {step:?}: {read:?}"
    );
}

#[test]
fn any_sequence_of_steps_matches_the_model() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for home in [Home::in_memory(), Home::Redis(RedisServer::start())] {
        let store = runtime.block_on(home.open());
        let round = std::cell::Cell::new(0);
        let mut runner = TestRunner::new(Config {
            cases: 96,
            max_shrink_time: u32::try_from(Duration::from_secs(20).as_millis()).unwrap(),
            failure_persistence: None,
            ..Config::default()
        });
        let outcome = runner.run(&steps(), |steps| {
            // Each case has users and credentials of its own, as opening a store is slower.
            round.set(round.get() + 1);
            let users = ["a", "b"].map(|name| user(&format!("{name}{}", round.get())));
            let mut model = Model::default();
            runtime.block_on(async {
                for (second, step) in &steps {
                    let user = &users[usize::from(*second)];
                    run(&store, &mut model, user, step).await;
                    assert_consistent(&store.read(user, None).await.unwrap(), step);
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
