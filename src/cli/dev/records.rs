//! The last records, for the page.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::record::{DecisionInput, Event, Sink};

/// How many are kept.
const KEPT: usize = 100;

/// The last records, oldest first.
#[derive(Default)]
pub(super) struct Records(Mutex<VecDeque<Event>>);

#[derive(Serialize)]
struct Answer<'a> {
    records: &'a VecDeque<Event>,
}

impl Records {
    /// `{"records": […]}`.
    pub(super) fn json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        serde_json::to_vec(&Answer { records: &records })
    }

    /// What a decision of the last request with this id was made on; `at` is its place among those
    /// of the request, from 0.
    pub(super) fn input(&self, request_id: &str, at: usize) -> Option<Arc<dyn DecisionInput>> {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut newest_first = records.iter().rev();
        let event = newest_first.find(|event| event.request_id == request_id)?;
        event.decisions.get(at)?.input.clone()
    }
}

impl Sink for Records {
    fn take(&self, event: &Event) {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if records.len() == KEPT {
            records.pop_front();
        }
        records.push_back(event.clone());
    }

    fn wants_input(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::event;
    use super::*;

    #[test]
    fn the_last_hundred_are_kept_oldest_first() {
        let records = Records::default();
        for status in 200..350 {
            records.take(&event("unknown", Some(status)));
        }
        let answer: serde_json::Value = serde_json::from_slice(&records.json().unwrap()).unwrap();
        let listed = answer["records"].as_array().unwrap();
        assert_eq!(listed.len(), KEPT);
        assert_eq!(listed[0]["status"], 250);
        assert_eq!(listed[KEPT - 1]["status"], 349);
    }
}
