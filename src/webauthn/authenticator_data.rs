//! Attestation objects and authenticator data (WebAuthn Level 3 §6.1, §6.5), read whole.
//!
//! The library's own reader ignores what follows the part that it needs, and lets the last of two
//! equal keys of a map win. What one reader skips, another may believe: here every byte counts, each
//! key of a map is there once, and there are no tags and no strings in pieces (CTAP 2.1 §8). Maps and
//! arrays of indefinite length, which it forbids too, are read: they can be read in one way only.

use std::collections::BTreeSet;

use minicbor::Decoder;
use minicbor::data::Type;
use uuid::Uuid;

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Malformed(pub(super) &'static str);

impl From<minicbor::decode::Error> for Malformed {
    fn from(_: minicbor::decode::Error) -> Self {
        Malformed("it is cut short, or is not CBOR of the form that CTAP2 demands")
    }
}

const TRAILING: Malformed = Malformed("bytes follow after its end");
const CUT_SHORT: Malformed = Malformed("it is cut short");

/// An attestation object (§6.5.4).
#[derive(Debug)]
pub(super) struct AttestationObject<'a> {
    /// The format of the statement.
    pub(super) format: &'a str,
    /// Whether the statement has no members.
    pub(super) statement_is_empty: bool,
    /// Authenticator data, as it was signed.
    pub(super) authenticator_data: &'a [u8],
}

impl<'a> AttestationObject<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut decoder = Decoder::new(bytes);
        let (mut format, mut authenticator_data, mut statement_is_empty) = (None, None, None);
        map(&mut decoder, 0, |key, value| {
            match key {
                Key::Text("fmt") => format = Some(value.str()?),
                Key::Text("authData") => authenticator_data = Some(value.bytes()?),
                Key::Text("attStmt") => {
                    statement_is_empty = Some(is_empty(value)?);
                    skip(value, 1)?;
                }
                _ => skip(value, 1)?,
            }
            Ok(())
        })?;
        if decoder.position() != bytes.len() {
            return Err(TRAILING);
        }
        match (format, statement_is_empty, authenticator_data) {
            (Some(format), Some(statement_is_empty), Some(authenticator_data)) => Ok(Self {
                format,
                statement_is_empty,
                authenticator_data,
            }),
            _ => Err(Malformed("`fmt`, `attStmt` or `authData` is missing")),
        }
    }
}

/// Authenticator data (§6.1).
#[derive(Debug)]
pub(super) struct AuthenticatorData<'a> {
    /// SHA-256 of the RP ID.
    pub(super) rp_id_hash: &'a [u8],
    pub(super) flags: Flags,
    /// The signature counter.
    pub(super) sign_count: u32,
    /// There when AT is set: in registrations.
    pub(super) attested: Option<AttestedCredential<'a>>,
}

impl<'a> AuthenticatorData<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut rest = bytes;
        let rp_id_hash = take(&mut rest, 32)?;
        let flags = Flags(take(&mut rest, 1)?[0]);
        let counter = take(&mut rest, 4)?;
        let sign_count = u32::from_be_bytes([counter[0], counter[1], counter[2], counter[3]]);
        let attested = if flags.attested_credential() {
            Some(AttestedCredential::parse(&mut rest)?)
        } else {
            None
        };
        if flags.extensions() {
            let mut decoder = Decoder::new(rest);
            map(&mut decoder, 0, |_, value| skip(value, 1))?;
            take(&mut rest, decoder.position())?;
        }
        if !rest.is_empty() {
            return Err(TRAILING);
        }
        Ok(Self {
            rp_id_hash,
            flags,
            sign_count,
            attested,
        })
    }
}

/// The flags of authenticator data (§6.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Flags(u8);

impl Flags {
    /// UP.
    pub(super) fn user_present(self) -> bool {
        self.0 & 0x01 != 0
    }

