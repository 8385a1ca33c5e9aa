//! HTTP/2 from the first byte on, as `curl --http2-prior-knowledge` speaks it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use proptest::prelude::*;

use super::change::change;
use super::{PATIENCE, Sent, exchange, still_serves};
use crate::support::gateway::Gateway;
use crate::support::property::check;

pub(super) fn nearly_valid_frames(gateway: &Gateway, good: &Sent) {
    let whole = request();
    is_served(gateway, &whole);
    let changes = prop::collection::vec(change(), 1..4);
    check(64, &changes, &[], |changes, _| {
        let mut bytes = whole.clone();
        for change in &changes {
            change.of_bytes(&mut bytes);
        }
        exchange(gateway, &bytes, good);
        still_serves(gateway, good);
        Ok(())
    });
}

fn is_served(gateway: &Gateway, whole: &[u8]) {
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.port())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(whole).unwrap();
    let mut said = Vec::new();
    while !is_ok_on_stream_1(&said) {
        let mut some = [0; 1024];
        let length = stream.read(&mut some).unwrap();
        assert_ne!(length, 0, "{said:?}");
        said.extend(&some[..length]);
    }
}

/// Returns true if these frames (RFC 9113, section 4.1) have headers on stream 1 that begin with
/// `:status: 200`, which HPACK has at index 8.
fn is_ok_on_stream_1(mut frames: &[u8]) -> bool {
    while let [a, b, c, kind, _, stream @ ..] = frames {
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let Some((stream, rest)) = stream.split_at_checked(4) else {
            return false;
        };
        let Some((payload, rest)) = rest.split_at_checked(length) else {
            return false;
        };
        if *kind == HEADERS && stream == [0, 0, 0, 1] {
            return payload[0] == 0x88;
        }
        frames = rest;
    }
    false
}

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_STREAM_AND_HEADERS: u8 = 0x5;

fn request() -> Vec<u8> {
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/v1/openapi.json"),
        (":authority", "localhost"),
    ];
    let mut block = Vec::new();
    for (name, value) in fields {
        // literal, not indexed, new name (RFC 7541, section 6.2.2)
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend_from_slice(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]);
    let length = u8::try_from(block.len()).unwrap();
    bytes.extend_from_slice(&[0, 0, length, HEADERS, END_STREAM_AND_HEADERS, 0, 0, 0, 1]);
    bytes.extend_from_slice(&block);
    bytes
}
