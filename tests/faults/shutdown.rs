//! SIGTERM while requests are in flight.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::*;
use crate::support::client::{Broken, COMPLETE};
use crate::support::poll::until;

/// The connections of each protocol, and the parallel requests over each of HTTP/2.
const CONNECTIONS: usize = 16;
const STREAMS: usize = 4;
const CALLERS: usize = CONNECTIONS * (1 + STREAMS);
/// The number of answers before the signal is sent.
const WARM: usize = 200;
/// For this long after an answer, a connection that ends waits for a last request.
const QUIET: Duration = Duration::from_millis(500);

fn is_listening(gateway: &Gateway) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", gateway.port())).is_ok()
}

/// The answers to all callers.
#[derive(Default)]
struct Answered {
    /// The statuses.
    statuses: Vec<u16>,
    /// The number of callers who have an answer, and so a connection that the gateway accepted.
    callers: usize,
}

/// Sends requests until nobody listens. Every request that was sent is answered; over HTTP/2, a
/// request after GOAWAY is sent over a new connection.
async fn ask_on(user: Client, answered: Arc<Mutex<Answered>>) {
    let mut last = None;
    loop {
        match user
            .try_send(user.request("GET", METHODS).body(<_>::default()).unwrap())
            .await
        {
            Ok(answer) => {
                if answer.status != 200 {
                    assert_unavailable(&answer);
                }
                let mut answered = answered.lock().unwrap();
                answered.statuses.push(answer.status);
                answered.callers += usize::from(last.is_none());
                last = Some(Instant::now());
            }
            Err(Broken::NotConnected | Broken::GoneAway) => return,
            // A machine that stood still may have kept this caller quiet for longer than the gateway
            // waits for a last request. A request that it began would be one event too many.
            Err(Broken::Midway(_)) if last.is_some_and(|it| it.elapsed() > QUIET) => return,
            Err(Broken::Midway(why)) => panic!("a request in flight failed: {why}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_fails_no_request_in_flight() {
    for _ in 0..3 {
        for site in Site::both() {
            let gateway = site.serve();
            let answered = Arc::new(Mutex::new(Answered::default()));
            let mut callers = JoinSet::new();
            let token = site.deployment.token("alice");
            for _ in 0..CONNECTIONS {
                // Each has a connection of its own.
                let http1 = Client::new(&gateway.url).with(&token, TENANT);
                callers.spawn(ask_on(http1, Arc::clone(&answered)));
                let http2 = Client::http2(&gateway.url).with(&token, TENANT);
                for _ in 0..STREAMS {
                    callers.spawn(ask_on(http2.clone(), Arc::clone(&answered)));
                }
            }
            until("they are at it", async || {
                let answered = answered.lock().unwrap();
                answered.statuses.len() > WARM && answered.callers == CALLERS
            })
            .await;
            gateway.terminate();
            while let Some(caller) = callers.join_next().await {
                caller.unwrap();
            }
            let written = tokio::task::spawn_blocking(|| gateway.ended())
                .await
                .unwrap();
            assert!(written.contains("all requests are finished"));
            // The log has as many events as there were answers, so no request was begun and
            // dropped.
            let lines = written.lines();
            let events = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let mut served = Vec::new();
            for event in events.filter(|event| event["route"] == METHODS) {
                served.push(u16::try_from(event["status"].as_u64().unwrap()).unwrap());
                // A busy machine may not do so many at once within the store's deadline.
                let cause = event["cause"].as_str();
                assert!(cause.is_none_or(|it| it.ends_with("in time")), "{event}");
            }
            served.sort_unstable();
            let mut answered = std::mem::take(&mut *answered.lock().unwrap()).statuses;
            answered.sort_unstable();
            assert_eq!(served, answered);
        }
    }
}

#[tokio::test]
async fn shutdown_waits_for_a_body_that_is_still_arriving() {
    let site = Site::embedded();
    let gateway = site.serve();
    let credential = site.begin(&site.user(&gateway, "alice")).await;
    let body = json!({ "credential": credential, "device_name": "", "method_type": PASSKEY });
    let body = body.to_string();
    let mut caller = TcpStream::connect(("127.0.0.1", gateway.port()))
        .await
        .unwrap();
    let head = format!(
        "POST {COMPLETE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         X-Tenant-ID: {TENANT}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Expect: 100-continue\r\n\r\n",
        site.deployment.token("alice"),
        body.len()
    );
    caller.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    caller.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    gateway.terminate();
    until("it does not listen", async || !is_listening(&gateway)).await;
    caller.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    caller.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    gateway.ended();
    let gateway = site.serve();
    assert_eq!(holdings(&site.user(&gateway, "alice")).await, (1, 10));
}
