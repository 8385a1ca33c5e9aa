//! What is kept: one contract, two backends. Each step is whole: it happens, or nothing does.

mod embedded;
mod error;
mod keys;
mod outcomes;
mod redis;
mod stored;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use uuid::Uuid;

pub use self::error::{Error, FileError, OpenError, UrlError};
pub use self::outcomes::{
    AuthenticateOutcome, BeginOutcome, CompleteOutcome, RemoveOutcome, ReplaceCodesOutcome,
    ResetOutcome, TryCodeOutcome,
};

use self::embedded::Embedded;
use self::redis::Redis;
use cedargate_core::{
    Authenticator, Bytes, CodeKind, Factors, MethodType, SessionKey, Timestamp, UserId,
};

/// How long a look at the health of a store takes at most: a disk may stand still for ever.
const HEALTH: Duration = Duration::from_secs(1);

/// How many enrolments of one session may be pending, and how many authentications. One more ends the
/// session's own oldest.
pub const PENDING_PER_SESSION: usize = 8;

/// How many enrolments of one account may be pending, and how many authentications. One more ends the
/// oldest of the session that has the most.
pub const PENDING_PER_ACCOUNT: usize = 64;

/// How many wrong codes a session may try within [`TRIES_WINDOW`], over all gateways.
pub const TRIES_LIMIT: u64 = 10;

/// From a session's first wrong code until its count begins anew. It begins anew for each set of codes,
/// so that a recovery code can be typed at once.
pub const TRIES_WINDOW: Duration = Duration::from_secs(15 * 60);

/// How many ceremonies a session may begin within [`BEGINS_WINDOW`], over all gateways: more than a
/// person can.
pub const BEGINS_LIMIT: u64 = 60;

/// From the first ceremony that a session begins until its count begins anew.
pub const BEGINS_WINDOW: Duration = Duration::from_secs(60);

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
    /// Checks the URL of a Redis. Connects to nothing.
    ///
    /// # Errors
    /// The URL cannot be used.
    pub fn redis(url: &str) -> Result<Self, UrlError> {
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

/// Evaluates an expression with the store that is behind the contract. Both have the same methods.
macro_rules! on_backend {
    ($self:ident, $store:ident => $step:expr) => {
        match &$self.backend {
            Backend::Embedded($store) => $step,
            Backend::Redis($store) => $step,
        }
    };
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
    /// Whether an administrator left the account without authenticators, and none was stored since.
    pub reset: bool,
    /// How many backup codes work now. A recovery code is not one of them.
    pub codes_remaining: usize,
    /// The set that a code is tried against: the recovery code where one was made, else the backup
    /// codes. There are never both.
    pub codes: Option<ActiveCodes>,
    /// The salt of the set before the active one, where a code of that set opened the session whose
    /// enrolment replaced or ended it: its token stays good for a repetition of that very request.
    /// Cleared by every other change of the active set, and by nothing else.
    pub replaced_salt: Option<Bytes>,
    /// After too many wrong codes in the session that was asked for: when it may try the next.
    pub codes_shut: Option<Duration>,
    /// The pending enrolment that was asked for, if it is there and in time.
    pub pending: Option<Enrolment>,
    /// The pending authentication that was asked for, if it is there and in time.
    pub authentication: Option<Authentication>,
}

impl Account {
    /// What decisions may know of the authenticators.
    pub fn factors(&self) -> Factors {
        Factors::of(&self.authenticators, self.reset)
    }

    /// Whether one of the authenticators is this credential of this relying party.
    pub fn holds(&self, rp_id: &str, credential_id: &Bytes) -> bool {
        holds(&self.authenticators, rp_id, credential_id)
    }
}

/// The set of codes that are tried now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ActiveCodes {
    /// What they were hashed with.
    pub salt: CodeSalt,
    /// What they are.
    pub kind: CodeKind,
    /// For a recovery code that was not used: until when it works, by the store's clock.
    pub expires_at: Option<Timestamp>,
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
    /// The session that it was begun in, for the limits of pending ceremonies. It may complete in
    /// another one.
    #[serde(default)]
    pub session_key: SessionKey,
}

impl fmt::Debug for Enrolment {
    /// Leaves the challenge out, so that no log can hold it.
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
    /// That session, for the limits of pending ceremonies.
    #[serde(default)]
    pub session_key: SessionKey,
    /// The authenticators that it may complete with.
    #[serde(default, rename = "state")]
    pub allow_credentials: AllowCredentials,
}

/// The authenticators that a pending authentication may complete with. An object of its own because
/// earlier releases stored the challenge and the user verification beside the ids.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct AllowCredentials {
    /// Their [`Authenticator::id`]s. Nothing is allowed by a record that has none.
    pub allowed: Vec<Uuid>,
}

impl fmt::Debug for Authentication {
    /// Leaves the challenge and the session out, so that no log can hold them.
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

/// A recovery code to be stored: a set of one code, and for how long it works.
#[derive(Clone, Debug, PartialEq)]
pub struct RecoveryCode {
    /// Its hash, the only one of the set.
    pub set: CodeSet,
    /// From when the store takes it.
    pub ttl: Duration,
}

/// A completion to be stored.
#[derive(Clone, Copy, Debug)]
pub struct Completion<'a> {
    /// The version of the account that was decided on.
    pub version: u64,
    /// The challenge of the pending enrolment.
    pub challenge: &'a Bytes,
    /// What is enrolled. Its id makes the step idempotent.
    pub authenticator: &'a Authenticator,
    /// Backup codes, stored only if none are left.
    pub codes: Option<&'a CodeSet>,
    /// How many authenticators the account may have with this one.
    pub max_authenticators: usize,
    /// The salt of the active codes, where one of them opened the session that enrols.
    pub opened_by: Option<&'a Bytes>,
}

