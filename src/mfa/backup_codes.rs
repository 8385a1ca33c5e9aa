//! Backup codes and recovery codes. They are stored as hashes and shown once.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::{digest, hmac, pbkdf2, rand};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::Serialize;

use super::{Attempts, Mfa};
use crate::error::{Error, Missing};
use crate::event::{AccountChange, AccountChangeKind, RequestEvent};
use crate::gate::{Gate, Operation, Permit};
use crate::store::{Account, CodeSalt, CodeSet, RecoveryCode, ReplaceCodesOutcome};
use cedargate_core::{Bytes, GateAction, Member};
use cedargate_policy::Resource;

/// The number of codes in a set.
const COUNT: usize = 10;
/// The number of symbols in a code. 13 symbols of 5 bits are 65 bits. SP 800-63B-4 §3.1.2.1 requires 64
/// bits for a saved recovery code, and a password hashing scheme for codes of less than 112 bits.
const SYMBOLS: usize = 13;
/// Crockford's base 32, which leaves out I, L, O and U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const SALT_BYTES: usize = 16;
const ROUNDS: NonZeroU32 = NonZeroU32::new(10_000).expect("not zero");

/// The answer that shows backup codes.
// No `Debug`, so that no log can contain it. The doc comment is part of the API description.
#[derive(JsonSchema, Serialize)]
pub struct BackupCodes {
    /// New codes, shown only in this answer. Empty while older ones still work.
    pub codes: Vec<String>,
    /// The number of codes that work now.
    pub remaining: usize,
}

/// Codes that are not stored yet: the codes to show, and the set to store.
pub type NewCodes = (Vec<String>, CodeSet);

/// A code that a user typed, normalised to its symbols.
#[derive(Clone)]
pub(super) struct Code(SecretString);

impl Code {
    /// Reads a code. It ignores case, spaces and hyphens, and reads letters that look like a digit as that
    /// digit. Returns `None` if the text cannot be a code.
    pub(super) fn read(typed: &str) -> Option<Self> {
        let mut symbols = String::new();
        for symbol in typed.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            let symbol = match symbol.to_ascii_uppercase() {
                'I' | 'L' => '1',
                'O' => '0',
                other => other,
            };
            let known = u8::try_from(symbol).is_ok_and(|symbol| ALPHABET.contains(&symbol));
            if !known || symbols.len() == SYMBOLS {
                return None;
            }
            symbols.push(symbol);
        }
        (symbols.len() == SYMBOLS).then(|| Self(symbols.into()))
    }

    #[cfg(test)]
    pub(super) fn symbols(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Replaces the caller's backup codes.
pub struct RegenerateCodes;

impl Operation for RegenerateCodes {
    const ACTION: GateAction = GateAction::RegenerateBackupCodes;

    fn resource<'a>(&'a self, member: &'a Member, _: &'a Account) -> Option<Resource<'a>> {
        Some(Resource::Account(&member.user.id))
    }
}

impl Mfa {
    /// Replaces the caller's backup codes with a new set.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a user without an authenticator; [`Error::CodesReplaced`]; the policies
    /// refuse a further attempt; or the store fails.
    pub async fn regenerate_codes(
        &self,
        gate: &Gate,
        permit: Permit<RegenerateCodes>,
        event: &mut RequestEvent,
    ) -> Result<BackupCodes, Error> {
        // The set of the first decision. If another request replaces it first, a further attempt must not
        // replace the codes that the other request has shown.
        let old = permit.account().codes.as_ref();
        let old = old.map(|codes| codes.salt.salt.clone());
        let mut new_codes = None;
        let mut attempts = Attempts::new(gate, permit);
        loop {
            let permit = attempts.next(event).await?;
            let (user, account) = (&permit.member().user.id, permit.account());
            if account.authenticators.is_empty() {
                return Err(Error::NotFound(Missing::AuthenticatorForCodes));
            }
            let (codes, set) = match &mut new_codes {
                Some(new_codes) => new_codes,
                none => none.insert(self.issue(permit.member()).await?),
            };
            let change = AccountChange::of_account(AccountChangeKind::CodesRegenerated, user);
            let step = self
                .store
                .replace_codes(user, account.version, old.as_ref(), set);
            match event.attempt(change.clone(), step).await? {
                ReplaceCodesOutcome::Stored => {
                    event.changed(change);
                    let remaining = codes.len();
                    let codes = std::mem::take(codes);
                    return Ok(BackupCodes { codes, remaining });
                }
                ReplaceCodesOutcome::Superseded => return Err(Error::CodesReplaced),
                ReplaceCodesOutcome::Stale => {}
            }
        }
    }

