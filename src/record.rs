//! The one wide event of a request, and what a decision says in words that need no Cedar.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use uuid::Uuid;

use crate::model::{Authenticator, MethodType, Timestamp, UserId};
pub use cedargate_core::{Decided, DecisionInput, Effect, Shadow};

/// One decision, as the event tells it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// What was asked.
    pub action: &'static str,
    /// What it was asked of.
    pub resource: String,
    /// `allow`, `deny`, `step_up` or `error`.
    pub effect: &'static str,
    /// The code of the error that it is answered with; none for an allow.
    pub code: Option<String>,
    /// The determining policies.
    pub policies: Vec<String>,
    /// Their notices.
    pub notices: Vec<String>,
    /// What failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// What shadow policies would have changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
    /// The bundle.
    pub revision: Arc<str>,
    /// How long it took.
    pub duration_us: u64,
    /// How long it took, in nanoseconds.
    #[serde(skip)]
    pub duration_ns: u64,
    /// What it was made on, where a sink asks for it.
    #[serde(skip)]
    pub input: Option<Arc<dyn DecisionInput>>,
}

/// Something that happened to a user's authenticators or backup codes, of which they should hear
/// (SP 800-63B-4, account notifications).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// To whose account: `<issuer>|<tenant>|<sub>`.
    pub account: String,
    /// The `id` of the authenticator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authenticator: Option<Uuid>,
    /// How it was enrolled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method_type: Option<MethodType>,
    /// What its owner calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
    /// `unknown` where it was asked for, and whether it happened is not known: the caller hung up, or
    /// no answer of the store came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
}

/// What can happen to an account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChangeKind {
    /// An authenticator was enrolled.
    Enrolled,
    /// An authenticator was used for a step-up.
    Used,
    /// An authenticator got another name.
    Renamed,
    /// An authenticator was removed.
    Deleted,
    /// An authenticator's signature counter had not grown: there may be a copy of it.
    CounterBack,
    /// A backup code was used.
    CodeUsed,
    /// A backup or recovery code was tried that does not work.
    CodeWrong,
    /// A code was not tried, after too many wrong ones in that session.
    CodesThrottled,
    /// A new set of backup codes was made.
    CodesRegenerated,
    /// An administrator removed all authenticators and codes, if there were any.
    Reset,
    /// A recovery code was made.
    RecoveryCodeMade,
    /// A recovery code was used.
    RecoveryCodeUsed,
}

impl ChangeKind {
    /// The word in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeKind::Enrolled => "enrolled",
            ChangeKind::Used => "used",
            ChangeKind::Renamed => "renamed",
            ChangeKind::Deleted => "deleted",
            ChangeKind::CounterBack => "counter_back",
            ChangeKind::CodeUsed => "code_used",
            ChangeKind::CodeWrong => "code_wrong",
            ChangeKind::CodesThrottled => "codes_throttled",
            ChangeKind::CodesRegenerated => "codes_regenerated",
            ChangeKind::Reset => "reset",
            ChangeKind::RecoveryCodeMade => "recovery_code_made",
            ChangeKind::RecoveryCodeUsed => "recovery_code_used",
        }
    }
}

impl Serialize for ChangeKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Change {
    /// To an account as a whole.
    pub fn of_account(kind: ChangeKind, account: &UserId) -> Self {
        Self {
            kind,
            account: account.to_string(),
            authenticator: None,
            method_type: None,
            device_name: None,
            outcome: None,
        }
    }

    /// To one of its authenticators.
    pub fn of(kind: ChangeKind, account: &UserId, one: &Authenticator) -> Self {
        Self {
            authenticator: Some(one.id),
            method_type: Some(one.method_type),
            device_name: Some(one.device_name.clone()),
            ..Self::of_account(kind, account)
        }
    }
}

/// What happened to one request. Holds nothing that a caller could use.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// When the request's head had been read.
    pub timestamp: Timestamp,
    /// From the caller, or new.
    pub request_id: String,
    /// The HTTP method.
    pub method: String,
    /// The path pattern, or `unknown`.
    pub route: &'static str,
    /// The client's address.
    pub address: String,
    /// `<issuer>|<tenant>|<sub>`, or `anonymous`.
    pub principal: Option<String>,
    /// The header's tenant.
    pub tenant: Option<String>,
    /// The action of the decision that settled the request: the last one.
    pub action: Option<&'static str>,
    /// Its resource.
    pub resource: Option<String>,
    /// Its effect.
    pub effect: Option<&'static str>,
    /// Its determining policies.
    pub policies: Vec<String>,
    /// The notices of all decisions that counted, each text once.
    pub notices: Vec<String>,
    /// All decisions, in order.
    pub decisions: Vec<Decision>,
    /// What became of authenticators and codes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Why nothing was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undecided: Option<String>,
    /// The error's code.
    pub code: Option<String>,
    /// The cause of an error of ours, for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The HTTP status; empty when the caller hung up before the answer.
    pub status: Option<u16>,
    /// From the head having been read to the answer.
    pub duration_us: u64,
}

