//! The steps of the embedded store. Each runs in a transaction that it may share with others, so it
//! checks everything before its first write: what answers with an error has written nothing.

use std::time::Duration;

use redb::ReadableTable;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::tables::{PendingEntry, PendingKey, Tables, UserRecord};
use crate::error::Error;
use crate::model::{Authenticator, Timestamp};
use crate::store::keys::{ClaimKey, UserKey};
use crate::store::stored::{decode, encode};
use crate::store::{Begun, CodeSet, Committed, PENDING_PER_SESSION, holds};

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

pub(super) use changes::{CodeTry, Removal, Renaming, Replacement, Using, reset};

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

/// One that was begun in the future is not live: the clock went back between two runs, and it would
/// be valid for too long.
pub(super) fn live(begun: i64, deadline: i64, now: Timestamp) -> bool {
    begun <= now.millis() && now.millis() < deadline
}

pub(super) struct NewCeremony {
    pub(super) user: UserKey,
    /// Whose pending ceremonies it is one of: [`UserKey::digest`] or that of authentications.
    pub(super) owner: String,
    pub(super) version: u64,
    /// The user handle; none: as it is.
    pub(super) handle: Option<Uuid>,
    pub(super) challenge: String,
    pub(super) record: Vec<u8>,
    pub(super) ttl: Duration,
}

impl NewCeremony {
    pub(super) fn begin(self, tables: &mut Tables<'_>, now: Timestamp) -> Step<Begun> {
        let key = self.user.digest();
        let mut record = own!(user(&tables.users, key)?);
        let other_handle = record.handle.is_some() && self.handle.is_some();
        if record.version != self.version || (other_handle && record.handle != self.handle) {
            return Ok(Ok(Begun::Stale));
        }
        record.handle = self.handle.or(record.handle);
        record.begun += 1;
        let encoded = own!(encode(&record));
        make_room(tables, &self.owner, &self.challenge, now)?;
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
        Ok(Ok(Begun::Stored { expires_at }))
    }
}

/// Removes what is out of time, and then the oldest, until one more may be pending.
fn make_room(
    tables: &mut Tables<'_>,
    user: &str,
    challenge: &str,
    now: Timestamp,
) -> Result<(), redb::Error> {
    let mut kept = Vec::new();
    let mut dropped = Vec::new();
    // No digest is empty, and none begins with a byte as high as `~`.
    for entry in tables.pending.range((user, "")..(user, "~"))? {
        let (key, value) = entry?;
        let (begun, deadline, sequence, _) = value.value();
        let other = key.value().1.to_owned();
        if !live(begun, deadline, now) {
            dropped.push(other);
        } else if other != challenge {
            kept.push((sequence, other));
        }
    }
    kept.sort_unstable();
    let surplus = (kept.len() + 1).saturating_sub(PENDING_PER_SESSION);
    dropped.extend(kept.drain(..surplus).map(|(_, other)| other));
    for other in dropped {
        tables.pending.remove((user, other.as_str()))?;
    }
    Ok(())
}

#[derive(Clone)]
pub(super) struct Completion {
    pub(super) user: UserKey,
    pub(super) claim: ClaimKey,
    pub(super) version: u64,
    pub(super) challenge: String,
    pub(super) authenticator: Authenticator,
    pub(super) codes: Option<CodeSet>,
}

impl Completion {
    pub(super) fn complete(self, tables: &mut Tables<'_>, now: Timestamp) -> Step<Committed> {
        let key = self.user.digest();
        let mut record = own!(user(&tables.users, key)?);
        if let Some(refused) = self.refusal(&record, tables, now)? {
            return Ok(Ok(refused));
        }
        record.version += 1;
        record.authenticators.push(self.authenticator);
        let codes = self.codes.filter(|set| !set.hashes.is_empty());
        let codes_stored = match codes {
            Some(set) if record.codes.hashes.is_empty() => {
                record.codes = set.into();
                true
            }
            _ => false,
        };
        let encoded = own!(encode(&record));
        tables.users.insert(key, encoded.as_slice())?;
        tables.claims.insert(self.claim.digest(), key)?;
        tables.pending.remove((key, self.challenge.as_str()))?;
        Ok(Ok(Committed::Stored {
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
    ) -> Result<Option<Committed>, redb::Error> {
        let key = self.user.digest();
        let one = &self.authenticator;
        if record
            .authenticators
            .iter()
            .any(|stored| stored.id == one.id)
        {
            let mine = self.codes.as_ref().map(|set| &set.salt);
            return Ok(Some(Committed::Stored {
                codes_stored: mine.is_some() && record.codes.salt.as_ref() == mine,
                remaining: record.codes.hashes.len(),
            }));
        }
        let claim = tables.claims.get(self.claim.digest())?;
        if claim.is_some_and(|owner| owner.value() != key) {
            return Ok(Some(Committed::Exists));
        }
        let entry = tables.pending.get((key, self.challenge.as_str()))?;
        let in_time = entry.is_some_and(|entry| {
            let (begun, deadline, _, _) = entry.value();
            live(begun, deadline, now)
        });
        if !in_time {
            return Ok(Some(Committed::Gone));
        }
        if holds(&record.authenticators, &one.rp_id, &one.credential_id) {
            return Ok(Some(Committed::Exists));
        }
        Ok((record.version != self.version).then_some(Committed::Stale))
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
