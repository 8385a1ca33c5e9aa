//! Nearly valid requests as raw bytes. The gateway answers each as the API documents or closes its
//! connection, and then serves the next good request.

mod change;
mod http_2;
mod lifecycle;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::support::authenticator::soft_passkey;
use crate::support::client::{COMPLETE, Client, METHODS, REGISTER};
use crate::support::deployment::{Deployment, TENANT};
use crate::support::gateway::Gateway;
use crate::support::key::Key;
use crate::support::property::check;

use change::change;

/// The silence after which the test checks whether the server is busy or waits for more bytes.
const SILENCE: Duration = Duration::from_millis(50);
/// The longest time until the server closes a connection after that, with a wide margin.
const PATIENCE: Duration = Duration::from_secs(20);

/// The statuses and codes that the API documents for errors of callers. 403 carries the code of a
/// policy.
const TABLE: [(u16, &[&str]); 12] = [
    (400, &["invalid_request", "invalid_credential"]),
    (401, &["unauthenticated", "step_up_required"]),
    (403, &["tenant_mismatch", "untrusted_session", "forbidden"]),
    (404, &["not_found"]),
    (405, &["method_not_allowed"]),
    (408, &["request_timeout"]),
    (409, &["credential_exists"]),
    (413, &["payload_too_large"]),
    (414, &["uri_too_long"]),
    (415, &["unsupported_media_type"]),
    (429, &["rate_limited"]),
    (431, &["headers_too_large"]),
];
/// The statuses that hyper answers by itself, without a body, to a head that it cannot parse.
const UNREADABLE: [u16; 3] = [400, 414, 431];

#[tokio::test]
async fn nearly_valid_request_gets_a_documented_answer_or_a_closed_connection() {
    let deployment = Deployment::embedded();
    let gateway = deployment.serve();
    let token = deployment.token("alice");
    let alice = Client::new(&gateway.url).with(token.as_str(), TENANT);
    let options = alice.begin("webauthn_passkey").await;
    let credential = soft_passkey(&options, &deployment.origin());
    let known = requests(&token, &credential);
    one_thing_wrong(&gateway, &known);
    lifecycle::one_thing_wrong(&gateway, &token, &known[0]);
    let key = Key::for_options(&options, &deployment.origin(), 5);
    let assertion = key.answer(&options);
    let all = [&known[..], &lifecycle::requests(&token, &assertion)].concat();
    anything_wrong(&gateway, &all);
    http_2::nearly_valid_frames(&gateway, &known[0]);
    gateway.stop();
}

/// A request of HTTP/1.1.
#[derive(Clone)]
struct Sent {
    lines: Vec<String>,
    body: String,
}

impl Sent {
    fn bytes(&self) -> Vec<u8> {
        format!("{}\r\n\r\n{}", self.lines.join("\r\n"), self.body).into_bytes()
    }

    /// Replaces the header with this name by a line. `None` removes the header.
    fn header(&self, name: &str, line: Option<&str>) -> Self {
        let mut changed = self.clone();
        let is_it = |line: &String| line.starts_with(&format!("{name}:"));
        let at = changed.lines.iter().position(is_it).unwrap();
        changed.lines.splice(at..=at, line.map(str::to_owned));
        changed
    }

    fn with(&self, line: &str) -> Self {
        let mut changed = self.clone();
        changed.lines.push(line.to_owned());
        changed
    }
}

/// Good requests: one changes nothing, one begins an enrolment, one completes it.
fn requests(token: &str, credential: &Value) -> [Sent; 3] {
    let body = json!({
        "credential": credential,
        "device_name": "Schlüssel",
        "method_type": "webauthn_passkey",
    });
    [
        request(token, &format!("GET {METHODS} HTTP/1.1"), String::new()),
        request(
            token,
            &format!("POST {REGISTER}?method_type=webauthn_passkey HTTP/1.1"),
            "{}".to_owned(),
        ),
        request(
            token,
            &format!("POST {COMPLETE} HTTP/1.1"),
            body.to_string(),
        ),
    ]
}

