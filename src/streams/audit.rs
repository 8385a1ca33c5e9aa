//! What a line of the audit stream says: enough for a mail to the user (SP 800-63B-4 asks that they
//! are told what happens to their authenticators).

use serde::Serialize;

use super::Lines;
use crate::event::{Change, WideEvent};
use cedargate_core::Timestamp;

/// About what a change takes besides its texts.
const WEIGHT: usize = 256;

/// What happened in one request.
pub(super) struct Pending {
    timestamp: Timestamp,
    request_id: String,
    address: String,
    by: Option<String>,
    changes: Vec<Change>,
}

#[derive(Serialize)]
struct Line<'a> {
    timestamp: Timestamp,
    request_id: &'a str,
    #[serde(flatten)]
    change: &'a Change,
    /// Who did it: the user, or an admin.
    by: Option<&'a str>,
    /// From where.
    address: &'a str,
}

impl Pending {
    pub(super) fn of(event: &WideEvent) -> Option<Box<dyn Lines>> {
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

/// Other policies are in force.
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

impl Lines for PoliciesLine {
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

impl Lines for Pending {
    fn weight(&self) -> usize {
        let texts =
            |one: &Change| one.account.len() + one.device_name.as_ref().map_or(0, String::len);
        self.changes.iter().map(|one| WEIGHT + texts(one)).sum()
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
            tracing::error!("an event has no JSON: {error}");
        }
    }
}
