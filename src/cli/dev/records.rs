//! Keeps the last request events, for the page.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::event::{Sink, WideEvent};
use cedargate_policy::DecisionInput;

/// The number of events that are kept.
const CAPACITY: usize = 100;

/// The last request events, oldest first.
#[derive(Default)]
pub(super) struct Records(Mutex<VecDeque<WideEvent>>);

#[derive(Serialize)]
struct Answer<'a> {
    records: &'a VecDeque<WideEvent>,
}

impl Records {
    /// Returns `{"records": […]}` as JSON.
    pub(super) fn json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        serde_json::to_vec(&Answer { records: &records })
    }

    /// Returns the input of a decision of the last request with this id. `index` counts the decisions of
    /// the request from 0.
    pub(super) fn input(&self, request_id: &str, index: usize) -> Option<Arc<DecisionInput>> {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut newest_first = records.iter().rev();
        let event = newest_first.find(|event| event.request_id == request_id)?;
        event.decisions.get(index)?.input.clone()
    }
}

impl Sink for Records {
    fn take(&self, event: &WideEvent) {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if records.len() == CAPACITY {
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
    fn last_hundred_events_are_kept_oldest_first() {
        let records = Records::default();
        for status in 200..350 {
            records.take(&event("unknown", Some(status)));
        }
        let answer: serde_json::Value = serde_json::from_slice(&records.json().unwrap()).unwrap();
        let listed = answer["records"].as_array().unwrap();
        assert_eq!(listed.len(), CAPACITY);
        assert_eq!(listed[0]["status"], 250);
        assert_eq!(listed[CAPACITY - 1]["status"], 349);
    }
}
