//! What becomes of the policies, as lines of the log.

use crate::app::policies::{Audience, Failure, News};
use crate::gate::InForce;

/// The most findings of one failure that are logged: `GET /policies` has all.
const MOST_FINDINGS: usize = 20;

/// Logs the news of the policies.
pub(in super::super) struct PolicyNews;

impl Audience for PolicyNews {
    fn told(&self, news: &News<'_>) {
        match news {
            News::Replaced(in_force) => loaded(in_force, "the policies were loaded"),
            News::Unchanged(in_force) => loaded(in_force, "the policies are the same as before"),
            News::Mended(in_force) => loaded(
                in_force,
                "the policies load again: they are the same as before",
            ),
            News::Failed(failure, in_force) => failed(failure, in_force),
        }
    }
}

fn loaded(in_force: &InForce, message: &str) {
    tracing::info!(
        policies = in_force.bundle().len(),
        revision = in_force.bundle().revision(),
        "{message}"
    );
}

/// A line for each finding, since each has a place of its own.
fn failed(failure: &Failure, in_force: &InForce) {
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
            "the policies do not load, so the last good ones serve on"
        );
    }
    let more = failure.findings.len().saturating_sub(MOST_FINDINGS);
    if more > 0 {
        tracing::error!(revision, more, "more of the policies does not load");
    }
}
