//! A gateway with its store, for tests in which the store fails, requests race or a process ends.

use serde_json::{Value, json};

use super::authenticator::Attestation;
use super::client::{Answer, Client, METHODS, PASSKEY};
use super::deployment::{Deployment, TENANT};
use super::gateway::Gateway;
use super::poll;
use super::redis_server::RedisServer;

/// A deployment and its store.
pub(crate) struct Site {
    pub(crate) deployment: Deployment,
    pub(crate) redis: Option<RedisServer>,
}

impl Site {
    pub(crate) fn embedded() -> Self {
        Self {
            deployment: Deployment::embedded(),
            redis: None,
        }
    }

    pub(crate) fn redis() -> Self {
        let redis = RedisServer::durable();
        Self {
            deployment: Deployment::new(&redis.url()),
            redis: Some(redis),
        }
    }

    pub(crate) fn both() -> [Self; 2] {
        [Self::embedded(), Self::redis()]
    }

    pub(crate) fn redis_server(&mut self) -> &mut RedisServer {
        self.redis.as_mut().unwrap()
    }

    pub(crate) fn serve(&self) -> Gateway {
        self.deployment.serve()
    }

    /// This user after a weak sign-in.
    pub(crate) fn user(&self, gateway: &Gateway, name: &str) -> Client {
        Client::new(&gateway.url).with(self.deployment.token(name), TENANT)
    }

    /// This user after a strong sign-in, which permits further authenticators.
    pub(crate) fn strong(&self, gateway: &Gateway, name: &str) -> Client {
        let claims = self.deployment.strong_claims(name, TENANT);
        Client::new(&gateway.url).with(self.deployment.sign(&claims), TENANT)
    }

    /// The right response to creation options, with a fresh key.
    pub(crate) fn attest(&self, options: &Value) -> Attestation {
        Attestation::to(options, &self.deployment.origin())
    }

    /// Begins an enrolment and makes the right response with a fresh key.
    pub(crate) async fn begin(&self, user: &Client) -> Value {
        let begun = in_the_end(async || user.register(PASSKEY).await).await;
        assert_eq!(begun.status, 200, "{begun:?}");
        self.attest(&begun.body["options"]).credential()
    }
}

/// Sends a request, and sends it again while it is answered with 503 or 429: a busy machine can be
/// too slow for the store's deadline. No answer may say that the outcome is unknown.
pub(crate) async fn in_the_end(send: impl AsyncFn() -> Answer) -> Answer {
    poll::first("an answer other than 503 and 429", async || {
        let answer = send().await;
        match answer.status {
            503 => assert_unavailable(&answer),
            429 => assert!(answer.header("retry-after").parse::<u64>().is_ok()),
            _ => return Some(answer),
        }
        None
    })
    .await
}

pub(crate) async fn complete_in_the_end(user: &Client, credential: &Value) -> Answer {
    in_the_end(async || user.complete(PASSKEY, credential).await).await
}

/// The numbers of a user's authenticators and backup codes.
pub(crate) async fn holdings(user: &Client) -> (usize, u64) {
    let list = in_the_end(async || user.get(METHODS).await).await;
    assert_eq!(list.status, 200, "{list:?}");
    let methods = list.body["methods"].as_array().unwrap();
    let remaining = list.body["backup_codes"]["remaining"].as_u64().unwrap();
    (methods.len(), remaining)
}

/// Checks the answer to a first enrolment, which shows the codes.
#[track_caller]
pub(crate) fn assert_first(answer: &Answer) {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(shown_codes(answer), 10, "{answer:?}");
    assert_eq!(answer.body["remaining"], 10, "{answer:?}");
}

/// Checks the answer to the enrolment of a user who has codes already.
#[track_caller]
pub(crate) fn assert_further(answer: &Answer) {
    let body = json!({ "codes": [], "remaining": 10 });
    assert_eq!((answer.status, &answer.body), (200, &body));
}

/// Checks the answer while the store cannot be reached: nothing was changed.
#[track_caller]
pub(crate) fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.says(), (503, "unavailable"), "{answer:?}");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.body.get("details"), None, "{answer:?}");
}

pub(crate) fn shown_codes(answer: &Answer) -> usize {
    answer.body["codes"].as_array().map_or(0, Vec::len)
}
