//! The store on one Redis server. Each step is one script, and all keys of a script belong to one user.
//! The claim on a credential id has a script of its own.

mod account;
mod changes;
mod claims;
mod codes;
mod health;
mod link;

use std::time::Duration;

use redis::{Cmd, FromRedisValue};
use tokio::time::Instant;
use uuid::Uuid;

use self::claims::Claim;
use self::link::{Failure, Link};
use super::keys::{ClaimKey, UserKey, challenge_digest};
use super::stored::encode;
use super::{
    Account, Authentication, BEGINS_LIMIT, BEGINS_WINDOW, BeginOutcome, CompleteOutcome,
    Completion, Enrolment, Error, Health, PENDING_PER_ACCOUNT, PENDING_PER_SESSION, TRIES_LIMIT,
    UrlError,
};
use cedargate_core::{Bytes, SessionKey, Timestamp, UserId};

/// The time after which a step is answered as unavailable.
const STEP_TIMEOUT: Duration = Duration::from_millis(500);
/// The time for a completion or a new set of codes, with all its attempts.
const COMMIT_TIMEOUT: Duration = Duration::from_millis(950);
/// The time after which one attempt of a commit is repeated.
const COMMIT_ATTEMPT: Duration = Duration::from_millis(400);
/// The pause between two attempts.
const COMMIT_PAUSE: Duration = Duration::from_millis(25);

/// The text of a script: its flags, the functions that all scripts share, and the script's own files.
macro_rules! script {
    ($flags:literal, $($file:literal),+) => {
        concat!(
            "#!lua",
            $flags,
            "\n",
            include_str!("redis/pending.lua"),
            $("\n", include_str!($file)),+
        )
    };
}

// A Redis whose memory is full (`noeviction`) refuses the scripts without `allow-oom`: they begin
// something new or can wait. The others complete a ceremony, let a user sign in, or free memory.
const READ: &str = script!(" flags=no-writes", "redis/codes.lua", "redis/read.lua");
const BEGIN: &str = script!("", "redis/begin.lua");
const CLAIM: &str = script!(" flags=allow-oom", "redis/claim.lua");
const RELEASE: &str = script!(" flags=allow-oom", "redis/release.lua");
const COMMIT: &str = script!(" flags=allow-oom", "redis/codes.lua", "redis/commit.lua");
const DISCARD: &str = script!(" flags=allow-oom", "redis/discard.lua");
const USE: &str = script!(" flags=allow-oom", "redis/use.lua");
const RENAME: &str = script!("", "redis/rename.lua");
const REMOVE: &str = script!(" flags=allow-oom", "redis/codes.lua", "redis/remove.lua");
const RESET: &str = script!(" flags=allow-oom", "redis/codes.lua", "redis/reset.lua");
const REPLACE_CODES: &str = script!("", "redis/codes.lua", "redis/replace_codes.lua");
const TRY_CODE: &str = script!(" flags=allow-oom", "redis/codes.lua", "redis/try_code.lua");

pub(super) struct Redis {
    link: Link,
    require_durable: bool,
}

impl Redis {
    pub(super) fn new(url: &str, require_durable: bool) -> Result<Self, UrlError> {
        Ok(Self {
            link: Link::new(url)?,
            require_durable,
        })
    }

    pub(super) async fn read(
        &self,
        user: &UserId,
        session: &SessionKey,
        challenge: Option<&Bytes>,
    ) -> Result<Account, Error> {
        let deadline = Instant::now() + STEP_TIMEOUT;
        self.read_key(&UserKey::of(user), session, challenge, deadline)
            .await
    }

    async fn read_key(
        &self,
        user: &UserKey,
        session: &SessionKey,
        challenge: Option<&Bytes>,
        deadline: Instant,
    ) -> Result<Account, Error> {
        let [account, authenticators, codes, enrolments] = user_keys(user);
        let (uses, authentications) = (user.uses(), user.authentications());
        let keys = [
            account,
            authenticators,
            codes,
            enrolments,
            uses,
            authentications,
            user.tries(session),
        ];
        let mut command = eval(READ, &keys);
        command
            .arg(challenge.map(challenge_digest).unwrap_or_default())
            .arg(TRIES_LIMIT);
        account::read(self.link.send_idempotent(&command, deadline).await?)
    }

    pub(super) async fn begin(
        &self,
        user: &UserId,
        version: u64,
        handle: Uuid,
        enrolment: &Enrolment,
        ttl: Duration,
    ) -> Result<BeginOutcome, Error> {
        let user = UserKey::of(user);
        let begins = user.begins(&enrolment.session_key);
        let mut command = eval(BEGIN, &[user.account(), user.enrolments(), begins]);
        command
            .arg(version)
            .arg(handle.as_hyphenated().to_string())
            .arg(challenge_digest(&enrolment.challenge))
            .arg(encode(enrolment)?);
        self.send_begin(command, ttl, &enrolment.session_key).await
    }

    pub(super) async fn begin_authentication(
        &self,
        user: &UserId,
        version: u64,
        authentication: &Authentication,
        ttl: Duration,
    ) -> Result<BeginOutcome, Error> {
        let user = UserKey::of(user);
        let begins = user.begins(&authentication.session_key);
        let mut command = eval(BEGIN, &[user.account(), user.authentications(), begins]);
        // An account with an authenticator has a handle already: the empty text leaves it.
        command
            .arg(version)
            .arg("")
            .arg(challenge_digest(&authentication.challenge))
            .arg(encode(authentication)?);
        self.send_begin(command, ttl, &authentication.session_key)
            .await
    }

