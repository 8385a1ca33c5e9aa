//! Stores to test, and values to store.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cedargate::error::with_causes;
use cedargate::store::{
    Account, AllowCredentials, AuthenticateOutcome, Authentication, BeginOutcome, Clock, CodeSet,
    CompleteOutcome, Completion, Enrolment, Error, Location, RecoveryCode, RemoveOutcome, Remover,
    ReplaceCodesOutcome, ResetOutcome, Settings, Store, Use,
};
use cedargate_core::{Authenticator, Bytes, MethodType, SessionKey, Timestamp, UserId};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::poll::PATIENCE;
pub(super) use crate::support::poll::until;
use crate::support::redis_proxy::Proxy;
use crate::support::redis_server::RedisServer;

/// Runs one case on a fresh store of each backend.
macro_rules! on_both {
    ($($name:ident)*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            for home in Home::both() {
                eprintln!("on {}", home.name());
                cases::$name(Arc::new(home.open().await)).await;
            }
        }
    )* };
}
pub(super) use on_both;

pub(super) const TTL: Duration = Duration::from_secs(300);
pub(super) const RP_ID: &str = "example.com";
/// More than any test enrols, except those of the limit.
pub(super) const MAX_AUTHENTICATORS: usize = 20;

/// A store with its server or folder, which a test can close and open again.
pub(super) enum Home {
    Embedded(TempDir),
    Redis(RedisServer),
}

impl Home {
    pub(super) fn both() -> [Self; 2] {
        [
            Home::Embedded(TempDir::new().unwrap()),
            Home::Redis(RedisServer::durable()),
        ]
    }

    /// An embedded store in memory, if the system has such a folder: for tests of many steps, each
    /// of which would wait for the disk.
    pub(super) fn in_memory() -> Self {
        let folder = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new());
        Home::Embedded(folder.unwrap())
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Home::Embedded(_) => "embedded",
            Home::Redis(_) => "redis",
        }
    }

    pub(super) async fn open(&self) -> Store {
        match self {
            Home::Embedded(folder) => open_embedded(folder.path()).await.unwrap(),
            Home::Redis(server) => open_redis(&server.url()).await,
        }
    }

    /// Closes the store and opens it again.
    pub(super) fn restart(&mut self) {
        if let Home::Redis(server) = self {
            server.restart();
        }
    }
}

pub(super) async fn open_embedded(folder: &Path) -> Result<Store, String> {
    Store::open(Settings {
        location: Location::Embedded(folder.to_owned()),
        require_durable: true,
    })
    .await
    .map_err(|error| with_causes(&error))
}

pub(super) async fn open_redis(url: &str) -> Store {
    try_open_redis(url).await.unwrap()
}

pub(super) async fn try_open_redis(url: &str) -> Result<Store, String> {
    Store::open(Settings {
        location: Location::Redis(url.to_owned().into()),
        require_durable: true,
    })
    .await
    .map_err(|error| with_causes(&error))
}

#[allow(clippy::disallowed_methods, reason = "the clock of a test's store")]
pub(super) fn wall() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

/// The system's clock, moved by the test's offset.
pub(super) fn moved_clock(millis: Arc<std::sync::atomic::AtomicI64>) -> Clock {
    Arc::new(move || {
        let moved = millis.load(std::sync::atomic::Ordering::SeqCst);
        Timestamp::from_millis(wall().millis() + moved)
    })
}

pub(super) fn user(name: &str) -> UserId {
    format!("corp|2489e9ad-2ee2-8e00-8ec9-32d5f69181c0|{name}")
        .parse()
        .unwrap()
}

/// The handle of a user, always the same.
pub(super) fn handle(user: &UserId) -> Uuid {
    let mut bytes = [0; 16];
    for (at, byte) in user.subject.bytes().enumerate() {
        bytes[at % 16] ^= byte;
    }
    Uuid::from_bytes(bytes)
}

pub(super) fn challenge(seed: u8) -> Bytes {
    Bytes(vec![seed; 32])
}

pub(super) fn enrolment(seed: u8) -> Enrolment {
    Enrolment {
        challenge: challenge(seed),
        method_type: MethodType::Passkey,
        rp_id: RP_ID.to_owned(),
        session_key: SessionKey::of_account(),
    }
}

pub(super) fn session(name: &str) -> SessionKey {
    SessionKey::of_sid(name)
}

