//! The whole gateway when requests race, when it is killed, and when what it stands on fails: real
//! processes, over real sockets.

mod connections;
mod crashes;
mod family;
mod lost_replies;
mod network;
mod operators;
mod races;
mod redis_gone;
mod secrets;
mod shutdown;
mod time;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::authenticator::Attestation;
use crate::client::{Answer, Client, METHODS, REGISTER};
use crate::deployment::{Deployment, TENANT};
use crate::gateway::Gateway;
use crate::poll::PATIENCE;
use crate::redis_server::RedisServer;

const PASSKEY: &str = "webauthn_passkey";
/// What is promised is a second at most; a busy machine gets two more.
const IN_TIME: Duration = Duration::from_secs(3);

/// What a gateway stands on: the store, and what an operator has set up.
struct Site {
    deployment: Deployment,
    redis: Option<RedisServer>,
}

impl Site {
    fn embedded() -> Self {
        Self {
            deployment: Deployment::new("embedded:./data"),
            redis: None,
        }
    }

    fn redis() -> Self {
        let redis = RedisServer::durable();
        Self {
            deployment: Deployment::new(&redis.url()),
            redis: Some(redis),
        }
    }

    fn both() -> [Self; 2] {
        [Self::embedded(), Self::redis()]
    }

    fn redis_server(&mut self) -> &mut RedisServer {
        self.redis.as_mut().unwrap()
    }

    fn serve(&self) -> Gateway {
        self.deployment.serve()
    }

    /// This user after a weak sign-in.
    fn user(&self, gateway: &Gateway, name: &str) -> Client {
        Client::new(&gateway.url).with(self.deployment.token(name), TENANT)
    }

    /// This user after a strong sign-in, who may have further authenticators.
    fn strong(&self, gateway: &Gateway, name: &str) -> Client {
        let claims = self.deployment.strong_claims(name, TENANT);
        Client::new(&gateway.url).with(self.deployment.sign(&claims), TENANT)
    }

    /// An answer to creation options, with a fresh key.
    fn attest(&self, options: &Value) -> Attestation {
        Attestation::to(options, &self.deployment.origin())
    }

    /// Begins an enrolment, and answers its options with a fresh key.
    async fn begin(&self, user: &Client) -> Value {
        let target = format!("{REGISTER}?method_type={PASSKEY}");
        let begun = in_the_end(async || user.post_text(&target, "").await).await;
        assert_eq!(begun.status, 200, "{begun:?}");
        self.attest(&begun.body["options"]).credential()
    }
}

/// Sends a request again, as it is told to, in a second, where a busy machine did not do it in the
/// store's time, or the session waits for codes already. Nobody may be told of an unknown outcome.
async fn in_the_end(send: impl AsyncFn() -> Answer) -> Answer {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = send().await;
        match answer.status {
            503 => assert_unavailable(&answer),
            429 => {}
            _ => return answer,
        }
        if Instant::now() > deadline {
            return answer;
        }
        let seconds = answer.header("retry-after").parse().unwrap();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}

async fn complete_in_the_end(user: &Client, credential: &Value) -> Answer {
    in_the_end(async || user.complete(PASSKEY, credential).await).await
}

/// How many authenticators and backup codes a user has.
async fn holdings(user: &Client) -> (usize, u64) {
    let list = in_the_end(async || user.get(METHODS).await).await;
    assert_eq!(list.status, 200, "{list:?}");
    let methods = list.body["methods"].as_array().unwrap();
    let remaining = list.body["backup_codes"]["remaining"].as_u64().unwrap();
    (methods.len(), remaining)
}

/// It is the answer to a first enrolment, whose codes are shown this once.
#[track_caller]
fn assert_first(answer: &Answer) {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(shown_codes(answer), 10, "{answer:?}");
    assert_eq!(answer.body["remaining"], 10, "{answer:?}");
}

/// It is the answer to the enrolment of a user who has codes already.
#[track_caller]
fn assert_further(answer: &Answer) {
    let body = json!({ "codes": [], "remaining": 10 });
    assert_eq!((answer.status, &answer.body), (200, &body));
}

/// The store cannot be reached, and nothing was changed.
#[track_caller]
fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.says(), (503, "unavailable"), "{answer:?}");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.body.get("details"), None, "{answer:?}");
}

fn shown_codes(answer: &Answer) -> usize {
    answer.body["codes"].as_array().map_or(0, Vec::len)
}