    /// Makes a set of codes on behalf of this caller.
    pub(super) async fn issue(&self, member: &Member) -> Result<NewCodes, Error> {
        let peppers = Arc::clone(&self.parts.peppers);
        self.hash_in_queue(member, move || peppers.issue()).await?
    }

    /// Makes a recovery code on behalf of this administrator: the code to show, and the set to store.
    pub(super) async fn issue_recovery(
        &self,
        member: &Member,
    ) -> Result<(String, RecoveryCode), Error> {
        let (peppers, ttl) = (
            Arc::clone(&self.parts.peppers),
            self.parts.recovery_code_ttl,
        );
        self.hash_in_queue(member, move || peppers.issue_recovery(ttl))
            .await?
    }

    /// Hashes a code with its set's salt and pepper. `None` if that pepper is no longer configured.
    pub(super) async fn hash(
        &self,
        member: &Member,
        code: Code,
        salt: &CodeSalt,
    ) -> Result<Option<Bytes>, Error> {
        let (peppers, salt) = (Arc::clone(&self.parts.peppers), salt.clone());
        self.hash_in_queue(member, move || peppers.hash(&code, &salt))
            .await
    }

    /// Runs `work` on a thread for blocking work, once the caller has a slot in the queue.
    async fn hash_in_queue<T: Send + 'static>(
        &self,
        member: &Member,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let slot = self
            .hash_queue
            .take(&member.user.id, &member.user.session.key)
            .await?;
        let work = move || {
            // Held until the work is done, even if the client has hung up.
            let _slot = slot;
            work()
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|cause| Error::Internal(format!("backup codes: {cause}").into()))
    }
}

/// A key for the hashes of codes. It is kept outside the store, so that codes cannot be searched for in a
/// stolen store.
pub struct Pepper {
    id: String,
    key: hmac::Key,
}

impl Pepper {
    /// Makes a pepper from a secret of at least 32 bytes. Its id is a hash of the secret, so that its file
    /// can be renamed.
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

/// The configured peppers. The first one hashes new sets. A stored set names its pepper by id.
pub struct Peppers(Vec<Pepper>);

impl Peppers {
    pub fn new(peppers: Vec<Pepper>) -> Self {
        Self(peppers)
    }

    fn first(&self) -> Result<&Pepper, Error> {
        let first = self.0.first();
        first.ok_or_else(|| Error::Internal("there is no pepper".into()))
    }

    /// Hashes a code with its set's salt and pepper. Returns `None` if that pepper is no longer configured.
    /// Takes about 3 ms of processor time, so it must not run on an I/O thread.
    fn hash(&self, code: &Code, salt: &CodeSalt) -> Option<Bytes> {
        let pepper = self.0.iter().find(|pepper| pepper.id == salt.pepper_id)?;
        Some(hash(pepper, &salt.salt.0, code.0.expose_secret()))
    }

    /// Makes a set of codes. Takes about 25 ms of processor time, so it must not run on an I/O thread.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system provides no randomness.
    pub fn issue(&self) -> Result<NewCodes, Error> {
        self.issue_many(COUNT)
    }

