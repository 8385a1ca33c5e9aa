//! The store: one contract, two backends. Each step is atomic, on a file of this machine (redb) and on
//! Redis alike.

mod account;
mod ceremonies;
mod codes;
mod embedded;
mod error;
mod keys;
mod outcomes;
mod redis;
mod stored;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;
use uuid::Uuid;

pub use self::account::Account;
pub use self::ceremonies::{AllowCredentials, Authentication, Enrolment};
pub use self::codes::{ActiveCodes, CodeSalt, CodeSet, RecoveryCode};
pub use self::error::{Error, FileError, OpenError, UrlError};
pub use self::outcomes::{
    AuthenticateOutcome, BeginOutcome, CompleteOutcome, RemoveOutcome, ReplaceCodesOutcome,
    ResetOutcome, TryCodeOutcome,
};

use self::account::{holds, oldest_first};
use self::embedded::Embedded;
use self::redis::Redis;
use cedargate_core::{Authenticator, Bytes, SessionKey, Timestamp, UserId};

/// The longest time that [`Store::health`] takes: a disk can hang without an error.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(1);

/// The number of enrolments that one session may have pending, and of authentications. A further one
/// removes the session's oldest.
pub const PENDING_PER_SESSION: usize = 8;

/// The number of enrolments that one account may have pending, and of authentications. A further one
/// removes the oldest one of the session that has the most.
pub const PENDING_PER_ACCOUNT: usize = 64;

/// The number of wrong codes that a session may try within [`TRIES_WINDOW`], over all gateways.
pub const TRIES_LIMIT: u64 = 10;

/// The time after a session's first wrong code at which its count starts again. Each set of codes has
/// a count of its own, so that a recovery code can be typed at once.
pub const TRIES_WINDOW: Duration = Duration::from_secs(15 * 60);

/// The number of ceremonies that a session may begin within [`BEGINS_WINDOW`], over all gateways. A
/// person does not reach it.
pub const BEGINS_LIMIT: u64 = 60;

/// The time after a session's first ceremony at which its count starts again.
pub const BEGINS_WINDOW: Duration = Duration::from_secs(60);

pub struct Settings {
    pub location: Location,
    /// Reports the store as not ready if it may lose credentials.
    pub require_durable: bool,
}

pub enum Location {
    /// A folder of this machine, for one process.
    Embedded(PathBuf),
    /// The URL of a Redis: `redis://`, `rediss://` or `redis+unix://`, with its password.
    Redis(SecretString),
}

impl Location {
    /// Checks the URL of a Redis, without connecting to it.
    ///
    /// # Errors
    /// The URL is not a Redis URL, or asks for something that the gateway does not support.
    pub fn redis(url: &str) -> Result<Self, UrlError> {
        Redis::new(url, false)?;
        Ok(Self::Redis(url.into()))
    }
}

/// Returns the current time, for the deadlines of the embedded store.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// An open store.
///
/// # Errors
/// Each step returns [`Error::Unavailable`] if it changed nothing, and may be tried again;
/// [`Error::OutcomeUnknown`] if the change may have been made; and one of the other errors if a record
/// cannot be read or written, and then changed nothing.
pub struct Store {
    backend: Backend,
    failures: AtomicU64,
}

#[expect(
    clippy::large_enum_variant,
    reason = "there is one of them, and it does not move"
)]
enum Backend {
    Embedded(Embedded),
    Redis(Redis),
}

/// Evaluates an expression with the backend. Both backends have the same methods.
macro_rules! on_backend {
    ($self:ident, $store:ident => $step:expr) => {
        match &$self.backend {
            Backend::Embedded($store) => $step,
            Backend::Redis($store) => $step,
        }
    };
}

/// The input of [`Store::complete`].
#[derive(Clone, Copy, Debug)]
pub struct Completion<'a> {
    /// The version of the account that the decision was made on.
    pub version: u64,
    /// The challenge of the pending enrolment.
    pub challenge: &'a Bytes,
    /// The new authenticator. Its id makes the step idempotent.
    pub authenticator: &'a Authenticator,
    /// Backup codes, stored only if the account has none left.
    pub codes: Option<&'a CodeSet>,
    /// The number of authenticators that the account may have, the new one included.
    pub max_authenticators: usize,
    /// The salt of the active codes, if one of them opened the session that enrols.
    pub opened_by: Option<&'a Bytes>,
}

