//! Requests and the outcomes that their answers show.

use std::fmt;

use serde_json::{Value, json};

use crate::support::client::Answer;

/// The number of a request or a sign-in in its case. Everything that it creates has this number as its
/// name: a token, an authenticator, a pending ceremony, a set of codes.
pub(super) type Id = usize;
/// An account: its place in [`NAMES`].
pub(super) type Who = usize;
/// A session of an account.
pub(super) type Session = usize;

pub(super) const NAMES: [&str; 4] = ["alice", "bob", "root", "pat"];
/// The administrator.
pub(super) const ROOT: Who = 2;
/// The user who is promoted to administrator after they enrolled.
pub(super) const PAT: Who = 3;

/// The owner's session that has a password only.
pub(super) const PASSWORD: Session = 0;
/// The owner's session that steps up.
pub(super) const STEPPED_UP: Session = 1;
/// A session an hour old, in the hands of a thief.
pub(super) const STOLEN: Session = 2;
/// The session in which the owner comes back at the end.
pub(super) const RETURN: Session = 3;
/// The first of the sessions that the thief opens with the password to crowd out others.
pub(super) const CROWD: Session = 10;

/// Returns true if the session is in the hands of a thief.
pub(super) fn is_stolen(session: Session) -> bool {
    session == STOLEN || session >= CROWD
}

/// The operation of a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Act {
    List,
    Begin,
    Complete { pending: Id, key: Id },
    BeginStepUp,
    StepUp { pending: Id, key: Id, count: u32 },
    Code(Tried),
    Regenerate,
    Delete { key: Id },
    Rename { key: Id },
    AdminList { of: Who },
    AdminDelete { of: Who, key: Id },
    AdminReset { of: Who },
}

impl Act {
    /// Returns true if the request is decided on facts that are not compared again when its effect is stored,
    /// because no race could change that effect.
    pub(super) fn is_decided_once(&self) -> bool {
        matches!(
            self,
            Self::StepUp { .. }
                | Self::Code(_)
                | Self::Rename { .. }
                | Self::AdminList { .. }
                | Self::AdminDelete { .. }
                | Self::AdminReset { .. }
        )
    }
}

/// A code that is tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Tried {
    /// A code that an answer has shown.
    Shown { set: Id, at: usize },
    /// A well-formed code that was never made.
    Wrong,
    /// A malformed code.
    Malformed,
}

/// A request as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) id: Id,
    /// The token that it presents.
    pub(super) token: Id,
    pub(super) act: Act,
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: Option<Value>,
    /// The kind of body, for the report.
    pub(super) about: String,
}

/// The outcome of a request, as far as the rules distinguish it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) shows: String,
}

impl Outcome {
    pub(super) fn good(shows: impl Into<String>) -> Self {
        Self {
            status: 200,
            code: String::new(),
            shows: shows.into(),
        }
    }

    pub(super) fn bad(status: u16, code: &str) -> Self {
        Self {
            status,
            code: code.to_owned(),
            shows: String::new(),
        }
    }

    /// The caller can only turn to an administrator, or use the recovery code that one has made.
    pub(super) fn recovery_required(by_code: bool) -> Self {
        let remaining: &[&str] = if by_code {
            &["recovery_code", "admin"]
        } else {
            &["admin"]
        };
        Self {
            shows: json!(remaining).to_string(),
            ..Self::bad(403, "recovery_required")
        }
    }

    /// Returns the outcome of `act` that this answer shows.
    pub(super) fn of(act: &Act, answer: &Answer) -> Self {
        let body = &answer.body;
        if answer.status != 200 {
            let details = &body["details"];
            let shows = match (answer.code(), details["outcome"].as_str()) {
                ("recovery_required", _) => details["remaining"].to_string(),
                (_, Some("unknown")) => "outcome unknown".to_owned(),
                _ => String::new(),
            };
            return Self {
                status: answer.status,
                code: answer.code().to_owned(),
                shows,
            };
        }
        let recovery = match body["recovery_code"].as_str() {
            Some(_) => "recovery code",
            None => "no recovery code",
        };
        let codes = || body["codes"].as_array().map_or(0, Vec::len);
        let remaining = || body["remaining"].as_u64().unwrap_or(u64::MAX);
        Self::good(match act {
            Act::List | Act::AdminList { .. } => listed(body),
            Act::Complete { .. } | Act::Regenerate => issued(codes(), remaining()),
            Act::Code(_) => format!("{} remaining", remaining()),
            Act::AdminDelete { .. } | Act::Delete { .. } => recovery.to_owned(),
            Act::AdminReset { .. } => format!("removed {}, {recovery}", body["removed"]),
            Act::Begin | Act::BeginStepUp | Act::StepUp { .. } | Act::Rename { .. } => {
                String::new()
            }
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        for part in [&self.code, &self.shows] {
            if !part.is_empty() {
                write!(f, " {part}")?;
            }
        }
        Ok(())
    }
}

/// Returns the outcome that an answer with codes shows.
pub(super) fn issued(codes: usize, remaining: u64) -> String {
    format!("{codes} codes, {remaining} remaining")
}

/// Returns the content of a list as text: the authenticators by the names of this test, and the codes.
pub(super) fn methods(mut keys: Vec<Id>, remaining: usize) -> String {
    keys.sort_unstable();
    let keys: Vec<_> = keys.iter().map(|key| device_name(*key)).collect();
    format!("[{}], {remaining} codes remain", keys.join(" "))
}

fn listed(body: &Value) -> String {
    let listed = body["methods"].as_array().into_iter().flatten();
    let keys = listed.filter_map(|one| key_of(&one["device_name"]));
    let remaining = body["backup_codes"]["remaining"].as_u64();
    let remaining = remaining.and_then(|it| usize::try_from(it).ok());
    methods(keys.collect(), remaining.unwrap_or(usize::MAX))
}

/// Returns the name under which the test enrols an authenticator.
pub(super) fn device_name(key: Id) -> String {
    format!("k{key}")
}

/// Returns the authenticator with this name, before or after it was renamed.
pub(super) fn key_of(device_name: &Value) -> Option<Id> {
    let name = device_name.as_str()?.split(' ').next()?;
    name.strip_prefix('k')?.parse().ok()
}
