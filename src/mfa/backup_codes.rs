//! Backup codes: made, hashed and shown once.

use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2, rand};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretSlice};
use serde::Serialize;

use crate::error::Error;
use crate::model::Bytes;
use crate::store::CodeSet;

/// How many codes a set has.
const COUNT: usize = 10;
/// Symbols of one code. 13 of 5 bits are 65 bits, above the 64 that SP 800-63B-4 §3.1.2.1 asks of
/// a saved recovery code; below 112 it asks for a password hashing scheme.
const SYMBOLS: usize = 13;
/// Crockford's base 32: no I, L, O or U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const SALT_BYTES: usize = 16;
const ROUNDS: NonZeroU32 = NonZeroU32::new(10_000).expect("not zero");

/// The answer that shows backup codes.
// No `Debug`, so that no log can. (What stands above is in the API description.)
#[derive(JsonSchema, Serialize)]
pub struct BackupCodes {
    /// New codes, shown this once; empty while older ones still work.
    pub codes: Vec<String>,
    /// How many codes work now.
    pub remaining: usize,
}

/// A key that every code hash needs besides the code, kept outside the store: what is stolen from
/// the store alone cannot be searched.
pub struct Pepper {
    id: String,
    key: hmac::Key,
}

impl Pepper {
    /// A pepper from a secret of at least 32 bytes. Its id is a hash of the secret, so that
    /// renaming its file changes nothing.
    pub fn new(secret: &SecretSlice<u8>) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(b"cedargate pepper id");
        hash.update(secret.expose_secret());
        Self {
            id: Bytes(hash.finish().as_ref()[..8].to_vec()).to_string(),
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret()),
        }
    }
}

/// The peppers: the first hashes new sets.
pub struct Peppers {
    first: Pepper,
}

impl Peppers {
    /// New sets are hashed with `first`.
    pub fn new(first: Pepper) -> Self {
        Self { first }
    }

    /// Makes a set: the codes to show, and what to store of them. Takes some 25 ms of a processor:
    /// not for an I/O thread.
    ///
    /// # Errors
    /// [`Error::Internal`] when the system has no randomness.
    pub fn issue(&self) -> Result<(Vec<String>, CodeSet), Error> {
        let mut salt = vec![0; SALT_BYTES];
        fill(&mut salt)?;
        let mut codes = Vec::with_capacity(COUNT);
        let mut hashes = Vec::with_capacity(COUNT);
        for _ in 0..COUNT {
            let code = random_code()?;
            hashes.push(hash(&self.first, &salt, &code));
            codes.push(format!("{}-{}-{}", &code[..4], &code[4..8], &code[8..]));
        }
        let pepper_id = self.first.id.clone();
        Ok((
            codes,
            CodeSet {
                salt: Bytes(salt),
                pepper_id,
                hashes,
            },
        ))
    }
}

fn random_code() -> Result<String, Error> {
    let mut bytes = [0; SYMBOLS];
    fill(&mut bytes)?;
    // 256 is a multiple of 32, so each symbol is as likely as the others.
    Ok(bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect())
}

/// HMAC-SHA-256(pepper, PBKDF2-HMAC-SHA-256(code, salt)), the code without hyphens.
fn hash(pepper: &Pepper, salt: &[u8], code: &str) -> Bytes {
    let mut stretched = [0; digest::SHA256_OUTPUT_LEN];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        ROUNDS,
        salt,
        code.as_bytes(),
        &mut stretched,
    );
    Bytes(hmac::sign(&pepper.key, &stretched).as_ref().to_vec())
}

fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    rand::fill(bytes).map_err(|_| Error::Internal("the system gave no randomness".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn peppers(secret: u8) -> Peppers {
        Peppers::new(Pepper::new(&SecretSlice::from(vec![secret; 32])))
    }

    #[test]
    fn a_set_is_ten_different_codes_of_65_bits_in_groups() {
        let (codes, set) = peppers(1).issue().unwrap();
        assert_eq!(codes.iter().collect::<HashSet<_>>().len(), COUNT);
        assert_eq!(set.hashes.iter().collect::<HashSet<_>>().len(), COUNT);
        for code in &codes {
            let groups: Vec<_> = code.split('-').map(str::len).collect();
            assert_eq!(groups, [4, 4, 5], "{code}");
            assert!(
                code.bytes().all(|b| b == b'-' || ALPHABET.contains(&b)),
                "{code}"
            );
        }
    }

    #[test]
    fn what_is_stored_is_the_hash_of_each_code_without_hyphens_under_a_salt_of_the_sets_own() {
        let (codes, set) = peppers(1).issue().unwrap();
        let pepper = Pepper::new(&SecretSlice::from(vec![1; 32]));
        assert_eq!(set.pepper_id, pepper.id);
        assert_eq!(set.salt.0.len(), 16);
        let hashes: Vec<_> = codes
            .iter()
            .map(|code| hash(&pepper, &set.salt.0, &code.replace('-', "")))
            .collect();
        assert_eq!(set.hashes, hashes);
        let (_, other) = peppers(1).issue().unwrap();
        assert_ne!(set.salt, other.salt);
    }

    #[test]
    fn the_hash_depends_on_code_salt_and_pepper_and_is_pinned() {
        let one = Pepper::new(&SecretSlice::from(vec![1; 32]));
        let two = Pepper::new(&SecretSlice::from(vec![2; 32]));
        let base = hash(&one, b"salt", "0123456789ABC");
        assert_ne!(one.id, two.id);
        assert_ne!(base, hash(&two, b"salt", "0123456789ABC"));
        assert_ne!(base, hash(&one, b"pepper", "0123456789ABC"));
        assert_ne!(base, hash(&one, b"salt", "0123456789ABD"));
        // computed with Python's hashlib.pbkdf2_hmac and hmac: what is stored must stay readable
        insta::assert_snapshot!(base, @"4b8C_R9Vc0_bgadI6cgjQCDzQK5uW6Axu_lyV7SkiW0");
    }
}
