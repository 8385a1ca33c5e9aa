//! The store in a folder of this machine, for one process: redb, with one thread that writes.

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
    CodeTry, Completion, NewCeremony, Removal, RemovalBy, Renaming, Replacement, Resetting, Using,
};
use self::tables::{COUNTS, PENDING, USERS, UserRecord};
use self::writer::{Failure, Writer};
use super::keys::{ClaimKey, UserKey, challenge_digest};
use super::stored::encode;
use super::{
    Account, AuthenticateOutcome, Authentication, BeginOutcome, Clock, CodeSet, CompleteOutcome,
    Enrolment, Error, FileError, Health, RecoveryCode, RemoveOutcome, Remover, ReplaceCodesOutcome,
    ResetOutcome, TryCodeOutcome, Use,
};
use cedargate_core::{Bytes, SessionKey, UserId};

pub(super) struct Embedded {
    file: Arc<StoreFile>,
    writer: Writer,
    clock: Clock,
}

impl Embedded {
    /// Opens the store in `folder`, and makes it if there is none.
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

    /// Reads on this thread: the pages are in memory or one read away, and no lock is waited for.
    pub(super) async fn read(
        &self,
        user: &UserId,
        session: &SessionKey,
        challenge: Option<&Bytes>,
    ) -> Result<Account, Error> {
        let user = UserKey::of(user);
        let now = (self.clock)();
        let read =
            self.file.with(|database| {
                let snapshot = database.begin_read()?;
                let record = steps::user(&snapshot.open_table(USERS)?, user.digest())?;
                let salt = record.as_ref().ok().and_then(UserRecord::active_salt);
                let counter = salt.map(|salt| Counter::tries(&user, session, salt));
                let shut = match counter {
                    Some(counter) => counter.shut(&snapshot.open_table(COUNTS)?, now)?,
                    None => None,
                };
                let Some(challenge) = challenge.map(challenge_digest) else {
                    return Ok(record.map(|record| record.into_account(shut, None, None)));
                };
                let table = snapshot.open_table(PENDING)?;
                let enrolment = steps::pending(&table, user.digest(), &challenge, now)?;
                let owner = user.digest_of_authentications();
                let authentication = steps::pending(&table, &owner, &challenge, now)?;
                Ok(record
                    .and_then(|record| Ok(record.into_account(shut, enrolment?, authentication?))))
            });
        read.unwrap_or_else(|cause| {
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
        let step = NewCeremony {
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
        let step = NewCeremony {
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
        made: &Use,
    ) -> Result<AuthenticateOutcome, Error> {
        let step = Using {
            user: UserKey::of(user),
            challenge: challenge_digest(challenge),
            made: made.clone(),
        };
        let written = self
            .writer
            .write(move |tables, now| step.authenticate(tables, now));
        once(written.await)
    }

    pub(super) async fn rename(
        &self,
        user: &UserId,
        id: Uuid,
        device_name: &str,
    ) -> Result<bool, Error> {
        let step = Renaming {
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
        let step = Removal {
            user: UserKey::of(user),
            version,
            id,
            by: RemovalBy::from(by),
        };
        let written = self
            .writer
            .write(move |tables, now| step.remove(tables, now));
        once(written.await)
    }

    pub(super) async fn reset(
        &self,
        user: &UserId,
        recovery: &RecoveryCode,
        even_if_enrolled: bool,
    ) -> Result<ResetOutcome, Error> {
        let step = Resetting {
            user: UserKey::of(user),
            recovery: recovery.clone(),
            even_if_enrolled,
        };
        let written = self
            .writer
            .write(move |tables, now| step.reset(tables, now));
        once(written.await)
    }

    pub(super) async fn replace_codes(
        &self,
        user: &UserId,
        version: u64,
        old: Option<&Bytes>,
        codes: &CodeSet,
    ) -> Result<ReplaceCodesOutcome, Error> {
        let step = Replacement {
            user: UserKey::of(user),
            version,
            old: old.cloned(),
            codes: codes.clone(),
        };
        let repeated = step.clone();
        let written = self.writer.write(move |tables, _| step.replace(tables));
        match written.await {
            // Idempotent for its salt.
            Err(Failure::AtCommit(_)) => once(
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
        let step = CodeTry {
            user: UserKey::of(user),
            session: session.clone(),
            salt: salt.clone(),
            hash: hash.clone(),
        };
        let written = self
            .writer
            .write(move |tables, now| step.attempt(tables, now));
        once(written.await)
    }

    pub(super) async fn complete(
        &self,
        user: &UserId,
        completion: &crate::store::Completion<'_>,
    ) -> Result<CompleteOutcome, Error> {
        let crate::store::Completion {
            version,
            challenge,
            authenticator,
            codes,
            max_authenticators,
            opened_by,
        } = *completion;
        let step = Completion {
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
            // The file has been opened anew and shows what became of it: it is idempotent.
            Err(Failure::AtCommit(_)) => {
                let again = self
                    .writer
                    .write(move |tables, now| repeated.complete(tables, now));
                again.await.map_err(|failure| match failure {
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
        once(written.await)
    }

    /// Shows that it can be written by writing.
    pub(super) async fn health(&self) -> Health {
        let written = self.writer.write(steps::probe).await;
        Health {
            faults: written.err().map(Failure::into_cause).into_iter().collect(),
            warnings: Vec::new(),
        }
    }
}

/// For steps that are not idempotent: a failed commit is reported as outcome unknown and is not
/// retried.
fn once<R>(written: Result<R, Failure>) -> Result<R, Error> {
    match written {
        Err(Failure::AtCommit(cause)) => Err(Error::outcome_unknown(cause)),
        outcome => Ok(outcome?),
    }
}