/// The person who removes an authenticator.
#[derive(Clone, Copy, Debug)]
pub enum Remover<'a> {
    /// The owner of the account.
    Owner,
    /// An administrator. The removal also ends the pending ceremonies of the account, and with the
    /// last authenticator stores this recovery code. The code is required if the account that the
    /// decision was made on has one authenticator.
    Admin(Option<&'a RecoveryCode>),
}

/// A verified assertion, for [`Store::authenticate`].
#[derive(Clone, Debug, PartialEq)]
pub struct Use {
    /// The [`Authenticator::id`] of the authenticator.
    pub id: Uuid,
    /// The signature counter of the assertion.
    pub sign_count: u32,
    /// The backup state (BS) of the assertion: true if the credential is synced.
    pub backed_up: bool,
    /// The time of the assertion, by the gateway's clock.
    pub at: Timestamp,
}

/// The health of a store, for the admin listener.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Health {
    /// The reasons why the store is not ready.
    pub faults: Vec<String>,
    /// Risks that an operator should know, although the store is ready.
    pub warnings: Vec<String>,
}

impl Store {
    /// Opens a store. A Redis need not be up yet.
    ///
    /// # Errors
    /// The file of the embedded store cannot be opened, or the URL of the Redis cannot be used.
    pub async fn open(settings: Settings) -> Result<Self, OpenError> {
        match settings.location {
            Location::Embedded(folder) => Ok(Self::embedded(&folder, embedded::system_clock())?),
            Location::Redis(url) => {
                let redis = Redis::new(url.expose_secret(), settings.require_durable)?;
                Ok(Self::of(Backend::Redis(redis)))
            }
        }
    }

