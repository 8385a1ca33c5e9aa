//! The life of authenticators and codes on both stores: enrolment, step-up, renaming, removal,
//! codes, reset and recovery.

mod admin;
mod audit;
mod authenticators;
mod codes;
mod enrolment;
mod names;
mod parties;
mod recovery;
mod sessions;
mod step_up;
mod tokens;

use crate::support::client::{Answer, BACKUP_CODES_VERIFY, Client, METHODS, PASSKEY};
use serde_json::{Value, json};

use crate::support::deployment::TENANT;
use crate::support::key::Key;
use crate::support::place::Place;

/// A user who has enrolled a passkey after a strong sign-in.
struct Enrolled {
    /// The user's one session after a weak sign-in.
    weak: Client,
    key: Key,
    codes: Vec<String>,
}

impl Enrolled {
    async fn at(place: &Place, name: &str) -> Self {
        let weak = place.user(name);
        let (key, answer) = Key::enrol(&weak, PASSKEY, &place.deployment.origin()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let codes = answer.body["codes"].as_array().unwrap();
        Self {
            weak,
            key,
            codes: codes.iter().map(|one| text(one).to_owned()).collect(),
        }
    }

    /// The user after a step-up with the passkey.
    async fn strong(&mut self) -> Client {
        let token = self.key.token(&self.weak).await;
        self.weak.with(token, TENANT)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The ids of a caller's authenticators, oldest first.
async fn ids(caller: &Client) -> Vec<String> {
    let answer = caller.get(METHODS).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let methods = answer.body["methods"].as_array().unwrap();
    methods
        .iter()
        .map(|one| text(&one["id"]).to_owned())
        .collect()
}

/// The number of codes that a caller has left.
async fn remaining(caller: &Client) -> u64 {
    let answer = caller.get(METHODS).await;
    answer.body["backup_codes"]["remaining"].as_u64().unwrap()
}

/// Tries a code.
async fn verify(caller: &Client, code: &str) -> Answer {
    let body = json!({ "code": code });
    caller.post(BACKUP_CODES_VERIFY, &body).await
}

/// Uses a code and returns the session that it opens.
async fn coded(caller: &Client, code: &str) -> Client {
    let answer = verify(caller, code).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    caller.with(text(&answer.body["access_token"]), TENANT)
}

/// The kinds of the changes in the event of an answer.
fn changes(place: &Place, answer: &Answer) -> Vec<String> {
    let event = place.gateway.event(answer.header("x-request-id"));
    let changes = event["changes"].as_array().cloned().unwrap_or_default();
    changes
        .iter()
        .map(|one| text(&one["kind"]).to_owned())
        .collect()
}

/// Checks that one request succeeded and no other. On a busy machine that one may be answered as
/// unknown; the state afterwards then shows the success.
pub(crate) fn assert_one(answers: &[Answer]) {
    let good = answers.iter().filter(|it| it.status == 200).count();
    let unknown = |it: &&Answer| it.body["details"]["outcome"] == "unknown";
    assert!(
        good == 1 || (good == 0 && answers.iter().any(|it| unknown(&it))),
        "{answers:?}"
    );
    let answered = [200, 400, 404, 429, 503];
    assert!(
        answers.iter().all(|it| answered.contains(&it.status)),
        "{answers:?}"
    );
}
