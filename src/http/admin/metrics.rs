//! The metrics of the process as OpenMetrics text.

use std::sync::atomic::{AtomicU64, Ordering};

use hyper::header::HeaderValue;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::app::policies::ReloadCounts;
use crate::event::{DecisionEntry, Sink, WideEvent};
use crate::streams::LostLines;
use cedargate_core::{Action, ShadowDecision};

/// The media type of [`Metrics::text`].
pub(super) const CONTENT_TYPE: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// The status label of a request whose caller hung up; nginx uses the same number.
const HUNG_UP: u16 = 499;

/// Upper bounds of the histogram in seconds, from a decision in memory to the time limit of a request.
const BUCKETS: [f64; 14] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0,
];

/// Every label has few values, because none is taken from a request.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RequestLabels {
    action: &'static str,
    effect: &'static str,
    status: u32,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ActionLabels {
    action: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ReloadLabels {
    outcome: &'static str,
}

/// The values of counters that other modules keep, read for a scrape.
#[derive(Default)]
pub(super) struct Readings {
    pub(super) store_errors: u64,
    pub(super) failed_fetches: u64,
    pub(super) signature_checks: u64,
    pub(super) connections: usize,
    pub(super) reloads: ReloadCounts,
    /// True while the policies in force are not those in the folders.
    pub(super) stale: bool,
    /// The lost lines of each configured stream.
    pub(super) lost: Vec<(&'static str, LostLines)>,
}

/// The labels of a decision that shadow policies would have changed. Policy ids are few, and come from
/// the policy author.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ShadowLabels {
    /// Empty if no shadow policy determined the outcome.
    policy: String,
    effect: &'static str,
    would_be: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ChangeLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct LostLabels {
    stream: &'static str,
    reason: &'static str,
}

/// The metrics: a sink that counts requests, and a registry that also reports other counters.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<ActionLabels, Histogram, fn() -> Histogram>,
    shadows: Family<ShadowLabels, Counter>,
    changes: Family<ChangeLabels, Counter>,
    lost: Family<LostLabels, Counter<u64, AtomicU64>>,
    store_errors: Counter<u64, AtomicU64>,
    failed_fetches: Counter<u64, AtomicU64>,
    signature_checks: Counter<u64, AtomicU64>,
    connections: Gauge,
    reloads: Family<ReloadLabels, Counter<u64, AtomicU64>>,
    stale: Gauge,
}

impl Metrics {
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("cedargate");
        let requests = Family::default();
        registry.register(
            "requests",
            "Requests by the action of the determining decision (none: undecided), its effect, and \
             status (499: the caller hung up)",
            requests.clone(),
        );
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        let durations = Family::new_with_constructor(histogram);
        registry.register_with_unit(
            "request_duration",
            "Time from a request's head to its answer",
            Unit::Seconds,
            durations.clone(),
        );
        let shadows = Family::default();
        registry.register(
            "shadow_decisions",
            "Decisions that a shadow policy would have changed: their effect, and the effect it would be",
            shadows.clone(),
        );
        let changes = Family::default();
        registry.register(
            "account_changes",
            "Changes to accounts by kind, such as enrolled or counter_back",
            changes.clone(),
        );
        let lost = Family::default();
        registry.register(
            "lost_lines",
            "Lines missing from the decision log or the audit stream, because it was too slow or could \
             not be written",
            lost.clone(),
        );
        let store_errors = Counter::default();
        registry.register(
            "store_errors",
            "Failed operations of the store",
            store_errors.clone(),
        );
        let failed_fetches = Counter::default();
        registry.register(
            "jwks_fetch_errors",
            "Failed fetches of an issuer's keys",
            failed_fetches.clone(),
        );
        let signature_checks = Counter::default();
        registry.register(
            "token_signature_checks",
            "Checks of a token's signature; a remembered token needs none",
            signature_checks.clone(),
        );
        let connections = Gauge::default();
        registry.register(
            "connections",
            "Open connections of the public listener",
            connections.clone(),
        );
        let reloads = Family::default();
        registry.register(
            "policy_reloads",
            "Automatic and requested policy reloads by outcome (replaced, unchanged, failed)",
            reloads.clone(),
        );
        let stale = Gauge::default();
        registry.register(
            "policies_stale",
            "1 while the policies in the folders do not load and the last good ones decide, else 0",
            stale.clone(),
        );
        Self {
            registry,
            requests,
            durations,
            shadows,
            changes,
            lost,
            store_errors,
            failed_fetches,
            signature_checks,
            connections,
            reloads,
            stale,
        }
    }

    /// Returns all metrics as text. `readings` are the values of the other counters.
    pub(super) fn text(&self, readings: &Readings) -> String {
        let set = |counter: &Counter<u64, AtomicU64>, count| {
            counter.inner().store(count, Ordering::Relaxed);
        };
        set(&self.store_errors, readings.store_errors);
        set(&self.failed_fetches, readings.failed_fetches);
        set(&self.signature_checks, readings.signature_checks);
        self.connections
            .set(i64::try_from(readings.connections).unwrap_or(i64::MAX));
        let reloads = readings.reloads;
        for (outcome, count) in [
            ("replaced", reloads.replaced),
            ("unchanged", reloads.unchanged),
            ("failed", reloads.failed),
        ] {
            set(
                &self.reloads.get_or_create(&ReloadLabels { outcome }),
                count,
            );
        }
        self.stale.set(i64::from(readings.stale));
        for &(stream, lost) in &readings.lost {
            for (reason, count) in [("too_slow", lost.too_slow), ("unwritable", lost.unwritable)] {
                let labels = LostLabels { stream, reason };
                set(&self.lost.get_or_create(&labels), count);
            }
        }
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Sink for Metrics {
    fn take(&self, event: &WideEvent) {
        let action = match &event.action {
            None => "none",
            Some(Action::Gate(action)) => action.as_str(),
            Some(_) => "other",
        };
        let labels = RequestLabels {
            action,
            effect: event.effect.unwrap_or("none"),
            status: event.status.unwrap_or(HUNG_UP).into(),
        };
        self.requests.get_or_create(&labels).inc();
        #[expect(
            clippy::cast_precision_loss,
            reason = "the microseconds of a request fit a f64 exactly"
        )]
        let seconds = event.duration_us as f64 / 1e6;
        self.durations
            .get_or_create(&ActionLabels { action })
            .observe(seconds);
        for change in &event.changes {
            let kind = change.kind.as_str();
            self.changes.get_or_create(&ChangeLabels { kind }).inc();
        }
        for DecisionEntry { decision, .. } in &event.decisions {
            if let Some(shadow) = &decision.shadow {
                self.count_shadow(decision.effect.as_str(), shadow);
            }
        }
    }
}

