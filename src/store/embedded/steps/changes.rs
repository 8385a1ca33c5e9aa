//! What happens to authenticators and codes once they are enrolled.

use redb::ReadableTable as _;
use uuid::Uuid;

use super::{Step, Tables, UserKey, UserRecord, decode, encode, take, user};
use crate::model::{Bytes, Timestamp};
use crate::store::embedded::tables::{StoredCodes, Tries};
use crate::store::keys::ClaimKey;
use crate::store::{CodeSet, Removed, Replaced, Reset, Tried, Use, Used};

pub(in crate::store::embedded) struct Using {
    pub(in crate::store::embedded) user: UserKey,
    pub(in crate::store::embedded) challenge: String,
    pub(in crate::store::embedded) made: Use,
}

impl Using {
    pub(in crate::store::embedded) fn authenticate(
        self,
        tables: &mut Tables<'_>,
        now: Timestamp,
    ) -> Step<Used> {
        let Use {
            id,
            sign_count,
            backed_up,
            at,
        } = self.made;
        let key = self.user.digest();
        let mut record = own!(user(&tables.users, key)?);
        let owner = self.user.digest_of_authentications();
        if !take(tables, &owner, &self.challenge, now)? {
            return Ok(Ok(Used::Gone));
        }
        let Some(one) = record.authenticators.iter_mut().find(|one| one.id == id) else {
            return Ok(Ok(Used::NoAuthenticator));
        };
        let counts = one.sign_count != 0 || sign_count != 0;
        if counts && sign_count <= one.sign_count {
            return Ok(Ok(Used::CounterBack));
        }
        one.sign_count = sign_count;
        one.backed_up = backed_up;
        one.last_used_at = Some(at);
        store(
            tables,
            key,
            &record,
            Used::Stored {
                epoch: record.epoch,
            },
        )
    }
}

pub(in crate::store::embedded) struct Renaming {
    pub(in crate::store::embedded) user: UserKey,
    pub(in crate::store::embedded) id: Uuid,
    pub(in crate::store::embedded) device_name: String,
}

impl Renaming {
    pub(in crate::store::embedded) fn rename(self, tables: &mut Tables<'_>) -> Step<bool> {
        let key = self.user.digest();
        let mut record = own!(user(&tables.users, key)?);
        let found = record.authenticators.iter_mut();
        let Some(one) = found.into_iter().find(|one| one.id == self.id) else {
            return Ok(Ok(false));
        };
        one.device_name = self.device_name;
        store(tables, key, &record, true)
    }
}

pub(in crate::store::embedded) struct Removal {
    pub(in crate::store::embedded) user: UserKey,
    pub(in crate::store::embedded) version: u64,
    pub(in crate::store::embedded) id: Uuid,
}

impl Removal {
    pub(in crate::store::embedded) fn remove(self, tables: &mut Tables<'_>) -> Step<Removed> {
        let key = self.user.digest();
        let mut record = own!(user(&tables.users, key)?);
        let found = record.authenticators.iter();
        let Some(at) = found.into_iter().position(|one| one.id == self.id) else {
            return Ok(Ok(Removed::Nothing));
        };
        if self.version != record.version {
            return Ok(Ok(Removed::Stale));
        }
        let removed = record.authenticators.remove(at);
        record.version += 1;
        record.epoch += 1;
        if record.authenticators.is_empty() {
            record.codes = StoredCodes::default();
        }
        let claim = ClaimKey::of(&removed.rp_id, &removed.credential_id);
        let encoded = own!(encode(&record));
        tables.claims.remove(claim.digest())?;
        tables.users.insert(key, encoded.as_slice())?;
        Ok(Ok(Removed::Removed {
            authenticator: Box::new(removed),
            recovery_expires_at: None,
        }))
    }
}

/// Whoever has no record has none afterwards.
pub(in crate::store::embedded) fn reset(tables: &mut Tables<'_>, of: &UserKey) -> Step<Reset> {
    let key = of.digest();
    let before = match tables.users.get(key)? {
        None => {
            return Ok(Ok(Reset::Done {
                removed: Vec::new(),
                expires_at: Timestamp::default(),
            }));
        }
        Some(stored) => decode::<UserRecord>("user", stored.value()),
    };
    let mut record = own!(before);
    let removed = std::mem::take(&mut record.authenticators);
    record.version += 1;
    record.epoch += 1;
    record.codes = StoredCodes::default();
    record.tries = Tries::default();
    let encoded = own!(encode(&record));
    for one in &removed {
        let claim = ClaimKey::of(&one.rp_id, &one.credential_id);
        tables.claims.remove(claim.digest())?;
    }
    for owner in [key, &of.digest_of_authentications()] {
        // No digest is empty, and none begins with a byte as high as `~`.
        tables
            .pending
            .retain_in((owner, "")..(owner, "~"), |_, _| false)?;
    }
    tables.users.insert(key, encoded.as_slice())?;
    Ok(Ok(Reset::Done {
        removed,
        expires_at: Timestamp::default(),
    }))
}

#[derive(Clone)]
pub(in crate::store::embedded) struct Replacement {
    pub(in crate::store::embedded) user: UserKey,
    pub(in crate::store::embedded) version: u64,
    pub(in crate::store::embedded) codes: CodeSet,
}

impl Replacement {
    pub(in crate::store::embedded) fn replace(self, tables: &mut Tables<'_>) -> Step<Replaced> {
        let key = self.user.digest();
        let mut record = own!(user(&tables.users, key)?);
        if record.codes.salt.as_ref() == Some(&self.codes.salt) {
            return Ok(Ok(Replaced::Stored));
        }
        if record.version != self.version {
            return Ok(Ok(Replaced::Stale));
        }
        record.codes = self.codes.into();
        store(tables, key, &record, Replaced::Stored)
    }
}

pub(in crate::store::embedded) struct CodeTry {
    pub(in crate::store::embedded) user: UserKey,
    pub(in crate::store::embedded) salt: Bytes,
    pub(in crate::store::embedded) hash: Bytes,
}

impl CodeTry {
    pub(in crate::store::embedded) fn attempt(
        self,
        tables: &mut Tables<'_>,
        now: Timestamp,
    ) -> Step<Tried> {
        let key = self.user.digest();
        let mut record = own!(user(&tables.users, key)?);
        if record.codes.salt.as_ref() != Some(&self.salt) {
            return Ok(Ok(Tried::OtherSet));
        }
        if let Some(retry_after) = record.tries.shut(now) {
            return Ok(Ok(Tried::TooMany { retry_after }));
        }
        let Some(at) = record.codes.hashes.iter().position(|one| *one == self.hash) else {
            let counted = record.tries.counted(now);
            if counted == 0 {
                record.tries.since = now.millis();
            }
            record.tries.count = counted + 1;
            return store(tables, key, &record, Tried::Wrong);
        };
        record.codes.hashes.swap_remove(at);
        record.tries = Tries::default();
        let remaining = record.codes.hashes.len();
        store(
            tables,
            key,
            &record,
            Tried::Used {
                remaining,
                epoch: record.epoch,
            },
        )
    }
}

/// Writes a user's record, and answers.
fn store<R>(tables: &mut Tables<'_>, key: &str, record: &UserRecord, answer: R) -> Step<R> {
    let encoded = own!(encode(record));
    tables.users.insert(key, encoded.as_slice())?;
    Ok(Ok(answer))
}
