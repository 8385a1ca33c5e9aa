//! The steps of the embedded store. Each runs in a transaction that it may share with others, so it
//! checks everything before its first write: what answers with an error has written nothing.

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

/// The outer error is the disk's and ends the transaction; the inner one is this step's alone.
pub(super) type Step<R> = Result<Result<R, Error>, redb::Error>;

/// Passes the inner error of a step on.
macro_rules! own {
    ($outcome:expr) => {
        match $outcome {
            Ok(value) => value,
            Err(error) => return Ok(Err(error)),
        }
    };
}

mod changes;
mod codes;
mod removals;
mod room;

pub(super) use changes::{Renaming, Using};
pub(super) use codes::{CodeTry, Replacement};
pub(super) use removals::{Removal, RemovalBy, Resetting};

/// What is stored of a user; of nobody, nothing.
pub(super) fn user(
    users: &impl ReadableTable<&'static str, &'static [u8]>,
    user: &str,
) -> Step<UserRecord> {
    Ok(match users.get(user)? {
        Some(record) => decode("user", record.value()),
        None => Ok(UserRecord::default()),
    })
}

/// A pending ceremony that is in time.
pub(super) fn pending<T: DeserializeOwned>(
    table: &impl ReadableTable<PendingKey, PendingEntry>,
    user: &str,
    challenge: &str,
    now: Timestamp,
) -> Step<Option<T>> {
    let Some(entry) = table.get((user, challenge))? else {
        return Ok(Ok(None));
    };
    let (begun, deadline, _, record) = entry.value();
    if !live(begun, deadline, now) {
        return Ok(Ok(None));
    }
    Ok(decode("pending ceremony", record).map(Some))
}

pub(super) struct NewCeremony {
    pub(super) user: UserKey,
    /// Whose pending ceremonies it is one of: [`UserKey::digest`] or that of authentications.
    pub(super) owner: String,
    pub(super) session: SessionKey,
    pub(super) version: u64,
    /// The user handle; none: as it is.
    pub(super) handle: Option<Uuid>,
    pub(super) challenge: String,
    pub(super) record: Vec<u8>,
    pub(super) ttl: Duration,
}

impl NewCeremony {
    pub(super) fn begin(self, tables: &mut Tables<'_>, now: Timestamp) -> Step<BeginOutcome> {
        let key = self.user.digest();
        let mut record = own!(user(&tables.users, key)?);
        let other_handle = record.handle.is_some() && self.handle.is_some();
        if record.version != self.version || (other_handle && record.handle != self.handle) {
            return Ok(Ok(BeginOutcome::Stale));
        }
        let begins = Counter::begins(&self.user, &self.session);
        if let Some(retry_after) = begins.shut(&tables.counts, now)? {
            return Ok(Ok(BeginOutcome::TooMany { retry_after }));
        }
        record.handle = self.handle.or(record.handle);
        record.begun += 1;
        let encoded = own!(encode(&record));
        begins.raise(&mut tables.counts, now)?;
        room::make(tables, &self.owner, &self.session, &self.challenge, now)?;
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
pub(super) struct Completion {
    pub(super) user: UserKey,
    pub(super) claim: ClaimKey,
    pub(super) version: u64,
    pub(super) challenge: String,
    pub(super) authenticator: Authenticator,
    pub(super) codes: Option<CodeSet>,
    pub(super) max_authenticators: usize,
    pub(super) opened_by: Option<Bytes>,
}

impl Completion {
    pub(super) fn complete(self, tables: &mut Tables<'_>, now: Timestamp) -> Step<CompleteOutcome> {
        let key = self.user.digest();
        let mut record = own!(user(&tables.users, key)?);
        if let Some(refused) = self.refusal(&record, tables, now)? {
            return Ok(Ok(refused));
        }
        let before = record.active_salt().cloned();
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
        if record.active_salt() != before.as_ref() {
            record.replaced_salt = self.opened_by.filter(|salt| before.as_ref() == Some(salt));
        }
        let encoded = own!(encode(&record));
        tables.users.insert(key, encoded.as_slice())?;
        tables.claims.insert(self.claim.digest(), key)?;
        tables.pending.remove((key, self.challenge.as_str()))?;
        Ok(Ok(CompleteOutcome::Stored {
            codes_stored,
            remaining: record.codes.hashes.len(),
        }))
    }

    /// What stands in the way, in the order that both stores keep; a repetition finds its own answer.
    fn refusal(
        &self,
        record: &UserRecord,
        tables: &Tables<'_>,
        now: Timestamp,
    ) -> Result<Option<CompleteOutcome>, redb::Error> {
        let key = self.user.digest();
        let one = &self.authenticator;
        if record
            .authenticators
            .iter()
            .any(|stored| stored.id == one.id)
        {
            let mine = self.codes.as_ref().map(|set| &set.salt);
            return Ok(Some(CompleteOutcome::Stored {
                codes_stored: mine.is_some() && record.codes.salt.as_ref() == mine,
                remaining: record.codes.hashes.len(),
            }));
        }
        let claim = tables.claims.get(self.claim.digest())?;
        if claim.is_some_and(|owner| owner.value() != key) {
            return Ok(Some(CompleteOutcome::Exists));
        }
        let entry = tables.pending.get((key, self.challenge.as_str()))?;
        let in_time = entry.is_some_and(|entry| {
            let (begun, deadline, _, _) = entry.value();
            live(begun, deadline, now)
        });
        if !in_time {
            return Ok(Some(CompleteOutcome::Gone));
        }
        if holds(&record.authenticators, &one.rp_id, &one.credential_id) {
            return Ok(Some(CompleteOutcome::Exists));
        }
        if record.authenticators.len() >= self.max_authenticators {
            return Ok(Some(CompleteOutcome::LimitReached));
        }
        Ok((record.version != self.version).then_some(CompleteOutcome::Stale))
    }
}

/// Takes a pending ceremony away; whether it was there and in time.
fn take(
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
) -> Step<bool> {
    let enrolment = take(tables, user.digest(), challenge, now)?;
    let authentication = take(tables, &user.digest_of_authentications(), challenge, now)?;
    Ok(Ok(enrolment || authentication))
}

/// Writes something that nobody reads.
pub(super) fn probe(tables: &mut Tables<'_>, now: Timestamp) -> Step<()> {
    let now = u64::try_from(now.millis()).unwrap_or(0);
    tables.meta.insert("probed_at", now)?;
    Ok(Ok(()))
}
