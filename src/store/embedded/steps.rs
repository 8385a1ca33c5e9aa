//! The steps of the embedded store. Each runs in a transaction that it may share with other steps, and
//! therefore checks everything before its first write: a step that returns an error has written nothing.

use std::time::Duration;

use redb::ReadableTable;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::counts::Counter;
use super::tables::{PendingEntry, PendingKey, Tables, UserRecord, live};
use crate::store::keys::{ClaimKey, UserKey};
use crate::store::stored::{decode, encode};
use crate::store::{BeginOutcome, CodeSet, CompleteOutcome, Error, holds};
use cedargate_core::{Authenticator, Bytes, SessionKey, Timestamp};

/// The result of a step. The outer error is the disk's and ends the transaction; the inner error
/// concerns this step only.
pub(super) type StepResult<R> = Result<Result<R, Error>, redb::Error>;

/// Returns the inner error of a [`StepResult`] from the calling step, as `?` does for the outer one.
macro_rules! try_step {
    ($outcome:expr) => {
        match $outcome {
            Ok(value) => value,
            Err(error) => return Ok(Err(error)),
        }
    };
}

mod changes;
mod codes;
mod pending_limits;
mod removals;

pub(super) use changes::{AuthenticateStep, RenameStep};
pub(super) use codes::{ReplaceCodesStep, TryCodeStep};
pub(super) use removals::{OwnedRemover, RemoveStep, ResetStep};

/// Reads a user's record; the default one if none is stored.
pub(super) fn read_user(
    users: &impl ReadableTable<&'static str, &'static [u8]>,
    user: &str,
) -> StepResult<UserRecord> {
    Ok(match users.get(user)? {
        Some(record) => decode("user", record.value()),
        None => Ok(UserRecord::default()),
    })
}

/// Reads a pending ceremony that has not expired.
pub(super) fn read_pending<T: DeserializeOwned>(
    table: &impl ReadableTable<PendingKey, PendingEntry>,
    user: &str,
    challenge: &str,
    now: Timestamp,
) -> StepResult<Option<T>> {
    let Some(entry) = table.get((user, challenge))? else {
        return Ok(Ok(None));
    };
    let (begun, deadline, _, record) = entry.value();
    if !live(begun, deadline, now) {
        return Ok(Ok(None));
    }
    Ok(decode("pending ceremony", record).map(Some))
}

pub(super) struct BeginStep {
    pub(super) user: UserKey,
    /// The first part of the key: [`UserKey::digest`] for an enrolment,
    /// [`UserKey::digest_of_authentications`] for an authentication.
    pub(super) owner: String,
    pub(super) session: SessionKey,
    pub(super) version: u64,
    /// The user handle of an enrolment; `None` leaves the stored one.
    pub(super) handle: Option<Uuid>,
    /// The digest of the challenge.
    pub(super) challenge: String,
    pub(super) record: Vec<u8>,
    pub(super) ttl: Duration,
}

impl BeginStep {
    pub(super) fn begin(self, tables: &mut Tables<'_>, now: Timestamp) -> StepResult<BeginOutcome> {
        let key = self.user.digest();
        let mut record = try_step!(read_user(&tables.users, key)?);
        let other_handle = record.handle.is_some() && self.handle.is_some();
        if record.version != self.version || (other_handle && record.handle != self.handle) {
            return Ok(Ok(BeginOutcome::Stale));
        }
        let begins = Counter::begins(&self.user, &self.session);
        if let Some(retry_after) = begins.retry_after(&tables.counts, now)? {
            return Ok(Ok(BeginOutcome::TooMany { retry_after }));
        }
        record.handle = self.handle.or(record.handle);
        record.begun += 1;
        let encoded = try_step!(encode(&record));
        begins.increment(&mut tables.counts, now)?;
        pending_limits::make_room(tables, &self.owner, &self.session, &self.challenge, now)?;
        let expires_at = now.plus(self.ttl);
        tables.pending.insert(
            (self.owner.as_str(), self.challenge.as_str()),
            (
                now.millis(),
                expires_at.millis(),
                record.begun,
                self.record.as_slice(),
            ),
        )?;
        tables.users.insert(key, encoded.as_slice())?;
        Ok(Ok(BeginOutcome::Stored { expires_at }))
    }
}

