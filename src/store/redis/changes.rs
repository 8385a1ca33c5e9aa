//! What happens to authenticators once they are enrolled: each a script of one user's keys.

use std::collections::HashMap;

use redis::{Cmd, FromRedisValue};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use super::link::Failure;
use super::{
    REMOVE, RENAME, RESET, Redis, STEP, USE, challenge_digest, codes, eval, moment, user_keys,
};
use crate::store::keys::{ClaimKey, UserKey};
use crate::store::stored::{decode, encode};
use crate::store::{
    AuthenticateOutcome, Error, RecoveryCode, RemoveOutcome, Remover, ResetOutcome, Use,
    oldest_first,
};
use cedargate_core::{Authenticator, Bytes, Timestamp, UserId};

/// How often a renaming is tried again that found another record than it had read.
const RENAME_TRIES: usize = 4;

/// What is kept of an authenticator's uses; the newest only.
#[derive(Deserialize, Serialize)]
struct LastUse {
    sign_count: u32,
    backed_up: bool,
    last_used_at: Timestamp,
}

/// What `reset.lua` answers: a word, the recovery code's deadline, the records of authenticators and of
/// their uses.
type ResetReply = (String, u64, Vec<Vec<u8>>, Vec<(String, Vec<u8>)>);

/// Shows authenticators as they are since their last use.
pub(super) fn show_uses(
    authenticators: &mut [Authenticator],
    uses: &[(String, Vec<u8>)],
) -> Result<(), Error> {
    let mut latest = HashMap::new();
    for (id, record) in uses {
        latest.insert(id.as_str(), decode::<LastUse>("use", record)?);
    }
    for one in authenticators {
        if let Some(latest) = latest.get(id(one.id).as_str()) {
            one.sign_count = latest.sign_count;
            one.backed_up = latest.backed_up;
            one.last_used_at = Some(latest.last_used_at);
        }
    }
    Ok(())
}

impl Redis {
    pub(in crate::store) async fn authenticate(
        &self,
        user: &UserId,
        challenge: &Bytes,
        made: &Use,
    ) -> Result<AuthenticateOutcome, Error> {
        let user = UserKey::of(user);
        let record = LastUse {
            sign_count: made.sign_count,
            backed_up: made.backed_up,
            last_used_at: made.at,
        };
        let keys = [
            user.authenticators(),
            user.uses(),
            user.authentications(),
            user.account(),
        ];
        let mut command = eval(USE, &keys);
        command
            .arg(challenge_digest(challenge))
            .arg(id(made.id))
            .arg(made.sign_count)
            .arg(encode(&record)?);
        let (word, epoch): (String, u64) = self.once(&command).await?;
        Ok(match word.as_str() {
            "stored" => AuthenticateOutcome::Stored { epoch },
            "gone" => AuthenticateOutcome::Gone,
            "back" => AuthenticateOutcome::CounterBack,
            _ => AuthenticateOutcome::NoAuthenticator,
        })
    }

    pub(in crate::store) async fn rename(
        &self,
        user: &UserId,
        method: Uuid,
        device_name: &str,
    ) -> Result<bool, Error> {
        let deadline = Instant::now() + STEP;
        let key = UserKey::of(user).authenticators();
        for _ in 0..RENAME_TRIES {
            let mut read = redis::cmd("HGET");
            read.arg(&key).arg(id(method));
            let stored: Option<Vec<u8>> = self.link.ask(&read, deadline).await?;
            let Some(stored) = stored else {
                return Ok(false);
            };
            let mut authenticator: Authenticator = decode("authenticator", &stored)?;
            device_name.clone_into(&mut authenticator.device_name);
            let renamed = encode(&authenticator)?;
            let mut write = eval(RENAME, std::slice::from_ref(&key));
            write.arg(id(method)).arg(&stored).arg(&renamed);
            let word: String = self.link.ask(&write, deadline).await?;
            match word.as_str() {
                "stored" => return Ok(true),
                "nothing" => return Ok(false),
                _ => {}
            }
        }
        Err(Error::unavailable(
            "an authenticator changed faster than it could be renamed",
        ))
    }

