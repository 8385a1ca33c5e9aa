//! The types of authenticator.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The two types of WebAuthn authenticator that can be enrolled.
///
/// They are written `webauthn_passkey` and `webauthn_fido` in the API, in policies
/// (`Gate::MethodType::"webauthn_fido"`) and in the configuration.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum MethodType {
    /// A passkey: a discoverable credential with user verification, which may be synced (WebAuthn
    /// Level 3 §4).
    #[serde(rename = "webauthn_passkey")]
    Passkey,
    /// A FIDO security key as a second factor: a credential that is bound to one device.
    #[serde(rename = "webauthn_fido")]
    Fido,
}

impl MethodType {
    /// All types, in the order in which they are listed to users.
    pub const ALL: [MethodType; 2] = [MethodType::Passkey, MethodType::Fido];

    /// The message for a field whose value is not a method type.
    pub const RULE: &str = "must be \"webauthn_passkey\" or \"webauthn_fido\"";

    /// Returns `webauthn_passkey` or `webauthn_fido`.
    pub fn as_str(self) -> &'static str {
        match self {
            MethodType::Passkey => "webauthn_passkey",
            MethodType::Fido => "webauthn_fido",
        }
    }

    /// Returns the device name of an authenticator that its owner has not named, such as `Passkey`.
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

/// The text is no method type.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("it must be webauthn_passkey or webauthn_fido")]
pub struct UnknownMethodType;

impl FromStr for MethodType {
    type Err = UnknownMethodType;

    fn from_str(text: &str) -> Result<Self, UnknownMethodType> {
        Self::ALL
            .into_iter()
            .find(|method_type| method_type.as_str() == text)
            .ok_or(UnknownMethodType)
    }
}

impl JsonSchema for MethodType {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MethodType".into()
    }

    /// Lists the values in one `enum`. The derived schema makes a `oneOf` of documented variants, which
    /// fewer tools understand.
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "enum": Self::ALL })
    }
}
