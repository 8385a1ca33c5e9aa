//! Requests that are too large, too long or too late.

use serde_json::Value;

use crate::support::client::{COMPLETE, METHODS, PASSKEY, REGISTER};
use crate::support::deployment::TENANT;
use crate::support::place::{Begun, Place, on_both, plain};

/// The largest body.
const BODY: usize = 64 * 1024;

/// The head of a request of this user, without its end.
pub(super) fn head(place: &Place, user: &str, method: &str, target: &str) -> String {
    let token = place.deployment.token(user);
    format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\nX-Tenant-ID: {TENANT}\r\n"
    )
}

#[tokio::test]
async fn body_over_its_limit_is_refused_with_413() {
    insta::assert_snapshot!(on_both(plain, sizes).await);
}

async fn sizes(place: &Place) {
    let json = "Content-Type: application/json\r\n";
    let announced = |bytes: usize| format!("{json}Content-Length: {bytes}\r\n\r\n");
    let chunked = format!("{json}Transfer-Encoding: chunked\r\n\r\n");
    let chunks = |body: &str| format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let full = |size| move |begun: &Begun| padded(begun, size);
    type Rest<'a> = &'a dyn Fn(&Begun) -> String;
    let cases: [(&str, Rest<'_>); 4] = [
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
        begun.stays_pending(0).await;
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

/// A valid body of exactly this size.
fn padded(begun: &Begun, size: usize) -> String {
    let mut body = begun.body();
    body["padding"] = Value::from("");
    let missing = size - body.to_string().len();
    body["padding"] = Value::from("x".repeat(missing));
    body.to_string()
}

#[tokio::test]
async fn head_over_its_limit_is_refused_with_414_or_431() {
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
    // Host, Connection, Authorization and X-Tenant-ID are four headers.
    assert_eq!(request(METHODS, &headers(96)).await.status, 200);
    place.note("101 headers", &request(METHODS, &headers(97)).await);
    assert_eq!(request(METHODS, &big(63 * 1024)).await.status, 200);
    place.note("65 KiB of head", &request(METHODS, &big(65 * 1024)).await);
    assert_eq!(request(&query(8192), "").await.status, 200);
    place.note("a target of 8193 bytes", &request(&query(8193), "").await);
}

#[tokio::test]
async fn late_body_is_refused_with_408() {
    insta::assert_snapshot!(on_both(plain, late).await);
}

/// Takes 15 seconds, the time limit of a body.
async fn late(place: &Place) {
    let begun = place.begun(&place.user("late"), PASSKEY).await;
    let head = head(place, "late", "POST", COMPLETE);
    let rest = "Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    place.note("half a body", &place.raw(head + rest).await);
    begun.stays_pending(0).await;
}

#[tokio::test]
async fn body_that_is_cut_short_leaves_an_event() {
    on_both(plain, cut_short).await;
}

async fn cut_short(place: &Place) {
    let begun = place.begun(&place.user("cut"), PASSKEY).await;
    let body = "Content-Type: application/json\r\nContent-Length: 9\r\n";
    let head = head(place, "cut", "POST", COMPLETE);
    place.hang_up("cut", &format!("{head}{body}X-Request-ID: cut\r\n\r\n{{"));
    let event = place.gateway.event("cut");
    assert_eq!(event["status"], 400, "{event}");
    assert_eq!(event["undecided"], "invalid_request", "{event}");
    begun.stays_pending(0).await;
}

#[tokio::test]
async fn body_of_a_request_that_takes_none_is_ignored() {
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
