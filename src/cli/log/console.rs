//! The log of `dev`: a short line for each request and for each change of the policies.

use std::fmt::Write as _;
use std::io::Write as _;

use tracing_appender::non_blocking::NonBlocking;

use crate::app::policies::{News, Observer};
use crate::cli::now;
use crate::event::{Sink, WideEvent};
use cedargate_core::Timestamp;

/// Writes to the terminal without waiting for its reader.
pub(in super::super) struct Console(NonBlocking);

impl Console {
    pub(super) fn new(writer: NonBlocking) -> Self {
        Self(writer)
    }
}

impl Console {
    fn write(&self, text: &str) {
        // An error means that the log's thread has ended: there is no one left to report it to.
        let _ = self.0.clone().write_all(text.as_bytes());
    }
}

impl Sink for Console {
    fn take(&self, event: &WideEvent) {
        self.write(&request_line(event));
    }
}

impl Observer for Console {
    fn notify(&self, news: &News<'_>) {
        self.write(&news_line(news, now()));
    }
}

fn news_line(news: &News<'_>, now: Timestamp) -> String {
    let time = time(now);
    match news {
        News::Replaced(in_force) => {
            let (policies, revision) = (
                in_force.bundle().entries().len(),
                in_force.bundle().revision(),
            );
            format!("{time} the policies were loaded: {policies}, revision {revision}\n")
        }
        News::Unchanged(_) => format!("{time} the policies are the same as before\n"),
        News::Recovered(_) => {
            format!("{time} the policies load again: they are the same as before\n")
        }
        News::Failed(failure, _) => {
            let findings = failure
                .findings
                .iter()
                .map(|finding| format!("{finding}\n"));
            format!(
                "{time} the policies do not load, so the previous ones stay in force:\n{}",
                findings.collect::<String>()
            )
        }
    }
}

/// `09:00:00`
fn time(now: Timestamp) -> String {
    let timestamp = now.to_string();
    timestamp.get(11..19).unwrap_or(&timestamp).to_owned()
}

/// `09:00:00 POST /v1/… 403 tenant_mismatch · deny by tenant-isolation: its notice`
fn request_line(event: &WideEvent) -> String {
    let time = time(event.timestamp);
    let mut line = format!("{time} {} {}", event.method, event.route);
    // Writing to a String cannot fail.
    let _ = match event.status {
        Some(status) => write!(line, " {status}"),
        None => write!(line, " (hung up)"),
    };
    if let Some(code) = &event.code {
        let _ = write!(line, " {code}");
    }
    if let Some(effect) = event.effect {
        let _ = write!(line, " · {effect}");
        if !event.policies.is_empty() {
            let _ = write!(line, " by {}", event.policies.join(", "));
        }
        let errors = event
            .decisions
            .last()
            .map_or(&[][..], |entry| &entry.decision.errors);
        if effect == "error" && !errors.is_empty() {
            let _ = write!(line, ": {}", errors.join("; "));
        }
    }
    if !event.notices.is_empty() {
        let _ = write!(line, ": {}", event.notices.join(" "));
    }
    if let Some(cause) = &event.cause {
        let _ = write!(line, " ({cause})");
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::super::super::dev::tests::event;
    use super::*;
    use crate::event::tests::entry;
    use cedargate_core::{Effect, GateAction};

    #[test]
    fn refusal_shows_its_policy_and_notice() {
        let mut event = event("/v1/users/me/mfa", Some(403));
        event.code = Some("tenant_mismatch".into());
        event.effect = Some("deny");
        event.policies = vec!["tenant-isolation".into()];
        event.notices = vec!["Send your token's tenant.".into()];
        assert_eq!(
            request_line(&event),
            "09:00:00 GET /v1/users/me/mfa 403 tenant_mismatch · deny by tenant-isolation: \
             Send your token's tenant.\n"
        );
    }

    #[test]
    fn failed_decision_shows_its_error() {
        let mut event = event("/v1/users/me/mfa", Some(500));
        event.effect = Some("error");
        let mut failed = entry(GateAction::ListMfaMethods, Effect::Failed);
        failed.decision.errors = vec!["policy sums: integer overflow".into()];
        event.decisions.push(failed);
        assert_eq!(
            request_line(&event),
            "09:00:00 GET /v1/users/me/mfa 500 · error: policy sums: integer overflow\n"
        );
    }

    #[test]
    fn request_whose_client_hung_up_has_no_status() {
        assert_eq!(
            request_line(&event("unknown", None)),
            "09:00:00 GET unknown (hung up)\n"
        );
    }
}