    /// Opens the embedded store in a folder, with a clock for its deadlines. Blocks while the file
    /// is checked.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn embedded(folder: &Path, clock: Clock) -> Result<Self, FileError> {
        Ok(Self::of(Backend::Embedded(Embedded::open(folder, clock)?)))
    }

    fn of(backend: Backend) -> Self {
        Self {
            backend,
            failures: AtomicU64::new(0),
        }
    }

    /// Reads a user's account, with the pending ceremonies of this challenge, in one round trip.
    pub async fn read(&self, user: &UserId, challenge: Option<&Bytes>) -> Result<Account, Error> {
        self.read_in(&SessionKey::of_account(), user, challenge)
            .await
    }

    /// Reads an account like [`Store::read`], with the [`Account::codes_retry_after`] of this session.
    pub async fn read_in(
        &self,
        session: &SessionKey,
        user: &UserId,
        challenge: Option<&Bytes>,
    ) -> Result<Account, Error> {
        self.count(on_backend!(self, store => store.read(user, session, challenge).await))
    }

    /// Stores a pending enrolment, and the user handle if the account has none.
    ///
    /// Reads the version, the handle and the session's count of begun ceremonies. Answers
    /// [`BeginOutcome::Stale`] if the account has another version or another handle, and
    /// [`BeginOutcome::TooMany`] if the session has reached [`BEGINS_LIMIT`]. Otherwise raises the
    /// count, and removes older pending enrolments until [`PENDING_PER_SESSION`] and
    /// [`PENDING_PER_ACCOUNT`] hold with the new one.
    pub async fn begin(
        &self,
        user: &UserId,
        version: u64,
        handle: Uuid,
        enrolment: &Enrolment,
        ttl: Duration,
    ) -> Result<BeginOutcome, Error> {
        self.count(
            on_backend!(self, store => store.begin(user, version, handle, enrolment, ttl).await),
        )
    }

    /// Completes an enrolment: stores the authenticator, claims its credential id at its relying
    /// party, removes the pending enrolment, raises the version, and ends a reset with its recovery
    /// code. Stores the backup codes only if the account has none left.
    ///
    /// Refuses, in this order, a credential id that another user has claimed, a pending enrolment that
    /// is gone, a credential id that the account has already, an account at its limit, and another
    /// version. Idempotent by the authenticator's id: a repetition answers as the first attempt did.
    pub async fn complete(
        &self,
        user: &UserId,
        completion: &Completion<'_>,
    ) -> Result<CompleteOutcome, Error> {
        self.count(on_backend!(self, store => store.complete(user, completion).await))
    }

    /// Stores a pending authentication. Refuses as [`Store::begin`] does and shares its count of begun
    /// ceremonies; authentications have a [`PENDING_PER_SESSION`] and a [`PENDING_PER_ACCOUNT`] of
    /// their own.
    pub async fn begin_authentication(
        &self,
        user: &UserId,
        version: u64,
        authentication: &Authentication,
        ttl: Duration,
    ) -> Result<BeginOutcome, Error> {
        self.count(on_backend!(self, store => store.begin_authentication(user, version, authentication, ttl).await))
    }

    /// Completes an authentication: removes the pending authentication, compares the signature counter
    /// with the stored one, and stores the counter, the backup state and the time. The pending
    /// authentication is used up even if the counter is refused.
    ///
    /// Not idempotent: a repetition finds the pending authentication gone.
    pub async fn authenticate(
        &self,
        user: &UserId,
        challenge: &Bytes,
        verified: &Use,
    ) -> Result<AuthenticateOutcome, Error> {
        self.count(on_backend!(self, store => store.authenticate(user, challenge, verified).await))
    }

    /// Renames an authenticator. Returns false if the account has no such authenticator.
    pub async fn rename(&self, user: &UserId, id: Uuid, device_name: &str) -> Result<bool, Error> {
        self.count(on_backend!(self, store => store.rename(user, id, device_name).await))
    }

    /// Removes an authenticator, releases its credential id, and raises version and epoch. The last
    /// authenticator takes the backup codes with it.
    ///
    /// Answers [`RemoveOutcome::Stale`] if the account has another version, and if an administrator
    /// removes the last authenticator without a recovery code to store. Not idempotent.
    pub async fn remove(
        &self,
        user: &UserId,
        version: u64,
        id: Uuid,
        by: Remover<'_>,
    ) -> Result<RemoveOutcome, Error> {
        self.count(on_backend!(self, store => store.remove(user, version, id, by).await))
    }

    /// Removes all authenticators, codes and pending ceremonies of a user, raises version and epoch,
    /// and stores a recovery code. A user without a record gets one.
    ///
    /// Answers [`ResetOutcome::Enrolled`] for a user who has authenticators, unless
    /// `even_if_enrolled`. Not idempotent: a repetition removes nothing, and replaces the code.
    pub async fn reset(
        &self,
        user: &UserId,
        recovery: &RecoveryCode,
        even_if_enrolled: bool,
    ) -> Result<ResetOutcome, Error> {
        self.count(on_backend!(self, store => store.reset(user, recovery, even_if_enrolled).await))
    }

    /// Replaces the set of backup codes that has the salt `old`, or stores the first set if `old` is
    /// `None`.
    ///
    /// Answers [`ReplaceCodesOutcome::Stale`] if the account has another version or no authenticators,
    /// and [`ReplaceCodesOutcome::Superseded`] if another set is active. Idempotent by the salt of the
    /// new set.
    pub async fn replace_codes(
        &self,
        user: &UserId,
        version: u64,
        old: Option<&Bytes>,
        codes: &CodeSet,
    ) -> Result<ReplaceCodesOutcome, Error> {
        self.count(on_backend!(self, store => store.replace_codes(user, version, old, codes).await))
    }

    /// Tries a backup or recovery code, by the hash that was made with this salt. Counts the attempt
    /// for this session and this set, compares, and uses up a code that matches. A match resets the
    /// count. An expired recovery code is [`TryCodeOutcome::Wrong`].
    ///
    /// Answers [`TryCodeOutcome::OtherSet`] if another set is active, and
    /// [`TryCodeOutcome::TooMany`] if the session has reached [`TRIES_LIMIT`]; both count nothing. Not
    /// idempotent.
    pub async fn try_code(
        &self,
        session: &SessionKey,
        user: &UserId,
        salt: &Bytes,
        hash: &Bytes,
    ) -> Result<TryCodeOutcome, Error> {
        self.count(on_backend!(self, store => store.try_code(user, session, salt, hash).await))
    }

    /// Removes the pending enrolment or authentication with this challenge. Returns false if neither
    /// existed or both had expired. Not idempotent.
    pub async fn discard(&self, user: &UserId, challenge: &Bytes) -> Result<bool, Error> {
        self.count(on_backend!(self, store => store.discard(user, challenge).await))
    }

    /// Checks that the store can be relied on. Answers within a second.
    pub async fn health(&self) -> Health {
        let health = async { on_backend!(self, store => store.health().await) };
        timeout(HEALTH_TIMEOUT, health)
            .await
            .unwrap_or_else(|_| Health {
                faults: vec!["the store does not answer in time".to_owned()],
                warnings: Vec::new(),
            })
    }

    /// Returns the number of steps that have failed since the start.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    fn count<R>(&self, outcome: Result<R, Error>) -> Result<R, Error> {
        if outcome.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }
}
