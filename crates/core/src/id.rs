//! Ids of tenants, issuers, users and groups, as policies, logs and store keys write them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An error from parsing an id. The message says how the id is written.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum IdError {
    /// The tenant is not a UUID with hyphens.
    #[error("a tenant is a UUID with hyphens, such as 2489e9ad-2ee2-8e00-8ec9-32d5f69181c0")]
    Tenant,
    /// The issuer's name is not `[a-z][a-z0-9-]{0,31}`.
    #[error("an issuer's name is 1 to 32 of a-z, 0-9 and -, and begins with a letter")]
    Issuer,
    /// The id has fewer than two bars, or an empty name.
    #[error("it is written <issuer>|<tenant>|<name>; the tenant may be empty, the name may not")]
    Parts,
    /// The name is not escaped as the gateway escapes it. Holds the right spelling.
    #[error(
        "the name is spelt {0:?}: bytes that are not printable ASCII, and % ' \" \\, are written %XX"
    )]
    Name(String),
    /// The tenant is not in lower case. Holds the tenant, which is written in lower case.
    #[error("the tenant is spelt {0}")]
    TenantCase(Tenant),
}

/// The id of a tenant: a UUID with hyphens, parsed in any letter case and written in lower case.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Tenant(Uuid);

impl From<Uuid> for Tenant {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl FromStr for Tenant {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        hyphenated(text).map(Self).ok_or(IdError::Tenant)
    }
}

/// Parses a UUID with hyphens, in any letter case. Returns `None` for the other forms that [`Uuid`] parses:
/// without hyphens, in braces, and as a URN.
pub fn hyphenated(text: &str) -> Option<Uuid> {
    let uuid = Uuid::try_parse(text).ok()?;
    (text.len() == 36).then_some(uuid)
}

impl Serialize for Tenant {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Tenant {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// The configured name of a token issuer, `[a-z][a-z0-9-]{0,31}`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct IssuerName(Arc<str>);

impl IssuerName {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IssuerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for IssuerName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let good = (1..=32).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if good {
            Ok(Self(text.into()))
        } else {
            Err(IdError::Issuer)
        }
    }
}

/// The id of a user and of their account, written `<issuer>|<tenant>|<subject>`.
///
/// The tenant may be empty. In the subject, bytes that are not printable ASCII, and `%`, `'`, `"` and
/// `\`, are written `%XX`, so that ids need no escapes in Cedar and JSON and hide no look-alike letters.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UserId {
    /// The issuer of the user's tokens.
    pub issuer: IssuerName,
    /// The tenant that the token names.
    pub tenant: Option<Tenant>,
    /// The token's `sub`, without escapes. Never empty.
    pub subject: String,
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_id(f, &self.issuer, self.tenant, &self.subject)
    }
}

impl FromStr for UserId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (issuer, tenant, subject) = parse_id(text)?;
        Ok(Self {
            issuer,
            tenant,
            subject,
        })
    }
}

/// The id of a group of one issuer and tenant, written like a [`UserId`]: `<issuer>|<tenant>|<name>`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct GroupId {
    /// The issuer whose tokens name the group.
    pub issuer: IssuerName,
    /// The tenant that those tokens name.
    pub tenant: Option<Tenant>,
    /// The name of the group in the token, without escapes. Never empty.
    pub name: String,
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_id(f, &self.issuer, self.tenant, &self.name)
    }
}

impl FromStr for GroupId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (issuer, tenant, name) = parse_id(text)?;
        Ok(Self {
            issuer,
            tenant,
            name,
        })
    }
}

fn write_id(
    f: &mut fmt::Formatter<'_>,
    issuer: &IssuerName,
    tenant: Option<Tenant>,
    name: &str,
) -> fmt::Result {
    write!(f, "{issuer}|")?;
    if let Some(tenant) = tenant {
        write!(f, "{tenant}")?;
    }
    write!(f, "|{}", Escaped(name))
}

fn parse_id(text: &str) -> Result<(IssuerName, Option<Tenant>, String), IdError> {
    let mut parts = text.splitn(3, '|');
    let (Some(issuer), Some(tenant), Some(name)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(IdError::Parts);
    };
    let issuer = issuer.parse()?;
    let tenant = if tenant.is_empty() {
        None
    } else {
        let parsed: Tenant = tenant.parse()?;
        if parsed.to_string() != tenant {
            return Err(IdError::TenantCase(parsed));
        }
        Some(parsed)
    };
    if name.is_empty() {
        return Err(IdError::Parts);
    }
    let plain = unescape(name);
    let spelt = plain.as_deref().unwrap_or(name);
    let right = Escaped(spelt).to_string();
    match plain {
        Some(plain) if right == name => Ok((issuer, tenant, plain)),
        _ => Err(IdError::Name(right)),
    }
}

/// Writes a name with the escapes of [`UserId`].
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            match byte {
                b'%' | b'\'' | b'"' | b'\\' => write!(f, "%{byte:02X}")?,
                b' '..=b'~' => write!(f, "{}", char::from(byte))?,
                _ => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            plain.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            plain.push(byte);
        }
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TENANT: &str = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";

    #[test]
    fn tenant_in_any_case_is_written_in_lower_case() {
        let tenant: Tenant = "2489E9AD-2EE2-8E00-8EC9-32D5F69181C0".parse().unwrap();
        assert_eq!(tenant.to_string(), TENANT);
        for wrong in [
            "2489e9ad2ee28e008ec932d5f69181c0",
            "",
            "{2489e9ad-2ee2-8e00-8ec9-32d5f69181c0}",
        ] {
            assert_eq!(wrong.parse::<Tenant>(), Err(IdError::Tenant), "{wrong}");
        }
    }

    #[test]
    fn id_is_split_at_its_first_two_bars() {
        let id: UserId = format!("corp|{TENANT}|a|b").parse().unwrap();
        assert_eq!(id.subject, "a|b");
        let id: UserId = "corp||alice".parse().unwrap();
        assert_eq!(id.tenant, None);
    }

    #[test]
    fn misspelt_id_is_refused_with_the_right_spelling() {
        assert_eq!("contractors".parse::<GroupId>(), Err(IdError::Parts));
        assert_eq!("corp||".parse::<GroupId>(), Err(IdError::Parts));
        assert_eq!("Corp||x".parse::<GroupId>(), Err(IdError::Issuer));
        let upper = format!("corp|{}|x", TENANT.to_uppercase());
        assert_eq!(
            upper.parse::<GroupId>(),
            Err(IdError::TenantCase(TENANT.parse().unwrap()))
        );
        assert_eq!(
            "corp||é".parse::<GroupId>(),
            Err(IdError::Name("%C3%A9".into()))
        );
        assert_eq!(
            "corp||%c3%a9".parse::<GroupId>(),
            Err(IdError::Name("%C3%A9".into()))
        );
        assert_eq!(
            "corp||50%".parse::<GroupId>(),
            Err(IdError::Name("50%25".into()))
        );
    }

    proptest! {
        #[test]
        fn id_of_any_subject_is_printable_ascii_and_parses_to_the_same_id(subject in ".{1,20}") {
            let id = UserId { issuer: "corp".parse().unwrap(), tenant: None, subject };
            let text = id.to_string();
            prop_assert!(text.bytes().all(|b| (b' '..=b'~').contains(&b) && !b"'\"\\".contains(&b)));
            prop_assert_eq!(text.parse::<UserId>().unwrap(), id);
        }
    }
}
