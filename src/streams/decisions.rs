//! The lines of the decision log.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::PendingLines;
use crate::event::{DecisionEntry, WideEvent};
use cedargate_core::{Decision, Timestamp};
use cedargate_policy::{Hidden, Mask};

/// The decisions of one request.
pub(super) struct DecisionLines {
    timestamp: Timestamp,
    request_id: String,
    address: String,
    decisions: Vec<DecisionEntry>,
    weight: usize,
    masks: Arc<[Mask]>,
}

impl DecisionLines {
    pub(super) fn of(event: &WideEvent, masks: &Arc<[Mask]>) -> Option<Box<dyn PendingLines>> {
        if event.decisions.is_empty() {
            return None;
        }
        let inputs = event
            .decisions
            .iter()
            .filter_map(|entry| entry.input.as_ref());
        Some(Box::new(Self {
            timestamp: event.timestamp,
            request_id: event.request_id.clone(),
            address: event.address.clone(),
            decisions: event.decisions.clone(),
            weight: inputs.map(|input| input.weight()).sum(),
            masks: Arc::clone(masks),
        }))
    }
}

impl PendingLines for DecisionLines {
    fn weight(&self) -> usize {
        self.weight
    }

    fn count(&self) -> usize {
        self.decisions.len()
    }

    fn write(&self, lines: &mut Vec<u8>) {
        for entry in &self.decisions {
            let begin = lines.len();
            match self.write_line(entry, &self.masks, lines) {
                Ok(()) => lines.push(b'\n'),
                Err(error) => {
                    lines.truncate(begin);
                    tracing::error!(
                        "a decision cannot be written as JSON, and is left out of the decision log: {error}"
                    );
                }
            }
        }
    }
}

impl DecisionLines {
    fn write_line(
        &self,
        entry: &DecisionEntry,
        masks: &[Mask],
        lines: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        let input = entry.input.as_deref();
        let mut input_json = input.map(|input| input.json()).unwrap_or_default();
        let hidden = Mask::hide(masks, &mut input_json);
        let address_hidden = masks.iter().any(Mask::hides_address);
        let line = Line {
            decision_id: self.timestamp.uuid(),
            timestamp: self.timestamp,
            request_id: &self.request_id,
            labels: Labels {
                version: env!("CARGO_PKG_VERSION"),
            },
            bundle: Bundle {
                revision: &entry.revision,
            },
            input: input_json,
            strong_acr: input.map(|input| input.strong_acr()).unwrap_or_default(),
            means: input
                .and_then(|input| input.means_json())
                .filter(|_| !hidden.hides_factors()),
            result: Outcome::of(&entry.decision, &hidden),
            shadow: entry
                .decision
                .shadow
                .as_ref()
                .map(|shadow| Outcome::of(&shadow.decision, &hidden)),
            masked: &hidden.masked,
            erased: &hidden.erased,
            requested_by: (!address_hidden).then_some(&self.address),
            metrics: Metrics {
                evaluation_ns: u64::try_from(entry.duration.as_nanos()).unwrap_or(u64::MAX),
            },
        };
        serde_json::to_writer(lines, &line)
    }
}

#[derive(Serialize)]
struct Line<'a> {
    decision_id: Uuid,
    timestamp: Timestamp,
    request_id: &'a str,
    labels: Labels,
    bundle: Bundle<'a>,
    input: Map<String, Value>,
    strong_acr: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    means: Option<Value>,
    masked: &'a [String],
    erased: &'a [String],
    result: Outcome<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow: Option<Outcome<'a>>,
    requested_by: Option<&'a String>,
    metrics: Metrics,
}

#[derive(Serialize)]
struct Labels {
    version: &'static str,
}

#[derive(Serialize)]
struct Bundle<'a> {
    revision: &'a str,
}

#[derive(Serialize)]
struct Metrics {
    /// The time of evaluating the policies, shadow policies included.
    evaluation_ns: u64,
}

#[derive(Serialize)]
struct Outcome<'a> {
    decision: &'static str,
    reasons: &'a [String],
    notices: &'a [String],
    code: Option<&'a str>,
    errors: Vec<&'a str>,
}

impl<'a> Outcome<'a> {
    fn of(decision: &'a Decision, hidden: &Hidden) -> Self {
        Self {
            decision: decision.as_cedar(),
            reasons: &decision.policies,
            notices: &decision.notices,
            code: decision.code(),
            errors: visible_errors(&decision.errors, hidden),
        }
    }
}

/// Returns the errors of a decision. If the line has hidden values, only the names of the failed policies
/// remain: the rest of Cedar's message may repeat such a value.
fn visible_errors<'a>(errors: &'a [String], hidden: &Hidden) -> Vec<&'a str> {
    let visible = |error: &'a String| match error.split_once(": ") {
        Some((policy, _)) if !hidden.is_empty() => policy,
        _ => error,
    };
    errors.iter().map(visible).collect()
}
