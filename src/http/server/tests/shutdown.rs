//! Requests that were sent before a shutdown are answered.

use super::*;

#[tokio::test]
async fn shutdown_finishes_requests_in_flight_and_accepts_no_connection() {
    let mut server = start(Limits::default()).await;
    let mut idle = server.connect().await;
    idle.write_all(get("/").replace("close", "keep-alive").as_bytes())
        .await
        .unwrap();
    read_response(&mut idle).await;
    let mut stream = server.connect().await;
    stream.write_all(get("/wait").as_bytes()).await.unwrap();
    server.waiting.notified().await;
    let mut sender = http2(&server).await;
    let over_http2 = sender.send_request(to("/wait"));
    server.waiting.notified().await;

    server.stop();
    assert_eq!(rest(&mut idle).await, "", "idle connections are closed");
    assert!(
        TcpStream::connect(server.address).await.is_err(),
        "the listener is closed"
    );
    assert!(!server.done.is_finished());
    server.release.notify_waiters();
    let (status, body) = parse(&rest(&mut stream).await);
    assert_eq!((status, body), (200, Value::from("waited")));
    assert_eq!(
        timeout(TEST_TIMEOUT, over_http2)
            .await
            .unwrap()
            .unwrap()
            .status(),
        200
    );
    drop((idle, stream, sender));
    timeout(TEST_TIMEOUT, server.done).await.unwrap().unwrap();
}

#[tokio::test]
async fn shutdown_waits_no_longer_than_the_drain_time() {
    let limits = Limits {
        drain: SHORT,
        ..Limits::default()
    };
    let mut server = start(limits).await;
    let mut stream = server.connect().await;
    stream.write_all(get("/wait").as_bytes()).await.unwrap();
    server.waiting.notified().await;
    server.stop();
    timeout(TEST_TIMEOUT, server.done).await.unwrap().unwrap();
}

#[tokio::test]
async fn request_in_transit_at_the_shutdown_is_answered_with_close() {
    let limits = Limits {
        last_request: TEST_TIMEOUT,
        ..Limits::default()
    };
    let mut server = start(limits).await;
    let mut idle = server.connect().await;
    let request = get("/").replace("close", "keep-alive");
    idle.write_all(request.as_bytes()).await.unwrap();
    read_response(&mut idle).await;
    server.stop();
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    idle.write_all(request.as_bytes()).await.unwrap();
    let last = rest(&mut idle).await;
    assert!(last.contains("\r\nconnection: close\r\n"), "{last}");
    assert_eq!(parse(&last), (200, Value::from("hello")));
    drop(idle);
    timeout(TEST_TIMEOUT, server.done).await.unwrap().unwrap();
}

#[tokio::test]
async fn connection_in_the_backlog_at_the_shutdown_is_served() {
    for _ in 0..20 {
        let mut server = start(Limits::default()).await;
        // There is no await, so the server on this thread sees the connection and the stop at once.
        let mut stream = std::net::TcpStream::connect(server.address).unwrap();
        std::io::Write::write_all(&mut stream, get("/").as_bytes()).unwrap();
        server.stop();
        stream.set_nonblocking(true).unwrap();
        let mut stream = TcpStream::from_std(stream).unwrap();
        assert_eq!(parse(&rest(&mut stream).await), (200, Value::from("hello")));
    }
}

#[tokio::test]
async fn request_that_came_in_time_is_served_by_a_busy_process() {
    for _ in 0..20 {
        let limits = Limits {
            last_request: SHORT,
            ..Limits::default()
        };
        let mut server = start(limits).await;
        let mut idle = server.connect().await;
        let request = get("/").replace("close", "keep-alive");
        idle.write_all(request.as_bytes()).await.unwrap();
        read_response(&mut idle).await;
        server.stop();
        tokio::task::yield_now().await;
        idle.write_all(request.as_bytes()).await.unwrap();
        // Blocks the only thread until the time is over.
        std::thread::sleep(SHORT * 2);
        let last = rest(&mut idle).await;
        assert_eq!(parse(&last), (200, Value::from("hello")));
    }
}
