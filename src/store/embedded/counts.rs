//! What is counted of a session, until the count ends by itself.

use std::time::Duration;

use redb::{ReadableTable, Table};

use super::tables::{CountEntry, live};
use crate::store::keys::UserKey;
use crate::store::{BEGINS_LIMIT, BEGINS_WINDOW, TRIES_LIMIT, TRIES_WINDOW};
use cedargate_core::{Bytes, SessionKey, Timestamp};

/// One count and its limit.
pub(super) struct Counter {
    key: String,
    /// The salt of the set of codes that is tried; empty for begins.
    set: String,
    limit: u64,
    window: Duration,
}

impl Counter {
    /// Counts the ceremonies that a session begins.
    pub(super) fn begins(user: &UserKey, session: &SessionKey) -> Self {
        Self {
            key: user.begins(session),
            set: String::new(),
            limit: BEGINS_LIMIT,
            window: BEGINS_WINDOW,
        }
    }

    /// Counts the wrong codes that a session tries of one set. Another set begins at zero.
    pub(super) fn tries(user: &UserKey, session: &SessionKey, salt: &Bytes) -> Self {
        Self {
            key: user.tries(session),
            set: salt.to_string(),
            limit: TRIES_LIMIT,
            window: TRIES_WINDOW,
        }
    }

    /// Returns how long the session has to wait, once the limit is reached.
    pub(super) fn shut(
        &self,
        counts: &impl ReadableTable<&'static str, CountEntry>,
        now: Timestamp,
    ) -> Result<Option<Duration>, redb::Error> {
        let (_, until, count) = self.current(counts, now)?;
        let wait = Timestamp::from_millis(until).since(now);
        Ok((count >= self.limit).then_some(wait))
    }

    /// Counts one more.
    pub(super) fn raise(
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

    /// Since when, until when and how many; a new count where there is none.
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