    /// UV.
    pub(super) fn user_verified(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// BE.
    pub(super) fn backup_eligible(self) -> bool {
        self.0 & 0x08 != 0
    }

    /// BS.
    pub(super) fn backed_up(self) -> bool {
        self.0 & 0x10 != 0
    }

    /// AT.
    fn attested_credential(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// ED.
    fn extensions(self) -> bool {
        self.0 & 0x80 != 0
    }
}

/// Attested credential data (§6.5.1).
#[derive(Debug)]
pub(super) struct AttestedCredential<'a> {
    pub(super) aaguid: Uuid,
    pub(super) id: &'a [u8],
    pub(super) key: PublicKey,
}

impl<'a> AttestedCredential<'a> {
    fn parse(rest: &mut &'a [u8]) -> Result<Self, Malformed> {
        let aaguid = Uuid::from_slice(take(rest, 16)?).map_err(|_| CUT_SHORT)?;
        let length = take(rest, 2)?;
        let id = take(
            rest,
            usize::from(u16::from_be_bytes([length[0], length[1]])),
        )?;
        let mut decoder = Decoder::new(rest);
        let key = PublicKey::parse(&mut decoder)?;
        take(rest, decoder.position())?;
        Ok(Self { aaguid, id, key })
    }
}

/// What a COSE key says that it is (RFC 9052 §7.1, RFC 9053 §7); absent where it does not say it as
/// an integer. The coordinates are the library's to check.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct PublicKey {
    pub(super) key_type: Option<i64>,
    pub(super) algorithm: Option<i64>,
    pub(super) curve: Option<i64>,
}

impl PublicKey {
    fn parse(decoder: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let mut key = PublicKey::default();
        map(decoder, 0, |label, value| {
            match label {
                Key::Int(1) => key.key_type = integer(value)?,
                Key::Int(3) => key.algorithm = integer(value)?,
                Key::Int(-1) => key.curve = integer(value)?,
                _ => skip(value, 1)?,
            }
            Ok(())
        })?;
        Ok(key)
    }
}

fn is_empty(decoder: &mut Decoder<'_>) -> Result<bool, Malformed> {
    let mut probe = decoder.probe();
    Ok(match probe.map()? {
        Some(length) => length == 0,
        None => probe.datatype()? == Type::Break,
    })
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Malformed> {
    let (taken, left) = rest.split_at_checked(length).ok_or(CUT_SHORT)?;
    *rest = left;
    Ok(taken)
}

/// Keys are compared as values: the same integer can be written in more than one way.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
enum Key<'a> {
    Int(i128),
    Text(&'a str),
}

/// CTAP2 messages nest four deep; what a reader cannot need must not use up its stack.
const MAX_DEPTH: usize = 16;

/// Reads a map; `each` must read the value of the key that it is given.
fn map<'a>(
    decoder: &mut Decoder<'a>,
    depth: usize,
    mut each: impl FnMut(Key<'a>, &mut Decoder<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let length = decoder.map()?;
    let mut seen = BTreeSet::new();
    items(decoder, length, depth, |decoder| {
        let key = match decoder.datatype()? {
            Type::String => Key::Text(decoder.str()?),
            _ => Key::Int(decoder.int()?.into()),
        };
        match key {
            Key::Int(n) => each(Key::Int(n), decoder)?,
            Key::Text(text) => each(Key::Text(text), decoder)?,
        }
        if !seen.insert(key) {
            return Err(Malformed("a key of a map is repeated"));
        }
        Ok(())
    })
}

/// Reads the items of a map or an array: as many as it says, or up to the break.
fn items<'a>(
    decoder: &mut Decoder<'a>,
    length: Option<u64>,
    depth: usize,
    mut each: impl FnMut(&mut Decoder<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    if depth >= MAX_DEPTH {
        return Err(Malformed("it nests too deep"));
    }
    if let Some(length) = length {
        return (0..length).try_for_each(|_| each(decoder));
    }
    while decoder.datatype()? != Type::Break {
        each(decoder)?;
    }
    decoder.set_position(decoder.position() + 1);
    Ok(())
}

fn skip(decoder: &mut Decoder<'_>, depth: usize) -> Result<(), Malformed> {
    match decoder.datatype()? {
        Type::Map | Type::MapIndef => map(decoder, depth, |_, value| skip(value, depth + 1)),
        Type::Array | Type::ArrayIndef => {
            let length = decoder.array()?;
            items(decoder, length, depth, |decoder| skip(decoder, depth + 1))
        }
        Type::BytesIndef | Type::StringIndef | Type::Tag | Type::Break | Type::Unknown(_) => {
            Err(Malformed("it holds what CTAP2 does not allow in CBOR"))
        }
        _ => Ok(decoder.skip()?),
    }
}

fn integer(decoder: &mut Decoder<'_>) -> Result<Option<i64>, Malformed> {
    match decoder.datatype()? {
        Type::U8
        | Type::U16
        | Type::U32
        | Type::U64
        | Type::I8
        | Type::I16
        | Type::I32
        | Type::I64
        | Type::Int => Ok(i64::try_from(i128::from(decoder.int()?)).ok()),
        _ => skip(decoder, 1).map(|()| None),
    }
}
