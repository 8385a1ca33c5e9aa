//! What is kept: one contract, two backends. Each step is whole: it happens, or nothing does.

mod embedded;
mod keys;
mod redis;
mod stored;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::timeout;
use uuid::Uuid;

use self::embedded::Embedded;
use self::redis::Redis;
use crate::error::Error;
use crate::model::{Authenticator, Bytes, Factors, MethodType, Timestamp, UserId};

/// How long a look at the health of a store takes at most: a disk may stand still for ever.
const HEALTH: Duration = Duration::from_secs(1);

/// How many enrolments of one user may be pending, and how many authentications.
pub const PENDING_LIMIT: usize = 8;

/// How many wrong backup codes a user may try within [`TRIES_WINDOW`], over all gateways.
pub const TRIES_LIMIT: u64 = 10;

/// From the first wrong backup code until the count of them begins anew.
pub const TRIES_WINDOW: Duration = Duration::from_secs(15 * 60);

/// Which store, and what it must promise.
pub struct Settings {
    /// Where it is.
    pub location: Location,
    /// Not ready when the store may lose credentials.
    pub require_durable: bool,
}

/// Where a store is.
pub enum Location {
    /// A folder of this machine, for one process.
    Embedded(PathBuf),
    /// `redis://`, `rediss://` or `redis+unix://`, password included.
    Redis(SecretString),
}

impl Location {
    /// A Redis, if the URL is one that can be used; nothing is connected to. The error is a sentence
    /// for the operator, without anything of the URL, which may hold a password.
    pub fn redis(url: &str) -> Result<Self, String> {
        Redis::new(url, false)?;
        Ok(Self::Redis(url.into()))
    }
}

/// Reads the time for the deadlines of the embedded store.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// An open store.
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

/// What is known of one user.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Raised by each change of the authenticators; 0 for a user without a record.
    pub version: u64,
    /// The WebAuthn user handle.
    pub handle: Option<Uuid>,
    /// Oldest first.
    pub authenticators: Vec<Authenticator>,
    /// Raised by each deletion of an authenticator and each reset: step-ups of an older one are over.
    pub epoch: u64,
    /// How many backup codes work now.
    pub codes_remaining: usize,
    /// What the backup codes were hashed with, if there are some.
    pub code_salt: Option<CodeSalt>,
    /// After too many wrong codes: when the next may be tried.
    pub codes_shut: Option<Duration>,
    /// The pending enrolment that was asked for, if it is there and in time.
    pub pending: Option<Enrolment>,
    /// The pending authentication that was asked for, if it is there and in time.
    pub authentication: Option<Authentication>,
}

impl Account {
    /// What decisions may know of the authenticators.
    pub fn factors(&self) -> Factors {
        Factors::of(&self.authenticators)
    }

    /// Whether one of the authenticators is this credential of this relying party.
    pub fn holds(&self, rp_id: &str, credential_id: &Bytes) -> bool {
        holds(&self.authenticators, rp_id, credential_id)
    }
}

/// A pending enrolment.
#[derive(Clone, Deserialize, PartialEq, Serialize)]
pub struct Enrolment {
    /// The challenge that finds it.
    pub challenge: Bytes,
    /// What it enrols.
    pub method_type: MethodType,
    /// The relying party that it was begun at.
    pub rp_id: String,
    /// The ceremony's state.
    pub state: Value,
}

impl fmt::Debug for Enrolment {
    /// Without the challenge and the state: no log can hold them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrolment")
            .field("method_type", &self.method_type)
            .field("rp_id", &self.rp_id)
            .finish_non_exhaustive()
    }
}

/// A pending authentication.
#[derive(Clone, Deserialize, PartialEq, Serialize)]
pub struct Authentication {
    /// The challenge that finds it.
    pub challenge: Bytes,
    /// The relying party that it was begun at.
    pub rp_id: String,
    /// The session that it was begun in: it completes in no other.
    pub session: String,
    /// The ceremony's state.
    pub state: Value,
}

impl fmt::Debug for Authentication {
    /// Without the challenge, the session and the state: no log can hold them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authentication")
            .field("rp_id", &self.rp_id)
            .finish_non_exhaustive()
    }
}

/// A set of backup codes as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct CodeSet {
    /// The set's salt, random.
    pub salt: Bytes,
    /// The id of the pepper that hashed it.
    pub pepper_id: String,
    /// The hash of each code.
    pub hashes: Vec<Bytes>,
}

/// What a set of backup codes was hashed with, beside the pepper itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CodeSalt {
    /// Random; also what tells one set from another.
    pub salt: Bytes,
    /// The id of the pepper.
    pub pepper_id: String,
}

