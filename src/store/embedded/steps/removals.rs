//! Removals and resets: what ends step-ups.

use uuid::Uuid;

use super::{Step, Tables, UserKey, UserRecord, encode, user};
use crate::store::embedded::tables::{StoredCodes, StoredRecovery};
use crate::store::keys::ClaimKey;
use crate::store::{RecoveryCode, RemoveOutcome, Remover, ResetOutcome, oldest_first};
use cedargate_core::{Authenticator, Timestamp};

pub(in crate::store::embedded) struct Removal {
    pub(in crate::store::embedded) user: UserKey,
    pub(in crate::store::embedded) version: u64,
    pub(in crate::store::embedded) id: Uuid,
    pub(in crate::store::embedded) by: RemovalBy,
}

/// [`Remover`] for the thread that writes.
pub(in crate::store::embedded) enum RemovalBy {
    Owner,
    Admin(Option<RecoveryCode>),
}

impl From<Remover<'_>> for RemovalBy {
    fn from(by: Remover<'_>) -> Self {
        match by {
            Remover::Owner => Self::Owner,
            Remover::Admin(code) => Self::Admin(code.cloned()),
        }
    }
}

impl Removal {
    pub(in crate::store::embedded) fn remove(
        self,
        tables: &mut Tables<'_>,
        now: Timestamp,
    ) -> Step<RemoveOutcome> {
        let key = self.user.digest();
        let mut record = own!(user(&tables.users, key)?);
        let found = record.authenticators.iter();
        let Some(at) = found.into_iter().position(|one| one.id == self.id) else {
            return Ok(Ok(RemoveOutcome::Nothing));
        };
        let is_last = record.authenticators.len() == 1;
        let no_code = is_last && matches!(self.by, RemovalBy::Admin(None));
        if self.version != record.version || no_code {
            return Ok(Ok(RemoveOutcome::Stale));
        }
        let removed = record.authenticators.remove(at);
        record.version += 1;
        record.epoch += 1;
        let is_admin = matches!(self.by, RemovalBy::Admin(_));
        let mut recovery_expires_at = None;
        if is_last {
            record.end_codes();
            if let RemovalBy::Admin(Some(code)) = self.by {
                recovery_expires_at = Some(now.plus(code.ttl));
                record.recovery = Some(StoredRecovery::new(code, now));
            }
        }
        let encoded = own!(encode(&record));
        release(tables, std::slice::from_ref(&removed))?;
        if is_admin {
            clear_pending(tables, &self.user)?;
        }
        tables.users.insert(key, encoded.as_slice())?;
        Ok(Ok(RemoveOutcome::Removed {
            authenticator: Box::new(removed),
            recovery_expires_at,
        }))
    }
}

pub(in crate::store::embedded) struct Resetting {
    pub(in crate::store::embedded) user: UserKey,
    pub(in crate::store::embedded) recovery: RecoveryCode,
    pub(in crate::store::embedded) even_if_enrolled: bool,
}

impl Resetting {
    pub(in crate::store::embedded) fn reset(
        self,
        tables: &mut Tables<'_>,
        now: Timestamp,
    ) -> Step<ResetOutcome> {
        let key = self.user.digest();
        let mut record = own!(user(&tables.users, key)?);
        if !self.even_if_enrolled && !record.authenticators.is_empty() {
            return Ok(Ok(ResetOutcome::Enrolled));
        }
        let mut removed = std::mem::take(&mut record.authenticators);
        oldest_first(&mut removed);
        record.version += 1;
        record.epoch += 1;
        record.end_codes();
        let expires_at = now.plus(self.recovery.ttl);
        record.recovery = Some(StoredRecovery::new(self.recovery, now));
        let encoded = own!(encode(&record));
        release(tables, &removed)?;
        clear_pending(tables, &self.user)?;
        tables.users.insert(key, encoded.as_slice())?;
        Ok(Ok(ResetOutcome::Done {
            removed,
            expires_at,
        }))
    }
}

impl UserRecord {
    fn end_codes(&mut self) {
        self.codes = StoredCodes::default();
        self.replaced_salt = None;
    }
}

/// Lets others enrol these credentials.
fn release(tables: &mut Tables<'_>, removed: &[Authenticator]) -> Result<(), redb::Error> {
    for one in removed {
        let claim = ClaimKey::of(&one.rp_id, &one.credential_id);
        tables.claims.remove(claim.digest())?;
    }
    Ok(())
}

fn clear_pending(tables: &mut Tables<'_>, of: &UserKey) -> Result<(), redb::Error> {
    for owner in [of.digest(), &of.digest_of_authentications()] {
        // No digest is empty, and none begins with a byte as high as `~`.
        tables
            .pending
            .retain_in((owner, "")..(owner, "~"), |_, _| false)?;
    }
    Ok(())
}
