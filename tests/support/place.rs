//! A gateway whose answers are written down for a snapshot, and checked against the events in its
//! log. [`on_both`] runs a test on both stores, which must answer alike.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use aws_lc_rs::digest::{SHA256, digest};
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::authenticator::Attestation;
use super::client::{Answer, Client, METHODS};
use super::deployment::{Deployment, TENANT};
use super::gateway::Gateway;
use super::redis_server::RedisServer;

/// The headers that a snapshot shows.
const TELLING: [&str; 3] = ["allow", "retry-after", "www-authenticate"];

/// The members of answers whose values differ in each run.
const VARYING: [&str; 4] = ["challenge", "created_at", "expires_at", "id"];

/// Runs `act` with a gateway on each store. Returns the answers in the form of a snapshot, after
/// checking that they are equal.
pub(crate) async fn on_both(
    arrange: impl Fn(Deployment) -> Deployment,
    act: impl AsyncFn(&Place),
) -> String {
    let redis = RedisServer::start();
    let embedded = Place::open(arrange(Deployment::embedded()));
    let shared = Place::open(arrange(Deployment::on_redis(&redis)));
    tokio::join!(act(&embedded), act(&shared));
    let answers = embedded.close();
    assert_eq!(answers, shared.close(), "the stores answer differently");
    answers
}

/// Returns the deployment unchanged, for [`on_both`].
pub(crate) fn plain(deployment: Deployment) -> Deployment {
    deployment
}

/// A running gateway and the answers that were noted.
pub(crate) struct Place {
    pub(crate) deployment: Deployment,
    pub(crate) gateway: Gateway,
    /// A client without a token.
    pub(crate) nobody: Client,
    book: RefCell<String>,
}

impl Place {
    pub(crate) fn open(deployment: Deployment) -> Self {
        let gateway = deployment.serve();
        Self {
            nobody: Client::new(&gateway.url),
            deployment,
            gateway,
            book: RefCell::default(),
        }
    }

    /// Stops the gateway, changes the deployment, and starts a gateway on it with the same store.
    pub(crate) fn restarted(self, change: impl FnOnce(Deployment) -> Deployment) -> Self {
        self.gateway.stop();
        let restarted = Self::open(change(self.deployment));
        self.book.swap(&restarted.book);
        restarted
    }

    /// This user after a weak sign-in.
    pub(crate) fn user(&self, name: &str) -> Client {
        self.user_in(name, TENANT)
    }

    pub(crate) fn user_in(&self, name: &str, tenant: &str) -> Client {
        let claims = self.deployment.claims(name, tenant);
        self.nobody.with(self.deployment.sign(&claims), tenant)
    }

    /// This user after a weak sign-in, as a member of a group.
    pub(crate) fn user_of(&self, name: &str, group: &str) -> Client {
        let mut claims = self.deployment.claims(name, TENANT);
        claims["groups"] = json!([group]);
        self.nobody.with(self.deployment.sign(&claims), TENANT)
    }

    /// This user after a fresh, strong sign-in.
    pub(crate) fn strong(&self, name: &str) -> Client {
        self.strong_in(name, TENANT)
    }

    /// This user after a fresh, strong sign-in, as a member of a group.
    pub(crate) fn strong_of(&self, name: &str, group: &str) -> Client {
        let mut claims = self.deployment.strong_claims(name, TENANT);
        claims["groups"] = json!([group]);
        self.nobody.with(self.deployment.sign(&claims), TENANT)
    }

    pub(crate) fn strong_in(&self, name: &str, tenant: &str) -> Client {
        let claims = self.deployment.strong_claims(name, tenant);
        self.nobody.with(self.deployment.sign(&claims), tenant)
    }

    /// Begins an enrolment for this caller and makes the right response to it.
    pub(crate) async fn begun(&self, caller: &Client, method_type: &'static str) -> Begun {
        let options = caller.begin(method_type).await;
        Begun {
            caller: caller.clone(),
            method_type,
            right: Attestation::to(&options, &self.deployment.origin()),
        }
    }

    /// Sends these bytes over a new connection and reads one answer.
    pub(crate) async fn raw(&self, bytes: impl Into<Vec<u8>>) -> Answer {
        let (port, bytes) = (self.gateway.port(), bytes.into());
        let answer = spawn_blocking(move || exchange(port, &bytes))
            .await
            .unwrap();
        let answer = parse(&answer);
        self.nobody.answered(&answer);
        answer
    }

