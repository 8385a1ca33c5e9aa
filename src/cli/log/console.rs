//! One short line a request, and what becomes of policies that are edited, for the person who runs
//! `dev`.

use std::fmt::Write as _;
use std::io::Write as _;

use tracing_appender::non_blocking::NonBlocking;

use crate::app::policies::{Audience, News};
use crate::cli::now;
use crate::model::Timestamp;
use crate::record::{Event, Sink};

/// Writes to the terminal, and waits for nobody who reads it.
pub(in super::super) struct Console(NonBlocking);

impl Console {
    pub(super) fn new(writer: NonBlocking) -> Self {
        Self(writer)
    }
}

impl Console {
    fn write(&self, text: &str) {
        // where nobody reads any more, nobody is told
        let _ = self.0.clone().write_all(text.as_bytes());
    }
}

impl Sink for Console {
    fn take(&self, event: &Event) {
        self.write(&line(event));
    }
}

impl Audience for Console {
    fn told(&self, news: &News<'_>) {
        self.write(&told(news, now()));
    }
}

fn told(news: &News<'_>, now: Timestamp) -> String {
    let time = time(now);
    match news {
        News::Replaced(in_force) => {
            let (policies, revision) = (in_force.bundle().len(), in_force.bundle().revision());
            format!("{time} the policies were loaded: {policies}, revision {revision}\n")
        }
        News::Unchanged(_) => format!("{time} the policies are the same as before\n"),
        News::Mended(_) => format!("{time} the policies load again: they are the same as before\n"),
        News::Failed(failure, _) => {
            let findings = failure.findings.iter().map(|one| format!("{one}\n"));
            format!(
                "{time} the policies do not load, so the last good ones serve on:\n{}",
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
fn line(event: &Event) -> String {
    let time = time(event.timestamp);
    let mut line = format!("{time} {} {}", event.method, event.route);
    // writing to a String cannot fail
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
        let errors = event.decisions.last().map_or(&[][..], |it| &it.errors);
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
    use crate::record::Decision;

    #[test]
    fn a_refusal_is_told_with_its_policy_and_notice() {
        let mut event = event("/v1/users/me/mfa", Some(403));
        event.code = Some("tenant_mismatch".into());
        event.effect = Some("deny");
        event.policies = vec!["tenant-isolation".into()];
        event.notices = vec!["Send your token's tenant.".into()];
        assert_eq!(
            line(&event),
            "09:00:00 GET /v1/users/me/mfa 403 tenant_mismatch · deny by tenant-isolation: \
             Send your token's tenant.\n"
        );
    }

    #[test]
    fn a_decision_that_failed_says_what_failed() {
        let mut event = event("/v1/users/me/mfa", Some(500));
        event.effect = Some("error");
        event.decisions.push(Decision {
            action: "listMfaMethods",
            resource: String::new(),
            effect: "error",
            code: None,
            policies: Vec::new(),
            notices: Vec::new(),
            errors: vec!["policy sums: integer overflow".into()],
            shadow: None,
            revision: "1".into(),
            duration_us: 0,
            duration_ns: 0,
            input: None,
        });
        assert_eq!(
            line(&event),
            "09:00:00 GET /v1/users/me/mfa 500 · error: policy sums: integer overflow\n"
        );
    }

    #[test]
    fn a_caller_who_hung_up_has_no_status() {
        assert_eq!(
            line(&event("unknown", None)),
            "09:00:00 GET unknown (hung up)\n"
        );
    }
}
