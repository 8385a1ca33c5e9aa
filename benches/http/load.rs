//! The load: callers that wait for each answer before they send the next request, and their figures.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The figures of one run.
pub struct Figures {
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

    /// Prints the head of the table whose rows [`Figures::print`] prints.
    pub fn print_head() {
        println!(
            "{:<38} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
            "", "per s", "share", "p50 ms", "p50 ×", "p99 ms", "p99 ×"
        );
    }

    /// Prints one row: each figure, and its ratio to the baseline's.
    pub fn print(&self, name: &str, baseline: &Self) {
        let [p50, p99, baseline_p50, baseline_p99] =
            [self.p50, self.p99, baseline.p50, baseline.p99]
                .map(|time| time.as_secs_f64() * 1000.0);
        println!(
            "{name:<38} {:>8.0} {:>8.4} {p50:>8.2} {:>8.2} {p99:>8.2} {:>8.2}",
            self.per_second,
            self.per_second / baseline.per_second,
            p50 / baseline_p50,
            p99 / baseline_p99,
        );
    }
}

/// Repeats one request for the duration of `run`, over this number of connections.
pub async fn repeat(
    address: &str,
    request: Request<Full<Bytes>>,
    connections: usize,
    run: Duration,
) -> Figures {
    let started = Instant::now();
    let next = move || (started.elapsed() < run).then(|| request.clone());
    // Every status is accepted: an unknown path is refused, and the refusal is measured.
    measure(address, connections, next, |_| true).await
}

/// Sends these requests in turn for the duration of `run`, over this number of connections.
pub async fn in_turn(
    address: &str,
    requests: Arc<[Request<Full<Bytes>>]>,
    connections: usize,
    run: Duration,
) -> Figures {
    let started = Instant::now();
    let turn = AtomicUsize::new(0);
    let next = move || {
        let at = turn.fetch_add(1, Ordering::Relaxed) % requests.len();
        (started.elapsed() < run).then(|| requests[at].clone())
    };
    measure(address, connections, next, StatusCode::is_success).await
}

/// Sends each request once, over this number of connections. Panics unless each succeeds.
pub async fn each(
    address: &str,
    requests: Vec<Request<Full<Bytes>>>,
    connections: usize,
) -> Figures {
    let requests = Mutex::new(requests);
    let next = move || requests.lock().expect("no caller panics").pop();
    measure(address, connections, next, StatusCode::is_success).await
}

/// Repeats a request until the server closes the connection, and ignores the answers.
pub async fn flood(address: String, request: Request<Full<Bytes>>) {
    let mut connection = connect(&address).await;
    while let Ok(answer) = connection.send_request(request.clone()).await {
        if answer.into_body().collect().await.is_err() {
            return;
        }
    }
}

async fn measure(
    address: &str,
    connections: usize,
    next: impl Fn() -> Option<Request<Full<Bytes>>> + Send + Sync + 'static,
    is_expected: fn(&StatusCode) -> bool,
) -> Figures {
    let mut connected = Vec::new();
    for _ in 0..connections {
        connected.push(connect(address).await);
    }
    let next = Arc::new(next);
    let started = Instant::now();
    let callers: Vec<_> = connected
        .into_iter()
        .map(|mut connection| {
            let next = Arc::clone(&next);
            tokio::spawn(async move {
                let mut times = Vec::new();
                while let Some(request) = next() {
                    let sent = Instant::now();
                    let answer = connection.send_request(request).await.expect("an answer");
                    let status = answer.status();
                    let body = answer.into_body().collect().await.expect("its body");
                    times.push(sent.elapsed());
                    assert!(is_expected(&status), "{status} {:?}", body.to_bytes());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for caller in callers {
        times.extend(caller.await.expect("a caller"));
    }
    Figures::of(times, started.elapsed())
}

async fn connect(address: &str) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket");
    let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    sender
}
