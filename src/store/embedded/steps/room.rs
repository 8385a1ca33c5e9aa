//! The limits of pending ceremonies.

use std::collections::BTreeMap;

use redb::ReadableTable as _;
use serde::Deserialize;

use super::Tables;
use crate::store::embedded::tables::live;
use crate::store::stored::decode;
use crate::store::{PENDING_PER_ACCOUNT, PENDING_PER_SESSION};
use cedargate_core::{SessionKey, Timestamp};

/// The pending ceremonies that stay, oldest first, and how many each session has with the new one.
struct PendingCeremonies {
    entries: Vec<(u64, SessionKey, String)>,
    per_session: BTreeMap<SessionKey, usize>,
    dropped: Vec<String>,
}

/// The part of a pending record that limits read.
#[derive(Default, Deserialize)]
struct OfSession {
    /// Records of the release before this one name no session: they count for the account as a whole.
    #[serde(default)]
    session_key: SessionKey,
}

/// Removes what is out of time, and then older ceremonies, until this session may have one more.
pub(super) fn make(
    tables: &mut Tables<'_>,
    owner: &str,
    session: &SessionKey,
    challenge: &str,
    now: Timestamp,
) -> Result<(), redb::Error> {
    let mut kept = PendingCeremonies {
        entries: Vec::new(),
        per_session: BTreeMap::from([(session.clone(), 1)]),
        dropped: Vec::new(),
    };
    // No digest is empty, and none begins with a byte as high as `~`.
    for entry in tables.pending.range((owner, "")..(owner, "~"))? {
        let (key, value) = entry?;
        let (begun, deadline, sequence, record) = value.value();
        let other = key.value().1.to_owned();
        if !live(begun, deadline, now) {
            kept.dropped.push(other);
        } else if other != challenge {
            let of: OfSession = decode("pending ceremony", record).unwrap_or_default();
            kept.add(sequence, of.session_key, other);
        }
    }
    kept.entries.sort_unstable();
    while kept.count(session) > PENDING_PER_SESSION {
        kept.drop_oldest(|_, of| of == session);
    }
    while kept.entries.len() + 1 > PENDING_PER_ACCOUNT {
        let most = kept.per_session.values().copied().max().unwrap_or(0);
        kept.drop_oldest(|count, _| count == most);
    }
    for other in kept.dropped {
        tables.pending.remove((owner, other.as_str()))?;
    }
    Ok(())
}

impl PendingCeremonies {
    fn add(&mut self, sequence: u64, session: SessionKey, challenge: String) {
        *self.per_session.entry(session.clone()).or_default() += 1;
        self.entries.push((sequence, session, challenge));
    }

    fn count(&self, session: &SessionKey) -> usize {
        self.per_session.get(session).copied().unwrap_or(0)
    }

    /// Drops the oldest of the sessions that `may_lose` accepts, by their count and key.
    fn drop_oldest(&mut self, may_lose: impl Fn(usize, &SessionKey) -> bool) {
        let found = self.entries.iter();
        let found = found
            .into_iter()
            .position(|(_, of, _)| may_lose(self.count(of), of));
        let Some(at) = found else { return };
        let (_, session, challenge) = self.entries.remove(at);
        self.per_session
            .entry(session)
            .and_modify(|count| *count -= 1);
        self.dropped.push(challenge);
    }
}
