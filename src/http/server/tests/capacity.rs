//! More connections than the table has room for. Each is a real socket; only the peer addresses are
//! invented.

use super::*;

/// A server whose connections come from addresses that the test chooses.
struct CrowdedServer {
    listener: TcpListener,
    address: SocketAddr,
    server: Arc<Server>,
    handler: Arc<TestHandler>,
    stopped: watch::Receiver<()>,
    _stop: watch::Sender<()>,
}

impl CrowdedServer {
    async fn new(limits: Limits) -> Self {
        let (handler, _) = handler(TEST_TIMEOUT, TEST_TIMEOUT);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (stop, stopped) = watch::channel(());
        Self {
            address: listener.local_addr().unwrap(),
            listener,
            server: Arc::new(Server::new(limits)),
            handler,
            stopped,
            _stop: stop,
        }
    }

    /// Opens a connection that appears to come from this address.
    async fn connect(&self, from: &str) -> TcpStream {
        let (client, accepted) =
            tokio::join!(TcpStream::connect(self.address), self.listener.accept());
        let peer = SocketAddr::new(from.parse().unwrap(), 1);
        let (stream, _) = accepted.unwrap();
        self.server
            .spawn(stream, peer, &self.handler, &self.stopped);
        client.unwrap()
    }

    /// Opens a connection that gets an answer and stays open.
    async fn idle(&self, from: &str) -> TcpStream {
        let mut stream = self.connect(from).await;
        assert_eq!(request_status(&mut stream).await, 200);
        stream
    }

    /// Returns true if a request over a new connection is answered with 200.
    async fn is_served(&self, from: &str) -> bool {
        request_status(&mut self.connect(from).await).await == 200
    }
}

/// Sends a request and returns the status of its answer, or 0 if the server has closed the connection.
async fn request_status(stream: &mut TcpStream) -> u16 {
    let request = get("/").replace("close", "keep-alive");
    if stream.write_all(request.as_bytes()).await.is_err() {
        return 0;
    }
    let mut bytes = [0; 4096];
    match timeout(TEST_TIMEOUT, stream.read(&mut bytes))
        .await
        .unwrap()
    {
        Ok(length) if length > 12 => std::str::from_utf8(&bytes[9..12]).unwrap().parse().unwrap(),
        _ => 0,
    }
}

const PREFACE_AND_SETTINGS: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn room_for(connections: usize, connections_per_address: usize) -> Limits {
    Limits {
        connections,
        connections_per_address,
        last_request: SHORT,
        linger: SHORT,
        ..Limits::default()
    }
}

#[tokio::test]
async fn ipv6_64_is_limited_like_one_address() {
    let server = CrowdedServer::new(room_for(100, 4)).await;
    let mut flood = Vec::new();
    for n in 1..=20 {
        flood.push(server.connect(&format!("2001:db8::{n:x}:1")).await);
    }
    assert_eq!(server.server.connections().total(), 4);
    for stream in &mut flood[4..] {
        assert_eq!(rest(stream).await, "");
    }
    assert!(server.is_served("2001:db8:0:1::1").await, "the next /64");
}

#[tokio::test]
async fn new_connection_is_served_while_silent_ones_fill_the_table() {
    for sent in [&b""[..], b"GET / HTTP/1.1\r\nHo", PREFACE_AND_SETTINGS] {
        let server = CrowdedServer::new(room_for(16, 8)).await;
        let mut waiting = server.connect("192.0.2.9").await;
        let request = get("/wait");
        waiting.write_all(request.as_bytes()).await.unwrap();
        server.handler.waiting.notified().await;
        let mut flood = Vec::new();
        for n in 0..64 {
            let from = format!("2001:db8:0:{:x}::1", n % 8);
            let mut stream = server.connect(&from).await;
            let _ = stream.write_all(sent).await;
            flood.push(stream);
        }
        for n in 0..10 {
            let from = format!("192.0.2.{n}");
            assert!(server.is_served(&from).await, "{from} {sent:?}");
        }
        server.handler.release.notify_one();
        assert_eq!(parse(&rest(&mut waiting).await).0, 200, "{sent:?}");
    }
}

#[tokio::test]
async fn idle_connection_of_the_largest_address_makes_room_without_a_reset() {
    let server = CrowdedServer::new(room_for(4, 3)).await;
    let mut single = server.idle("192.0.2.1").await;
    let mut several = Vec::new();
    for _ in 0..3 {
        several.push(server.idle("192.0.2.2").await);
    }
    assert!(server.is_served("192.0.2.3").await);
    assert_eq!(rest(&mut several[0]).await, "", "closed, not reset");
    assert_eq!(request_status(&mut single).await, 200);
    assert_eq!(request_status(&mut several[1]).await, 200);
    assert_eq!(request_status(&mut several[2]).await, 200);
}

#[tokio::test]
async fn request_on_a_connection_that_makes_room_is_answered_with_close() {
    let limits = Limits {
        last_request: TEST_TIMEOUT,
        ..room_for(1, 8)
    };
    let server = CrowdedServer::new(limits).await;
    let mut leaving = server.idle("192.0.2.1").await;
    assert!(server.is_served("192.0.2.2").await);
    let request = get("/").replace("close", "keep-alive");
    leaving.write_all(request.as_bytes()).await.unwrap();
    let last = rest(&mut leaving).await;
    assert!(last.contains("\r\nconnection: close\r\n"), "{last}");
    assert_eq!(parse(&last).0, 200);
}

#[tokio::test]
async fn table_full_of_requests_in_flight_takes_no_new_connection() {
    let server = CrowdedServer::new(room_for(2, 8)).await;
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut stream = server.connect("192.0.2.1").await;
        stream.write_all(get("/wait").as_bytes()).await.unwrap();
        server.handler.waiting.notified().await;
        busy.push(stream);
    }
    assert!(!server.is_served("192.0.2.2").await);
    server.handler.release.notify_waiters();
    for stream in &mut busy {
        assert_eq!(parse(&rest(stream).await).0, 200);
    }
}

#[tokio::test]
async fn proxy_is_served_while_other_addresses_fill_the_table() {
    let limits = Limits {
        proxies: vec!["10.0.0.0/8".parse().unwrap()],
        ..room_for(2, 2)
    };
    let server = CrowdedServer::new(limits).await;
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut stream = server.connect("192.0.2.1").await;
        stream.write_all(get("/wait").as_bytes()).await.unwrap();
        server.handler.waiting.notified().await;
        busy.push(stream);
    }
    let mut proxied = Vec::new();
    for _ in 0..5 {
        proxied.push(server.idle("10.0.0.1").await);
    }
    for stream in &mut proxied {
        assert_eq!(request_status(stream).await, 200);
    }
}
