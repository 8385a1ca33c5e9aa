//! Issuers' keys by URL, from an identity provider that rotates its keys and fails in every way.

use crate::support::poll::until;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::support::client::{Answer, Client, METHODS};
use crate::support::deployment::{Deployment, TENANT, new_key};
use crate::support::gateway::Gateway;

#[derive(Clone)]
enum Mode {
    Keys(Value),
    Text(&'static str),
    Status(&'static str),
    /// Answers with this many bytes.
    Large(usize),
    /// Reads the request and hangs up.
    Down,
    /// Reads the request and never answers. The client hangs up.
    Hung,
}

/// An identity provider's endpoint of keys.
struct Provider {
    port: u16,
    mode: Arc<Mutex<Mode>>,
    fetches: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Provider {
    async fn start(mode: Mode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mode, fetches) = (Arc::new(Mutex::new(mode)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        let (its_mode, count) = (Arc::clone(&mode), Arc::clone(&fetches));
        tasks.spawn(async move {
            let mut answers = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let mode = its_mode.lock().unwrap().clone();
                answers.spawn(answer(stream, mode));
            }
        });
        Self {
            port,
            mode,
            fetches,
            _tasks: tasks,
        }
    }

    /// Starts one that publishes the first keys of a deployment, and that deployment.
    async fn with_first_keys() -> (Self, Deployment) {
        let provider = Self::start(Mode::Hung).await;
        let deployment = provider.deployment();
        provider.now(Mode::Keys(first_keys(&deployment)));
        (provider, deployment)
    }

    fn now(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    /// A deployment whose issuer publishes its keys here.
    fn deployment(&self) -> Deployment {
        let url = format!("jwks = \"http://127.0.0.1:{}/jwks?key=hunter2\"", self.port);
        Deployment::embedded().replacing("jwks = \"jwks.json\"", &url)
    }
}

async fn answer(mut stream: TcpStream, mode: Mode) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return;
        };
        request.push(byte);
    }
    let (status, body) = match mode {
        Mode::Keys(keys) => ("200 OK", keys.to_string()),
        Mode::Text(text) => ("200 OK", text.to_owned()),
        Mode::Status(status) => (status, String::new()),
        Mode::Large(bytes) => ("200 OK", " ".repeat(bytes)),
        Mode::Down => return,
        Mode::Hung => {
            let hangs_up = stream.read_u8().await;
            assert!(hangs_up.is_err(), "it sends nothing more");
            return;
        }
    };
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n");
    // The gateway may stop reading before everything is sent.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body.as_bytes()).await;
}

/// The first keys of a deployment's issuer.
fn first_keys(deployment: &Deployment) -> Value {
    read_keys(&deployment.config().with_file_name("jwks.json"))
}

fn read_keys(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A new key with this id, and the set that holds only it.
fn rotated(kid: &str) -> (EncodingKey, Value) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let key = new_key(&path);
    let mut keys = read_keys(&path);
    keys["keys"][0]["kid"] = kid.into();
    (key, keys)
}

fn without_id(keys: &Value) -> Value {
    let mut keys = keys.clone();
    keys["keys"][0].as_object_mut().unwrap().remove("kid");
    keys
}

fn sign(key: &EncodingKey, kid: &str, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(kid.to_owned());
    jsonwebtoken::encode(&header, claims, key).unwrap()
}

async fn methods(gateway: &Gateway, token: &str) -> Answer {
    let client = Client::new(&gateway.url).with(token, TENANT);
    client.get(METHODS).await
}

/// Sends requests until this token is accepted. A request waits 1.5 s for keys, and a busy machine
/// may take longer to fetch them. No scheduled fetch is due within this wait.
async fn served(gateway: &Gateway, token: &str) {
    until("the keys have come", async || {
        methods(gateway, token).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_rotation_is_followed_and_unknown_keys_cost_one_fetch() {
    let (provider, deployment) = Provider::with_first_keys().await;
    let gateway = deployment.serve();
    let first = deployment.token("alice");
    served(&gateway, &first).await;
    assert_eq!(provider.fetches(), 1);

    let (key, keys) = rotated("two");
    provider.now(Mode::Keys(keys));
    let claims = deployment.claims("alice", TENANT);
    let new = sign(&key, "two", &claims);
    served(&gateway, &new).await;
    assert_eq!(provider.fetches(), 2);
    for old in [first, deployment.token("alice")] {
        let old = methods(&gateway, &old).await;
        assert_eq!(old.says(), (401, "unauthenticated"), "its key is withdrawn");
    }

    let begun = Instant::now();
    for number in 0..1000 {
        let unknown = sign(&key, &format!("made-up-{number}"), &claims);
        let answer = methods(&gateway, &unknown).await;
        assert_eq!(answer.says(), (401, "unauthenticated"));
        let message = answer.body["message"].as_str().unwrap();
        assert!(message.contains("`kid` names no key"), "{message}");
    }
    let minutes = usize::try_from(begun.elapsed().as_secs() / 60).unwrap();
    let fetches = provider.fetches();
    assert!(fetches <= 2 + minutes, "{fetches} in {minutes} minutes");
    assert_eq!(methods(&gateway, &new).await.status, 200);
}

#[tokio::test]
async fn a_rotation_of_keys_without_ids_is_followed() {
    let provider = Provider::start(Mode::Hung).await;
    let deployment = provider.deployment();
    let (old, keys) = rotated("old");
    provider.now(Mode::Keys(without_id(&keys)));
    let gateway = deployment.serve();
    let claims = deployment.claims("alice", TENANT);
    let header = Header::new(Algorithm::ES256);
    let token = |key| jsonwebtoken::encode(&header, &claims, key).unwrap();
    served(&gateway, &token(&old)).await;

    let (new, keys) = rotated("new");
    provider.now(Mode::Keys(without_id(&keys)));
    served(&gateway, &token(&new)).await;
    for _ in 0..10 {
        let withdrawn = methods(&gateway, &token(&old)).await;
        assert_eq!(withdrawn.says(), (401, "unauthenticated"));
    }
    assert_eq!(provider.fetches(), 2, "a minute is not over");
}

#[tokio::test]
async fn token_that_is_invalid_anyway_fetches_no_keys() {
    let (provider, deployment) = Provider::with_first_keys().await;
    let gateway = deployment.serve();
    served(&gateway, &deployment.token("alice")).await;
    let (key, _) = rotated("two");
    for (claim, value) in [
        ("exp", json!(1_000_000_000)),
        ("aud", json!("https://other.example.com")),
        ("iss", json!("https://other.example.com")),
    ] {
        let mut claims = deployment.claims("alice", TENANT);
        claims[claim] = value;
        let answer = methods(&gateway, &sign(&key, "two", &claims)).await;
        assert_eq!(answer.says(), (401, "unauthenticated"), "{claim}");
    }
    assert_eq!(provider.fetches(), 1);
}

#[tokio::test]
async fn known_keys_stay_in_use_while_the_provider_fails() {
    for (mode, reason) in [
        (Mode::Down, "connection closed before message completed"),
        (
            Mode::Status("500 Oh No"),
            "the answer is 500 Internal Server Error",
        ),
        (
            Mode::Status("302 Found"),
            "the answer is 302 Found, and redirects are not followed: configure the URL they lead to",
        ),
        (Mode::Text("<html>"), "it is not a JSON object"),
        (
            Mode::Text("{\"keys\":[]}"),
            "it has no key that verifies ES256",
        ),
        (Mode::Large(5_000_000), "the answer is larger than 256 KiB"),
    ] {
        let (provider, deployment) = Provider::with_first_keys().await;
        let gateway = deployment.serve();
        let good = deployment.token("alice");
        served(&gateway, &good).await;

        provider.now(mode);
        let (key, _) = rotated("two");
        let unknown = sign(&key, "two", &deployment.claims("alice", TENANT));
        let answer = methods(&gateway, &unknown).await;
        assert_eq!(answer.says(), (401, "unauthenticated"), "{reason}");
        assert_eq!(methods(&gateway, &good).await.status, 200, "{reason}");

        let said = format!(
            "keys: the keys of issuer corp cannot be renewed, and the last ones are used: GET http://127.0.0.1:{}/jwks: {reason}",
            provider.port
        );
        // The caller waits 1.5 s for a fetch, which may take longer on a busy machine.
        until(&format!("readiness that says {said}"), async || {
            let ready = gateway.admin_get("/readyz").await;
            assert_eq!(
                (ready.status, &ready.body["status"]),
                (200, &json!("ready"))
            );
            let reasons = ready.body["reasons"].as_array().unwrap();
            reasons.contains(&json!(said))
        })
        .await;
        let errors = gateway.metric("cedargate_jwks_fetch_errors_total").await;
        assert_eq!(errors, Some(1));
        let written = gateway.stop();
        assert_eq!(
            written.matches("keys cannot be fetched").count(),
            1,
            "{written}"
        );
        assert!(!written.contains("hunter2"), "{written}");
    }
}

#[tokio::test]
async fn hung_provider_delays_only_requests_that_need_it() {
    let (provider, deployment) = Provider::with_first_keys().await;
    let gateway = deployment.serve();
    let good = deployment.token("alice");
    served(&gateway, &good).await;

    provider.now(Mode::Hung);
    let (key, _) = rotated("two");
    let unknown = sign(&key, "two", &deployment.claims("alice", TENANT));
    let begun = Instant::now();
    let both = async { tokio::join!(methods(&gateway, &unknown), methods(&gateway, &good)) };
    let (unknown, known) = both.await;
    assert_eq!(unknown.says(), (401, "unauthenticated"));
    assert_eq!(known.status, 200);
    assert!(
        begun.elapsed() < Duration::from_millis(3500),
        "1.5 s, and 2 s of slack"
    );
}

#[tokio::test]
async fn gateway_without_keys_is_not_ready_until_they_are_fetched() {
    let provider = Provider::start(Mode::Down).await;
    let deployment = provider.deployment();
    let gateway = deployment.serve();
    let token = deployment.token("alice");

    let answer = methods(&gateway, &token).await;
    assert_eq!(
        answer.says(),
        (503, "unavailable"),
        "ours, not the caller's"
    );
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.header("www-authenticate"), "");
    // The request may be answered before the fetch fails.
    until("readiness that says why", async || {
        let ready = gateway.admin_get("/readyz").await;
        assert_eq!(
            (ready.status, &ready.body["status"]),
            (503, &json!("not_ready"))
        );
        let reason = ready.body["reasons"][0].as_str().unwrap();
        reason.starts_with("keys: issuer corp has no usable keys: GET http://127.0.0.1:")
    })
    .await;
    // Requests that need no keys are served.
    let nobody = Client::new(&gateway.url);
    assert_eq!(nobody.get("/v1/openapi.json").await.status, 200);
    assert_eq!(nobody.get(METHODS).await.says(), (401, "unauthenticated"));

    provider.now(Mode::Keys(first_keys(&deployment)));
    until("it is ready", async || {
        gateway.admin_get("/readyz").await.status == 200
    })
    .await;
    assert_eq!(methods(&gateway, &token).await.status, 200);
}
