//! What happens to authenticators and codes once they are enrolled: each a script of one user's keys.

use std::collections::HashMap;
use std::time::Duration;

use redis::{Cmd, FromRedisValue};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use super::link::Failure;
use super::{
    COMPLETION, REMOVE, RENAME, REPLACE_CODES, RESET, Redis, STEP, TRY_CODE, USE, challenge_digest,
    eval, user_keys,
};
use crate::error::Error;
use crate::model::{Authenticator, Bytes, SessionKey, Timestamp, UserId};
use crate::store::keys::{ClaimKey, UserKey};
use crate::store::stored::{decode, encode};
use crate::store::{
    CodeSet, RecoveryCode, Removed, Remover, Replaced, Reset, TRIES_LIMIT, TRIES_WINDOW, Tried,
    Use, Used,
};

/// How often a renaming is tried again that found another record than it had read.
const RENAME_TRIES: usize = 4;

/// What is kept of an authenticator's uses; the newest only.
#[derive(Deserialize, Serialize)]
struct LastUse {
    sign_count: u32,
    backed_up: bool,
    last_used_at: Timestamp,
}

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
    ) -> Result<Used, Error> {
        let user = UserKey::of(user);
        let record = LastUse {
            sign_count: made.sign_count,
            backed_up: made.backed_up,
            last_used_at: made.at,
        };
        let keys = [user.authenticators(), user.uses(), user.authentications()];
        let mut command = eval(USE, &keys);
        command
            .arg(challenge_digest(challenge))
            .arg(id(made.id))
            .arg(made.sign_count)
            .arg(encode(&record)?);
        let word: String = self.once(&command).await?;
        Ok(match word.as_str() {
            "stored" => Used::Stored { epoch: 0 },
            "gone" => Used::Gone,
            "back" => Used::CounterBack,
            _ => Used::NoAuthenticator,
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
        _by: Remover<'_>,
    ) -> Result<Removed, Error> {
        let user = UserKey::of(user);
        let [account, authenticators, codes, _] = user_keys(&user);
        let mut find = redis::cmd("HGET");
        find.arg(&authenticators).arg(id(method));
        let deadline = Instant::now() + STEP;
        let found: Option<Vec<u8>> = self.link.ask(&find, deadline).await?;
        let found: Option<Authenticator> = found
            .map(|record| decode("authenticator", &record))
            .transpose()?;
        let claims = self.claims(&user, found.as_slice()).await;
        let mut command = eval(REMOVE, &[account, authenticators, codes, user.uses()]);
        command.arg(version).arg(id(method));
        let (word, record, used): (String, Vec<u8>, Vec<u8>) = self.once(&command).await?;
        Ok(match word.as_str() {
            "removed" => {
                self.release_all(&claims).await;
                let mut removed: Authenticator = decode("authenticator", &record)?;
                if !used.is_empty() {
                    show_uses(std::slice::from_mut(&mut removed), &[(id(method), used)])?;
                }
                Removed::Removed {
                    authenticator: Box::new(removed),
                    recovery_expires_at: None,
                }
            }
            "stale" => Removed::Stale,
            _ => Removed::Nothing,
        })
    }

    pub(in crate::store) async fn reset(
        &self,
        user: &UserId,
        _recovery: &RecoveryCode,
        _even_if_enrolled: bool,
    ) -> Result<Reset, Error> {
        let user = UserKey::of(user);
        let [account, authenticators, codes, enrolments] = user_keys(&user);
        let mut find = redis::cmd("HVALS");
        find.arg(&authenticators);
        let deadline = Instant::now() + STEP;
        let found: Vec<Vec<u8>> = self.link.ask(&find, deadline).await?;
        // One that cannot be read is let go of all the same.
        let found: Vec<Authenticator> = found
            .iter()
            .filter_map(|record| decode("authenticator", record).ok())
            .collect();
        let claims = self.claims(&user, &found).await;
        let keys = [
            account,
            authenticators,
            codes,
            user.uses(),
            enrolments,
            user.authentications(),
            user.tries(),
        ];
        let _removed: usize = self.once(&eval(RESET, &keys)).await?;
        self.release_all(&claims).await;
        Ok(Reset::Done {
            removed: found,
            expires_at: Timestamp::default(),
        })
    }

    pub(in crate::store) async fn replace_codes(
        &self,
        user: &UserId,
        version: u64,
        _old: Option<&Bytes>,
        codes: &CodeSet,
    ) -> Result<Replaced, Error> {
        let user = UserKey::of(user);
        let mut command = eval(REPLACE_CODES, &[user.account(), user.codes()]);
        command
            .arg(version)
            .arg(codes.salt.to_string())
            .arg(&codes.pepper_id);
        for hash in &codes.hashes {
            command.arg(hash.to_string());
        }
        // Idempotent for its salt, and repeated as a completion is: only who made the codes can show
        // them, and whoever heard that nothing has changed would keep some that do not work any more.
        let deadline = Instant::now() + COMPLETION;
        Ok(match self.commit(&command, deadline).await? {
            1_u8 => Replaced::Stored,
            _ => Replaced::Stale,
        })
    }

    pub(in crate::store) async fn try_code(
        &self,
        user: &UserId,
        _session: &SessionKey,
        salt: &Bytes,
        hash: &Bytes,
    ) -> Result<Tried, Error> {
        let user = UserKey::of(user);
        let mut command = eval(TRY_CODE, &[user.account(), user.codes(), user.tries()]);
        command
            .arg(salt.to_string())
            .arg(hash.to_string())
            .arg(TRIES_LIMIT)
            .arg(u64::try_from(TRIES_WINDOW.as_millis()).unwrap_or(u64::MAX));
        let (word, number): (String, u64) = self.once(&command).await?;
        Ok(match word.as_str() {
            "used" => Tried::Used {
                remaining: usize::try_from(number).unwrap_or(usize::MAX),
                epoch: 0,
            },
            "wrong" => Tried::Wrong,
            "many" => Tried::TooMany {
                retry_after: Duration::from_millis(number),
            },
            _ => Tried::OtherSet,
        })
    }

    /// Sends what must not be done twice: of two, the second would answer otherwise.
    async fn once<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
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

fn id(of: Uuid) -> String {
    of.as_hyphenated().to_string()
}
