//! What is too large, too long or too late.

use std::io::Write as _;
use std::net::TcpStream;

use hyper::HeaderMap;
use serde_json::Value;

use super::{Begun, PASSKEY, Place, on_both, plain};
use crate::client::{Answer, COMPLETE, METHODS, REGISTER};
use crate::deployment::TENANT;

/// The largest body.
const BODY: usize = 64 * 1024;

/// The head of a request of this user, up to its last lines.
fn head(place: &Place, user: &str, method: &str, target: &str) -> String {
    let token = place.deployment.token(user);
    format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\nX-Tenant-ID: {TENANT}\r\n"
    )
}

#[tokio::test]
async fn a_body_has_its_size() {
    insta::assert_snapshot!(on_both(plain, sizes).await);
}

async fn sizes(place: &Place) {
    let json = "Content-Type: application/json\r\n";
    let announced = |bytes: usize| format!("{json}Content-Length: {bytes}\r\n\r\n");
    let chunked = format!("{json}Transfer-Encoding: chunked\r\n\r\n");
    let chunks = |body: &str| format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let full = |size| move |begun: &Begun| padded(begun, size);
    let cases: [(&str, &dyn Fn(&Begun) -> String); 4] = [
        ("announced", &|it| announced(BODY + 1) + &full(BODY + 1)(it)),
        ("announced and never sent", &|_| announced(1 << 40)),
        ("announced beyond all numbers", &|_| {
            format!("{json}Content-Length: 18446744073709551612\r\n\r\n")
        }),
        ("in chunks", &|it| {
            chunked.clone() + &chunks(&full(BODY + 1)(it))
        }),
    ];
    for (name, rest) in cases {
        let begun = place.begun(&place.user(name), PASSKEY).await;
        let head = head(place, name, "POST", COMPLETE);
        place.note(name, &place.raw(head + &rest(&begun)).await);
        begun.is_pending_after(0).await;
    }
    for name in ["largest", "largest in chunks"] {
        let begun = place.begun(&place.user(name), PASSKEY).await;
        let body = padded(&begun, BODY);
        let rest = match name {
            "largest" => announced(BODY) + &body,
            _ => chunked.clone() + &chunks(&body),
        };
        let answer = place.raw(head(place, name, "POST", COMPLETE) + &rest).await;
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
    }
    let answer = place
        .raw(head(place, "alice", "GET", METHODS) + &announced(BODY + 1))
        .await;
    place.note("announced where none is read", &answer);
}

/// A right body of exactly so many bytes.
fn padded(begun: &Begun, size: usize) -> String {
    let mut body = begun.body();
    body["padding"] = Value::from("");
    let missing = size - body.to_string().len();
    body["padding"] = Value::from("x".repeat(missing));
    body.to_string()
}

#[tokio::test]
async fn a_head_has_its_size() {
    insta::assert_snapshot!(on_both(plain, heads).await);
}

async fn heads(place: &Place) {
    let request = async |target: &str, more: &str| {
        let head = head(place, "alice", "GET", target);
        place.raw(format!("{head}{more}\r\n")).await
    };
    let headers = |count| {
        (0..count)
            .map(|it| format!("x-{it}: v\r\n"))
            .collect::<String>()
    };
    let query = |length: usize| format!("{METHODS}?{}", "q".repeat(length - METHODS.len() - 1));
    let big = |size| format!("x-big: {}\r\n", "v".repeat(size));
    // Host, Connection, Authorization and X-Tenant-ID are four.
    assert_eq!(request(METHODS, &headers(96)).await.status, 200);
    place.note("101 headers", &request(METHODS, &headers(97)).await);
    assert_eq!(request(METHODS, &big(63 * 1024)).await.status, 200);
    place.note("65 KiB of head", &request(METHODS, &big(65 * 1024)).await);
    assert_eq!(request(&query(8192), "").await.status, 200);
    place.note("a target of 8193 bytes", &request(&query(8193), "").await);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_a_timeout() {
    insta::assert_snapshot!(on_both(plain, late).await);
}

/// Takes the 15 seconds that a body has.
async fn late(place: &Place) {
    let begun = place.begun(&place.user("late"), PASSKEY).await;
    let head = head(place, "late", "POST", COMPLETE);
    let rest = "Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    place.note("half a body", &place.raw(head + rest).await);
    begun.is_pending_after(0).await;
}

#[tokio::test]
async fn a_caller_who_hangs_up_leaves_a_record() {
    on_both(plain, hung_up).await;
}

async fn hung_up(place: &Place) {
    let begun = place.begun(&place.user("gone"), PASSKEY).await;
    let body = "Content-Type: application/json\r\nContent-Length: 9\r\n";
    let head = head(place, "gone", "POST", COMPLETE);
    let request = format!("{head}{body}X-Request-ID: gone\r\n\r\n{{");
    let mut stream = TcpStream::connect(("127.0.0.1", place.gateway.port())).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    drop(stream);
    let event = place.gateway.event("gone");
    assert_eq!(event["decisions"], serde_json::json!([]), "{event}");
    assert!(event["undecided"].is_string(), "{event}");
    place.nobody.answered(&no_answer("gone"));
    begun.is_pending_after(0).await;
}

/// Stands for the answer that nobody waited for.
fn no_answer(request_id: &str) -> Answer {
    let id = ("x-request-id".parse().unwrap(), request_id.parse().unwrap());
    Answer::read(0, HeaderMap::from_iter([id]), b"")
}

#[tokio::test]
async fn nothing_is_read_where_a_body_means_nothing() {
    on_both(plain, ignored).await;
}

async fn ignored(place: &Place) {
    let alice = place.user("alice");
    let request = alice
        .request("GET", METHODS)
        .header("content-type", "text/plain");
    let request = request.body(http_body_util::Full::from("[1")).unwrap();
    assert_eq!(alice.send(request).await.status, 200);
    let answer = alice.post_text(REGISTER, "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
}
