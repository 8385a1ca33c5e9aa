//! Random changes of a request.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::Sent;

/// One change of a request.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Flip(Index, u8),
    Cut(Index),
    Put(Index, Vec<u8>),
    Leave(Index),
    Repeat(Index),
    Length(&'static str),
}

pub(super) fn change() -> impl Strategy<Value = Change> {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..6),
        select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
    ];
    prop_oneof![
        4 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        1 => any::<Index>().prop_map(Change::Cut),
        3 => (any::<Index>(), bytes).prop_map(|(at, bytes)| Change::Put(at, bytes)),
        1 => any::<Index>().prop_map(Change::Leave),
        2 => any::<Index>().prop_map(Change::Repeat),
        2 => select(LENGTHS).prop_map(Change::Length),
    ]
}

/// Bytes that have a meaning somewhere in a request.
const PIECES: &[&str] = &[
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    "\0",
    ":",
    " ",
    "\t",
    "%00",
    "%2e%2e/",
    "%ff",
    "?",
    "#",
    "//",
    "..",
    "\"",
    "{",
    "}",
    "[",
    ",",
    "\\ud800",
    "null",
    "é",
    "Transfer-Encoding: chunked\r\n",
    "Expect: 100-continue\r\n",
    "Upgrade: h2c\r\n",
    "X-Forwarded-For: 10.0.0.1\r\n",
    "Content-Encoding: gzip\r\n",
];
const LENGTHS: &[&str] = &[
    "0",
    "1",
    "-1",
    "+2",
    " 2",
    "1, 1",
    "0x10",
    "99999",
    "18446744073709551616",
    "2e1",
    "",
];

impl Change {
    /// Changes of whole lines. Changes of bytes come after them.
    pub(super) fn of_lines(&self, sent: &mut Sent) {
        match self {
            Self::Leave(at) => drop(sent.lines.remove(at.index(sent.lines.len()))),
            Self::Repeat(at) => {
                let line = at.get(&sent.lines).clone();
                sent.lines.push(line);
            }
            Self::Length(value) => sent.lines.push(format!("Content-Length: {value}")),
            _ => {}
        }
    }

    pub(super) fn of_bytes(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Flip(at, bit) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Self::Cut(at) => bytes.truncate(at.index(bytes.len() + 1)),
            Self::Put(at, put) => {
                let at = at.index(bytes.len() + 1);
                bytes.splice(at..at, put.iter().copied());
            }
            _ => {}
        }
    }
}