fn request(token: &str, start: &str, body: String) -> Sent {
    Sent {
        lines: vec![
            start.to_owned(),
            "Host: localhost".to_owned(),
            format!("Authorization: Bearer {token}"),
            format!("X-Tenant-ID: {TENANT}"),
            "Content-Type: application/json".to_owned(),
            format!("Content-Length: {}", body.len()),
            "Connection: close".to_owned(),
        ],
        body,
    }
}

/// Sends these bytes and reads the answers until the server closes.
fn exchange(gateway: &Gateway, bytes: &[u8], good: &Sent) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.port())).unwrap();
    // the server may close before it has read everything
    let _ = stream.write_all(bytes);
    let mut said = Vec::new();
    if closes(&mut stream, SILENCE, &mut said) {
        return said;
    }
    // A busy server handles this connection before a new one.
    still_serves(gateway, good);
    if closes(&mut stream, SILENCE, &mut said) {
        return said;
    }
    // the server waits for more bytes, and there are none
    let _ = stream.shutdown(Shutdown::Write);
    let is_closed = closes(&mut stream, PATIENCE, &mut said);
    assert!(is_closed, "neither answered nor closed");
    said
}

/// Reads until the server closes or is silent for this long.
fn closes(stream: &mut TcpStream, silence: Duration, said: &mut Vec<u8>) -> bool {
    stream.set_read_timeout(Some(silence)).unwrap();
    match stream.read_to_end(said).map_err(|why| why.kind()) {
        Ok(_) | Err(ErrorKind::ConnectionReset) => true,
        Err(ErrorKind::WouldBlock) => false,
        Err(why) => panic!("{why}"),
    }
}

/// The status and error code of each answer. Good answers and those of hyper have no code. A
/// connection that was closed at once has no answers. An insertion between two lines can turn one
/// request into two.
fn answers(said: &[u8]) -> Vec<(u16, String)> {
    let mut rest = std::str::from_utf8(said).unwrap();
    let mut answers = Vec::new();
    while let Some((head, behind)) = rest.split_once("\r\n\r\n") {
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(it, _)| *it == name).map(|(_, value)| value)
        };
        let status: u16 = head["HTTP/1.1 ".len()..][..3].parse().unwrap();
        // 100 Continue comes before an answer
        let length = header("content-length").map_or(0, |it| it.parse().unwrap());
        let (body, behind) = behind.split_at(length);
        rest = behind;
        if status == 100 {
            continue;
        }
        if header("x-request-id").is_none() {
            assert!(UNREADABLE.contains(&status) && body.is_empty(), "{head}");
            answers.push((status, String::new()));
        } else {
            let body: Value = serde_json::from_str(body).unwrap();
            let code = body["code"].as_str().unwrap_or_default();
            answers.push((status, code.to_owned()));
        }
    }
    assert_eq!(rest, "", "half an answer");
    answers
}

fn is_of_the_table((status, code): &(u16, String)) -> bool {
    let listed = |(one, codes): &(u16, &[&str])| one == status && codes.contains(&code.as_str());
    match code.as_str() {
        "" => *status == 200 || UNREADABLE.contains(status),
        _ => TABLE.iter().any(listed),
    }
}

fn still_serves(gateway: &Gateway, good: &Sent) {
    let said = exchange_patiently(gateway, &good.bytes());
    assert_eq!(answers(&said), [(200, String::new())]);
}

/// Sends a whole request, which is always answered, however long that takes.
fn exchange_patiently(gateway: &Gateway, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.port())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.write_all(bytes);
    let mut said = Vec::new();
    stream.read_to_end(&mut said).unwrap();
    said
}