    pub(in crate::store) async fn remove(
        &self,
        user: &UserId,
        version: u64,
        method: Uuid,
        by: Remover<'_>,
    ) -> Result<RemoveOutcome, Error> {
        let user = UserKey::of(user);
        let [account, authenticators, codes, enrolments] = user_keys(&user);
        let mut find = redis::cmd("HGET");
        find.arg(&authenticators).arg(id(method));
        let deadline = Instant::now() + STEP;
        let found: Option<Vec<u8>> = self.link.ask(&find, deadline).await?;
        let found: Option<Authenticator> = found
            .map(|record| decode("authenticator", &record))
            .transpose()?;
        let claims = self.claims(&user, found.as_slice()).await;
        let keys = [
            account,
            authenticators,
            codes,
            user.uses(),
            enrolments,
            user.authentications(),
        ];
        let mut command = eval(REMOVE, &keys);
        command.arg(version).arg(id(method));
        let (who, recovery) = match by {
            Remover::Owner => ("owner", None),
            Remover::Admin(recovery) => ("admin", recovery),
        };
        command.arg(who);
        codes::add_recovery(&mut command, recovery);
        let (word, record, used, recovery_until): (String, Vec<u8>, Vec<u8>, u64) =
            self.once(&command).await?;
        Ok(match word.as_str() {
            "removed" => {
                self.release_all(&claims).await;
                let mut removed: Authenticator = decode("authenticator", &record)?;
                if !used.is_empty() {
                    show_uses(std::slice::from_mut(&mut removed), &[(id(method), used)])?;
                }
                RemoveOutcome::Removed {
                    authenticator: Box::new(removed),
                    recovery_expires_at: (recovery_until != 0).then(|| moment(recovery_until)),
                }
            }
            "stale" => RemoveOutcome::Stale,
            _ => RemoveOutcome::Nothing,
        })
    }

    pub(in crate::store) async fn reset(
        &self,
        user: &UserId,
        recovery: &RecoveryCode,
        even_if_enrolled: bool,
    ) -> Result<ResetOutcome, Error> {
        let user = UserKey::of(user);
        let [account, authenticators, codes, enrolments] = user_keys(&user);
        let mut find = redis::cmd("HVALS");
        find.arg(&authenticators);
        let deadline = Instant::now() + STEP;
        let found: Vec<Vec<u8>> = self.link.ask(&find, deadline).await?;
        let claims = self.claims(&user, &readable(&found)).await;
        let keys = [
            account,
            authenticators,
            codes,
            user.uses(),
            enrolments,
            user.authentications(),
            user.tries_of_account(),
        ];
        let mut command = eval(RESET, &keys);
        command.arg(u8::from(even_if_enrolled));
        codes::add_recovery(&mut command, Some(recovery));
        let (word, recovery_until, records, uses): ResetReply = self.once(&command).await?;
        if word == "enrolled" {
            return Ok(ResetOutcome::Enrolled);
        }
        self.release_all(&claims).await;
        let mut removed = readable(&records);
        // It is done: a use that cannot be read must not hide that.
        let _unreadable = show_uses(&mut removed, &uses);
        oldest_first(&mut removed);
        Ok(ResetOutcome::Done {
            removed,
            expires_at: moment(recovery_until),
        })
    }

    /// Sends what must not be done twice: of two, the second would answer otherwise.
    pub(super) async fn once<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        match self.link.send(command, Instant::now() + STEP).await {
            Err(Failure::Lost(cause)) => Err(Error::outcome_unknown(cause)),
            outcome => Ok(outcome?),
        }
    }

    /// The claims of these authenticators, each with its value. They are read before the removal: it
    /// raises the version, so no attempt that has made or joined one of them commits after it, and one
    /// that is made later has another value.
    async fn claims(
        &self,
        user: &UserKey,
        authenticators: &[Authenticator],
    ) -> Vec<(String, String)> {
        let deadline = Instant::now() + STEP;
        let mut claims = Vec::new();
        for one in authenticators {
            let key = ClaimKey::of(&one.rp_id, &one.credential_id).claim();
            let mut read = redis::cmd("GET");
            read.arg(&key);
            // One that cannot be read stays, and others may take it over after a while.
            let held: Result<Option<String>, Failure> = self.link.ask(&read, deadline).await;
            let own = held
                .ok()
                .flatten()
                .filter(|value| value.split('|').next() == Some(user.digest()));
            claims.extend(own.map(|value| (key, value)));
        }
        claims
    }

    /// Lets others enrol what was removed.
    async fn release_all(&self, claims: &[(String, String)]) {
        let deadline = Instant::now() + STEP;
        for (key, value) in claims {
            self.release(key, value, deadline).await;
        }
    }
}

/// Skips records that cannot be read: a reset removes them all the same.
fn readable(records: &[Vec<u8>]) -> Vec<Authenticator> {
    let read = |record: &Vec<u8>| decode("authenticator", record).ok();
    records.iter().filter_map(read).collect()
}

fn id(of: Uuid) -> String {
    of.as_hyphenated().to_string()
}
