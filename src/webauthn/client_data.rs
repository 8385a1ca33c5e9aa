//! `clientDataJSON`, which is parsed once. The pending ceremony is found by its challenge, and the
//! response is verified with the rest.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use cedargate_core::Bytes;

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The client data of a response that has a challenge.
#[derive(Clone, Debug)]
pub(super) struct ClientData {
    /// The bytes as they were sent, which the signature covers.
    pub(super) sent: Bytes,
    pub(super) challenge: Bytes,
    /// `None` if a member is missing, repeated or of another type.
    pub(super) collected: Option<Collected>,
}

/// `CollectedClientData` (§5.8.1) without its challenge. Unknown members are ignored.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Collected {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) origin: String,
    #[serde(default, rename = "crossOrigin")]
    pub(super) cross_origin: Option<bool>,
    #[serde(default, rename = "topOrigin")]
    pub(super) top_origin: Option<Value>,
}

impl ClientData {
    /// Parses client data. Returns `None` if it is not a JSON object with a challenge.
    pub(super) fn parse(sent: Bytes) -> Option<Self> {
        let Members { all, repeats_known } = serde_json::from_slice(json_text(&sent.0)).ok()?;
        let challenge = all.get("challenge")?.as_str()?.parse().ok()?;
        let collected = Collected::deserialize(Value::Object(all)).ok();
        Some(Self {
            sent,
            challenge,
            collected: collected.filter(|_| !repeats_known),
        })
    }

    /// Returns the JSON text without a byte-order mark.
    pub(super) fn text(&self) -> &[u8] {
        json_text(&self.sent.0)
    }

    /// Returns true if the bytes begin with a byte-order mark.
    pub(super) fn has_mark(&self) -> bool {
        self.text().len() < self.sent.0.len()
    }
}

/// Strips one byte-order mark, as "UTF-8 decode" does (§7.1, step 5; §7.2, step 8).
fn json_text(sent: &[u8]) -> &[u8] {
    sent.strip_prefix(BYTE_ORDER_MARK).unwrap_or(sent)
}

/// The members of an object. The last value of a repeated member is kept.
struct Members {
    all: Map<String, Value>,
    /// True if a member of `CollectedClientData` is repeated.
    repeats_known: bool,
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Members, A::Error> {
        const KNOWN: [&str; 5] = ["type", "challenge", "origin", "crossOrigin", "topOrigin"];
        let (mut all, mut repeats_known) = (Map::new(), false);
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            repeats_known |= KNOWN.contains(&name.as_str()) && all.contains_key(&name);
            all.insert(name, value);
        }
        Ok(Members { all, repeats_known })
    }
}
