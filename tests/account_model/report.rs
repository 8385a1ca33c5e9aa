//! A failed case as a list of requests that a person can repeat.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::requests::{Id, NAMES, Outcome, PASSWORD, RETURN, Request, STEPPED_UP, STOLEN};
use super::rules::{Proof, Token};

/// The requests and answers so far.
#[derive(Default)]
pub(super) struct Report {
    tokens: BTreeMap<Id, String>,
    lines: Vec<Line>,
}

/// Writes equal requests in a row as one line.
struct Line {
    first: Id,
    last: Id,
    text: String,
}

impl Report {
    /// Remembers the origin of a token.
    pub(super) fn token(&mut self, id: Id, token: &Token) {
        let session = match token.session {
            PASSWORD => "password session".to_owned(),
            STEPPED_UP => "stepped-up session".to_owned(),
            STOLEN => "stolen old session".to_owned(),
            RETURN => "session of the return".to_owned(),
            other => format!("stolen session {other}"),
        };
        let age = |fresh: bool| if fresh { "" } else { "old " };
        let proof = match token.proof {
            Proof::Password => "password".to_owned(),
            Proof::SignIn { fresh } => format!("{}strong sign-in", age(fresh)),
            Proof::Key { key, fresh, .. } => format!("{}step-up #{id} by k{key}", age(fresh)),
            Proof::Code {
                set,
                recovery,
                fresh,
            } => {
                let kind = if recovery { "recovery" } else { "backup" };
                format!("{}step-up #{id} by a {kind} code of #{set}", age(fresh))
            }
        };
        let group = if token.admin { ", admin" } else { "" };
        let name = NAMES[token.who];
        self.tokens
            .insert(id, format!("{name}, {session} ({proof}{group})"));
    }

    /// Notes requests that were sent at once, with their answers.
    pub(super) fn requests(&mut self, requests: &[Request], outcomes: &[Outcome]) {
        for (at, (request, outcome)) in std::iter::zip(requests, outcomes).enumerate() {
            let mut text = String::new();
            if at > 0 {
                text += "at the same time: ";
            }
            let from = self.tokens.get(&request.token).map_or("?", String::as_str);
            write!(text, "{from}: {} {}", request.method, request.path).unwrap();
            if !request.about.is_empty() {
                write!(text, " {{{}}}", request.about).unwrap();
            }
            write!(text, " -> {outcome}").unwrap();
            match self.lines.last_mut() {
                Some(line) if line.text == text && requests.len() == 1 => line.last = request.id,
                _ => self.lines.push(Line {
                    first: request.id,
                    last: request.id,
                    text,
                }),
            }
        }
    }

    /// Reports that the last answers are not among the right ones.
    pub(super) fn unexpected(&self, expected: &[String]) -> String {
        let expected = expected.join(" | ");
        format!("{}\nright would have been: {expected}", self.text())
    }

    /// Reports that the last answers break a promise.
    pub(super) fn broken(&self, promise: &str) -> String {
        format!("{}\nbroken: {promise}", self.text())
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            write!(text, "#{}", line.first).unwrap();
            if line.last > line.first {
                write!(text, " to #{}", line.last).unwrap();
            }
            text += " ";
            text += &line.text;
            text.push('\n');
        }
        text
    }
}