/// An assertion that verified, to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Use {
    /// Which authenticator.
    pub id: Uuid,
    /// The signature counter that it showed.
    pub sign_count: u32,
    /// Whether it is synced now (BS).
    pub backed_up: bool,
    /// When.
    pub at: Timestamp,
}

/// What became of a use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Used {
    /// The pending authentication is gone, the use is stored.
    Stored,
    /// The pending authentication is not there any more: nothing was stored.
    Gone,
    /// The authenticator is not there any more; the pending authentication is used up.
    NoAuthenticator,
    /// The signature counter has not grown (WebAuthn Level 3 §7.2, step 22): nothing of the use was
    /// stored; the pending authentication is used up.
    CounterBack,
}

/// What became of a removal.
#[derive(Clone, Debug, PartialEq)]
pub enum Removed {
    /// It is gone. With the last authenticator the backup codes went too.
    Removed(Box<Authenticator>),
    /// There was none.
    Nothing,
    /// The account is not what was decided on: nothing was removed.
    Stale,
}

/// What became of a new set of codes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Replaced {
    /// It is the only one that works.
    Stored,
    /// The account is not what was decided on: nothing was stored.
    Stale,
}

/// What became of a backup code that was tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tried {
    /// It worked, and never will again.
    Used {
        /// How many codes work now.
        remaining: usize,
    },
    /// It is none of the codes that work. Counted.
    Wrong,
    /// There were too many wrong ones; nothing was tried.
    TooMany {
        /// When the next may be tried.
        retry_after: Duration,
    },
    /// The set is another than the one that was hashed for: nothing was tried.
    OtherSet,
}

/// What became of a begin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Begun {
    /// Stored, and kept until then by the store's clock.
    Stored {
        /// The deadline.
        expires_at: Timestamp,
    },
    /// The account is not what was decided on: nothing was stored.
    Stale,
}

/// What became of a completion.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Committed {
    /// The pending enrolment is gone, the credential is stored.
    Stored {
        /// Whether the code set that came with it was stored too.
        codes_stored: bool,
        /// How many codes work now.
        remaining: usize,
    },
    /// The pending enrolment is not there any more: nothing was stored.
    Gone,
    /// That credential id is held at that relying party, by another user or by this one: nothing
    /// was stored, and the pending enrolment stands.
    Exists,
    /// The account is not what was decided on: nothing was stored, the pending enrolment stands.
    Stale,
}

/// Whether a store can be relied on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Health {
    /// Why it is not ready.
    pub faults: Vec<String>,
    /// What an operator should know all the same.
    pub warnings: Vec<String>,
}

impl Store {
    /// Opens a store. Redis need not be up yet; the error is a sentence for the operator.
    pub async fn open(settings: Settings) -> Result<Self, String> {
        match settings.location {
            Location::Embedded(folder) => Self::embedded(&folder, embedded::system_clock()),
            Location::Redis(url) => {
                let redis = Redis::new(url.expose_secret(), settings.require_durable)?;
                Ok(Self::of(Backend::Redis(redis)))
            }
        }
    }

    /// Opens the embedded store in a folder, with a clock for its deadlines. Blocks while the file
    /// is checked.
    pub fn embedded(folder: &Path, clock: Clock) -> Result<Self, String> {
        Ok(Self::of(Backend::Embedded(Embedded::open(folder, clock)?)))
    }

    fn of(backend: Backend) -> Self {
        Self {
            backend,
            failures: AtomicU64::new(0),
        }
    }

    /// Reads one user, and the pending enrolment or authentication of this challenge, in one round
    /// trip.
    pub async fn read(&self, user: &UserId, challenge: Option<&Bytes>) -> Result<Account, Error> {
        self.count(match &self.backend {
            Backend::Embedded(store) => store.read(user, challenge),
            Backend::Redis(store) => store.read(user, challenge).await,
        })
    }

    /// Stores a pending enrolment, and the user handle if there is none. Stale when the version is
    /// another, or another handle is stored. Over [`PENDING_LIMIT`] the oldest goes.
    pub async fn begin(
        &self,
        user: &UserId,
        version: u64,
        handle: Uuid,
        enrolment: &Enrolment,
        ttl: Duration,
    ) -> Result<Begun, Error> {
        self.count(match &self.backend {
            Backend::Embedded(store) => store.begin(user, version, handle, enrolment, ttl).await,
            Backend::Redis(store) => store.begin(user, version, handle, enrolment, ttl).await,
        })
    }

    /// Completes an enrolment in one step. Codes are stored only if none are left. Idempotent for
    /// the authenticator's id: a repetition answers as the first did.
    pub async fn complete(
        &self,
        user: &UserId,
        version: u64,
        challenge: &Bytes,
        authenticator: &Authenticator,
        codes: Option<&CodeSet>,
    ) -> Result<Committed, Error> {
        self.count(match &self.backend {
            Backend::Embedded(store) => {
                store
                    .complete(user, version, challenge, authenticator, codes)
                    .await
            }
            Backend::Redis(store) => {
                store
                    .complete(user, version, challenge, authenticator, codes)
                    .await
            }
        })
    }

