//! The tables of the embedded store, and the records in them.

use std::time::Duration;

use redb::{
    Database, ReadableDatabase as _, Table, TableDefinition, TableHandle as _, WriteTransaction,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::store::{
    Account, ActiveCodes, Authentication, CodeSalt, CodeSet, Enrolment, RecoveryCode, oldest_first,
};
use cedargate_core::{Authenticator, Bytes, CodeKind, Timestamp};

/// The version of the format, stored in [`META`]. A change that this release could not read raises it.
pub(super) const FORMAT: u64 = 1;

/// The table of numbers: name → number.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// The table of users: [`UserKey::digest`](crate::store::keys::UserKey::digest) → [`UserRecord`].
pub(super) const USERS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("users");
/// The owner's digest (with a suffix for authentications) and the digest of the challenge.
pub(super) type PendingKey = (&'static str, &'static str);
/// The begin and the deadline in milliseconds since the Unix epoch, the sequence number, and the
/// [`Enrolment`] or [`Authentication`].
pub(super) type PendingEntry = (i64, i64, u64, &'static [u8]);
/// The table of pending ceremonies.
pub(super) const PENDING: TableDefinition<'_, PendingKey, PendingEntry> =
    TableDefinition::new("pending");
/// The table of claims: credential → user. A claim is written in one transaction with its
/// authenticator, so there are no orphans.
pub(super) const CLAIMS: TableDefinition<'_, &str, &str> = TableDefinition::new("claims");
/// The start and the end of the count in milliseconds since the Unix epoch, the count, and the salt of
/// the set of codes that were tried, empty for begun ceremonies.
pub(super) type CountEntry = (i64, i64, u64, &'static str);
/// The table of counts: the key that the count has in Redis → the count.
pub(super) const COUNTS: TableDefinition<'_, &str, CountEntry> = TableDefinition::new("counts");

/// The record of one user. Pending ceremonies and counts have tables of their own.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct UserRecord {
    pub(super) version: u64,
    pub(super) epoch: u64,
    pub(super) handle: Option<Uuid>,
    /// The number of ceremonies begun so far, from which each gets its sequence number.
    pub(super) begun: u64,
    pub(super) authenticators: Vec<Authenticator>,
    pub(super) codes: StoredCodes,
    /// The recovery code of a reset. The next enrolment removes it.
    pub(super) recovery: Option<StoredRecovery>,
    pub(super) replaced_salt: Option<Bytes>,
}

/// A set of backup codes: the hashes of the unused ones.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct StoredCodes {
    pub(super) salt: Option<Bytes>,
    pub(super) pepper_id: String,
    pub(super) hashes: Vec<Bytes>,
}

/// A recovery code. Its salt stays after the code was used.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct StoredRecovery {
    salt: Bytes,
    pepper_id: String,
    code: Option<UnusedCode>,
}

#[derive(Debug, Deserialize, Serialize)]
struct UnusedCode {
    hash: Bytes,
    /// The first millisecond since the Unix epoch at which the code works.
    from: i64,
    /// The millisecond since the Unix epoch at which the code expires.
    until: i64,
}

impl StoredRecovery {
    pub(super) fn new(code: RecoveryCode, now: Timestamp) -> Self {
        let hash = code.set.hashes.into_iter().next();
        Self {
            salt: code.set.salt,
            pepper_id: code.set.pepper_id,
            code: hash.map(|hash| UnusedCode {
                hash,
                from: now.millis(),
                until: now.plus(code.ttl).millis(),
            }),
        }
    }

    fn expires_at(&self) -> Option<Timestamp> {
        let code = self.code.as_ref();
        code.map(|code| Timestamp::from_millis(code.until))
    }

    /// Uses up the code if it has this hash and has not expired. Returns false otherwise.
    pub(super) fn use_up(&mut self, hash: &Bytes, now: Timestamp) -> bool {
        let works = |code: &UnusedCode| code.hash == *hash && live(code.from, code.until, now);
        self.code.take_if(|code| works(code)).is_some()
    }
}

impl From<CodeSet> for StoredCodes {
    fn from(set: CodeSet) -> Self {
        Self {
            salt: Some(set.salt),
            pepper_id: set.pepper_id,
            hashes: set.hashes,
        }
    }
}

impl UserRecord {
    /// Returns the salt of the active set of codes.
    pub(super) fn active_salt(&self) -> Option<&Bytes> {
        match &self.recovery {
            Some(recovery) => Some(&recovery.salt),
            None => self.codes.salt.as_ref(),
        }
    }

    pub(super) fn into_account(
        mut self,
        codes_retry_after: Option<Duration>,
        pending: Option<Enrolment>,
        authentication: Option<Authentication>,
    ) -> Account {
        oldest_first(&mut self.authenticators);
        Account {
            version: self.version,
            handle: self.handle,
            epoch: self.epoch,
            reset: self.recovery.is_some(),
            codes_remaining: self.codes.hashes.len(),
            codes: active_codes(self.recovery, self.codes),
            authenticators: self.authenticators,
            replaced_salt: self.replaced_salt,
            codes_retry_after,
            pending,
            authentication,
        }
    }
}

fn active_codes(recovery: Option<StoredRecovery>, backup: StoredCodes) -> Option<ActiveCodes> {
    if let Some(recovery) = recovery {
        return Some(ActiveCodes {
            kind: CodeKind::Recovery,
            expires_at: recovery.expires_at(),
            salt: CodeSalt {
                salt: recovery.salt,
                pepper_id: recovery.pepper_id,
            },
        });
    }
    let pepper_id = backup.pepper_id;
    backup.salt.map(|salt| ActiveCodes {
        salt: CodeSalt { salt, pepper_id },
        kind: CodeKind::Backup,
        expires_at: None,
    })
}

/// Returns true from `from` until before `until`. An entry that begins in the future is not live: the
/// clock went back between two runs, and the entry would be valid for too long.
pub(super) fn live(from: i64, until: i64, now: Timestamp) -> bool {
    from <= now.millis() && now.millis() < until
}

/// The tables that steps write, open in one transaction.
pub(super) struct Tables<'t> {
    pub(super) meta: Table<'t, &'static str, u64>,
    pub(super) users: Table<'t, &'static str, &'static [u8]>,
    pub(super) pending: Table<'t, PendingKey, PendingEntry>,
    pub(super) claims: Table<'t, &'static str, &'static str>,
    pub(super) counts: Table<'t, &'static str, CountEntry>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            meta: transaction.open_table(META)?,
            users: transaction.open_table(USERS)?,
            pending: transaction.open_table(PENDING)?,
            claims: transaction.open_table(CLAIMS)?,
            counts: transaction.open_table(COUNTS)?,
        })
    }
}

/// Creates all tables, so that readers find them.
pub(super) fn create_tables(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut tables = Tables::open(&transaction)?;
        tables.meta.insert("format", FORMAT)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Creates the table of counts if the file is of an older release, which ignores the table.
pub(super) fn add_counts(database: &Database) -> Result<(), redb::Error> {
    let snapshot = database.begin_read()?;
    let mut tables = snapshot.list_tables()?;
    if tables.any(|table| table.name() == COUNTS.name()) {
        return Ok(());
    }
    let transaction = database.begin_write()?;
    transaction.open_table(COUNTS)?;
    Ok(transaction.commit()?)
}
