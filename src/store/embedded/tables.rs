//! The tables of the embedded store, and the records in them.

use std::time::Duration;

use redb::{Database, Table, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::{Authenticator, Bytes, CodeKind, Timestamp};
use crate::store::{
    Account, ActiveCodes, Authentication, CodeSalt, CodeSet, Enrolment, TRIES_LIMIT, TRIES_WINDOW,
    oldest_first,
};

/// What `META` says of the format: raised when this release's readers could not read it any more.
pub(super) const FORMAT: u64 = 1;

/// Name → number.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// User → [`UserRecord`].
pub(super) const USERS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("users");
/// User (for authentications with an ending of its own), digest of the challenge.
pub(super) type PendingKey = (&'static str, &'static str);
/// When it was begun and its deadline in milliseconds, its place in the order, the [`Enrolment`] or
/// [`Authentication`].
pub(super) type PendingEntry = (i64, i64, u64, &'static [u8]);
/// Pending ceremonies.
pub(super) const PENDING: TableDefinition<'_, PendingKey, PendingEntry> =
    TableDefinition::new("pending");
/// Credential → user. In one transaction with the authenticator: there are no orphans.
pub(super) const CLAIMS: TableDefinition<'_, &str, &str> = TableDefinition::new("claims");

/// All that is kept of one user but what is pending.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct UserRecord {
    pub(super) version: u64,
    pub(super) epoch: u64,
    pub(super) handle: Option<Uuid>,
    /// How many ceremonies have been begun: their order.
    pub(super) begun: u64,
    pub(super) authenticators: Vec<Authenticator>,
    pub(super) codes: StoredCodes,
    pub(super) tries: Tries,
}

/// How many wrong backup codes were tried since the first of them.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Tries {
    pub(super) count: u64,
    /// The moment of the first, in milliseconds.
    pub(super) since: i64,
}

/// A set of backup codes, of which some may be used up.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct StoredCodes {
    pub(super) salt: Option<Bytes>,
    pub(super) pepper_id: String,
    pub(super) hashes: Vec<Bytes>,
}

impl Tries {
    /// How many of them count still.
    pub(super) fn counted(self, now: Timestamp) -> u64 {
        let within = now.since(Timestamp::from_millis(self.since)) < TRIES_WINDOW;
        if within { self.count } else { 0 }
    }

    /// When there are too many: when the next may be tried.
    pub(super) fn shut(self, now: Timestamp) -> Option<Duration> {
        let elapsed = now.since(Timestamp::from_millis(self.since));
        (self.counted(now) >= TRIES_LIMIT).then(|| TRIES_WINDOW.saturating_sub(elapsed))
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
    pub(super) fn into_account(
        mut self,
        now: Timestamp,
        pending: Option<Enrolment>,
        authentication: Option<Authentication>,
    ) -> Account {
        oldest_first(&mut self.authenticators);
        let pepper_id = self.codes.pepper_id;
        Account {
            version: self.version,
            handle: self.handle,
            authenticators: self.authenticators,
            epoch: self.epoch,
            codes_remaining: self.codes.hashes.len(),
            reset: false,
            codes: self.codes.salt.map(|salt| ActiveCodes {
                salt: CodeSalt { salt, pepper_id },
                kind: CodeKind::Backup,
                expires_at: None,
            }),
            replaced_salt: None,
            codes_shut: self.tries.shut(now),
            pending,
            authentication,
        }
    }
}

/// The tables that steps write, open in one transaction.
pub(super) struct Tables<'t> {
    pub(super) meta: Table<'t, &'static str, u64>,
    pub(super) users: Table<'t, &'static str, &'static [u8]>,
    pub(super) pending: Table<'t, PendingKey, PendingEntry>,
    pub(super) claims: Table<'t, &'static str, &'static str>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            meta: transaction.open_table(META)?,
            users: transaction.open_table(USERS)?,
            pending: transaction.open_table(PENDING)?,
            claims: transaction.open_table(CLAIMS)?,
        })
    }
}

/// Makes all tables, so that readers find them.
pub(super) fn create_tables(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut tables = Tables::open(&transaction)?;
        tables.meta.insert("format", FORMAT)?;
    }
    transaction.commit()?;
    Ok(())
}
