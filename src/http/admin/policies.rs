//! The endpoints `/policies` and `/policies/reload`.

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use serde::Serialize;
use tokio::time::timeout;

use crate::app::policies::{Policies, PolicyStatus, ReloadOutcome};
use crate::gate::InForce;
use cedargate_core::Finding;
use cedargate_policy::PolicyEntry;

use super::{Refusal, json};

/// The time that `POST /policies/reload` waits for the load. A network mount may hang.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The body of `GET /policies`. Members are never removed or renamed.
#[derive(Serialize)]
struct List<'a> {
    /// `ready` or `stale`, as in `/readyz`.
    status: &'static str,
    reasons: Vec<String>,
    revision: &'a str,
    loaded_at: String,
    policies: Vec<Entry<'a>>,
    /// The findings that keep the changed policies from loading; empty unless `stale`.
    findings: &'a [Finding],
}

#[derive(Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    entry: &'a PolicyEntry,
    /// The number of decisions that the policy determined since `loaded_at`.
    determined: u64,
}

/// The body of a successful reload. Members are never removed or renamed.
#[derive(Serialize)]
struct Reloaded<'a> {
    revision: &'a str,
    loaded_at: String,
    /// The number of policies.
    policies: usize,
    /// True if the reload replaced the policies in force.
    changed: bool,
}

#[derive(Serialize)]
struct Stale<'a> {
    status: &'static str,
    findings: &'a [Finding],
}

/// Answers `GET /policies`.
pub(super) fn list(status: &PolicyStatus) -> Response<Full<Bytes>> {
    let in_force = &status.in_force;
    let entries = in_force.determined();
    let reason = status.reason();
    let list = List {
        status: if reason.is_some() { "stale" } else { "ready" },
        reasons: reason.into_iter().collect(),
        revision: in_force.bundle().revision(),
        loaded_at: in_force.since().to_string(),
        policies: entries
            .map(|(entry, determined)| Entry { entry, determined })
            .collect(),
        findings: status.failure.as_ref().map_or(&[], |it| &it.findings),
    };
    json(StatusCode::OK, &list)
}

/// Answers `POST /policies/reload`.
pub(super) async fn reload(policies: &Policies) -> Response<Full<Bytes>> {
    match timeout(RELOAD_TIMEOUT, policies.reload()).await {
        Ok(Some(outcome)) => answer(&outcome),
        Ok(None) => unavailable("The thread that loads policies has ended. Restart the gateway."),
        Err(_) => unavailable(
            "The policies are still being loaded. Check GET /policies later, and check that the policy \
             folders can be read.",
        ),
    }
}

fn answer(outcome: &ReloadOutcome) -> Response<Full<Bytes>> {
    let loaded = |in_force: &InForce, changed| {
        let bundle = in_force.bundle();
        let reloaded = Reloaded {
            revision: bundle.revision(),
            loaded_at: in_force.since().to_string(),
            policies: bundle.entries().len(),
            changed,
        };
        json(StatusCode::OK, &reloaded)
    };
    match outcome {
        ReloadOutcome::Replaced(in_force) => loaded(in_force, true),
        ReloadOutcome::Unchanged(in_force) => loaded(in_force, false),
        ReloadOutcome::Failed(failure) => json(
            StatusCode::UNPROCESSABLE_ENTITY,
            &Stale {
                status: "stale",
                findings: &failure.findings,
            },
        ),
    }
}

fn unavailable(message: &'static str) -> Response<Full<Bytes>> {
    let refusal = Refusal {
        code: "unavailable",
        message,
    };
    json(StatusCode::SERVICE_UNAVAILABLE, &refusal)
}
