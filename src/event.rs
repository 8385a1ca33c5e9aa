//! The event of a request: one wide log entry with its decisions and changes.

mod account_change;
mod decision_entry;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cedargate_core::{Action, Timestamp};
use serde::Serialize;

pub use account_change::{AccountChange, AccountChangeKind};
pub use decision_entry::DecisionEntry;

/// The log entry of one request. It contains no secret: no token, code or key.
#[derive(Clone, Debug, Serialize)]
pub struct WideEvent {
    /// The moment at which the head of the request had been read.
    pub timestamp: Timestamp,
    /// The `X-Request-ID` of the request, or a new UUIDv7 if it sent none that is valid.
    pub request_id: String,
    pub method: String,
    /// The path pattern, or `unknown`.
    pub route: &'static str,
    pub address: String,
    /// `<issuer>|<tenant>|<sub>`, or `anonymous`.
    pub principal: Option<String>,
    /// The tenant in the header `X-Tenant-ID`.
    pub tenant: Option<String>,
    /// The action of the last decision, which settled the request.
    pub action: Option<Action>,
    /// The resource of the last decision.
    pub resource: Option<String>,
    /// The effect of the last decision.
    pub effect: Option<&'static str>,
    /// The determining policies of the last decision.
    pub policies: Vec<String>,
    /// The notices of all decisions that were not made again, each text once.
    pub notices: Vec<String>,
    /// All decisions, in the order in which they were made.
    pub decisions: Vec<DecisionEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<AccountChange>,
    /// The reason why there is no decision: an error code or a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undecided: Option<String>,
    /// The code of the error.
    pub code: Option<String>,
    /// The cause of an error that is the gateway's fault, for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The HTTP status. `None` if the client hung up before the answer.
    pub status: Option<u16>,
    /// The time in microseconds from the head of the request to the answer.
    pub duration_us: u64,
}

/// A receiver of events: the log, the metrics, the decision log, the page of `cedargate dev`.
pub trait Sink: Send + Sync {
    /// Takes one event. It must not block.
    fn take(&self, event: &WideEvent);

    /// Returns true if the sink reads [`DecisionEntry::input`].
    fn wants_input(&self) -> bool {
        false
    }
}

/// The failure of a step that changes an account.
pub trait StepError {
    /// Returns true if the change may have been made despite the failure.
    fn outcome_is_unknown(&self) -> bool;
}

/// The event of one request while it is served. It is written when it is dropped, so that each request
/// writes exactly one [`WideEvent`], even if serving it fails or panics.
pub struct RequestEvent {
    event: WideEvent,
    /// The change that the store was asked for and has not answered yet.
    attempted: Option<AccountChange>,
    started: Instant,
    sink: Arc<dyn Sink>,
}

impl RequestEvent {
    /// Starts the event of a request.
    pub fn open(sink: Arc<dyn Sink>, now: Timestamp, request_id: String, method: String) -> Self {
        let event = WideEvent {
            timestamp: now,
            request_id,
            method,
            route: cedargate_core::path::UNKNOWN,
            address: String::new(),
            principal: None,
            tenant: None,
            action: None,
            resource: None,
            effect: None,
            policies: Vec::new(),
            notices: Vec::new(),
            decisions: Vec::new(),
            changes: Vec::new(),
            undecided: None,
            code: None,
            cause: None,
            status: None,
            duration_us: 0,
        };
        Self {
            event,
            attempted: None,
            started: Instant::now(),
            sink,
        }
    }

    /// Returns the event as far as it is known.
    pub fn event(&self) -> &WideEvent {
        &self.event
    }

    /// Sets the client's address. It is the peer's until the headers of trusted proxies are read.
    pub fn address(&mut self, address: IpAddr) {
        self.event.address = address.to_string();
    }

    pub fn route(&mut self, route: &'static str) {
        self.event.route = route;
    }

    pub fn principal(&mut self, principal: impl ToString) {
        self.event.principal = Some(principal.to_string());
    }

    pub fn tenant(&mut self, tenant: impl ToString) {
        self.event.tenant = Some(tenant.to_string());
    }

    /// Adds a decision. The last one settles the request.
    pub fn decided(&mut self, entry: DecisionEntry) {
        let event = &mut self.event;
        event.action = Some(entry.action.clone());
        event.resource = Some(entry.resource.clone());
        event.effect = Some(entry.decision.effect.as_str());
        event.policies.clone_from(&entry.decision.policies);
        for notice in &entry.decision.notices {
            if !event.notices.contains(notice) {
                event.notices.push(notice.clone());
            }
        }
        event.decisions.push(entry);
    }

    /// Adds a change that was made.
    pub fn changed(&mut self, change: AccountChange) {
        self.attempted = None;
        self.event.changes.push(change);
    }

    /// Runs a step that would make this change. If the client hangs up meanwhile, or the step fails with
    /// an unknown outcome, the event has the change with the outcome `unknown`. If the step succeeds, the
    /// caller adds the change with [`Self::changed`].
    ///
    /// # Errors
    /// The errors of the step.
    pub async fn attempt<T, E: StepError>(
        &mut self,
        change: AccountChange,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.attempted = Some(change);
        let outcome = step.await;
        if !outcome.as_ref().is_err_and(E::outcome_is_unknown) {
            self.attempted = None;
        }
        outcome
    }

    pub fn wants_input(&self) -> bool {
        self.sink.wants_input()
    }

    /// Withdraws the notices of the decisions so far, because the account has changed since and is
    /// decided on again. The decisions stay in the log.
    pub fn withdraw_notices(&mut self) {
        self.event.notices.clear();
    }

    /// Sets the answer. An error has a code, and one that is the gateway's fault also a cause.
    pub fn answered(&mut self, status: u16, code: Option<&str>, cause: Option<String>) {
        self.event.status = Some(status);
        self.event.code = code.map(str::to_owned);
        self.event.cause = cause;
        if self.event.decisions.is_empty() {
            self.event.undecided = self.event.code.clone();
        }
    }
}

impl Drop for RequestEvent {
    fn drop(&mut self) {
        self.event.duration_us = micros(self.started.elapsed());
        if let Some(change) = self.attempted.take() {
            self.event.changes.push(AccountChange {
                outcome: Some("unknown"),
                ..change
            });
        }
        if self.event.status.is_none() && self.event.decisions.is_empty() {
            self.event.undecided = Some("the caller hung up".to_owned());
        }
        self.sink.take(&self.event);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