/// An enrolment that was begun in this session.
pub(super) fn enrolment_in(session: &SessionKey, seed: u8) -> Enrolment {
    Enrolment {
        session_key: session.clone(),
        ..enrolment(seed)
    }
}

/// An authentication that was begun in this session.
pub(super) fn authentication_in(session: &SessionKey, seed: u8) -> Authentication {
    Authentication {
        session_key: session.clone(),
        ..authentication(seed)
    }
}

pub(super) fn credential(seed: u8) -> Bytes {
    Bytes(vec![seed; 16])
}

/// An authenticator with a new id.
pub(super) fn authenticator(seed: u8) -> Authenticator {
    Authenticator {
        id: Uuid::new_v4(),
        method_type: MethodType::Passkey,
        device_name: "Ålice’s | \"key\"".to_owned(),
        rp_id: RP_ID.to_owned(),
        credential_id: credential(seed),
        proven_model: None,
        claimed_model: Some(Uuid::from_bytes([seed; 16])),
        claimed_transports: vec!["internal".to_owned()],
        user_verified: true,
        backup_eligible: false,
        backed_up: false,
        sign_count: 0,
        created_at: Timestamp::from_millis(1_700_000_000_000 + i64::from(seed)),
        last_used_at: None,
        trusted: seed % 2 == 1,
        credential: serde_json::json!({ "counter": 0, "deep": [[1.5, null, {}]] }),
    }
}

/// A new set of ten codes.
pub(super) fn codes() -> CodeSet {
    let salt = Bytes(Uuid::new_v4().as_bytes().to_vec());
    let hash = |at: u8| Bytes([vec![at; 16], salt.0.clone()].concat());
    CodeSet {
        hashes: (0..10).map(hash).collect(),
        pepper_id: "p1".to_owned(),
        salt,
    }
}

/// A new recovery code that works for a day.
pub(super) fn recovery() -> RecoveryCode {
    let mut set = codes();
    set.hashes.truncate(1);
    RecoveryCode {
        set,
        ttl: Duration::from_secs(86_400),
    }
}

pub(super) async fn begin(store: &Store, user: &UserId, version: u64, seed: u8) -> BeginOutcome {
    store
        .begin(user, version, handle(user), &enrolment(seed), TTL)
        .await
        .unwrap()
}

/// Begins an enrolment on the current version of a user's account.
pub(super) async fn begun(store: &Store, user: &UserId, seed: u8) {
    let version = store.read(user, None).await.unwrap().version;
    let outcome = begin(store, user, version, seed).await;
    assert!(
        matches!(outcome, BeginOutcome::Stored { .. }),
        "{outcome:?}"
    );
}

pub(super) async fn complete(
    store: &Store,
    user: &UserId,
    version: u64,
    seed: u8,
    authenticator: &Authenticator,
    codes: Option<&CodeSet>,
) -> Result<CompleteOutcome, Error> {
    let completion = Completion {
        version,
        challenge: &challenge(seed),
        authenticator,
        codes,
        max_authenticators: MAX_AUTHENTICATORS,
        opened_by: None,
    };
    store.complete(user, &completion).await
}

/// Removes an authenticator as its owner.
pub(super) async fn remove(
    store: &Store,
    user: &UserId,
    version: u64,
    id: Uuid,
) -> Result<RemoveOutcome, Error> {
    store.remove(user, version, id, Remover::Owner).await
}

/// The outcome of the removal of this authenticator by its owner.
pub(super) fn removed(authenticator: &Authenticator) -> RemoveOutcome {
    RemoveOutcome::Removed {
        authenticator: Box::new(authenticator.clone()),
        recovery_expires_at: None,
    }
}

/// Resets a user, enrolled or not. Returns the removed authenticators and the recovery code.
pub(super) async fn reset(store: &Store, user: &UserId) -> (Vec<Authenticator>, RecoveryCode) {
    let code = recovery();
    match store.reset(user, &code, true).await {
        Ok(ResetOutcome::Done { removed, .. }) => (removed, code),
        outcome => panic!("{outcome:?}"),
    }
}

/// Replaces the active set with this one, decided on this version.
pub(super) async fn replace(
    store: &Store,
    user: &UserId,
    version: u64,
    set: &CodeSet,
) -> Result<ReplaceCodesOutcome, Error> {
    let old = active_salt(&store.read(user, None).await.unwrap());
    store.replace_codes(user, version, old.as_ref(), set).await
}

