//! Backup and recovery codes.

use super::changes::store;
use super::{Counter, Step, Tables, UserKey, UserRecord, encode, user};
use crate::store::{CodeSet, ReplaceCodesOutcome, TryCodeOutcome};
use cedargate_core::{Bytes, SessionKey, Timestamp};

#[derive(Clone)]
pub(in crate::store::embedded) struct Replacement {
    pub(in crate::store::embedded) user: UserKey,
    pub(in crate::store::embedded) version: u64,
    /// The salt of the set to replace.
    pub(in crate::store::embedded) old: Option<Bytes>,
    pub(in crate::store::embedded) codes: CodeSet,
}

impl Replacement {
    pub(in crate::store::embedded) fn replace(
        self,
        tables: &mut Tables<'_>,
    ) -> Step<ReplaceCodesOutcome> {
        let key = self.user.digest();
        let mut record = own!(user(&tables.users, key)?);
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
        store(tables, key, &record, ReplaceCodesOutcome::Stored)
    }
}

pub(in crate::store::embedded) struct CodeTry {
    pub(in crate::store::embedded) user: UserKey,
    pub(in crate::store::embedded) session: SessionKey,
    pub(in crate::store::embedded) salt: Bytes,
    pub(in crate::store::embedded) hash: Bytes,
}

impl CodeTry {
    pub(in crate::store::embedded) fn attempt(
        self,
        tables: &mut Tables<'_>,
        now: Timestamp,
    ) -> Step<TryCodeOutcome> {
        let key = self.user.digest();
        let mut record = own!(user(&tables.users, key)?);
        if record.active_salt() != Some(&self.salt) {
            return Ok(Ok(TryCodeOutcome::OtherSet));
        }
        let tries = Counter::tries(&self.user, &self.session, &self.salt);
        if let Some(retry_after) = tries.shut(&tables.counts, now)? {
            return Ok(Ok(TryCodeOutcome::TooMany { retry_after }));
        }
        if !use_up(&mut record, &self.hash, now) {
            tries.raise(&mut tables.counts, now)?;
            return Ok(Ok(TryCodeOutcome::Wrong));
        }
        let encoded = own!(encode(&record));
        tables.users.insert(key, encoded.as_slice())?;
        tries.clear(&mut tables.counts)?;
        Ok(Ok(TryCodeOutcome::Used {
            remaining: record.codes.hashes.len(),
            epoch: record.epoch,
        }))
    }
}

/// Uses up the recovery code, or one of the backup codes, if this is its hash.
fn use_up(record: &mut UserRecord, hash: &Bytes, now: Timestamp) -> bool {
    if let Some(recovery) = &mut record.recovery {
        return recovery.use_up(hash, now);
    }
    let hashes = &mut record.codes.hashes;
    let found = hashes.iter().position(|one| one == hash);
    found.map(|at| hashes.swap_remove(at)).is_some()
}
