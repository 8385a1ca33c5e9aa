//! A decided request, and a whole completion on both stores, beside a bare hyper server in the same
//! run: what is printed are ratios, since machines are noisy. `cargo bench --bench http`
#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "figures go to stdout, and the harness is the tests', which use all of it"
)]

#[path = "../tests/authenticator.rs"]
mod authenticator;
#[path = "../tests/client.rs"]
mod client;
#[path = "../tests/deployment.rs"]
mod deployment;
#[path = "../tests/gateway.rs"]
mod gateway;
#[path = "../tests/redis_server.rs"]
mod redis_server;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use authenticator::Attestation;
use client::Client;
use deployment::{Deployment, TENANT};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use redis_server::RedisServer;
use tokio::net::{TcpListener, TcpStream};

const CONNECTIONS: usize = 64;
const RUN: Duration = Duration::from_secs(5);
const ROUNDS: usize = 3;
const USERS: usize = 400;
const CALLERS: usize = 8;
const BARE: &str = "CEDARGATE_BENCH_BARE";

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if std::env::var_os(BARE).is_some() {
        runtime.block_on(bare());
    } else {
        runtime.block_on(compare());
    }
}

/// What is done at least: hyper answers a small JSON.
async fn bare() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        stream.set_nodelay(true).expect("a socket");
        tokio::spawn(async move {
            let answer = service_fn(|_| async {
                let body = r#"{"methods":[],"backup_codes":{"remaining":0}}"#;
                Ok::<_, std::convert::Infallible>(
                    Response::builder()
                        .header("content-type", "application/json; charset=utf-8")
                        .body(Full::new(Bytes::from_static(body.as_bytes())))
                        .expect("an answer"),
                )
            });
            let http = hyper::server::conn::http1::Builder::new();
            let _ = http.serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

/// A gateway whose log nobody reads: reading it would cost what is measured.
struct Serving {
    process: Child,
    url: String,
}

impl Serving {
    fn start(deployment: &Deployment) -> Self {
        let process = Command::new(env!("CARGO_BIN_EXE_cedargate"))
            .args(["serve", "--config"])
            .arg(deployment.config())
            .stdout(Stdio::null())
            .spawn()
            .expect("the gateway");
        let url = deployment.origin().replace("localhost", "127.0.0.1");
        let address = url.trim_start_matches("http://");
        let started = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            assert!(started.elapsed() < RUN, "the gateway does not start");
            std::thread::yield_now();
        }
        Self { process, url }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Bare {
    process: Child,
    url: String,
}

impl Bare {
    fn start() -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .env(BARE, "1")
            .stdout(Stdio::piped())
            .spawn()
            .expect("a second process");
        let stdout = process.stdout.take().expect("it is piped");
        let mut address = String::new();
        BufReader::new(stdout)
            .read_line(&mut address)
            .expect("its address");
        Self {
            process,
            url: format!("http://{}", address.trim()),
        }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
async fn compare() {
    let bare = Bare::start();
    let embedded = Deployment::new("embedded:./data");
    let redis = RedisServer::start();
    let on_redis =
        Deployment::new(&redis.url()).replacing("[store]", "[store]\nrequire_durable = false");
    let gateways = [("embedded", &embedded), ("redis", &on_redis)];

    println!("A decided request, {CONNECTIONS} connections with keep-alive, against bare hyper");
    println!(
        "{:<34} {:>9} {:>7} {:>9} {:>9} {:>6}",
        "", "req/s", "share", "p50", "p99", "p99 ×"
    );
    for round in 1..=ROUNDS {
        let floor = load(&bare.url, "/", &[]).await;
        floor.print(&format!("round {round}: bare hyper"), &floor);
        for (name, deployment) in gateways {
            let gateway = Serving::start(deployment);
            let bearer = format!("Bearer {}", deployment.token("alice"));
            let headers = [("authorization", bearer.as_str()), ("x-tenant-id", TENANT)];
            let decided = load(&gateway.url, client::METHODS, &headers).await;
            decided.print(&format!("  list methods, {name}"), &floor);
        }
        let gateway = Serving::start(&embedded);
        let public = load(
            &gateway.url,
            "/.well-known/webauthn",
            &[("host", "localhost")],
        )
        .await;
        public.print("  public document, no token", &floor);
        let unknown = load(&gateway.url, "/nothing", &[]).await;
        unknown.print("  unknown path, no token", &floor);
    }

    println!("\nA whole completion, {CALLERS} callers, against bare hyper");
    println!("{:<34} {:>9} {:>9} {:>9}", "", "per s", "p50", "p99");
    for (name, deployment) in gateways {
        let gateway = Serving::start(deployment);
        let first = complete(&gateway.url, deployment, "webauthn_passkey").await;
        first.print_alone(&format!("first factor (makes codes), {name}"));
        let second = complete(&gateway.url, deployment, "webauthn_fido").await;
        second.print_alone(&format!("second factor (no codes), {name}"));
    }
}

/// What one run measured.
struct Figures {
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

impl Figures {
    fn of(mut times: Vec<Duration>, over: Duration) -> Self {
        times.sort_unstable();
        let at = |share: usize| times[(times.len() - 1) * share / 100];
        #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
        let per_second = times.len() as f64 / over.as_secs_f64();
        Self {
            per_second,
            p50: at(50),
            p99: at(99),
        }
    }
    fn print(&self, name: &str, floor: &Figures) {
        println!(
            "{name:<34} {:>9.0} {:>7.2} {:>9.0?} {:>9.0?} {:>6.2}",
            self.per_second,
            self.per_second / floor.per_second,
            self.p50,
            self.p99,
            self.p99.as_secs_f64() / floor.p99.as_secs_f64(),
        );
    }
    fn print_alone(&self, name: &str) {
        println!(
            "{name:<34} {:>9.0} {:>9.0?} {:>9.0?}",
            self.per_second, self.p50, self.p99
        );
    }
}

/// As many requests as get through in a while, each answered before the next is sent.
async fn load(url: &str, target: &str, headers: &[(&str, &str)]) -> Figures {
    let address = url.trim_start_matches("http://").to_owned();
    let mut request = Request::builder().uri(target);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", &address);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = Arc::new(request.body(Empty::<Bytes>::new()).expect("a request"));
    let started = Instant::now();
    let connections: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            tokio::spawn(one_connection(
                address.clone(),
                Arc::clone(&request),
                started,
            ))
        })
        .collect();
    let mut times = Vec::new();
    for connection in connections {
        times.extend(connection.await.expect("a connection"));
    }
    Figures::of(times, started.elapsed())
}

async fn one_connection(
    address: String,
    request: Arc<Request<Empty<Bytes>>>,
    started: Instant,
) -> Vec<Duration> {
    let stream = TcpStream::connect(&address).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .expect("HTTP/1.1");
    tokio::spawn(connection);
    let mut times = Vec::new();
    while started.elapsed() < RUN {
        let sent = Instant::now();
        let answer = sender
            .send_request((*request).clone())
            .await
            .expect("an answer");
        answer.into_body().collect().await.expect("its body");
        times.push(sent.elapsed());
    }
    times
}

/// Times the completions of enrolments that were begun before the clock starts.
async fn complete(url: &str, deployment: &Deployment, method_type: &'static str) -> Figures {
    let origin = deployment.origin();
    let anybody = Client::new(url);
    let mut begun = Vec::new();
    for number in 0..USERS {
        let token = deployment.sign(&deployment.strong_claims(&format!("user-{number}"), TENANT));
        let client = anybody.with(token, TENANT);
        let options = client.begin(method_type).await;
        begun.push((client, Attestation::to(&options, &origin).credential()));
    }
    let started = Instant::now();
    let queue = Arc::new(std::sync::Mutex::new(begun));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move {
                let mut times = Vec::new();
                loop {
                    let next = queue.lock().expect("no caller panics").pop();
                    let Some((client, credential)) = next else {
                        return times;
                    };
                    let sent = Instant::now();
                    let answer = client.complete(method_type, &credential).await;
                    times.push(sent.elapsed());
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
            })
        })
        .collect();
    let mut times = Vec::new();
    for caller in callers {
        times.extend(caller.await.expect("a caller"));
    }
    Figures::of(times, started.elapsed())
}
