//! Time limits of quiet and slow connections, mostly with a paused clock. One limit of each kind is also
//! tested over sockets.

use tokio::io::{DuplexStream, duplex};
use tokio::time::Instant;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Serves one connection. Returns the client's side, the handler, and a task that ends with the
/// connection.
fn connection(limits: Limits) -> (DuplexStream, Arc<TestHandler>, JoinHandle<()>) {
    let (handler, _) = handler(TEST_TIMEOUT, TEST_TIMEOUT);
    let (client, io) = duplex(1024);
    let served = Arc::clone(&handler);
    let done = tokio::spawn(async move {
        let (_stop, stopped) = watch::channel(());
        let server = Server::new(limits);
        let peer = IpAddr::from([192, 0, 2, 1]);
        let activity = Activity::new();
        server.serve(io, peer, &activity, served, stopped).await;
    });
    (client, handler, done)
}

async fn http2_over(
    client: DuplexStream,
    window: u32,
) -> hyper::client::conn::http2::SendRequest<Empty<Bytes>> {
    let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(window)
        .handshake(TokioIo::new(client))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

/// The initial window of a stream (RFC 9113 §6.9.2), in bytes.
const WINDOW: u32 = 65_535;

#[tokio::test(start_paused = true)]
async fn http_2_connection_without_a_stream_is_closed_after_60_seconds() {
    let (client, _, done) = connection(Limits::default());
    let started = Instant::now();
    let sender = http2_over(client, WINDOW).await;
    done.await.unwrap();
    assert_eq!(started.elapsed(), SECOND * 60);
    drop(sender);
}

#[tokio::test(start_paused = true)]
async fn http_2_peer_that_ignores_the_graceful_shutdown_is_closed() {
    let limits = Limits {
        ping_interval: SECOND * 1000,
        ..Limits::default()
    };
    let (mut client, _, done) = connection(limits);
    let started = Instant::now();
    let settings = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    client.write_all(settings).await.unwrap();
    done.await.unwrap();
    let allowed = SECOND * 60..=SECOND * 63;
    assert!(allowed.contains(&started.elapsed()));
}

#[tokio::test(start_paused = true)]
async fn http_2_connection_is_closed_60_seconds_after_its_last_stream() {
    let (client, handler, done) = connection(Limits::default());
    let mut sender = http2_over(client, WINDOW).await;
    for _ in 0..5 {
        sleep(SECOND * 50).await;
        assert_eq!(sender.send_request(to("/")).await.unwrap().status(), 200);
    }
    sleep(SECOND * 59).await;
    let waiting = sender.send_request(to("/wait"));
    handler.waiting.notified().await;
    sleep(SECOND * 10).await;
    assert!(!done.is_finished(), "a request is in flight");
    handler.release.notify_one();
    assert_eq!(waiting.await.unwrap().status(), 200);
    let last = Instant::now();
    done.await.unwrap();
    assert_eq!(last.elapsed(), SECOND * 60);
}

#[tokio::test(start_paused = true)]
async fn http_2_connection_whose_peer_does_not_read_is_closed_after_15_seconds() {
    for window in [0, 1] {
        let (client, _, done) = connection(Limits::default());
        let mut sender = http2_over(client, window).await;
        let started = Instant::now();
        let answer = sender.send_request(to("/")).await.unwrap();
        assert_eq!(answer.status(), 200);
        done.await.unwrap();
        assert_eq!(started.elapsed(), SECOND * 15, "window {window}");
        assert!(answer.into_body().collect().await.is_err(), "{window}");
    }
}

#[tokio::test(start_paused = true)]
async fn http_2_request_in_flight_is_answered_before_a_stalled_answer_is_cut() {
    let (client, handler, done) = connection(Limits::default());
    let mut sender = http2_over(client, 10).await;
    let stuck = sender.send_request(to("/large")).await.unwrap();
    sleep(SECOND * 10).await;
    let waiting = sender.send_request(to("/wait"));
    handler.waiting.notified().await;
    sleep(SECOND * 10).await;
    assert!(!done.is_finished());
    handler.release.notify_one();
    let answer = waiting.await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(answer.to_bytes(), "\"waited\"");
    done.await.unwrap();
    drop(stuck);
}

#[tokio::test(start_paused = true)]
async fn http_1_connection_whose_peer_does_not_read_is_closed_after_15_seconds() {
    for path in ["/large", "/"] {
        let (mut client, _, done) = connection(Limits::default());
        let started = Instant::now();
        // The requests are pipelined: many small answers fill the pipe like a large one.
        let requests = get(path).replace("close", "keep-alive").repeat(16);
        client.write_all(requests.as_bytes()).await.unwrap();
        done.await.unwrap();
        assert_eq!(started.elapsed(), SECOND * 15, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn slowly_read_answer_ends_at_the_maximum_age_of_its_connection() {
    let limits = Limits::default();
    let most = limits.age + limits.last_request + limits.drain;
    let (mut client, _, done) = connection(limits);
    let started = Instant::now();
    client.write_all(get("/large").as_bytes()).await.unwrap();
    let mut taken = 0;
    while client.read_u8().await.is_ok() && !done.is_finished() {
        taken += 1;
        sleep(SECOND).await;
    }
    assert!(taken > 3600, "a byte a second is progress");
    assert!(started.elapsed() <= most + SECOND);
}

#[tokio::test]
async fn connection_whose_peer_does_not_read_is_closed_over_a_socket() {
    let limits = Limits {
        stalled: SHORT,
        ..Limits::default()
    };
    let server = start(limits).await;
    let mut stream = server.connect().await;
    stream.write_all(get("/large").as_bytes()).await.unwrap();
    timeout(TEST_TIMEOUT, async {
        while server.connections.total() == 0 {
            tokio::task::yield_now().await;
        }
        while server.connections.total() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the connection is closed while the client does not read");
    let mut taken = Vec::new();
    let _ = stream.read_to_end(&mut taken).await;
    assert!(taken.len() < LARGE);
}

#[tokio::test]
async fn http_2_connection_without_a_stream_is_closed_over_a_socket() {
    let limits = Limits {
        idle: SHORT,
        ..Limits::default()
    };
    let server = start(limits).await;
    let sender = http2(&server).await;
    timeout(TEST_TIMEOUT, async {
        while !sender.is_closed() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}
