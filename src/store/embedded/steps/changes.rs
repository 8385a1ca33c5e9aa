//! The use and the renaming of authenticators.

use uuid::Uuid;

use super::{StepResult, Tables, UserKey, UserRecord, encode, read_user, remove_pending};
use crate::store::{AuthenticateOutcome, Use};
use cedargate_core::{Authenticator, Timestamp};

pub(in crate::store::embedded) struct AuthenticateStep {
    pub(in crate::store::embedded) user: UserKey,
    pub(in crate::store::embedded) challenge: String,
    pub(in crate::store::embedded) verified: Use,
}

impl AuthenticateStep {
    pub(in crate::store::embedded) fn authenticate(
        self,
        tables: &mut Tables<'_>,
        now: Timestamp,
    ) -> StepResult<AuthenticateOutcome> {
        let Use {
            id,
            sign_count,
            backed_up,
            at,
        } = self.verified;
        let key = self.user.digest();
        let mut record = try_step!(read_user(&tables.users, key)?);
        let owner = self.user.digest_of_authentications();
        if !remove_pending(tables, &owner, &self.challenge, now)? {
            return Ok(Ok(AuthenticateOutcome::Gone));
        }
        let Some(authenticator) = find(&mut record, id) else {
            return Ok(Ok(AuthenticateOutcome::NoAuthenticator));
        };
        // WebAuthn Level 3 §7.2, step 22: an authenticator without a counter sends 0.
        let has_counter = authenticator.sign_count != 0 || sign_count != 0;
        if has_counter && sign_count <= authenticator.sign_count {
            return Ok(Ok(AuthenticateOutcome::CounterBack));
        }
        authenticator.sign_count = sign_count;
        authenticator.backed_up = backed_up;
        authenticator.last_used_at = Some(at);
        write_user(
            tables,
            key,
            &record,
            AuthenticateOutcome::Stored {
                epoch: record.epoch,
            },
        )
    }
}

pub(in crate::store::embedded) struct RenameStep {
    pub(in crate::store::embedded) user: UserKey,
    pub(in crate::store::embedded) id: Uuid,
    pub(in crate::store::embedded) device_name: String,
}

impl RenameStep {
    pub(in crate::store::embedded) fn rename(self, tables: &mut Tables<'_>) -> StepResult<bool> {
        let key = self.user.digest();
        let mut record = try_step!(read_user(&tables.users, key)?);
        let Some(authenticator) = find(&mut record, self.id) else {
            return Ok(Ok(false));
        };
        authenticator.device_name = self.device_name;
        write_user(tables, key, &record, true)
    }
}

fn find(record: &mut UserRecord, id: Uuid) -> Option<&mut Authenticator> {
    let mut authenticators = record.authenticators.iter_mut();
    authenticators.find(|authenticator| authenticator.id == id)
}

/// Writes a user's record, and returns the step's outcome.
pub(super) fn write_user<R>(
    tables: &mut Tables<'_>,
    key: &str,
    record: &UserRecord,
    outcome: R,
) -> StepResult<R> {
    let encoded = try_step!(encode(record));
    tables.users.insert(key, encoded.as_slice())?;
    Ok(Ok(outcome))
}
