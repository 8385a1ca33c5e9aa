//! The removal of authenticators and the reset of accounts. Both end step-ups.

use uuid::Uuid;

use super::{StepResult, Tables, UserKey, UserRecord, encode, read_user};
use crate::store::embedded::tables::{StoredCodes, StoredRecovery};
use crate::store::keys::ClaimKey;
use crate::store::{RecoveryCode, RemoveOutcome, Remover, ResetOutcome, oldest_first};
use cedargate_core::{Authenticator, Timestamp};

pub(in crate::store::embedded) struct RemoveStep {
    pub(in crate::store::embedded) user: UserKey,
    pub(in crate::store::embedded) version: u64,
    pub(in crate::store::embedded) id: Uuid,
    pub(in crate::store::embedded) by: OwnedRemover,
}

/// An owned [`Remover`], for the writing thread.
pub(in crate::store::embedded) enum OwnedRemover {
    Owner,
    Admin(Option<RecoveryCode>),
}

impl From<Remover<'_>> for OwnedRemover {
    fn from(by: Remover<'_>) -> Self {
        match by {
            Remover::Owner => Self::Owner,
            Remover::Admin(code) => Self::Admin(code.cloned()),
        }
    }
}

impl RemoveStep {
    pub(in crate::store::embedded) fn remove(
        self,
        tables: &mut Tables<'_>,
        now: Timestamp,
    ) -> StepResult<RemoveOutcome> {
        let key = self.user.digest();
        let mut record = try_step!(read_user(&tables.users, key)?);
        let mut authenticators = record.authenticators.iter();
        let Some(index) = authenticators.position(|stored| stored.id == self.id) else {
            return Ok(Ok(RemoveOutcome::Nothing));
        };
        let is_last = record.authenticators.len() == 1;
        let lacks_code = is_last && matches!(self.by, OwnedRemover::Admin(None));
        if self.version != record.version || lacks_code {
            return Ok(Ok(RemoveOutcome::Stale));
        }
        let removed = record.authenticators.remove(index);
        record.version += 1;
        record.epoch += 1;
        let is_admin = matches!(self.by, OwnedRemover::Admin(_));
        let mut recovery_expires_at = None;
        if is_last {
            record.end_codes();
            if let OwnedRemover::Admin(Some(code)) = self.by {
                recovery_expires_at = Some(now.plus(code.ttl));
                record.recovery = Some(StoredRecovery::new(code, now));
            }
        }
        let encoded = try_step!(encode(&record));
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

pub(in crate::store::embedded) struct ResetStep {
    pub(in crate::store::embedded) user: UserKey,
    pub(in crate::store::embedded) recovery: RecoveryCode,
    pub(in crate::store::embedded) even_if_enrolled: bool,
}

impl ResetStep {
    pub(in crate::store::embedded) fn reset(
        self,
        tables: &mut Tables<'_>,
        now: Timestamp,
    ) -> StepResult<ResetOutcome> {
        let key = self.user.digest();
        let mut record = try_step!(read_user(&tables.users, key)?);
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
        let encoded = try_step!(encode(&record));
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

/// Removes the claims on these credentials, so that other users can enrol them.
fn release(tables: &mut Tables<'_>, removed: &[Authenticator]) -> Result<(), redb::Error> {
    for authenticator in removed {
        let claim = ClaimKey::of(&authenticator.rp_id, &authenticator.credential_id);
        tables.claims.remove(claim.digest())?;
    }
    Ok(())
}

fn clear_pending(tables: &mut Tables<'_>, user: &UserKey) -> Result<(), redb::Error> {
    for owner in [user.digest(), &user.digest_of_authentications()] {
        // The range holds every digest: base64url has no character at or above `~`.
        tables
            .pending
            .retain_in((owner, "")..(owner, "~"), |_, _| false)?;
    }
    Ok(())
}
