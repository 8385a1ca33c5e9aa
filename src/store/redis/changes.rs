//! The use, the renaming and the removal of authenticators, and the reset of accounts.

use std::collections::HashMap;

use redis::{Cmd, FromRedisValue};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use super::link::Failure;
use super::{
    REMOVE, RENAME, RESET, Redis, STEP_TIMEOUT, USE, challenge_digest, codes, eval, timestamp,
    user_keys,
};
use crate::store::keys::{ClaimKey, UserKey};
use crate::store::stored::{decode, encode};
use crate::store::{
    AuthenticateOutcome, Error, RecoveryCode, RemoveOutcome, Remover, ResetOutcome, Use,
    oldest_first,
};
use cedargate_core::{Authenticator, Bytes, Timestamp, UserId};

/// The number of attempts to rename an authenticator whose record changes between read and write.
const RENAME_TRIES: usize = 4;

/// The record of an authenticator's last use.
#[derive(Deserialize, Serialize)]
struct LastUse {
    sign_count: u32,
    backed_up: bool,
    last_used_at: Timestamp,
}

/// The answer of `reset.lua`: a word, the deadline of the recovery code in milliseconds, and the removed
/// records of authenticators and of their last uses.
type ResetReply = (String, u64, Vec<Vec<u8>>, Vec<(String, Vec<u8>)>);

/// Sets the values of the last use on each authenticator that has one.
pub(super) fn apply_uses(
    authenticators: &mut [Authenticator],
    uses: &[(String, Vec<u8>)],
) -> Result<(), Error> {
    let mut last_uses = HashMap::new();
    for (id, record) in uses {
        last_uses.insert(id.as_str(), decode::<LastUse>("use", record)?);
    }
    for authenticator in authenticators {
        if let Some(last_use) = last_uses.get(id_text(authenticator.id).as_str()) {
            authenticator.sign_count = last_use.sign_count;
            authenticator.backed_up = last_use.backed_up;
            authenticator.last_used_at = Some(last_use.last_used_at);
        }
    }
    Ok(())
}

