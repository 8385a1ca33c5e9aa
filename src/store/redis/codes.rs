//! The steps of backup and recovery codes.

use std::time::Duration;

use redis::Cmd;
use tokio::time::Instant;

use super::{COMMIT_TIMEOUT, REPLACE_CODES, Redis, TRY_CODE, eval, millis};
use crate::store::keys::UserKey;
use crate::store::{
    CodeSet, Error, RecoveryCode, ReplaceCodesOutcome, TRIES_LIMIT, TRIES_WINDOW, TryCodeOutcome,
};
use cedargate_core::{Bytes, SessionKey, UserId};

impl Redis {
    pub(in crate::store) async fn replace_codes(
        &self,
        user: &UserId,
        version: u64,
        old: Option<&Bytes>,
        codes: &CodeSet,
    ) -> Result<ReplaceCodesOutcome, Error> {
        let user = UserKey::of(user);
        let keys = [user.account(), user.codes(), user.authenticators()];
        let mut command = eval(REPLACE_CODES, &keys);
        command
            .arg(version)
            .arg(old.map(Bytes::to_string).unwrap_or_default());
        add_set(&mut command, codes);
        // The step is idempotent by the salt of the new set, and is retried as a completion is. A false
        // report that nothing was changed would leave the user with codes that no longer work.
        let deadline = Instant::now() + COMMIT_TIMEOUT;
        let word: String = self.send_with_retries(&command, deadline).await?;
        Ok(match word.as_str() {
            "stored" => ReplaceCodesOutcome::Stored,
            "superseded" => ReplaceCodesOutcome::Superseded,
            _ => ReplaceCodesOutcome::Stale,
        })
    }

    pub(in crate::store) async fn try_code(
        &self,
        user: &UserId,
        session: &SessionKey,
        salt: &Bytes,
        hash: &Bytes,
    ) -> Result<TryCodeOutcome, Error> {
        let user = UserKey::of(user);
        let keys = [user.account(), user.codes(), user.tries(session)];
        let mut command = eval(TRY_CODE, &keys);
        command
            .arg(salt.to_string())
            .arg(hash.to_string())
            .arg(TRIES_LIMIT)
            .arg(millis(TRIES_WINDOW));
        let (word, number, epoch): (String, u64, u64) = self.send_step(&command).await?;
        Ok(match word.as_str() {
            "used" => TryCodeOutcome::Used {
                remaining: usize::try_from(number).unwrap_or(usize::MAX),
                epoch,
            },
            "wrong" => TryCodeOutcome::Wrong,
            "many" => TryCodeOutcome::TooMany {
                retry_after: Duration::from_millis(number),
            },
            _ => TryCodeOutcome::OtherSet,
        })
    }
}

/// Adds the arguments of a set: salt, pepper id, hashes.
pub(super) fn add_set(command: &mut Cmd, set: &CodeSet) {
    command.arg(set.salt.to_string()).arg(&set.pepper_id);
    for hash in &set.hashes {
        command.arg(hash.to_string());
    }
}

/// Adds the arguments of a recovery code: salt, pepper id, hash, TTL in milliseconds. The salt is empty
/// without a code.
pub(super) fn add_recovery(command: &mut Cmd, code: Option<&RecoveryCode>) {
    let Some(RecoveryCode { set, ttl }) = code else {
        command.arg("").arg("").arg("").arg(0);
        return;
    };
    let hash = set.hashes.first().map(Bytes::to_string);
    command
        .arg(set.salt.to_string())
        .arg(&set.pepper_id)
        .arg(hash.unwrap_or_default())
        .arg(millis(*ttl));
}
