//! Requests that take too long or are too large.

use super::*;

#[tokio::test]
async fn silent_connection_and_slow_head_are_closed() {
    let limits = Limits {
        first_bytes: SHORT,
        header_read: SHORT,
        ..Limits::default()
    };
    let server = start(limits).await;
    for sent in ["", "PRI * HTTP/2.0", "GET / HTTP/1.1\r\nHost: te"] {
        let mut stream = server.connect().await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        assert_eq!(rest(&mut stream).await, "", "{sent}");
    }
}

#[tokio::test]
async fn http_2_peer_that_does_not_answer_pings_is_closed() {
    let limits = Limits {
        ping_interval: SHORT,
        ping_timeout: SHORT,
        ..Limits::default()
    };
    let server = start(limits).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    for sent in [preface.to_vec(), [preface, &settings].concat()] {
        let mut stream = server.connect().await;
        stream.write_all(&sent).await.unwrap();
        let mut frames = Vec::new();
        timeout(TEST_TIMEOUT, stream.read_to_end(&mut frames))
            .await
            .expect("the server closes in time")
            .unwrap();
        assert_eq!(frames[3], 4, "the server's settings came first");
    }
}

#[tokio::test]
async fn head_over_the_limit_is_431_with_a_body_and_far_over_it_without() {
    let mut server = start(Limits::default()).await;
    let headers: String = (0..101).map(|n| format!("x-{n}: v\r\n")).collect();
    let request = format!("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n");
    let (status, body) = exchange(&server, request).await;
    assert_eq!(
        (status, &body["code"]),
        (431, &Value::from("headers_too_large"))
    );
    assert_eq!(
        server.event().await.code.as_deref(),
        Some("headers_too_large")
    );

    let large = |bytes| {
        let value = "v".repeat(bytes);
        format!("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nx: {value}\r\n\r\n")
    };
    let (status, body) = exchange(&server, large(70_000)).await;
    assert_eq!(
        (status, &body["code"]),
        (431, &Value::from("headers_too_large"))
    );
    assert_eq!(server.event().await.status, Some(431));

    let mut stream = server.connect().await;
    stream.write_all(large(200_000).as_bytes()).await.unwrap();
    let response = rest(&mut stream).await;
    assert!(response.starts_with("HTTP/1.1 431 "), "{response}");
    assert!(
        server.events.is_empty(),
        "hyper answers a head that it does not parse"
    );
}

/// Any token is a valid method (RFC 9110 §9.1), so an invented method must not fill the log.
#[tokio::test]
async fn method_that_fills_the_head_is_431_and_truncated_in_the_event() {
    let mut server = start(Limits::default()).await;
    let request = get("/").replace("GET", &"M".repeat(65_536));
    let (status, body) = exchange(&server, request).await;
    assert_eq!(
        (status, &body["code"]),
        (431, &Value::from("headers_too_large"))
    );
    assert_eq!(server.event().await.method, "M".repeat(32));
}

#[tokio::test]
async fn long_target_is_414() {
    let server = start(Limits::default()).await;
    let (status, body) = exchange(&server, get(&format!("/{}", "a".repeat(8192)))).await;
    assert_eq!((status, &body["code"]), (414, &Value::from("uri_too_long")));
}

#[tokio::test]
async fn body_over_the_limit_is_413_and_the_answer_arrives() {
    let server = start(Limits::default()).await;
    let head = "POST /json HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n";
    let code = Value::from("payload_too_large");

    let announced = format!("{head}Content-Length: 65537\r\n\r\n");
    let (status, body) = exchange(&server, announced).await;
    assert_eq!(
        (status, &body["code"]),
        (413, &code),
        "before the body is sent"
    );

    let mut sent = format!("{head}Content-Length: 2000000\r\n\r\n").into_bytes();
    sent.resize(sent.len() + 2_000_000, b' ');
    let (status, body) = exchange(&server, sent).await;
    assert_eq!(
        (status, &body["code"]),
        (413, &code),
        "after the whole body is sent"
    );

    let mut chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..20 {
        chunked.extend(b"10000\r\n");
        chunked.resize(chunked.len() + 0x10000, b' ');
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");
    let (status, body) = exchange(&server, chunked).await;
    assert_eq!((status, &body["code"]), (413, &code), "without a length");
}

#[tokio::test]
async fn slow_body_is_408_and_slow_request_is_503() {
    let server = start_with(Limits::default(), SHORT, TEST_TIMEOUT).await;
    let slow = "POST /json HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n\
                Content-Length: 10\r\n\r\n{";
    let (status, body) = exchange(&server, slow).await;
    assert_eq!(
        (status, &body["code"]),
        (408, &Value::from("request_timeout"))
    );

    let mut server = start_with(Limits::default(), TEST_TIMEOUT, SHORT).await;
    let (status, body) = exchange(&server, get("/wait")).await;
    assert_eq!((status, &body["code"]), (503, &Value::from("unavailable")));
    assert_eq!(
        body.get("details"),
        None,
        "no change was permitted, so none was made"
    );
    let cause = server.event().await.cause.unwrap();
    assert_eq!(cause, "the request took longer than a request may");
}

#[tokio::test]
async fn caller_who_keeps_sending_after_the_answer_is_not_reset() {
    let limits = Limits {
        linger: TEST_TIMEOUT,
        ..Limits::default()
    };
    let server = start(limits).await;
    let mut stream = server.connect().await;
    let head = "POST /json HTTP/1.1\r\nHost: test\r\nContent-Length: 2000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(parse(&rest(&mut stream).await).0, 413);
    // A closed socket answers the first write with a reset, and the second one fails.
    for _ in 0..2 {
        stream.write_all(&[b' '; 1000]).await.unwrap();
    }
}