impl Redis {
    pub(in crate::store) async fn authenticate(
        &self,
        user: &UserId,
        challenge: &Bytes,
        verified: &Use,
    ) -> Result<AuthenticateOutcome, Error> {
        let user = UserKey::of(user);
        let record = LastUse {
            sign_count: verified.sign_count,
            backed_up: verified.backed_up,
            last_used_at: verified.at,
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
            .arg(id_text(verified.id))
            .arg(verified.sign_count)
            .arg(encode(&record)?);
        let (word, epoch): (String, u64) = self.send_step(&command).await?;
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
        let deadline = Instant::now() + STEP_TIMEOUT;
        let key = UserKey::of(user).authenticators();
        for _ in 0..RENAME_TRIES {
            let mut read = redis::cmd("HGET");
            read.arg(&key).arg(id_text(method));
            let stored: Option<Vec<u8>> = self.link.send_idempotent(&read, deadline).await?;
            let Some(stored) = stored else {
                return Ok(false);
            };
            let mut authenticator: Authenticator = decode("authenticator", &stored)?;
            device_name.clone_into(&mut authenticator.device_name);
            let renamed = encode(&authenticator)?;
            let mut write = eval(RENAME, std::slice::from_ref(&key));
            write.arg(id_text(method)).arg(&stored).arg(&renamed);
            let word: String = self.link.send_idempotent(&write, deadline).await?;
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
        let mut read = redis::cmd("HGET");
        read.arg(&authenticators).arg(id_text(method));
        let deadline = Instant::now() + STEP_TIMEOUT;
        let record: Option<Vec<u8>> = self.link.send_idempotent(&read, deadline).await?;
        let authenticator: Option<Authenticator> = record
            .map(|record| decode("authenticator", &record))
            .transpose()?;
        let claims = self.claims(&user, authenticator.as_slice()).await;
        let keys = [
            account,
            authenticators,
            codes,
            user.uses(),
            enrolments,
            user.authentications(),
        ];
        let mut command = eval(REMOVE, &keys);
        command.arg(version).arg(id_text(method));
        let (remover, recovery) = match by {
            Remover::Owner => ("owner", None),
            Remover::Admin(recovery) => ("admin", recovery),
        };
        command.arg(remover);
        codes::add_recovery(&mut command, recovery);
        let (word, record, used, recovery_deadline): (String, Vec<u8>, Vec<u8>, u64) =
            self.send_step(&command).await?;
        Ok(match word.as_str() {
            "removed" => {
                self.release_all(&claims).await;
                let mut removed: Authenticator = decode("authenticator", &record)?;
                if !used.is_empty() {
                    apply_uses(
                        std::slice::from_mut(&mut removed),
                        &[(id_text(method), used)],
                    )?;
                }
                RemoveOutcome::Removed {
                    authenticator: Box::new(removed),
                    recovery_expires_at: (recovery_deadline != 0)
                        .then(|| timestamp(recovery_deadline)),
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
        let mut read = redis::cmd("HVALS");
        read.arg(&authenticators);
        let deadline = Instant::now() + STEP_TIMEOUT;
        let before: Vec<Vec<u8>> = self.link.send_idempotent(&read, deadline).await?;
        let claims = self.claims(&user, &readable(&before)).await;
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
        let (word, recovery_deadline, records, uses): ResetReply = self.send_step(&command).await?;
        if word == "enrolled" {
            return Ok(ResetOutcome::Enrolled);
        }
        self.release_all(&claims).await;
        let mut removed = readable(&records);
        // The reset is done: an unreadable record of a use must not turn it into an error.
        let _unreadable = apply_uses(&mut removed, &uses);
        oldest_first(&mut removed);
        Ok(ResetOutcome::Done {
            removed,
            expires_at: timestamp(recovery_deadline),
        })
    }

    /// Sends a step that is not idempotent, once. Without an answer the outcome is unknown.
    pub(super) async fn send_step<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        match self.link.send(command, Instant::now() + STEP_TIMEOUT).await {
            Err(Failure::Lost(cause)) => Err(Error::outcome_unknown(cause)),
            outcome => Ok(outcome?),
        }
    }

    /// Returns the user's claims on these credentials, each as key and value, to be released after the
    /// removal. They are read before it. The removal raises the version, so that no attempt that made or
    /// joined one of these claims can commit afterwards; a claim that is made later has another value.
    async fn claims(
        &self,
        user: &UserKey,
        authenticators: &[Authenticator],
    ) -> Vec<(String, String)> {
        let deadline = Instant::now() + STEP_TIMEOUT;
        let mut claims = Vec::new();
        for authenticator in authenticators {
            let key = ClaimKey::of(&authenticator.rp_id, &authenticator.credential_id).claim();
            let mut read = redis::cmd("GET");
            read.arg(&key);
            // A claim that cannot be read stays as an orphan, which another user may take over later.
            let value: Result<Option<String>, Failure> =
                self.link.send_idempotent(&read, deadline).await;
            let own = value
                .ok()
                .flatten()
                .filter(|value| value.split('|').next() == Some(user.digest()));
            claims.extend(own.map(|value| (key, value)));
        }
        claims
    }

    /// Releases claims, so that other users can enrol the credentials.
    async fn release_all(&self, claims: &[(String, String)]) {
        let deadline = Instant::now() + STEP_TIMEOUT;
        for (key, value) in claims {
            self.release(key, value, deadline).await;
        }
    }
}

/// Decodes the records that can be read. A reset removes the others too.
fn readable(records: &[Vec<u8>]) -> Vec<Authenticator> {
    let read = |record: &Vec<u8>| decode("authenticator", record).ok();
    records.iter().filter_map(read).collect()
}

fn id_text(id: Uuid) -> String {
    id.as_hyphenated().to_string()
}
