//! The embedded store: a redb file in a folder of this machine, for one process. One thread writes.

mod clock;
mod counts;
mod file;
mod steps;
mod tables;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redb::ReadableDatabase as _;
use uuid::Uuid;

pub(super) use self::clock::system_clock;
use self::counts::Counter;
use self::file::StoreFile;
use self::steps::{
    AuthenticateStep, BeginStep, CompleteStep, OwnedRemover, RemoveStep, RenameStep,
    ReplaceCodesStep, ResetStep, TryCodeStep,
};
use self::tables::{COUNTS, PENDING, USERS, UserRecord};
use self::writer::{Failure, Writer};
use super::keys::{ClaimKey, UserKey, challenge_digest};
use super::stored::encode;
use super::{
    Account, AuthenticateOutcome, Authentication, BeginOutcome, Clock, CodeSet, CompleteOutcome,
    Completion, Enrolment, Error, FileError, Health, RecoveryCode, RemoveOutcome, Remover,
    ReplaceCodesOutcome, ResetOutcome, TryCodeOutcome, Use,
};
use cedargate_core::{Bytes, SessionKey, UserId};

pub(super) struct Embedded {
    file: Arc<StoreFile>,
    writer: Writer,
    clock: Clock,
}

impl Embedded {
    /// Opens the store in `folder`, and creates it if it does not exist.
    pub(super) fn open(folder: &Path, clock: Clock) -> Result<Self, FileError> {
        let file = Arc::new(StoreFile::open(folder)?);
        let writer = Writer::start(Arc::clone(&file), Arc::clone(&clock)).map_err(|source| {
            FileError::NoThread {
                path: file.path().to_owned(),
                source,
            }
        })?;
        Ok(Self {
            file,
            writer,
            clock,
        })
    }

    /// Reads on the caller's thread: it waits for no lock, and for a disk read at most.
    pub(super) async fn read(
        &self,
        user: &UserId,
        session: &SessionKey,
        challenge: Option<&Bytes>,
    ) -> Result<Account, Error> {
        let user = UserKey::of(user);
        let now = (self.clock)();
        let account = self.file.with(|database| {
            let snapshot = database.begin_read()?;
            let record = steps::read_user(&snapshot.open_table(USERS)?, user.digest())?;
            let salt = record.as_ref().ok().and_then(UserRecord::active_salt);
            let counter = salt.map(|salt| Counter::tries(&user, session, salt));
            let retry_after = match counter {
                Some(counter) => counter.retry_after(&snapshot.open_table(COUNTS)?, now)?,
                None => None,
            };
            let Some(challenge) = challenge.map(challenge_digest) else {
                return Ok(record.map(|record| record.into_account(retry_after, None, None)));
            };
            let table = snapshot.open_table(PENDING)?;
            let enrolment = steps::read_pending(&table, user.digest(), &challenge, now)?;
            let owner = user.digest_of_authentications();
            let authentication = steps::read_pending(&table, &owner, &challenge, now)?;
            Ok(record.and_then(|record| {
                Ok(record.into_account(retry_after, enrolment?, authentication?))
            }))
        });
        account.unwrap_or_else(|cause| {
            self.writer.reopen();
            Err(Error::unavailable(cause))
        })
    }

    pub(super) async fn begin(
        &self,
        user: &UserId,
        version: u64,
        handle: Uuid,
        enrolment: &Enrolment,
        ttl: Duration,
    ) -> Result<BeginOutcome, Error> {
        let user = UserKey::of(user);
        let step = BeginStep {
            owner: user.digest().to_owned(),
            user,
            session: enrolment.session_key.clone(),
            version,
            handle: Some(handle),
            challenge: challenge_digest(&enrolment.challenge),
            record: encode(enrolment)?,
            ttl,
        };
        let written = self
            .writer
            .write(move |tables, now| step.begin(tables, now));
        Ok(written.await?)
    }

    pub(super) async fn begin_authentication(
        &self,
        user: &UserId,
        version: u64,
        authentication: &Authentication,
        ttl: Duration,
    ) -> Result<BeginOutcome, Error> {
        let user = UserKey::of(user);
        let step = BeginStep {
            owner: user.digest_of_authentications(),
            user,
            session: authentication.session_key.clone(),
            version,
            handle: None,
            challenge: challenge_digest(&authentication.challenge),
            record: encode(authentication)?,
            ttl,
        };
        let written = self
            .writer
            .write(move |tables, now| step.begin(tables, now));
        Ok(written.await?)
    }

    pub(super) async fn authenticate(
        &self,
        user: &UserId,
        challenge: &Bytes,
        verified: &Use,
    ) -> Result<AuthenticateOutcome, Error> {
        let step = AuthenticateStep {
            user: UserKey::of(user),
            challenge: challenge_digest(challenge),
            verified: verified.clone(),
        };
        let written = self
            .writer
            .write(move |tables, now| step.authenticate(tables, now));
        without_retry(written.await)
    }

