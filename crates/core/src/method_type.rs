//! The kinds of authenticator.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The two kinds of WebAuthn authenticator that can be enrolled.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum MethodType {
    /// A passkey: discoverable, user-verified, may be synced.
    #[serde(rename = "webauthn_passkey")]
    Passkey,
    /// A FIDO security key as a second factor: bound to one device.
    #[serde(rename = "webauthn_fido")]
    Fido,
}

impl MethodType {
    /// All of them, in the order in which they are listed to people.
    pub const ALL: [MethodType; 2] = [MethodType::Passkey, MethodType::Fido];

    /// What a field that holds one must be.
    pub const RULE: &str = "must be \"webauthn_passkey\" or \"webauthn_fido\"";

    /// The spelling in the API, in policies and in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            MethodType::Passkey => "webauthn_passkey",
            MethodType::Fido => "webauthn_fido",
        }
    }

    /// What an authenticator of this type is called when nobody named it.
    pub fn noun(self) -> &'static str {
        match self {
            MethodType::Passkey => "Passkey",
            MethodType::Fido => "Security key",
        }
    }
}

impl fmt::Display for MethodType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MethodType {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|one| one.as_str() == text)
            .ok_or(())
    }
}

impl JsonSchema for MethodType {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MethodType".into()
    }

    /// A plain list of words: what the derived schema makes of documented variants is understood by
    /// fewer tools.
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "enum": Self::ALL })
    }
}
