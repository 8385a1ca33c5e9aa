//! Callers who hang up, and connections beyond the limit of file descriptors.

use std::process::Command;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::support::client::COMPLETE;
use crate::support::poll::until;

async fn connect(gateway: &Gateway) -> TcpStream {
    let address = gateway.url.strip_prefix("http://").unwrap();
    TcpStream::connect(address).await.unwrap()
}

/// The head of a request by alice, with an id and further headers.
fn head(site: &Site, line: &str, id: &str, headers: &str) -> String {
    let token = site.deployment.token("alice");
    format!(
        "{line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         X-Tenant-ID: {TENANT}\r\nX-Request-ID: {id}\r\n{headers}\r\n"
    )
}

#[tokio::test]
async fn caller_who_hangs_up_within_a_body_leaves_an_event_and_changes_nothing() {
    let site = Site::embedded();
    let gateway = site.serve();
    let credential = site.begin(&site.user(&gateway, "alice")).await;
    let body = json!({ "credential": credential, "device_name": "", "method_type": PASSKEY });
    let body = body.to_string();
    let length = format!(
        "Content-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    let mut caller = connect(&gateway).await;
    let head = head(&site, &format!("POST {COMPLETE}"), "half", &length);
    caller.write_all(head.as_bytes()).await.unwrap();
    let half = &body.as_bytes()[..body.len() / 2];
    caller.write_all(half).await.unwrap();
    drop(caller);
    let event = gateway.event("half");
    assert_eq!(event["decisions"], json!([]), "{event}");
    assert_eq!(event["route"], COMPLETE);
    let alice = site.user(&gateway, "alice");
    assert_eq!(holdings(&alice).await, (0, 0));
    assert_first(&alice.complete(PASSKEY, &credential).await);
}

/// The message that is logged, at most ten times a second, while no connection can be accepted.
const NO_MORE: &str = "no connection can be accepted";

#[tokio::test]
async fn gateway_without_file_descriptors_waits_for_idle_connections_to_close() {
    let site = Site::redis();
    let gateway = site.serve();
    let alice = site.user(&gateway, "alice");
    assert_eq!(holdings(&alice).await, (0, 0));
    let limit = Command::new("prlimit")
        .args(["--pid", &gateway.pid(), "--nofile=64:64"])
        .status()
        .unwrap();
    assert!(limit.success());
    let started = Instant::now();
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(connect(&gateway).await);
    }
    until("it has no descriptor left", async || {
        gateway.written().contains(NO_MORE)
    })
    .await;
    // A connection that was open before is served.
    assert_eq!(holdings(&alice).await, (0, 0));
    // A new connection waits until the silent ones are closed by their time limit.
    assert_eq!(
        holdings(&site.user(&gateway, "alice")).await,
        (0, 0),
        "a new connection is served"
    );
    let tries = gateway.written().matches(NO_MORE).count() as u128;
    let at_most = started.elapsed().as_millis() / 100 + 2;
    assert!(tries <= at_most, "{tries} tries to accept: it spins");
    for mut one in idle {
        let mut nothing = Vec::new();
        one.read_to_end(&mut nothing).await.unwrap();
        assert_eq!(nothing, b"", "silence is not answered");
    }
    gateway.stop();
}

/// Connections that have opened HTTP/2 and send no request. They would stay for a minute.
#[tokio::test]
async fn silent_connections_make_room_when_file_descriptors_run_out() {
    let site = Site::embedded();
    let gateway = site.serve();
    let limit = Command::new("prlimit")
        .args(["--pid", &gateway.pid(), "--nofile=64:64"])
        .status()
        .unwrap();
    assert!(limit.success());
    let mut silent = Vec::new();
    for _ in 0..100 {
        let mut stream = connect(&gateway).await;
        let settings = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        // The first one may be closed already.
        let _ = stream.write_all(settings).await;
        silent.push(stream);
    }
    until("it has no descriptor left", async || {
        gateway.written().contains(NO_MORE)
    })
    .await;
    let started = Instant::now();
    assert_eq!(holdings(&site.user(&gateway, "alice")).await, (0, 0));
    // The time until a connection that answers no ping is closed.
    assert!(started.elapsed() < Duration::from_secs(20));
    drop(silent);
    gateway.stop();
}

#[tokio::test]
async fn gateway_without_file_descriptors_serves_once_idle_clients_hang_up() {
    let site = Site::embedded();
    let gateway = site.serve();
    let limit = Command::new("prlimit")
        .args(["--pid", &gateway.pid(), "--nofile=64:64"])
        .status()
        .unwrap();
    assert!(limit.success());
    for _ in 0..3 {
        let seen = gateway.written().matches(NO_MORE).count();
        let mut idle = Vec::new();
        for _ in 0..100 {
            idle.push(connect(&gateway).await);
        }
        until("it has no descriptor left", async || {
            gateway.written().matches(NO_MORE).count() > seen
        })
        .await;
        drop(idle);
        assert_eq!(holdings(&site.user(&gateway, "alice")).await, (0, 0));
    }
    gateway.stop();
}