    pub(super) async fn rename(
        &self,
        user: &UserId,
        id: Uuid,
        device_name: &str,
    ) -> Result<bool, Error> {
        let step = RenameStep {
            user: UserKey::of(user),
            id,
            device_name: device_name.to_owned(),
        };
        let written = self.writer.write(move |tables, _| step.rename(tables));
        Ok(written.await?)
    }

    pub(super) async fn remove(
        &self,
        user: &UserId,
        version: u64,
        id: Uuid,
        by: Remover<'_>,
    ) -> Result<RemoveOutcome, Error> {
        let step = RemoveStep {
            user: UserKey::of(user),
            version,
            id,
            by: OwnedRemover::from(by),
        };
        let written = self
            .writer
            .write(move |tables, now| step.remove(tables, now));
        without_retry(written.await)
    }

    pub(super) async fn reset(
        &self,
        user: &UserId,
        recovery: &RecoveryCode,
        even_if_enrolled: bool,
    ) -> Result<ResetOutcome, Error> {
        let step = ResetStep {
            user: UserKey::of(user),
            recovery: recovery.clone(),
            even_if_enrolled,
        };
        let written = self
            .writer
            .write(move |tables, now| step.reset(tables, now));
        without_retry(written.await)
    }

    pub(super) async fn replace_codes(
        &self,
        user: &UserId,
        version: u64,
        old: Option<&Bytes>,
        codes: &CodeSet,
    ) -> Result<ReplaceCodesOutcome, Error> {
        let step = ReplaceCodesStep {
            user: UserKey::of(user),
            version,
            old: old.cloned(),
            codes: codes.clone(),
        };
        let repeated = step.clone();
        let written = self.writer.write(move |tables, _| step.replace(tables));
        match written.await {
            // A repetition is harmless: the step is idempotent by the salt of the new set.
            Err(Failure::AtCommit(_)) => without_retry(
                self.writer
                    .write(move |tables, _| repeated.replace(tables))
                    .await,
            ),
            outcome => Ok(outcome?),
        }
    }

    pub(super) async fn try_code(
        &self,
        user: &UserId,
        session: &SessionKey,
        salt: &Bytes,
        hash: &Bytes,
    ) -> Result<TryCodeOutcome, Error> {
        let step = TryCodeStep {
            user: UserKey::of(user),
            session: session.clone(),
            salt: salt.clone(),
            hash: hash.clone(),
        };
        let written = self
            .writer
            .write(move |tables, now| step.attempt(tables, now));
        without_retry(written.await)
    }

    pub(super) async fn complete(
        &self,
        user: &UserId,
        completion: &Completion<'_>,
    ) -> Result<CompleteOutcome, Error> {
        let Completion {
            version,
            challenge,
            authenticator,
            codes,
            max_authenticators,
            opened_by,
        } = *completion;
        let step = CompleteStep {
            user: UserKey::of(user),
            claim: ClaimKey::of(&authenticator.rp_id, &authenticator.credential_id),
            version,
            challenge: challenge_digest(challenge),
            authenticator: authenticator.clone(),
            codes: codes.cloned(),
            max_authenticators,
            opened_by: opened_by.cloned(),
        };
        let repeated = step.clone();
        match self
            .writer
            .write(move |tables, now| step.complete(tables, now))
            .await
        {
            // The file has been opened again and shows the result of the commit. A repetition is
            // harmless: the step is idempotent by the authenticator's id.
            Err(Failure::AtCommit(_)) => {
                let second = self
                    .writer
                    .write(move |tables, now| repeated.complete(tables, now));
                second.await.map_err(|failure| match failure {
                    Failure::NotDone(cause) | Failure::AtCommit(cause) => {
                        Error::outcome_unknown(cause)
                    }
                    Failure::Record(error) => error,
                })
            }
            outcome => Ok(outcome?),
        }
    }

    pub(super) async fn discard(&self, user: &UserId, challenge: &Bytes) -> Result<bool, Error> {
        let user = UserKey::of(user);
        let challenge = challenge_digest(challenge);
        let written = self
            .writer
            .write(move |tables, now| steps::discard(tables, &user, &challenge, now));
        without_retry(written.await)
    }

    /// Checks that the file can be written by writing to it.
    pub(super) async fn health(&self) -> Health {
        let written = self.writer.write(steps::probe).await;
        Health {
            faults: written.err().map(Failure::into_cause).into_iter().collect(),
            warnings: Vec::new(),
        }
    }
}

/// Converts the result of a step that is not idempotent: a failed commit is reported as outcome
/// unknown and is not retried.
fn without_retry<R>(written: Result<R, Failure>) -> Result<R, Error> {
    match written {
        Err(Failure::AtCommit(cause)) => Err(Error::outcome_unknown(cause)),
        outcome => Ok(outcome?),
    }
}
