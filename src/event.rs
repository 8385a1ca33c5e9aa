//! The one wide event of a request, and what a decision says in words that need no Cedar.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cedargate_core::{
    Action, Authenticator, Decision, MethodType, ShadowDecision, Timestamp, UserId,
};
use cedargate_policy::DecisionInput;
use serde::{Serialize, Serializer};
use uuid::Uuid;

/// One decision of a request. It serialises flat, as logs have it.
#[derive(Clone, Debug)]
pub struct DecisionEntry {
    /// The action that was decided on.
    pub action: Action,
    /// The uid of the resource, such as `Gate::Account::"…"`.
    pub resource: String,
    /// The decision.
    pub decision: Decision,
    /// The revision of the bundle that decided.
    pub revision: Arc<str>,
    /// The time that it took.
    pub duration: Duration,
    /// The input of the decision, if a sink asks for it.
    pub input: Option<Arc<DecisionInput>>,
}

impl Serialize for DecisionEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct View<'a> {
            action: &'a Action,
            resource: &'a str,
            effect: &'static str,
            code: Option<&'a str>,
            policies: &'a [String],
            notices: &'a [String],
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            errors: &'a [String],
            #[serde(skip_serializing_if = "Option::is_none")]
            shadow: Option<ShadowView<'a>>,
            revision: &'a str,
            duration_us: u64,
        }
        let decision = &self.decision;
        View {
            action: &self.action,
            resource: &self.resource,
            effect: decision.effect.as_str(),
            code: decision.code(),
            policies: &decision.policies,
            notices: &decision.notices,
            errors: &decision.errors,
            shadow: decision.shadow.as_deref().map(ShadowView::of),
            revision: &self.revision,
            duration_us: micros(self.duration),
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
struct ShadowView<'a> {
    effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    policies: &'a [String],
    shadow_policies: &'a [String],
    notices: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [String],
}

impl<'a> ShadowView<'a> {
    fn of(shadow: &'a ShadowDecision) -> Self {
        let decision = &shadow.decision;
        Self {
            effect: decision.effect.as_str(),
            code: decision.code(),
            policies: &decision.policies,
            shadow_policies: &shadow.shadow_policies,
            notices: &decision.notices,
            errors: &decision.errors,
        }
    }
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
#[derive(Clone, Debug, Serialize)]
pub struct WideEvent {
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
    pub action: Option<Action>,
    /// Its resource.
    pub resource: Option<String>,
    /// Its effect.
    pub effect: Option<&'static str>,
    /// Its determining policies.
    pub policies: Vec<String>,
    /// The notices of all decisions that counted, each text once.
    pub notices: Vec<String>,
    /// All decisions, in order.
    pub decisions: Vec<DecisionEntry>,
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
    fn take(&self, event: &WideEvent);

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
pub struct RequestEvent {
    event: WideEvent,
    /// What was asked of the store, as long as it is not known whether it was done.
    attempted: Option<Change>,
    started: Instant,
    sink: Arc<dyn Sink>,
}

impl RequestEvent {
    /// Opens the record of a request.
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

    /// What is known so far.
    pub fn event(&self) -> &WideEvent {
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

impl Drop for RequestEvent {
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
pub(crate) mod tests;
