use std::sync::Mutex;

use cedargate_core::{Decision, Effect, GateAction};
use futures_util::FutureExt as _;

use super::*;

#[derive(Default)]
struct Events(Mutex<Vec<WideEvent>>);

impl Sink for Events {
    fn take(&self, event: &WideEvent) {
        self.0.lock().unwrap().push(event.clone());
    }
}

/// A sink that drops its events.
pub(crate) struct NullSink;

impl Sink for NullSink {
    fn take(&self, _: &WideEvent) {}
}

/// Returns the event of a request, written after `work`.
fn event_of(work: impl FnOnce(&mut RequestEvent)) -> WideEvent {
    let events = Arc::new(Events::default());
    let sink: Arc<dyn Sink> = events.clone();
    let now = Timestamp::from_millis(0);
    let mut event = RequestEvent::open(sink, now, "id".into(), "POST".into());
    work(&mut event);
    drop(event);
    let mut events = events.0.lock().unwrap();
    assert_eq!(events.len(), 1);
    events.remove(0)
}

/// A decision on an account, without policies.
pub(crate) fn entry(action: GateAction, effect: Effect) -> DecisionEntry {
    DecisionEntry {
        action: action.into(),
        resource: format!("Gate::Account::\"{action}\""),
        decision: Decision {
            effect,
            policies: Vec::new(),
            notices: Vec::new(),
            errors: Vec::new(),
            failed: Vec::new(),
            shadow: None,
        },
        revision: "r".into(),
        duration: Duration::ZERO,
        input: None,
    }
}

fn entry_with_notices(action: GateAction, effect: Effect, notices: &[&str]) -> DecisionEntry {
    let mut entry = entry(action, effect);
    entry.decision.policies = vec![format!("by-{action}")];
    entry.decision.notices = notices.iter().map(ToString::to_string).collect();
    entry
}

const FIRST: GateAction = GateAction::CompleteWebauthnRegistration;
const SECOND: GateAction = GateAction::TrustAuthenticator;

#[test]
fn last_decision_settles_the_event_and_notices_of_all_are_listed_once() {
    let event = event_of(|event| {
        let mut first = entry_with_notices(FIRST, Effect::Allow, &["a", "b"]);
        first.duration = Duration::from_micros(3);
        event.decided(first);
        let second = entry_with_notices(SECOND, Effect::Deny("x".into()), &["b", "c"]);
        event.decided(second);
        event.answered(403, Some("x"), None);
    });
    assert_eq!(event.action, Some(SECOND.into()));
    assert_eq!(event.effect, Some("deny"));
    assert_eq!(event.policies, ["by-trustAuthenticator"]);
    assert_eq!(event.notices, ["a", "b", "c"]);
    assert_eq!(event.decisions.len(), 2);
    assert_eq!(event.decisions[0].duration, Duration::from_micros(3));
    assert_eq!(event.undecided, None);
    assert_eq!(
        (event.status, event.code.as_deref()),
        (Some(403), Some("x"))
    );
}

#[test]
fn withdrawn_notice_stays_in_its_decision_only() {
    let event = event_of(|event| {
        event.decided(entry_with_notices(FIRST, Effect::Allow, &["stale"]));
        event.withdraw_notices();
        event.decided(entry_with_notices(FIRST, Effect::Allow, &["fresh"]));
        event.answered(200, None, None);
    });
    assert_eq!(event.notices, ["fresh"]);
    assert_eq!(event.decisions[0].decision.notices, ["stale"]);
}

#[test]
fn event_without_a_decision_has_the_reason() {
    let refused = event_of(|event| event.answered(400, Some("invalid_request"), None));
    assert_eq!(refused.undecided.as_deref(), Some("invalid_request"));
    let hung_up = event_of(|_| {});
    assert_eq!(hung_up.undecided.as_deref(), Some("the caller hung up"));
    assert_eq!(hung_up.status, None);
    let later = event_of(|event| {
        event.decided(entry_with_notices(FIRST, Effect::Allow, &[]));
    });
    assert_eq!((later.undecided, later.status), (None, None));
}

/// A failed step.
#[derive(Debug, PartialEq)]
struct Failed {
    outcome_is_unknown: bool,
}

impl StepError for Failed {
    fn outcome_is_unknown(&self) -> bool {
        self.outcome_is_unknown
    }
}

/// Returns the changes in the event of a request that attempts one with this outcome. `None` stands for
/// a step that never answers.
fn attempted(outcome: Option<Result<(), Failed>>) -> Vec<AccountChange> {
    let succeeded = outcome == Some(Ok(()));
    let event = event_of(|event| {
        let account = "corp||alice".parse().unwrap();
        let change = AccountChange::of_account(AccountChangeKind::Reset, &account);
        let step = async move {
            match outcome {
                Some(outcome) => outcome,
                None => std::future::pending().await,
            }
        };
        // Dropped while it waits, like the request of a client that hangs up.
        let _ = event.attempt(change.clone(), step).now_or_never();
        if succeeded {
            event.changed(change);
        }
    });
    event.changes
}

#[test]
fn change_whose_step_does_not_answer_is_in_the_event_with_unknown_outcome() {
    let failed = |outcome_is_unknown| Some(Err(Failed { outcome_is_unknown }));
    for outcome in [None, failed(true)] {
        let changes = attempted(outcome);
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].kind, AccountChangeKind::Reset);
        assert_eq!(changes[0].outcome, Some("unknown"));
    }
    assert_eq!(attempted(failed(false)), []);
    let changes = attempted(Some(Ok(())));
    assert_eq!(changes.len(), 1, "the change is there once");
    assert_eq!(changes[0].outcome, None);
}
