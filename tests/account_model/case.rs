//! One case: fresh accounts at a gateway, the possessions of their owners and a thief, and the
//! states in which the oracle expects the accounts.

mod explaining;
mod learning;
mod tokens;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::Value;

use super::report::Report;
use super::requests::{Act, Id, NAMES, Outcome, PASSWORD, Request, Session, Who};
use super::rules::{Model, Proof, Token};
use crate::support::client::Answer;
use crate::support::deployment::TENANT;
use crate::support::key::Key;
use crate::support::place::Place;

/// The age at which a count may have expired. The gateway counts the ceremonies begun in a minute.
const NEARLY_A_MINUTE: Duration = Duration::from_secs(50);

/// An authenticator with its holder.
pub(super) struct HeldKey {
    pub(super) key: Key,
    pub(super) who: Who,
    pub(super) is_stolen: bool,
}

/// A code that an answer has shown.
#[derive(Clone)]
pub(super) struct HeldCode {
    pub(super) who: Who,
    pub(super) set: Id,
    pub(super) at: usize,
    pub(super) text: String,
    pub(super) owner_knows: bool,
    pub(super) thief_knows: bool,
}

/// A ceremony that was begun.
pub(super) struct HeldPending {
    pub(super) id: Id,
    pub(super) who: Who,
    pub(super) session: Session,
    /// `None` for a step-up.
    pub(super) method_type: Option<&'static str>,
    pub(super) options: Value,
    /// True once a response to the ceremony was made.
    pub(super) is_answered: bool,
}

pub(super) struct Case<'a> {
    pub(super) place: &'a Place,
    name: String,
    /// The states that all answers so far agree with: one, or several after a race until an answer shows in
    /// which order the requests ran.
    pub(super) states: Vec<Model>,
    next: Id,
    /// The tokens as they are sent.
    texts: BTreeMap<Id, String>,
    /// The tokens of each session, oldest first.
    wallets: BTreeMap<(Who, Session), Vec<Id>>,
    pub(super) keys: BTreeMap<Id, HeldKey>,
    pub(super) codes: Vec<HeldCode>,
    pub(super) pending: Vec<HeldPending>,
    /// The gateway's ids of authenticators, by account and in the order in which lists showed them.
    pub(super) enrolled: Vec<(Who, Id, String)>,
    /// The last request that completed an enrolment.
    pub(super) completions: BTreeMap<Who, Request>,
    /// The proof under which each authenticator was enrolled.
    origins: BTreeMap<Id, Proof>,
    first_begin: BTreeMap<(Who, Session), Instant>,
    /// The account that the case is about.
    pub(super) focus: Who,
    pub(super) is_promoted: bool,
    pub(super) report: Report,
    /// The number of requests sent, and the number of those that the store did not answer in time.
    pub(super) sent: usize,
    pub(super) unavailable: usize,
}

impl<'a> Case<'a> {
    pub(super) fn new(place: &'a Place, name: String, sign_in_steps_up: bool) -> Self {
        Self {
            place,
            name,
            states: vec![Model::new(NAMES.len(), sign_in_steps_up)],
            next: 1,
            texts: BTreeMap::new(),
            wallets: BTreeMap::new(),
            keys: BTreeMap::new(),
            codes: Vec::new(),
            pending: Vec::new(),
            enrolled: Vec::new(),
            completions: BTreeMap::new(),
            origins: BTreeMap::new(),
            first_begin: BTreeMap::new(),
            focus: 0,
            is_promoted: false,
            report: Report::default(),
            sent: 0,
            unavailable: 0,
        }
    }

    /// Returns one of the possible states, from which operations are chosen.
    pub(super) fn state(&self) -> &Model {
        &self.states[0]
    }

    /// Returns true if a request began a ceremony.
    pub(super) fn has_begun(&self, id: Id) -> bool {
        self.pending.iter().any(|one| one.id == id)
    }

    /// Returns true if a request gave a token.
    pub(super) fn has_token(&self, id: Id) -> bool {
        self.texts.contains_key(&id)
    }

    pub(super) fn new_id(&mut self) -> Id {
        self.next += 1;
        self.next - 1
    }