impl Metrics {
    /// Counts the decision once for each shadow policy. The sum over policies may exceed the decisions.
    fn count_shadow(&self, effect: &'static str, shadow: &ShadowDecision) {
        let count = |policy: &str| {
            let labels = ShadowLabels {
                policy: policy.to_owned(),
                effect,
                would_be: shadow.decision.effect.as_str(),
            };
            self.shadows.get_or_create(&labels).inc();
        };
        if shadow.shadow_policies.is_empty() {
            count("");
        }
        shadow
            .shadow_policies
            .iter()
            .for_each(|policy| count(policy));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::RequestEvent;
    use crate::event::tests::entry;
    use cedargate_core::{Effect, GateAction, Timestamp};

    #[test]
    fn requests_are_counted_by_action_effect_and_status() {
        let metrics = Arc::new(Metrics::new());
        let open = || {
            let sink: Arc<dyn Sink> = metrics.clone();
            RequestEvent::open(sink, Timestamp::from_millis(0), "id".into(), "GET".into())
        };
        open().answered(400, Some("invalid_request"), None);
        open().answered(400, Some("invalid_request"), None);
        drop(open());
        let text = metrics.text(&Readings {
            store_errors: 3,
            failed_fetches: 5,
            signature_checks: 6,
            connections: 7,
            reloads: ReloadCounts {
                replaced: 2,
                unchanged: 0,
                failed: 4,
            },
            stale: true,
            lost: vec![(
                "decision log",
                LostLines {
                    too_slow: 2,
                    unwritable: 1,
                },
            )],
        });
        for line in [
            r#"cedargate_requests_total{action="none",effect="none",status="400"} 2"#,
            r#"cedargate_requests_total{action="none",effect="none",status="499"} 1"#,
            r#"cedargate_request_duration_seconds_count{action="none"} 3"#,
            r#"cedargate_lost_lines_total{stream="decision log",reason="too_slow"} 2"#,
            r#"cedargate_lost_lines_total{stream="decision log",reason="unwritable"} 1"#,
            "cedargate_store_errors_total 3",
            "cedargate_jwks_fetch_errors_total 5",
            "cedargate_token_signature_checks_total 6",
            "cedargate_connections 7",
            r#"cedargate_policy_reloads_total{outcome="replaced"} 2"#,
            r#"cedargate_policy_reloads_total{outcome="unchanged"} 0"#,
            r#"cedargate_policy_reloads_total{outcome="failed"} 4"#,
            "cedargate_policies_stale 1",
            "# EOF",
        ] {
            assert!(
                text.lines().any(|it| it == line),
                "{line} is not in\n{text}"
            );
        }
    }

    #[test]
    fn shadow_decisions_are_counted_by_policy_and_effect() {
        let metrics = Arc::new(Metrics::new());
        let decided = |shadow: Option<&[&str]>| {
            let mut decided = entry(GateAction::Unknown, Effect::Allow);
            decided.decision.shadow = shadow.map(|policies| {
                let denied = entry(GateAction::Unknown, Effect::Deny("forbidden".into()));
                Box::new(ShadowDecision {
                    decision: denied.decision,
                    shadow_policies: policies.iter().map(ToString::to_string).collect(),
                })
            });
            decided
        };
        let sink: Arc<dyn Sink> = metrics.clone();
        let mut event =
            RequestEvent::open(sink, Timestamp::from_millis(0), "id".into(), "GET".into());
        for shadow in [None, Some(&["a"][..]), Some(&["a", "b"]), Some(&[])] {
            event.decided(decided(shadow));
        }
        drop(event);
        let text = metrics.text(&Readings::default());
        let series: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("cedargate_shadow_decisions_total"))
            .collect();
        for line in [
            r#"{policy="a",effect="allow",would_be="deny"} 2"#,
            r#"{policy="b",effect="allow",would_be="deny"} 1"#,
            r#"{policy="",effect="allow",would_be="deny"} 1"#,
        ] {
            assert!(series.contains(&line), "{line} is not in {series:?}");
        }
        assert_eq!(series.len(), 3);
    }
}