    async fn send_begin(
        &self,
        mut command: Cmd,
        ttl: Duration,
        session: &SessionKey,
    ) -> Result<BeginOutcome, Error> {
        command
            .arg(millis(ttl))
            .arg(session.as_str())
            .arg(PENDING_PER_SESSION)
            .arg(PENDING_PER_ACCOUNT)
            .arg(BEGINS_LIMIT)
            .arg(millis(BEGINS_WINDOW));
        let (word, number): (String, u64) = self
            .link
            .send_idempotent(&command, Instant::now() + STEP_TIMEOUT)
            .await?;
        Ok(match word.as_str() {
            "stored" => BeginOutcome::Stored {
                expires_at: timestamp(number),
            },
            "many" => BeginOutcome::TooMany {
                retry_after: Duration::from_millis(number),
            },
            _ => BeginOutcome::Stale,
        })
    }

    pub(super) async fn discard(&self, user: &UserId, challenge: &Bytes) -> Result<bool, Error> {
        let user = UserKey::of(user);
        let mut command = eval(DISCARD, &[user.enrolments(), user.authentications()]);
        command.arg(challenge_digest(challenge));
        self.send_step(&command).await
    }

    pub(super) async fn complete(
        &self,
        user: &UserId,
        completion: &Completion<'_>,
    ) -> Result<CompleteOutcome, Error> {
        let authenticator = completion.authenticator;
        let started = Instant::now();
        let user = UserKey::of(user);
        let key = ClaimKey::of(&authenticator.rp_id, &authenticator.credential_id).claim();
        let Some(claim) = self
            .claim(&user, &key, authenticator, started + STEP_TIMEOUT)
            .await?
        else {
            return Ok(CompleteOutcome::Exists);
        };
        let command = commit_command(&user, completion, &claim)?;
        let deadline = started + COMMIT_TIMEOUT;
        let (word, number, remaining): (String, u64, usize) =
            self.send_with_retries(&command, deadline).await?;
        let (outcome, keeps_claim) = match word.as_str() {
            "stored" => {
                let codes_stored = number == 1;
                let stored = CompleteOutcome::Stored {
                    codes_stored,
                    remaining,
                };
                (stored, true)
            }
            "exists" => (CompleteOutcome::Exists, true),
            "gone" => (CompleteOutcome::Gone, number == 1),
            "limit" => (CompleteOutcome::LimitReached, false),
            "stale" => (CompleteOutcome::Stale, false),
            _ => {
                return Err(Error::unavailable(
                    "redis ran a commit too late: nothing was stored",
                ));
            }
        };
        if claim.created && !keeps_claim {
            self.release(&key, &claim.value, deadline).await;
        }
        Ok(outcome)
    }

    /// Sends an idempotent command, and repeats it until the server answers or the deadline passes. The
    /// repetition belongs to the request, because only this request can still show the codes that it
    /// made.
    async fn send_with_retries<T: FromRedisValue>(
        &self,
        command: &Cmd,
        deadline: Instant,
    ) -> Result<T, Error> {
        let mut outcome_unknown = false;
        loop {
            let attempt = deadline.min(Instant::now() + COMMIT_ATTEMPT);
            let failure = match self.link.send(command, attempt).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            outcome_unknown |= matches!(failure, Failure::Lost(_));
            let next_attempt = Instant::now() + COMMIT_PAUSE;
            if !outcome_unknown || next_attempt >= deadline {
                let cause = failure.into_cause();
                return Err(if outcome_unknown {
                    Error::outcome_unknown(cause)
                } else {
                    Error::unavailable(cause)
                });
            }
            tokio::time::sleep_until(next_attempt).await;
        }
    }

    pub(super) async fn health(&self) -> Health {
        health::health(
            &self.link,
            self.require_durable,
            Instant::now() + STEP_TIMEOUT,
        )
        .await
    }
}

impl From<Failure> for Error {
    /// Converts the failure of a step that changed nothing, or whose repetition is harmless.
    fn from(failure: Failure) -> Self {
        Error::unavailable(failure.into_cause())
    }
}

/// Returns an `EVAL` command. `SCRIPT LOAD` with `EVALSHA` is not used, because loading goes to every
/// node of a cluster and fails when one is down.
fn eval(script: &str, keys: &[String]) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(script).arg(keys.len()).arg(keys);
    command
}

fn user_keys(user: &UserKey) -> [String; 4] {
    [
        user.account(),
        user.authenticators(),
        user.codes(),
        user.enrolments(),
    ]
}

fn commit_command(
    user: &UserKey,
    completion: &Completion<'_>,
    claim: &Claim,
) -> Result<Cmd, Error> {
    let authenticator = completion.authenticator;
    let opened_by = completion.opened_by.map(Bytes::to_string);
    let mut command = eval(COMMIT, &user_keys(user));
    command
        .arg(completion.version)
        .arg(challenge_digest(completion.challenge))
        .arg(authenticator.id.as_hyphenated().to_string())
        .arg(encode(authenticator)?)
        .arg(&authenticator.rp_id)
        .arg(authenticator.credential_id.to_string())
        .arg(claim.valid_until)
        .arg(completion.max_authenticators)
        .arg(opened_by.unwrap_or_default());
    match completion.codes {
        None => {
            command.arg("").arg("");
        }
        Some(set) => codes::add_set(&mut command, set),
    }
    Ok(command)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn timestamp(millis: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}