    fn subject(&self, who: Who) -> String {
        format!("{}-{}", self.name, NAMES[who])
    }

    pub(super) fn wallet(&self, who: Who, session: Session) -> &[Id] {
        self.wallets.get(&(who, session)).map_or(&[], Vec::as_slice)
    }

    fn keep_token(&mut self, id: Id, text: String, who: Who, session: Session) {
        self.texts.insert(id, text);
        self.wallets.entry((who, session)).or_default().push(id);
    }

    /// The path of an administrator's request about this account.
    pub(super) fn admin_path(&self, of: Who) -> String {
        format!("/v1/admin/users/corp%7C{}/mfa", self.subject(of))
    }

    async fn send(&self, request: &Request) -> Answer {
        let client = self.place.nobody.with(&self.texts[&request.token], TENANT);
        match (request.method, &request.body) {
            ("GET", _) => client.get(&request.path).await,
            ("DELETE", _) => client.delete(&request.path).await,
            ("PATCH", Some(body)) => client.patch(&request.path, body).await,
            (_, Some(body)) => client.post(&request.path, body).await,
            (_, None) => client.post_empty(&request.path).await,
        }
    }

    /// Sends one request, or two at once, and compares the answers and then the lists of the accounts with
    /// the oracle.
    pub(super) async fn act(&mut self, requests: &[Request]) -> Result<(), String> {
        self.judge(requests).await?;
        let mut touched: Vec<Who> = requests.iter().flat_map(|it| self.touches(it)).collect();
        touched.sort_unstable();
        touched.dedup();
        for who in touched {
            self.check(who).await?;
        }
        Ok(())
    }

    /// Lists an account in its password session, which never ends.
    async fn check(&mut self, who: Who) -> Result<(), String> {
        let token = self.wallet(who, PASSWORD)[0];
        let list = self.list(token);
        self.judge(&[list]).await
    }

    fn touches(&self, request: &Request) -> Vec<Who> {
        match request.act {
            Act::List | Act::AdminList { .. } | Act::Begin | Act::BeginStepUp => Vec::new(),
            Act::AdminDelete { of, .. } | Act::AdminReset { of } => vec![of],
            _ => vec![self.state().tokens[&request.token].who],
        }
    }

    pub(super) fn request(
        &mut self,
        token: Id,
        act: Act,
        method: &'static str,
        path: String,
        body: Option<Value>,
        about: impl Into<String>,
    ) -> Request {
        Request {
            id: self.new_id(),
            token,
            act,
            method,
            path,
            body,
            about: about.into(),
        }
    }

    /// Does the same as [`Case::act`], without the lists.
    pub(super) async fn judge(&mut self, requests: &[Request]) -> Result<(), String> {
        self.watch_begins(requests);
        let answers = join_all(requests.iter().map(|it| self.send(it))).await;
        let outcomes: Vec<_> = std::iter::zip(requests, &answers)
            .map(|(request, answer)| Outcome::of(&request.act, answer))
            .collect();
        self.sent += requests.len();
        self.unavailable += outcomes.iter().filter(|it| it.status == 503).count();
        self.report.requests(requests, &outcomes);
        self.states = self.explained(requests, &outcomes)?;
        for (request, answer) in std::iter::zip(requests, &answers) {
            if let (Act::Complete { key, .. }, 200 | 503) = (&request.act, answer.status) {
                let proof = self.state().tokens[&request.token].proof.clone();
                self.origins.insert(*key, proof);
            }
            if answer.status == 200 {
                self.learn(request, answer);
            }
        }
        Ok(())
    }

    /// Lets every state forget how many ceremonies a session has begun, once the first of them is nearly a
    /// minute old: the gateway's count may have expired.
    fn watch_begins(&mut self, requests: &[Request]) {
        for request in requests {
            if !matches!(request.act, Act::Begin | Act::BeginStepUp) {
                continue;
            }
            let Token { who, session, .. } = self.state().tokens[&request.token];
            let first = self.first_begin.entry((who, session));
            if first.or_insert_with(Instant::now).elapsed() > NEARLY_A_MINUTE {
                for state in &mut self.states {
                    state.forget_begins(who, session);
                }
            }
        }
    }
}
