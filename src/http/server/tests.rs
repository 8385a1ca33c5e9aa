//! Tests over real sockets, with a handler that needs no store and no policies.

mod capacity;
mod limits;
mod shutdown;
mod timeouts;

use std::net::SocketAddr;
use std::sync::Mutex;

use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::*;
use crate::event::{Sink, WideEvent};
use crate::http::Error;
use crate::http::target::Target;
use crate::http::{Reply, body, head, open_event, respond_in_time};

/// Far more time than any test needs, so that a test that hangs fails.
const TEST_TIMEOUT: Duration = Duration::from_secs(20);
/// A time limit that a test is to reach.
const SHORT: Duration = Duration::from_millis(50);

/// The size of an answer in bytes: more than the buffers of two sockets hold.
const LARGE: usize = 16 * 1024 * 1024;

/// A handler that reads heads and bodies like the API. `/wait` notifies `waiting` and then waits for
/// `release`.
struct TestHandler {
    sink: Arc<dyn Sink>,
    body_time: Duration,
    request_time: Duration,
    waiting: Arc<Notify>,
    release: Arc<Notify>,
}

impl Handler for TestHandler {
    fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        _: IpAddr,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send {
        let (_, event) = open_event(&self.sink, &request);
        async move {
            respond_in_time(event, self.request_time, async |_| {
                self.answer(request).await
            })
            .await
        }
    }
}

impl TestHandler {
    async fn answer(&self, request: Request<Incoming>) -> Result<Reply, Error> {
        let (head, body) = request.into_parts();
        head::check(&head)?;
        head::host(&head)?;
        match &*Target::parse(&head.uri)?.path {
            "/json" => Reply::private(&body::object(&head.headers, body, self.body_time).await?),
            "/large" => Reply::private(&"x".repeat(LARGE)),
            "/panic" => panic!("the request asks for a panic"),
            "/wait" => {
                self.waiting.notify_one();
                self.release.notified().await;
                Reply::private(&"waited")
            }
            _ => Reply::private(&"hello"),
        }
    }
}

struct Events(Mutex<mpsc::UnboundedSender<WideEvent>>);

impl Sink for Events {
    fn take(&self, event: &WideEvent) {
        let _ = self.0.lock().unwrap().send(event.clone());
    }
}

struct Running {
    address: SocketAddr,
    events: mpsc::UnboundedReceiver<WideEvent>,
    waiting: Arc<Notify>,
    release: Arc<Notify>,
    connections: Arc<Connections>,
    stop: Option<oneshot::Sender<()>>,
    done: JoinHandle<()>,
}

async fn start(limits: Limits) -> Running {
    start_with(limits, TEST_TIMEOUT, TEST_TIMEOUT).await
}

fn handler(
    body_time: Duration,
    request_time: Duration,
) -> (Arc<TestHandler>, mpsc::UnboundedReceiver<WideEvent>) {
    let (sender, events) = mpsc::unbounded_channel();
    let handler = TestHandler {
        sink: Arc::new(Events(Mutex::new(sender))),
        body_time,
        request_time,
        waiting: Arc::new(Notify::new()),
        release: Arc::new(Notify::new()),
    };
    (Arc::new(handler), events)
}

async fn start_with(limits: Limits, body_time: Duration, request_time: Duration) -> Running {
    let (handler, events) = handler(body_time, request_time);
    let (waiting, release) = (Arc::clone(&handler.waiting), Arc::clone(&handler.release));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::new(limits);
    let connections = server.connections();
    let (stop, stopped) = oneshot::channel::<()>();
    let done = tokio::spawn(server.run(listener, handler, async {
        let _ = stopped.await;
    }));
    Running {
        address,
        events,
        waiting,
        release,
        connections,
        stop: Some(stop),
        done,
    }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn event(&mut self) -> WideEvent {
        timeout(TEST_TIMEOUT, self.events.recv())
            .await
            .unwrap()
            .unwrap()
    }

    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }
}

/// Returns everything that arrives until the server closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    timeout(TEST_TIMEOUT, stream.read_to_end(&mut bytes))
        .await
        .expect("the server closes in time")
        .expect("it closes without a reset");
    String::from_utf8(bytes).unwrap()
}

async fn exchange(server: &Running, request: impl AsRef<[u8]>) -> (u16, Value) {
    let mut stream = server.connect().await;
    stream.write_all(request.as_ref()).await.unwrap();
    parse(&rest(&mut stream).await)
}

/// Returns the status and the body of the only response in a text.
fn parse(response: &str) -> (u16, Value) {
    let (head, body) = response.split_once("\r\n\r\n").expect(response);
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    for header in [
        "content-type: application/json; charset=utf-8",
        "x-content-type-options: nosniff",
        "x-request-id: ",
    ] {
        assert!(head.contains(header), "{header} is not in {head}");
    }
    (status, serde_json::from_str(body).expect(body))
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
}

async fn read_response(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    while !text.ends_with("\"hello\"") {
        let mut bytes = [0; 1024];
        let read = timeout(TEST_TIMEOUT, stream.read(&mut bytes))
            .await
            .unwrap()
            .unwrap();
        assert_ne!(read, 0, "{text}");
        text += std::str::from_utf8(&bytes[..read]).unwrap();
    }
    text
}