/// Who removes an authenticator.
#[derive(Clone, Copy, Debug)]
pub enum Remover<'a> {
    /// Its owner.
    Owner,
    /// An administrator: the pending ceremonies of the account end too, and with the last
    /// authenticator this recovery code is stored. It must be there if the account that was decided on
    /// has one authenticator.
    Admin(Option<&'a RecoveryCode>),
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

/// Whether a store can be relied on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Health {
    /// Why it is not ready.
    pub faults: Vec<String>,
    /// What an operator should know all the same.
    pub warnings: Vec<String>,
}

impl Store {
    /// Opens a store. Redis need not be up yet.
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

    /// Reads one user, and the pending enrolment or authentication of this challenge, in one round
    /// trip.
    pub async fn read(&self, user: &UserId, challenge: Option<&Bytes>) -> Result<Account, Error> {
        self.read_in(&SessionKey::of_account(), user, challenge)
            .await
    }

    /// As [`Store::read`]. [`Account::codes_shut`] is that of this session.
    pub async fn read_in(
        &self,
        session: &SessionKey,
        user: &UserId,
        challenge: Option<&Bytes>,
    ) -> Result<Account, Error> {
        self.count(on_backend!(self, store => store.read(user, session, challenge).await))
    }

    /// Stores a pending enrolment, and the user handle if there is none. Stale when the version is
    /// another, or another handle is stored. Over [`PENDING_PER_SESSION`] and [`PENDING_PER_ACCOUNT`]
    /// an older one goes.
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

    /// Completes an enrolment in one step. Codes are stored only if none are left; a reset and its
    /// recovery code end. Idempotent for the authenticator's id: a repetition answers as the first did.
    pub async fn complete(
        &self,
        user: &UserId,
        completion: &Completion<'_>,
    ) -> Result<CompleteOutcome, Error> {
        self.count(on_backend!(self, store => store.complete(user, completion).await))
    }

    /// Stores a pending authentication. Stale when the version is another; counted together with
    /// enrolments. Over [`PENDING_PER_SESSION`] and [`PENDING_PER_ACCOUNT`] an older one goes.
    pub async fn begin_authentication(
        &self,
        user: &UserId,
        version: u64,
        authentication: &Authentication,
        ttl: Duration,
    ) -> Result<BeginOutcome, Error> {
        self.count(on_backend!(self, store => store.begin_authentication(user, version, authentication, ttl).await))
    }

    /// Completes an authentication in one step: the counter is compared with the one that is stored
    /// now, and written.
    pub async fn authenticate(
        &self,
        user: &UserId,
        challenge: &Bytes,
        made: &Use,
    ) -> Result<AuthenticateOutcome, Error> {
        self.count(on_backend!(self, store => store.authenticate(user, challenge, made).await))
    }

    /// Renames an authenticator; false when it is not there.
    pub async fn rename(&self, user: &UserId, id: Uuid, device_name: &str) -> Result<bool, Error> {
        self.count(on_backend!(self, store => store.rename(user, id, device_name).await))
    }

    /// Removes an authenticator, raises version and epoch, and with the last authenticator removes
    /// the backup codes. Stale when the version is another, and when an administrator removes the last
    /// one without a recovery code to store.
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
    /// and stores a recovery code. A user without a record gets one. Changes nothing for a user who has
    /// authenticators unless `even_if_enrolled`.
    pub async fn reset(
        &self,
        user: &UserId,
        recovery: &RecoveryCode,
        even_if_enrolled: bool,
    ) -> Result<ResetOutcome, Error> {
        self.count(on_backend!(self, store => store.reset(user, recovery, even_if_enrolled).await))
    }

    /// Puts a set of backup codes in the place of the one with the salt `old`. Stale when the version
    /// is another, and for an account without authenticators: it never gets codes. A repetition answers
    /// as the first did.
    pub async fn replace_codes(
        &self,
        user: &UserId,
        version: u64,
        old: Option<&Bytes>,
        codes: &CodeSet,
    ) -> Result<ReplaceCodesOutcome, Error> {
        self.count(on_backend!(self, store => store.replace_codes(user, version, old, codes).await))
    }

    /// Tries a backup or recovery code by its hash, which was made with this salt: one step that
    /// counts the attempt for this session and this set before it compares. Success begins the count
    /// anew. A recovery code past its deadline is wrong.
    pub async fn try_code(
        &self,
        session: &SessionKey,
        user: &UserId,
        salt: &Bytes,
        hash: &Bytes,
    ) -> Result<TryCodeOutcome, Error> {
        self.count(on_backend!(self, store => store.try_code(user, session, salt, hash).await))
    }

    /// Uses up a pending enrolment or authentication; false when it was not there any more.
    pub async fn discard(&self, user: &UserId, challenge: &Bytes) -> Result<bool, Error> {
        self.count(on_backend!(self, store => store.discard(user, challenge).await))
    }

    /// Looks whether the store can be relied on. Answers within a second.
    pub async fn health(&self) -> Health {
        let health = async { on_backend!(self, store => store.health().await) };
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