    /// Makes a recovery code that works for `ttl`: the code to show, and the set to store. Takes about 3 ms
    /// of processor time, so it must not run on an I/O thread.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system provides no randomness.
    pub fn issue_recovery(&self, ttl: Duration) -> Result<(String, RecoveryCode), Error> {
        let (codes, set) = self.issue_many(1)?;
        let code = codes.into_iter().next();
        let code = code.ok_or_else(|| Error::Internal("no recovery code was made".into()))?;
        Ok((code, RecoveryCode { set, ttl }))
    }

    fn issue_many(&self, count: usize) -> Result<NewCodes, Error> {
        let pepper = self.first()?;
        let mut salt = vec![0; SALT_BYTES];
        fill(&mut salt)?;
        let mut codes = Vec::with_capacity(count);
        let mut hashes = Vec::with_capacity(count);
        for _ in 0..count {
            let code = random_code()?;
            hashes.push(hash(pepper, &salt, &code));
            codes.push(format!("{}-{}-{}", &code[..4], &code[4..8], &code[8..]));
        }
        let pepper_id = pepper.id.clone();
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

/// Computes HMAC-SHA-256(pepper, PBKDF2-HMAC-SHA-256(code, salt)). The code has no hyphens.
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
    rand::fill(bytes).map_err(|_| Error::Internal("the system provided no randomness".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn peppers(secret: u8) -> Peppers {
        Peppers::new(vec![Pepper::new(&SecretSlice::from(vec![secret; 32]))])
    }

    #[test]
    fn new_set_has_ten_different_codes_of_65_bits_in_groups() {
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
    fn new_set_is_stored_as_hashes_of_its_codes_with_its_own_salt() {
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
    fn typed_code_is_normalised_and_a_malformed_one_is_refused() {
        let read = |typed: &str| Code::read(typed).map(|code| code.symbols().to_owned());
        let code = Some("0123456789ABC".to_owned());
        for typed in [
            "0123-4567-89ABC",
            "0123456789abc",
            " o123 4567\u{a0}89-abc\n",
            "Oi23-4567-89ABC",
            "0L23-4567-89ABC",
            "ol23-4567-89abc",
        ] {
            assert_eq!(read(typed), code, "{typed:?}");
        }
        for wrong in [
            "",
            "0123-4567-89AB",
            "0123-4567-89ABCD",
            "0123-4567-89ABU",
            "0123-4567-89AB\u{ff23}",
            "0123_4567_89ABC",
            &"-".repeat(1000),
        ] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn older_set_is_checked_with_the_pepper_that_hashed_it() {
        let (old, new) = (vec![1; 32], vec![2; 32]);
        let pepper = |secret: &Vec<u8>| Pepper::new(&SecretSlice::from(secret.clone()));
        let (codes, set) = Peppers::new(vec![pepper(&old)]).issue().unwrap();
        let salt = CodeSalt {
            salt: set.salt.clone(),
            pepper_id: set.pepper_id.clone(),
        };
        let code = Code::read(&codes[0].to_lowercase()).unwrap();
        let rotated = Peppers::new(vec![pepper(&new), pepper(&old)]);
        assert_eq!(rotated.hash(&code, &salt), Some(set.hashes[0].clone()));
        let dropped = Peppers::new(vec![pepper(&new)]);
        assert_eq!(dropped.hash(&code, &salt), None);
    }

    #[test]
    fn hash_depends_on_code_salt_and_pepper_and_does_not_change() {
        let first = Pepper::new(&SecretSlice::from(vec![1; 32]));
        let second = Pepper::new(&SecretSlice::from(vec![2; 32]));
        let base = hash(&first, b"salt", "0123456789ABC");
        assert_ne!(first.id, second.id);
        assert_ne!(base, hash(&second, b"salt", "0123456789ABC"));
        assert_ne!(base, hash(&first, b"pepper", "0123456789ABC"));
        assert_ne!(base, hash(&first, b"salt", "0123456789ABD"));
        // Computed with Python's hashlib.pbkdf2_hmac and hmac. Stored codes must keep working.
        insta::assert_snapshot!(base, @"4b8C_R9Vc0_bgadI6cgjQCDzQK5uW6Axu_lyV7SkiW0");
    }
}
