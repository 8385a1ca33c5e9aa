//! The lines of the audit stream. A line has enough for a mail to the user: SP 800-63B-4 requires that
//! users are notified of changes to their authenticators.

use serde::Serialize;

use super::PendingLines;
use crate::event::{AccountChange, WideEvent};
use cedargate_core::Timestamp;

/// The approximate size of a change in memory without its texts, in bytes.
const WEIGHT: usize = 256;

/// The changes of one request.
pub(super) struct ChangeLines {
    timestamp: Timestamp,
    request_id: String,
    address: String,
    by: Option<String>,
    changes: Vec<AccountChange>,
}

#[derive(Serialize)]
struct Line<'a> {
    timestamp: Timestamp,
    request_id: &'a str,
    #[serde(flatten)]
    change: &'a AccountChange,
    /// The principal that made the change: the user, or an administrator.
    by: Option<&'a str>,
    address: &'a str,
}

impl ChangeLines {
    pub(super) fn of(event: &WideEvent) -> Option<Box<dyn PendingLines>> {
        if event.changes.is_empty() {
            return None;
        }
        Some(Box::new(Self {
            timestamp: event.timestamp,
            request_id: event.request_id.clone(),
            address: event.address.clone(),
            by: event.principal.clone(),
            changes: event.changes.clone(),
        }))
    }
}

/// A change of the policies in force.
#[derive(Serialize)]
pub(super) struct PoliciesLine {
    timestamp: Timestamp,
    kind: &'static str,
    revision: String,
    policies: usize,
}

impl PoliciesLine {
    pub(super) fn new(since: Timestamp, revision: &str, policies: usize) -> Self {
        Self {
            timestamp: since,
            kind: "policies_in_force",
            revision: revision.to_owned(),
            policies,
        }
    }
}

impl PendingLines for PoliciesLine {
    fn weight(&self) -> usize {
        WEIGHT
    }

    fn count(&self) -> usize {
        1
    }

    fn write(&self, lines: &mut Vec<u8>) {
        append(lines, self);
    }
}

impl PendingLines for ChangeLines {
    fn weight(&self) -> usize {
        let texts = |change: &AccountChange| {
            change.account.len() + change.device_name.as_ref().map_or(0, String::len)
        };
        self.changes
            .iter()
            .map(|change| WEIGHT + texts(change))
            .sum()
    }

    fn count(&self) -> usize {
        self.changes.len()
    }

    fn write(&self, lines: &mut Vec<u8>) {
        for change in &self.changes {
            let line = Line {
                timestamp: self.timestamp,
                request_id: &self.request_id,
                change,
                by: self.by.as_deref(),
                address: &self.address,
            };
            append(lines, &line);
        }
    }
}

fn append(lines: &mut Vec<u8>, line: &impl Serialize) {
    let begin = lines.len();
    match serde_json::to_writer(&mut *lines, line) {
        Ok(()) => lines.push(b'\n'),
        Err(error) => {
            lines.truncate(begin);
            tracing::error!(
                "an event cannot be written as JSON, and is left out of the audit stream: {error}"
            );
        }
    }
}