    /// Stores a pending authentication. Stale when the version is another. Over [`PENDING_LIMIT`]
    /// the oldest goes.
    pub async fn begin_authentication(
        &self,
        user: &UserId,
        version: u64,
        authentication: &Authentication,
        ttl: Duration,
    ) -> Result<Begun, Error> {
        self.count(match &self.backend {
            Backend::Embedded(store) => {
                store
                    .begin_authentication(user, version, authentication, ttl)
                    .await
            }
            Backend::Redis(store) => {
                store
                    .begin_authentication(user, version, authentication, ttl)
                    .await
            }
        })
    }

    /// Completes an authentication in one step: the counter is compared with the one that is stored
    /// now, and written.
    pub async fn authenticate(
        &self,
        user: &UserId,
        challenge: &Bytes,
        made: &Use,
    ) -> Result<Used, Error> {
        self.count(match &self.backend {
            Backend::Embedded(store) => store.authenticate(user, challenge, made).await,
            Backend::Redis(store) => store.authenticate(user, challenge, made).await,
        })
    }

    /// Renames an authenticator; false when it is not there.
    pub async fn rename(&self, user: &UserId, id: Uuid, device_name: &str) -> Result<bool, Error> {
        self.count(match &self.backend {
            Backend::Embedded(store) => store.rename(user, id, device_name).await,
            Backend::Redis(store) => store.rename(user, id, device_name).await,
        })
    }

    /// Removes an authenticator, raises version and epoch, and with the last authenticator removes
    /// the backup codes. Stale when the version is another.
    pub async fn remove(&self, user: &UserId, version: u64, id: Uuid) -> Result<Removed, Error> {
        self.count(match &self.backend {
            Backend::Embedded(store) => store.remove(user, version, id).await,
            Backend::Redis(store) => store.remove(user, version, id).await,
        })
    }

    /// Removes all authenticators, codes and pending ceremonies of a user, and raises version and
    /// epoch. How many authenticators there were.
    pub async fn reset(&self, user: &UserId) -> Result<usize, Error> {
        self.count(match &self.backend {
            Backend::Embedded(store) => store.reset(user).await,
            Backend::Redis(store) => store.reset(user).await,
        })
    }

    /// Puts a set of codes in the place of the old one. Stale when the version is another. A
    /// repetition answers as the first did.
    pub async fn replace_codes(
        &self,
        user: &UserId,
        version: u64,
        codes: &CodeSet,
    ) -> Result<Replaced, Error> {
        self.count(match &self.backend {
            Backend::Embedded(store) => store.replace_codes(user, version, codes).await,
            Backend::Redis(store) => store.replace_codes(user, version, codes).await,
        })
    }

    /// Tries a backup code by its hash, which was made with this salt: one step that counts the
    /// attempt before it compares. Success begins the count anew.
    pub async fn try_code(
        &self,
        user: &UserId,
        salt: &Bytes,
        hash: &Bytes,
    ) -> Result<Tried, Error> {
        self.count(match &self.backend {
            Backend::Embedded(store) => store.try_code(user, salt, hash).await,
            Backend::Redis(store) => store.try_code(user, salt, hash).await,
        })
    }

    /// Uses up a pending enrolment or authentication; false when it was not there any more.
    pub async fn discard(&self, user: &UserId, challenge: &Bytes) -> Result<bool, Error> {
        self.count(match &self.backend {
            Backend::Embedded(store) => store.discard(user, challenge).await,
            Backend::Redis(store) => store.discard(user, challenge).await,
        })
    }

    /// Looks whether the store can be relied on. Answers within a second.
    pub async fn health(&self) -> Health {
        let health = async {
            match &self.backend {
                Backend::Embedded(store) => store.health().await,
                Backend::Redis(store) => store.health().await,
            }
        };
        timeout(HEALTH, health).await.unwrap_or_else(|_| Health {
            faults: vec!["the store does not answer in time".to_owned()],
            warnings: Vec::new(),
        })
    }

    /// How many operations have failed since the start.
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

fn holds(authenticators: &[Authenticator], rp_id: &str, credential_id: &Bytes) -> bool {
    authenticators
        .iter()
        .any(|one| one.rp_id == rp_id && one.credential_id == *credential_id)
}

/// The order of [`Account::authenticators`], the same on both backends.
fn oldest_first(authenticators: &mut [Authenticator]) {
    authenticators.sort_by_key(|one| (one.created_at, one.id));
}
