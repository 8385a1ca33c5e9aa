//! The store in one Redis: each step is one script, and all keys of a script are one user's.

mod account;
mod changes;
mod codes;
mod health;
mod link;

use std::time::Duration;

use redis::{Cmd, FromRedisValue};
use tokio::time::Instant;
use uuid::Uuid;

use self::link::{Failure, Link};
use super::keys::{ClaimKey, UserKey, challenge_digest};
use super::stored::encode;
use super::{
    Account, Authentication, BEGINS_LIMIT, BEGINS_WINDOW, BeginOutcome, CompleteOutcome,
    Completion, Enrolment, Error, Health, PENDING_PER_ACCOUNT, PENDING_PER_SESSION, TRIES_LIMIT,
    UrlError,
};
use cedargate_core::{Authenticator, Bytes, SessionKey, Timestamp, UserId};

/// How long a step may take before the answer is that the store is not available.
const STEP: Duration = Duration::from_millis(500);
/// How long a completion, or a new set of codes, may take with all its repetitions.
const COMPLETION: Duration = Duration::from_millis(950);
/// How long one attempt to commit may take before it is repeated.
const COMMIT_ATTEMPT: Duration = Duration::from_millis(400);
/// Between two attempts.
const COMMIT_PAUSE: Duration = Duration::from_millis(25);
/// After this long a claim whose owner has no such credential may be taken over.
const ORPHANED_MS: u64 = 60_000;
/// After this long a claim is too old to commit on. Well before it may be taken over, so that a
/// commit that a hung server carries out late cannot give one credential id to two users.
const CLAIM_GOOD_MS: u64 = 30_000;

/// A script's text: its flags, what all scripts share, its own files.
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

// A full Redis (`noeviction`) starts nothing new, and still finishes what was begun, lets a user in and
// lets go of what is stored: what has no such hurry is without `allow-oom`.
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

/// A credential id that is held for this user.
struct Claim {
    value: String,
    good_until: u64,
    /// Made by this attempt, and not joined: only its maker may release it.
    created: bool,
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
        let deadline = Instant::now() + STEP;
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
        account::read(self.link.ask(&command, deadline).await?)
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
        self.begun(command, ttl, &enrolment.session_key).await
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
        // whoever has an authenticator has a handle, which stays as it is
        command
            .arg(version)
            .arg("")
            .arg(challenge_digest(&authentication.challenge))
            .arg(encode(authentication)?);
        self.begun(command, ttl, &authentication.session_key).await
    }

    async fn begun(
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
        let (word, number): (String, u64) = self.link.ask(&command, Instant::now() + STEP).await?;
        Ok(match word.as_str() {
            "stored" => BeginOutcome::Stored {
                expires_at: moment(number),
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
        // Not twice: of two, the second would say that it was not there.
        match self.link.send(&command, Instant::now() + STEP).await {
            Err(Failure::Lost(cause)) => Err(Error::outcome_unknown(cause)),
            outcome => Ok(outcome?),
        }
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
            .claim(&user, &key, authenticator, started + STEP)
            .await?
        else {
            return Ok(CompleteOutcome::Exists);
        };
        let command = commit_command(&user, completion, &claim)?;
        let deadline = started + COMPLETION;
        let (word, number, remaining): (String, u64, usize) =
            self.commit(&command, deadline).await?;
        let (outcome, held) = match word.as_str() {
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
                    "redis carried a commit out too late: nothing was stored",
                ));
            }
        };
        if claim.created && !held {
            self.release(&key, &claim.value, deadline).await;
        }
        Ok(outcome)
    }

    /// Holds the credential id for this user; none when it is another's.
    async fn claim(
        &self,
        user: &UserKey,
        key: &str,
        authenticator: &Authenticator,
        deadline: Instant,
    ) -> Result<Option<Claim>, Error> {
        let attempt = authenticator.id.as_hyphenated().to_string();
        let send = async |orphan: &str| -> Result<(String, String, u64), Failure> {
            let mut command = eval(CLAIM, &[key.to_owned()]);
            command.arg(user.digest()).arg(&attempt).arg(orphan);
            self.link.ask(&command, deadline).await
        };
        let (mut word, mut value, mut now) = send("").await?;
        if word == "held" && self.orphaned(&value, now, authenticator, deadline).await? {
            (word, value, now) = send(&value).await?;
        }
        Ok((word != "held").then(|| Claim {
            created: word == "created",
            good_until: now + CLAIM_GOOD_MS,
            value,
        }))
    }

    /// Whether a claim is old and its owner has no such credential.
    async fn orphaned(
        &self,
        claim: &str,
        now: u64,
        authenticator: &Authenticator,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let unreadable = || Error::Unreadable {
            kind: "claim of a credential",
        };
        let mut parts = claim.split('|');
        let owner = parts.next().ok_or_else(unreadable)?;
        let claimed_at: u64 = parts
            .nth(1)
            .and_then(|millis| millis.parse().ok())
            .ok_or_else(unreadable)?;
        if now.saturating_sub(claimed_at) < ORPHANED_MS {
            return Ok(false);
        }
        let owner = UserKey::from_digest(owner);
        let session = SessionKey::of_account();
        let account = self.read_key(&owner, &session, None, deadline).await?;
        Ok(!account.holds(&authenticator.rp_id, &authenticator.credential_id))
    }

    /// Repeats a commit of which no answer came: it is idempotent. Within the time of a request,
    /// because only who made the codes can still show them.
    async fn commit<T: FromRedisValue>(
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
            let again = Instant::now() + COMMIT_PAUSE;
            if !outcome_unknown || again >= deadline {
                let cause = failure.into_cause();
                return Err(if outcome_unknown {
                    Error::outcome_unknown(cause)
                } else {
                    Error::unavailable(cause)
                });
            }
            tokio::time::sleep_until(again).await;
        }
    }

    /// Lets go of a claim that still has this value. What fails here leaves an orphan, which others
    /// may take over after a while.
    async fn release(&self, key: &str, value: &str, deadline: Instant) {
        let mut command = eval(RELEASE, &[key.to_owned()]);
        command.arg(value);
        let _released: Result<u64, Failure> = self.link.ask(&command, deadline).await;
    }

    pub(super) async fn health(&self) -> Health {
        health::health(&self.link, self.require_durable, Instant::now() + STEP).await
    }
}

impl From<Failure> for Error {
    /// A step whose repetition is harmless, or that changed nothing.
    fn from(failure: Failure) -> Self {
        Error::unavailable(failure.into_cause())
    }
}

/// `EVAL`, and not `SCRIPT LOAD` with `EVALSHA`: loading goes to every node of a cluster, and fails
/// when one is down.
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
        .arg(claim.good_until)
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

fn moment(millis: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}
