//! What a user and a security admin do with authenticators and codes once there are some, on both
//! stores.

mod admin;
mod audit;
mod authenticators;
mod codes;
mod names;
mod parties;
mod recovery;
mod sessions;
mod step_up;
mod tokens;

use serde_json::Value;

use crate::answers::{PASSKEY, Place};
use crate::client::{Answer, Client, METHODS};
use crate::deployment::TENANT;
use crate::key::Key;

/// A user who has enrolled a passkey after a strong sign-in.
struct Enrolled {
    /// After a weak sign-in: one session.
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

    /// The same after a step-up with the passkey.
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

/// How many codes a caller has left.
async fn remaining(caller: &Client) -> u64 {
    let answer = caller.get(METHODS).await;
    answer.body["backup_codes"]["remaining"].as_u64().unwrap()
}

/// What happened, as the wide event of an answer tells it.
fn changes(place: &Place, answer: &Answer) -> Vec<String> {
    let event = place.gateway.event(answer.header("x-request-id"));
    let changes = event["changes"].as_array().cloned().unwrap_or_default();
    changes
        .iter()
        .map(|one| text(&one["kind"]).to_owned())
        .collect()
}

/// One of them succeeded, and no other: on a busy machine perhaps one whose answer did not come in
/// time. What is there afterwards tells that it did.
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