/// Checks the answers to requests with one known error.
fn one_thing_wrong(gateway: &Gateway, [list, begin, complete]: &[Sent; 3]) {
    let long = "x".repeat(70_000);
    let deep = "[".repeat(60_000);
    let cases: [(Sent, u16, &str); 22] = [
        (list.with(&list.lines[1]), 400, "invalid_request"),
        (list.with(&list.lines[2]), 400, "invalid_request"),
        (list.with(&list.lines[3]), 400, "invalid_request"),
        (complete.with(&complete.lines[4]), 400, "invalid_request"),
        (list.header("Host", None), 400, "invalid_request"),
        (list.header("X-Tenant-ID", None), 400, "invalid_request"),
        (list.header("Authorization", None), 401, "unauthenticated"),
        (
            list.header("Authorization", Some("Authorization: Bearer a.b.c")),
            401,
            "unauthenticated",
        ),
        (
            complete.header("Content-Type", None),
            415,
            "unsupported_media_type",
        ),
        // hyper refuses these by itself
        (
            complete.header("Content-Length", Some("Content-Length: -1")),
            400,
            "",
        ),
        (
            complete.header("Content-Length", Some("Content-Length: 0x10")),
            400,
            "",
        ),
        (complete.with("Content-Length: 7"), 400, ""),
        (complete.with("Transfer-Encoding: gzip"), 400, ""),
        (list.with("a b: c"), 400, ""),
        (
            complete.header("Content-Length", Some("Content-Length: 70000")),
            413,
            "payload_too_large",
        ),
        (
            complete.header("Content-Length", Some("Content-Length: 9")),
            400,
            "invalid_request",
        ),
        // two lengths, as the body is not chunked
        (
            complete.with("Transfer-Encoding: chunked"),
            400,
            "invalid_request",
        ),
        (
            list.with(&format!("X-Long: {long}")),
            431,
            "headers_too_large",
        ),
        (
            request_line(list, &format!("GET /{} HTTP/1.1", "x".repeat(9000))),
            414,
            "uri_too_long",
        ),
        (
            request_line(list, &format!("GET {METHODS}/../mfa HTTP/1.1")),
            400,
            "invalid_request",
        ),
        (
            request_line(list, &format!("TRACE {METHODS} HTTP/1.1")),
            405,
            "method_not_allowed",
        ),
        (with_body(begin, &deep), 400, "invalid_request"),
    ];
    for (sent, status, code) in cases {
        let said = exchange_patiently(gateway, &sent.bytes());
        let head = sent.lines.join("\n").chars().take(600).collect::<String>();
        assert_eq!(answers(&said), [(status, code.to_owned())], "{head}");
        still_serves(gateway, list);
    }
}

fn request_line(of: &Sent, line: &str) -> Sent {
    let mut changed = of.clone();
    line.clone_into(&mut changed.lines[0]);
    changed
}

fn with_body(of: &Sent, body: &str) -> Sent {
    let length = format!("Content-Length: {}", body.len());
    Sent {
        body: body.to_owned(),
        ..of.header("Content-Length", Some(&length))
    }
}

fn anything_wrong(gateway: &Gateway, requests: &[Sent]) {
    let changed = (any::<Index>(), prop::collection::vec(change(), 1..4));
    let needed = [("refused", 64), ("closed", 4)];
    check(256, &changed, &needed, |(which, changes), tally| {
        let mut sent = which.get(requests).clone();
        for change in &changes {
            change.of_lines(&mut sent);
        }
        let mut bytes = sent.bytes();
        for change in &changes {
            change.of_bytes(&mut bytes);
        }
        let answers = answers(&exchange(gateway, &bytes, &requests[0]));
        prop_assert!(answers.iter().all(is_of_the_table), "{answers:?}");
        tally.add("closed", usize::from(answers.is_empty()));
        let refusals = answers.iter().filter(|(status, _)| *status != 200).count();
        tally.add("refused", refusals);
        still_serves(gateway, &requests[0]);
        Ok(())
    });
}
