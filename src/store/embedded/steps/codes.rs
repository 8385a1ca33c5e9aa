//! Backup and recovery codes.

use super::changes::write_user;
use super::{Counter, StepResult, Tables, UserKey, UserRecord, encode, read_user};
use crate::store::{CodeSet, ReplaceCodesOutcome, TryCodeOutcome};
use cedargate_core::{Bytes, SessionKey, Timestamp};

#[derive(Clone)]
pub(in crate::store::embedded) struct ReplaceCodesStep {
    pub(in crate::store::embedded) user: UserKey,
    pub(in crate::store::embedded) version: u64,
    /// The salt of the set to replace; `None` for an account without codes.
    pub(in crate::store::embedded) old: Option<Bytes>,
    pub(in crate::store::embedded) codes: CodeSet,
}

impl ReplaceCodesStep {
    pub(in crate::store::embedded) fn replace(
        self,
        tables: &mut Tables<'_>,
    ) -> StepResult<ReplaceCodesOutcome> {
        let key = self.user.digest();
        let mut record = try_step!(read_user(&tables.users, key)?);
        if record.active_salt() == Some(&self.codes.salt) {
            return Ok(Ok(ReplaceCodesOutcome::Stored));
        }
        if record.version != self.version || record.authenticators.is_empty() {
            return Ok(Ok(ReplaceCodesOutcome::Stale));
        }
        if record.active_salt() != self.old.as_ref() {
            return Ok(Ok(ReplaceCodesOutcome::Superseded));
        }
        record.codes = self.codes.into();
        record.replaced_salt = None;
        write_user(tables, key, &record, ReplaceCodesOutcome::Stored)
    }
}

pub(in crate::store::embedded) struct TryCodeStep {
    pub(in crate::store::embedded) user: UserKey,
    pub(in crate::store::embedded) session: SessionKey,
    pub(in crate::store::embedded) salt: Bytes,
    pub(in crate::store::embedded) hash: Bytes,
}

impl TryCodeStep {
    pub(in crate::store::embedded) fn attempt(
        self,
        tables: &mut Tables<'_>,
        now: Timestamp,
    ) -> StepResult<TryCodeOutcome> {
        let key = self.user.digest();
        let mut record = try_step!(read_user(&tables.users, key)?);
        if record.active_salt() != Some(&self.salt) {
            return Ok(Ok(TryCodeOutcome::OtherSet));
        }
        let tries = Counter::tries(&self.user, &self.session, &self.salt);
        if let Some(retry_after) = tries.retry_after(&tables.counts, now)? {
            return Ok(Ok(TryCodeOutcome::TooMany { retry_after }));
        }
        if !use_up(&mut record, &self.hash, now) {
            tries.increment(&mut tables.counts, now)?;
            return Ok(Ok(TryCodeOutcome::Wrong));
        }
        let encoded = try_step!(encode(&record));
        tables.users.insert(key, encoded.as_slice())?;
        tries.clear(&mut tables.counts)?;
        Ok(Ok(TryCodeOutcome::Used {
            remaining: record.codes.hashes.len(),
            epoch: record.epoch,
        }))
    }
}

/// Uses up the recovery code or the backup code with this hash. Returns false if no active code has
/// it.
fn use_up(record: &mut UserRecord, hash: &Bytes, now: Timestamp) -> bool {
    if let Some(recovery) = &mut record.recovery {
        return recovery.use_up(hash, now);
    }
    let hashes = &mut record.codes.hashes;
    let index = hashes.iter().position(|stored| stored == hash);
    index.map(|index| hashes.swap_remove(index)).is_some()
}
