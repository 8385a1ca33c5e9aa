//! The limits of pending ceremonies.

use std::collections::BTreeMap;

use redb::ReadableTable as _;
use serde::Deserialize;

use super::Tables;
use crate::store::embedded::tables::live;
use crate::store::stored::decode;
use crate::store::{PENDING_PER_ACCOUNT, PENDING_PER_SESSION};
use cedargate_core::{SessionKey, Timestamp};

/// The pending ceremonies of one user.
struct PendingCeremonies {
    /// The ceremonies that stay: sequence number, session, digest of the challenge.
    entries: Vec<(u64, SessionKey, String)>,
    /// The number of ceremonies of each session, the new one included.
    per_session: BTreeMap<SessionKey, usize>,
    /// The digests of the challenges whose ceremonies are removed.
    dropped: Vec<String>,
}

/// The part of a pending record that the limits need.
#[derive(Default, Deserialize)]
struct PendingSession {
    /// Records of the previous release name no session, and share the default one.
    #[serde(default)]
    session_key: SessionKey,
}

/// Removes expired ceremonies of this owner, and then the oldest ones, until both limits allow one more
/// of this session. A ceremony with the same challenge is not counted, since the new one replaces it.
pub(super) fn make_room(
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
    // The range holds every digest: base64url has no character at or above `~`.
    for entry in tables.pending.range((owner, "")..(owner, "~"))? {
        let (key, value) = entry?;
        let (begun, deadline, sequence, record) = value.value();
        let other = key.value().1.to_owned();
        if !live(begun, deadline, now) {
            kept.dropped.push(other);
        } else if other != challenge {
            let pending: PendingSession = decode("pending ceremony", record).unwrap_or_default();
            kept.add(sequence, pending.session_key, other);
        }
    }
    kept.entries.sort_unstable();
    while kept.count(session) > PENDING_PER_SESSION {
        kept.drop_oldest(|_, candidate| candidate == session);
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

    /// Drops the oldest ceremony of the sessions that `may_lose` accepts, by their count and key.
    fn drop_oldest(&mut self, may_lose: impl Fn(usize, &SessionKey) -> bool) {
        let mut entries = self.entries.iter();
        let index = entries.position(|(_, session, _)| may_lose(self.count(session), session));
        let Some(index) = index else { return };
        let (_, session, challenge) = self.entries.remove(index);
        self.per_session
            .entry(session)
            .and_modify(|count| *count -= 1);
        self.dropped.push(challenge);
    }
}
