//! Log lines about changes of the policies.

use crate::app::policies::{LoadFailure, News, Observer};
use crate::gate::InForce;

/// The number of findings of one failure that are logged. `GET /policies` has all of them.
const MOST_FINDINGS: usize = 20;

/// Logs each change of the policies.
pub(in super::super) struct PolicyNews;

impl Observer for PolicyNews {
    fn notify(&self, news: &News<'_>) {
        match news {
            News::Replaced(in_force) => loaded(in_force, "the policies were loaded"),
            News::Unchanged(in_force) => loaded(in_force, "the policies are the same as before"),
            News::Recovered(in_force) => loaded(
                in_force,
                "the policies load again: they are the same as before",
            ),
            News::Failed(failure, in_force) => failed(failure, in_force),
        }
    }
}

fn loaded(in_force: &InForce, message: &str) {
    tracing::info!(
        policies = in_force.bundle().entries().len(),
        revision = in_force.bundle().revision(),
        "{message}"
    );
}

/// Logs a line for each finding, since each has its own place.
fn failed(failure: &LoadFailure, in_force: &InForce) {
    let revision = in_force.bundle().revision();
    for finding in failure.findings.iter().take(MOST_FINDINGS) {
        tracing::error!(
            revision,
            code = finding.code,
            file = finding.file,
            line = finding.line,
            column = finding.column,
            reason = finding.message,
            help = finding.help,
            excerpt = finding.to_string(),
            "the policies do not load, so the previous ones stay in force"
        );
    }
    let more = failure.findings.len().saturating_sub(MOST_FINDINGS);
    if more > 0 {
        tracing::error!(
            revision,
            more,
            "the policies have more findings: GET /policies lists them all"
        );
    }
}