/// Where events go: the log, the metrics, the decision log, the page of `dev`.
pub trait Sink: Send + Sync {
    /// Takes one event; never blocks.
    fn take(&self, event: &Event);

    /// Whether it needs to know what decisions were made on.
    fn wants_input(&self) -> bool {
        false
    }
}

/// The failure of a step that changes an account.
pub trait StepError {
    /// Returns true if the change may have been made all the same.
    fn outcome_is_unknown(&self) -> bool;
}

/// The event of one request while it happens; written when it is dropped, so that there is exactly
/// one whatever happens.
pub struct Record {
    event: Event,
    /// What was asked of the store, as long as it is not known whether it was done.
    attempted: Option<Change>,
    started: Instant,
    sink: Arc<dyn Sink>,
}

impl Record {
    /// Opens the record of a request.
    pub fn open(sink: Arc<dyn Sink>, now: Timestamp, request_id: String, method: String) -> Self {
        let event = Event {
            timestamp: now,
            request_id,
            method,
            route: crate::model::path::UNKNOWN,
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

    /// What is known so far.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The client's address: at first the peer's, until it is known whose proxy that is.
    pub fn address(&mut self, address: IpAddr) {
        self.event.address = address.to_string();
    }

    /// The path pattern.
    pub fn route(&mut self, route: &'static str) {
        self.event.route = route;
    }

    /// Who calls.
    pub fn principal(&mut self, principal: impl ToString) {
        self.event.principal = Some(principal.to_string());
    }

    /// The header's tenant.
    pub fn tenant(&mut self, tenant: impl ToString) {
        self.event.tenant = Some(tenant.to_string());
    }

    /// A decision was made.
    pub fn decided(&mut self, decided: &Decided, took: Duration) {
        let event = &mut self.event;
        event.action = Some(decided.action.as_str());
        event.resource = Some(decided.resource.clone());
        event.effect = Some(decided.effect.as_str());
        event.policies.clone_from(&decided.policies);
        for notice in &decided.notices {
            if !event.notices.contains(notice) {
                event.notices.push(notice.clone());
            }
        }
        event.decisions.push(Decision {
            action: decided.action.as_str(),
            resource: decided.resource.clone(),
            effect: decided.effect.as_str(),
            code: decided.effect.code().map(str::to_owned),
            policies: decided.policies.clone(),
            notices: decided.notices.clone(),
            errors: decided.errors.clone(),
            shadow: decided.shadow.clone(),
            revision: Arc::clone(&decided.revision),
            duration_us: micros(took),
            duration_ns: u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
            input: None,
        });
    }

    /// Something happened to an account.
    pub fn changed(&mut self, change: Change) {
        self.attempted = None;
        self.event.changes.push(change);
    }

    /// Runs a step that would make this change. If the caller hangs up meanwhile, or the store's answer
    /// does not come, the event has the change with the outcome `unknown`.
    ///
    /// # Errors
    /// Those of the step.
    pub async fn attempt<T, E: StepError>(
        &mut self,
        change: Change,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.attempted = Some(change);
        let outcome = step.await;
        if !outcome.as_ref().is_err_and(E::outcome_is_unknown) {
            self.attempted = None;
        }
        outcome
    }

    /// Whether what decisions are made on is wanted.
    pub fn wants_input(&self) -> bool {
        self.sink.wants_input()
    }

    /// What the last decision was made on.
    pub fn made_on(&mut self, input: Arc<dyn DecisionInput>) {
        if let Some(decision) = self.event.decisions.last_mut() {
            decision.input = Some(input);
        }
    }

    /// The facts changed under the decisions so far: they stay in the log, their notices do not
    /// reach the caller.
    pub fn overtaken(&mut self) {
        self.event.notices.clear();
    }

    /// How it was answered. An error has a code, and one of ours a cause.
    pub fn answered(&mut self, status: u16, code: Option<&str>, cause: Option<String>) {
        self.event.status = Some(status);
        self.event.code = code.map(str::to_owned);
        self.event.cause = cause;
        if self.event.decisions.is_empty() {
            self.event.undecided = self.event.code.clone();
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.event.duration_us = micros(self.started.elapsed());
        if let Some(change) = self.attempted.take() {
            self.event.changes.push(Change {
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
mod tests;