/// The salt of the active set of codes.
pub(super) fn active_salt(account: &Account) -> Option<Bytes> {
    account.codes.as_ref().map(|codes| codes.salt.salt.clone())
}

/// Completes a first enrolment, with a retry if a busy machine was too slow: a retry answers as the
/// first attempt would have.
pub(super) async fn complete_in_the_end(
    store: &Store,
    user: &UserId,
    seed: u8,
    authenticator: &Authenticator,
    codes: &CodeSet,
) -> CompleteOutcome {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match complete(store, user, 0, seed, authenticator, Some(codes)).await {
            Ok(outcome) => return outcome,
            Err(error) if is_down(&error) && Instant::now() < deadline => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Runs a step of the store while Redis dies: after this many messages in both directions, or when
/// the step ends.
pub(super) async fn while_redis_dies<T>(
    server: &mut RedisServer,
    proxy: &Proxy,
    messages: u8,
    step: impl Future<Output = T>,
) -> T {
    let dies = proxy.after_messages(messages.into());
    let mut step = pin!(step);
    let outcome = tokio::select! {
        outcome = &mut step => Some(outcome),
        () = dies => None,
    };
    server.kill();
    match outcome {
        Some(outcome) => outcome,
        None => step.await,
    }
}

pub(super) async fn account(store: &Store, user: &UserId, seed: u8) -> Account {
    store.read(user, Some(&challenge(seed))).await.unwrap()
}

pub(super) fn authentication(seed: u8) -> Authentication {
    Authentication {
        challenge: challenge(seed),
        rp_id: RP_ID.to_owned(),
        session: "naïve | \"session\"\n".to_owned(),
        session_key: SessionKey::of_account(),
        allow_credentials: AllowCredentials {
            allowed: vec![Uuid::from_u128(seed.into())],
        },
    }
}

/// Begins an authentication on the current version of a user's account.
pub(super) async fn asked(store: &Store, user: &UserId, seed: u8) {
    let version = store.read(user, None).await.unwrap().version;
    let outcome = store
        .begin_authentication(user, version, &authentication(seed), TTL)
        .await;
    assert!(
        matches!(outcome, Ok(BeginOutcome::Stored { .. })),
        "{outcome:?}"
    );
}

/// An assertion of this authenticator with this signature counter.
pub(super) fn assertion(of: &Authenticator, sign_count: u32) -> Use {
    Use {
        id: of.id,
        sign_count,
        backed_up: false,
        at: Timestamp::from_millis(1_800_000_000_000),
    }
}

/// Enrols one more authenticator for a user. The first one comes with codes.
pub(super) async fn enrolled(store: &Store, user: &UserId, seed: u8) -> Authenticator {
    begun(store, user, seed).await;
    let one = authenticator(seed);
    let version = store.read(user, None).await.unwrap().version;
    let outcome = complete(store, user, version, seed, &one, Some(&codes())).await;
    assert!(
        matches!(outcome, Ok(CompleteOutcome::Stored { .. })),
        "{outcome:?}"
    );
    one
}

/// Returns true if the store did not answer in time, as on a busy machine.
pub(super) fn is_down(error: &Error) -> bool {
    matches!(
        error,
        Error::Unavailable { .. } | Error::OutcomeUnknown { .. }
    )
}

/// The outcome of a step. `None` if a busy machine took longer than the deadline.
pub(super) fn answered<T>(outcome: Result<T, Error>) -> Option<T> {
    match outcome {
        Ok(answer) => Some(answer),
        Err(error) if is_down(&error) => None,
        Err(error) => panic!("{error:?}"),
    }
}

/// Checks the codes of a user who never regenerates or uses any: ten with a credential, none
/// without.
pub(super) fn assert_whole(account: &Account) {
    let expected = if account.authenticators.is_empty() {
        0
    } else {
        10
    };
    assert_eq!(account.codes_remaining, expected, "{account:?}");
    assert_eq!(account.version, account.authenticators.len() as u64);
}

/// A use that was stored before anything was removed.
pub(super) const USED: AuthenticateOutcome = AuthenticateOutcome::Stored { epoch: 0 };
pub(super) const FIRST: CompleteOutcome = CompleteOutcome::Stored {
    codes_stored: true,
    remaining: 10,
};
pub(super) const FURTHER: CompleteOutcome = CompleteOutcome::Stored {
    codes_stored: false,
    remaining: 10,
};
