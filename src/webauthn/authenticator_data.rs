//! A strict parser of attestation objects and authenticator data (WebAuthn Level 3 §6.1, §6.5).
//!
//! The library's parser ignores trailing bytes, and uses the last value of a repeated key. Two parsers
//! that differ in this can see two different credentials in the same bytes. This parser refuses
//! trailing bytes, repeated keys, tags, and strings of indefinite length (CTAP 2.1 §8). CTAP also
//! forbids maps and arrays of indefinite length; these are accepted, because they are unambiguous.

use std::collections::BTreeSet;

use minicbor::Decoder;
use minicbor::data::Type;
use uuid::Uuid;

/// The problem of malformed bytes, as a sentence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Malformed(pub(super) &'static str);

impl From<minicbor::decode::Error> for Malformed {
    fn from(_: minicbor::decode::Error) -> Self {
        Malformed("it is truncated, or is not CTAP2 canonical CBOR")
    }
}

const TRAILING: Malformed = Malformed("it has trailing bytes");
const CUT_SHORT: Malformed = Malformed("it is truncated");

/// An attestation object (§6.5.4).
#[derive(Debug)]
pub(super) struct AttestationObject<'a> {
    pub(super) format: &'a str,
    pub(super) statement_is_empty: bool,
    /// The bytes that the statement signs.
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
    /// The SHA-256 hash of the RP ID.
    pub(super) rp_id_hash: &'a [u8],
    pub(super) flags: Flags,
    pub(super) sign_count: u32,
    /// Present if the flag AT is set, which it is in registrations.
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

/// The flags of authenticator data (§6.1): UP, UV, BE, BS, AT and ED.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flags(u8);

impl Flags {
    pub(super) fn user_present(self) -> bool {
        self.0 & 0x01 != 0
    }

    pub(super) fn user_verified(self) -> bool {
        self.0 & 0x04 != 0
    }

    pub(super) fn backup_eligible(self) -> bool {
        self.0 & 0x08 != 0
    }

    pub(super) fn backed_up(self) -> bool {
        self.0 & 0x10 != 0
    }

    fn attested_credential(self) -> bool {
        self.0 & 0x40 != 0
    }

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

/// The type, algorithm and curve of a COSE key (RFC 9052 §7.1, RFC 9053 §7). Each is `None` if it is
/// absent or not an integer. The library checks the coordinates.
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

/// A key of a map. Keys are compared by value, because an integer has more than one encoding.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
enum Key<'a> {
    Int(i128),
    Text(&'a str),
}

/// The limit of nesting, which protects the stack. CTAP2 messages nest at most four levels.
const MAX_DEPTH: usize = 16;

/// Reads a map. `each` must read the value of the key that it is given.
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
            return Err(Malformed("a map has a repeated key"));
        }
        Ok(())
    })
}

/// Reads the items of a map or an array, up to its length or the break.
fn items<'a>(
    decoder: &mut Decoder<'a>,
    length: Option<u64>,
    depth: usize,
    mut each: impl FnMut(&mut Decoder<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    if depth >= MAX_DEPTH {
        return Err(Malformed("it is nested too deeply"));
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
            Err(Malformed("it has CBOR that CTAP2 does not allow"))
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