#[derive(Clone)]
pub(super) struct CompleteStep {
    pub(super) user: UserKey,
    pub(super) claim: ClaimKey,
    pub(super) version: u64,
    pub(super) challenge: String,
    pub(super) authenticator: Authenticator,
    pub(super) codes: Option<CodeSet>,
    pub(super) max_authenticators: usize,
    pub(super) opened_by: Option<Bytes>,
}

impl CompleteStep {
    pub(super) fn complete(
        self,
        tables: &mut Tables<'_>,
        now: Timestamp,
    ) -> StepResult<CompleteOutcome> {
        let key = self.user.digest();
        let mut record = try_step!(read_user(&tables.users, key)?);
        if let Some(outcome) = self.outcome_without_change(&record, tables, now)? {
            return Ok(Ok(outcome));
        }
        let salt_before = record.active_salt().cloned();
        record.version += 1;
        record.authenticators.push(self.authenticator);
        record.recovery = None;
        let codes = self.codes.filter(|set| !set.hashes.is_empty());
        let codes_stored = match codes {
            Some(set) if record.codes.hashes.is_empty() => {
                record.codes = set.into();
                true
            }
            _ => false,
        };
        if record.active_salt() != salt_before.as_ref() {
            record.replaced_salt = self
                .opened_by
                .filter(|salt| salt_before.as_ref() == Some(salt));
        }
        let encoded = try_step!(encode(&record));
        tables.users.insert(key, encoded.as_slice())?;
        tables.claims.insert(self.claim.digest(), key)?;
        tables.pending.remove((key, self.challenge.as_str()))?;
        Ok(Ok(CompleteOutcome::Stored {
            codes_stored,
            remaining: record.codes.hashes.len(),
        }))
    }

    /// Returns the outcome if nothing is to be stored: for a repetition that of the first attempt, else
    /// the reason for a refusal. Both backends check in the same order.
    fn outcome_without_change(
        &self,
        record: &UserRecord,
        tables: &Tables<'_>,
        now: Timestamp,
    ) -> Result<Option<CompleteOutcome>, redb::Error> {
        let key = self.user.digest();
        let authenticator = &self.authenticator;
        if record
            .authenticators
            .iter()
            .any(|stored| stored.id == authenticator.id)
        {
            let new_salt = self.codes.as_ref().map(|set| &set.salt);
            return Ok(Some(CompleteOutcome::Stored {
                codes_stored: new_salt.is_some() && record.codes.salt.as_ref() == new_salt,
                remaining: record.codes.hashes.len(),
            }));
        }
        let claim = tables.claims.get(self.claim.digest())?;
        if claim.is_some_and(|owner| owner.value() != key) {
            return Ok(Some(CompleteOutcome::Exists));
        }
        let entry = tables.pending.get((key, self.challenge.as_str()))?;
        let is_pending = entry.is_some_and(|entry| {
            let (begun, deadline, _, _) = entry.value();
            live(begun, deadline, now)
        });
        if !is_pending {
            return Ok(Some(CompleteOutcome::Gone));
        }
        if holds(
            &record.authenticators,
            &authenticator.rp_id,
            &authenticator.credential_id,
        ) {
            return Ok(Some(CompleteOutcome::Exists));
        }
        if record.authenticators.len() >= self.max_authenticators {
            return Ok(Some(CompleteOutcome::LimitReached));
        }
        Ok((record.version != self.version).then_some(CompleteOutcome::Stale))
    }
}

/// Removes a pending ceremony. Returns false if it did not exist or had expired.
fn remove_pending(
    tables: &mut Tables<'_>,
    owner: &str,
    challenge: &str,
    now: Timestamp,
) -> Result<bool, redb::Error> {
    let removed = tables.pending.remove((owner, challenge))?;
    Ok(removed.is_some_and(|entry| {
        let (begun, deadline, _, _) = entry.value();
        live(begun, deadline, now)
    }))
}

pub(super) fn discard(
    tables: &mut Tables<'_>,
    user: &UserKey,
    challenge: &str,
    now: Timestamp,
) -> StepResult<bool> {
    let enrolment = remove_pending(tables, user.digest(), challenge, now)?;
    let authentication = remove_pending(tables, &user.digest_of_authentications(), challenge, now)?;
    Ok(Ok(enrolment || authentication))
}

/// Writes a value that is never read, for the health check.
pub(super) fn probe(tables: &mut Tables<'_>, now: Timestamp) -> StepResult<()> {
    let now = u64::try_from(now.millis()).unwrap_or(0);
    tables.meta.insert("probed_at", now)?;
    Ok(Ok(()))
}
