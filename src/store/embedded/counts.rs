//! The counts of a session: begun ceremonies and wrong codes. A count ends after its window.

use std::time::Duration;

use redb::{ReadableTable, Table};

use super::tables::{CountEntry, live};
use crate::store::keys::UserKey;
use crate::store::{BEGINS_LIMIT, BEGINS_WINDOW, TRIES_LIMIT, TRIES_WINDOW};
use cedargate_core::{Bytes, SessionKey, Timestamp};

/// One count and its limit.
pub(super) struct Counter {
    key: String,
    /// The salt of the set of codes, for wrong codes; empty for begun ceremonies.
    set: String,
    limit: u64,
    window: Duration,
}

impl Counter {
    /// The count of the ceremonies that a session began.
    pub(super) fn begins(user: &UserKey, session: &SessionKey) -> Self {
        Self {
            key: user.begins(session),
            set: String::new(),
            limit: BEGINS_LIMIT,
            window: BEGINS_WINDOW,
        }
    }

    /// The count of the wrong codes that a session tried against one set. A new set starts at zero.
    pub(super) fn tries(user: &UserKey, session: &SessionKey, salt: &Bytes) -> Self {
        Self {
            key: user.tries(session),
            set: salt.to_string(),
            limit: TRIES_LIMIT,
            window: TRIES_WINDOW,
        }
    }

    /// Returns the time until the count ends, if the limit is reached.
    pub(super) fn retry_after(
        &self,
        counts: &impl ReadableTable<&'static str, CountEntry>,
        now: Timestamp,
    ) -> Result<Option<Duration>, redb::Error> {
        let (_, until, count) = self.current(counts, now)?;
        let wait = Timestamp::from_millis(until).since(now);
        Ok((count >= self.limit).then_some(wait))
    }

    pub(super) fn increment(
        &self,
        counts: &mut Table<'_, &'static str, CountEntry>,
        now: Timestamp,
    ) -> Result<(), redb::Error> {
        let (since, until, count) = self.current(counts, now)?;
        let entry = (since, until, count + 1, self.set.as_str());
        counts.insert(self.key.as_str(), entry)?;
        Ok(())
    }

    pub(super) fn clear(
        &self,
        counts: &mut Table<'_, &'static str, CountEntry>,
    ) -> Result<(), redb::Error> {
        counts.remove(self.key.as_str())?;
        Ok(())
    }

    /// Returns the start and the end of the count in milliseconds, and the count: 0, starting now, if
    /// none is stored or the stored one has ended.
    fn current(
        &self,
        counts: &impl ReadableTable<&'static str, CountEntry>,
        now: Timestamp,
    ) -> Result<(i64, i64, u64), redb::Error> {
        if let Some(entry) = counts.get(self.key.as_str())? {
            let (since, until, count, set) = entry.value();
            if live(since, until, now) && set == self.set {
                return Ok((since, until, count));
            }
        }
        Ok((now.millis(), now.plus(self.window).millis(), 0))
    }
}