async fn http2(server: &Running) -> hyper::client::conn::http2::SendRequest<Empty<Bytes>> {
    let io = TokioIo::new(server.connect().await);
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

fn to(path: &str) -> Request<Empty<Bytes>> {
    let uri = format!("http://test{path}");
    Request::builder().uri(uri).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn http_1_serves_several_requests_over_one_connection() {
    let mut server = start(Limits::default()).await;
    let mut stream = server.connect().await;
    for id in ["one", "two"] {
        let request = format!("GET / HTTP/1.1\r\nHost: test\r\nX-Request-ID: {id}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let response = read_response(&mut stream).await;
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
        assert!(
            response.contains(&format!("x-request-id: {id}\r\n")),
            "{response}"
        );
        let event = server.event().await;
        assert_eq!((event.request_id.as_str(), event.status), (id, Some(200)));
    }
    assert_eq!(server.connections.total(), 1);
}

#[tokio::test]
async fn http_2_serves_requests_side_by_side() {
    let server = start(Limits::default()).await;
    let mut sender = http2(&server).await;
    let waiting = sender.send_request(to("/wait"));
    let hello = sender.send_request(to("/"));
    server.waiting.notified().await;
    let response = timeout(TEST_TIMEOUT, hello).await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    server.release.notify_one();
    let response = timeout(TEST_TIMEOUT, waiting).await.unwrap().unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "\"waited\"");
    assert_eq!(server.connections.total(), 1);
}

#[tokio::test]
async fn http_2_request_with_two_hosts_is_400() {
    let server = start(Limits::default()).await;
    let mut sender = http2(&server).await;
    let mut request = to("/");
    request
        .headers_mut()
        .insert("host", "other".parse().unwrap());
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 400);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["details"]["fields"][0]["field"], "Host");
}

#[tokio::test]
async fn target_of_another_scheme_than_http_is_400() {
    let server = start(Limits::default()).await;
    for (scheme, status) in [("ftp", 400), ("ws", 400), ("http", 200), ("https", 200)] {
        let request = get(&format!("{scheme}://test/"));
        assert_eq!(exchange(&server, request).await.0, status, "{scheme}");
        let mut request = to("/");
        *request.uri_mut() = format!("{scheme}://test/").parse().unwrap();
        let response = http2(&server).await.send_request(request).await.unwrap();
        assert_eq!(response.status(), status, "{scheme} over HTTP/2");
    }
}

#[tokio::test]
async fn panic_is_answered_with_500_and_the_next_request_is_served() {
    let mut server = start(Limits::default()).await;
    let (status, body) = exchange(&server, get("/panic")).await;
    assert_eq!((status, &body["code"]), (500, &Value::from("internal")));
    let event = server.event().await;
    assert_eq!(body["details"]["request_id"], event.request_id);
    assert_eq!(event.cause.as_deref(), Some("the handler panicked"));
    assert_eq!(exchange(&server, get("/")).await.0, 200);
}

#[tokio::test]
async fn caller_who_hangs_up_leaves_an_event_without_a_status() {
    let mut server = start(Limits::default()).await;
    let mut stream = server.connect().await;
    stream.write_all(get("/wait").as_bytes()).await.unwrap();
    server.waiting.notified().await;
    drop(stream);
    let event = server.event().await;
    assert_eq!((event.status, event.code), (None, None));
    assert_eq!(event.undecided.as_deref(), Some("the caller hung up"));
}

#[tokio::test]
async fn connection_over_its_maximum_age_finishes_its_request_and_closes() {
    let limits = Limits {
        age: SHORT,
        ..Limits::default()
    };
    let server = start(limits).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /wait HTTP/1.1\r\nHost: test\r\n\r\n")
        .await
        .unwrap();
    server.waiting.notified().await;
    sleep(SHORT * 2).await;
    server.release.notify_one();
    let (status, _) = parse(&rest(&mut stream).await);
    assert_eq!(status, 200, "the request in flight is finished");
}

#[tokio::test]
async fn connection_over_the_limit_of_its_address_is_closed() {
    let limits = Limits {
        connections_per_address: 1,
        ..Limits::default()
    };
    let server = start(limits).await;
    let mut first = server.connect().await;
    first
        .write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        .await
        .unwrap();
    read_response(&mut first).await;
    let mut second = server.connect().await;
    assert_eq!(rest(&mut second).await, "");
    drop(first);
    timeout(TEST_TIMEOUT, async {
        while server.connections.total() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(exchange(&server, get("/")).await.0, 200);
}

#[tokio::test]
async fn request_without_exactly_one_host_is_400() {
    let server = start(Limits::default()).await;
    let field = |body: &Value| body["details"]["fields"][0].clone();
    for (request, rule) in [
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "is required"),
        ("GET / HTTP/1.0\r\n\r\n", "is required"),
        (
            "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
            "must not be repeated",
        ),
        (
            "GET http://b/ HTTP/1.0\r\nHost: a\r\n\r\n",
            "must be the host of the target",
        ),
    ] {
        let (status, body) = exchange(&server, request).await;
        assert_eq!(
            (status, &body["code"]),
            (400, &Value::from("invalid_request"))
        );
        assert_eq!(
            field(&body),
            serde_json::json!({"field": "Host", "rule": rule})
        );
    }
}
