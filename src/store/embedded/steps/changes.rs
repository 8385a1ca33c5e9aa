//! What happens to authenticators once they are enrolled.

use uuid::Uuid;

use super::{Step, Tables, UserKey, UserRecord, encode, take, user};
use crate::store::{AuthenticateOutcome, Use};
use cedargate_core::Timestamp;

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
    ) -> Step<AuthenticateOutcome> {
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
            return Ok(Ok(AuthenticateOutcome::Gone));
        }
        let Some(one) = record.authenticators.iter_mut().find(|one| one.id == id) else {
            return Ok(Ok(AuthenticateOutcome::NoAuthenticator));
        };
        let counts = one.sign_count != 0 || sign_count != 0;
        if counts && sign_count <= one.sign_count {
            return Ok(Ok(AuthenticateOutcome::CounterBack));
        }
        one.sign_count = sign_count;
        one.backed_up = backed_up;
        one.last_used_at = Some(at);
        store(
            tables,
            key,
            &record,
            AuthenticateOutcome::Stored {
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

/// Writes a user's record, and answers.
pub(super) fn store<R>(
    tables: &mut Tables<'_>,
    key: &str,
    record: &UserRecord,
    answer: R,
) -> Step<R> {
    let encoded = own!(encode(record));
    tables.users.insert(key, encoded.as_slice())?;
    Ok(Ok(answer))
}