    /// Sends these bytes of a request with this id, and closes the connection.
    pub(crate) fn hang_up(&self, request_id: &str, bytes: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.gateway.port())).unwrap();
        stream.write_all(bytes.as_bytes()).unwrap();
        // [`Place::close`] expects one event of each answer.
        let id = ("x-request-id".parse().unwrap(), request_id.parse().unwrap());
        let headers = HeaderMap::from_iter([id]);
        self.nobody.answered(&Answer::read(0, headers, b""));
    }

    /// Notes an answer and its event for the snapshot.
    pub(crate) fn note(&self, name: &str, answer: &Answer) {
        let mut text = format!("{name}\n  {}", self.outcome(answer));
        for header in TELLING.iter().filter(|it| !answer.header(it).is_empty()) {
            write!(text, "\n  {header}: {}", answer.header(header)).unwrap();
        }
        let mut body = answer.body.clone();
        redact(&mut body);
        self.write(&format!("{text}\n  {body}\n\n"));
    }

    /// The status, code and decisions of an answer, after its event was checked.
    pub(crate) fn outcome(&self, answer: &Answer) -> String {
        let event = self.gateway.event(answer.header("x-request-id"));
        check(answer, &event);
        let mut text = format!("{} {}", answer.status, answer.code());
        text.truncate(text.trim_end().len());
        for decision in event["decisions"].as_array().unwrap() {
            let [action, effect] = ["action", "effect"].map(|it| decision[it].as_str().unwrap());
            write!(text, " · {action} {effect} {}", decision["policies"]).unwrap();
        }
        if let Some(reason) = event["undecided"].as_str() {
            write!(text, " · undecided: {reason}").unwrap();
        }
        text
    }

    /// Adds text to the snapshot.
    pub(crate) fn write(&self, text: &str) {
        let port = format!("localhost:{}", self.gateway.port());
        *self.book.borrow_mut() += &text.replace(&port, "localhost:PORT");
    }

    /// Stops the gateway and returns the noted answers. Checks that the log has exactly one event
    /// for each answer and holds no token and no ceremony.
    pub(crate) fn close(self) -> String {
        let log = self.gateway.stop();
        let mut recorded: Vec<String> = events(&log)
            .map(|event| event["request_id"].as_str().unwrap().to_owned())
            .collect();
        recorded.sort_unstable();
        assert_eq!(recorded, self.nobody.request_ids());
        // Tokens and clientDataJSON begin with the base64url of `{"`.
        assert!(!log.contains("eyJ"), "a token or a ceremony is in the log");
        self.book.into_inner().trim_end().to_owned()
    }
}

/// The request events in a log.
pub(crate) fn events(log: &str) -> impl Iterator<Item = Value> {
    log.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Value| line.get("request_id").is_some())
}

/// A pending enrolment, and the right answer to it.
pub(crate) struct Begun {
    pub(crate) caller: Client,
    pub(crate) method_type: &'static str,
    pub(crate) right: Attestation,
}

impl Begun {
    /// Sets the credential id to the one made from this name.
    pub(crate) fn named(mut self, name: &str) -> Self {
        self.right.credential_id = credential_id(name);
        self
    }

    /// The body that completes it.
    pub(crate) fn body(&self) -> Value {
        json!({
            "credential": self.right.credential(),
            "device_name": "my key",
            "method_type": self.method_type,
        })
    }

    pub(crate) async fn complete(&self) -> Answer {
        self.complete_with(&self.right).await
    }

    pub(crate) async fn complete_with(&self, response: &Attestation) -> Answer {
        let credential = response.credential();
        self.caller.complete(self.method_type, &credential).await
    }

    /// Checks that the enrolment is still pending and that nothing was stored: the right response
    /// completes it.
    pub(crate) async fn stays_pending(self, stored: usize) {
        assert_eq!(methods(&self.caller).await, stored);
        let answer = self.complete().await;
        assert_eq!(answer.status, 200, "not pending any more: {answer:?}");
        assert_eq!(methods(&self.caller).await, stored + 1);
    }

    /// Checks that the enrolment is used up and that nothing was stored: the right response gets a
    /// 404.
    pub(crate) async fn was_used_up(self, stored: usize) {
        assert_eq!(methods(&self.caller).await, stored);
        let answer = self.complete().await;
        assert_eq!(answer.says(), (404, "not_found"), "{answer:?}");
        assert_eq!(methods(&self.caller).await, stored);
    }
}

/// A credential id, the same in each run.
pub(crate) fn credential_id(name: &str) -> Vec<u8> {
    digest(&SHA256, name.as_bytes()).as_ref().to_vec()
}

/// The number of a caller's authenticators.
pub(crate) async fn methods(caller: &Client) -> usize {
    let answer = caller.get(METHODS).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["methods"].as_array().unwrap().len()
}

/// Checks the properties of every answer and its event.
fn check(answer: &Answer, event: &Value) {
    assert_eq!(event["status"], answer.status, "{event}");
    if event["method"] != "HEAD" {
        assert_eq!(event["code"], answer.body["code"], "{event}");
    }
    let decided = !event["decisions"].as_array().unwrap().is_empty();
    let undecided = event.get("undecided").is_some();
    assert!(decided != undecided, "{event}");
    let json = "application/json; charset=utf-8";
    assert_eq!(answer.header("content-type"), json, "{answer:?}");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    if answer.status == 200 {
        assert!(decided, "{event}");
        return;
    }
    assert_eq!(answer.header("cache-control"), "no-store", "{answer:?}");
    let Value::Object(body) = &answer.body else {
        assert_eq!(event["method"], "HEAD", "only HEAD has no body: {answer:?}");
        return;
    };
    assert!(!body["message"].as_str().unwrap().is_empty());
    let known = ["code", "message", "details", "notices"];
    assert!(
        body.keys().all(|it| known.contains(&it.as_str())),
        "{body:?}"
    );
    let notices = body.get("notices").cloned();
    assert_eq!(event["notices"], notices.unwrap_or_else(|| json!([])));
}

/// Replaces values that differ in each run.
fn redact(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if VARYING.contains(&name.as_str()) => *text = "…".into(),
                    Value::Array(codes) if name == "codes" => codes.fill("…".into()),
                    value => redact(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

/// Sends these bytes over a new connection and reads until it ends.
fn exchange(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

/// Parses an HTTP/1.1 answer that ends with its connection.
fn parse(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n");
    let (head, body) = bytes.split_at(end.expect("a head") + 4);
    let mut lines = str::from_utf8(head).unwrap().trim_end().lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let headers: HeaderMap = lines
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (
                name.parse::<HeaderName>().unwrap(),
                value.parse::<HeaderValue>().unwrap(),
            )
        })
        .collect();
    Answer::read(status.parse().unwrap(), headers, body)
}
