//! The store in a folder of this machine, for one process: redb, with one thread that writes.

mod clock;
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
use self::file::StoreFile;
use self::steps::{Completion, NewEnrolment};
use self::tables::{PENDING, USERS};
use self::writer::{Failure, Writer};
use super::keys::{ClaimKey, UserKey, challenge_digest};
use super::stored::encode;
use super::{Account, Begun, Clock, CodeSet, Committed, Enrolment, Health};
use crate::error::Error;
use crate::model::{Authenticator, Bytes, UserId};

pub(super) struct Embedded {
    file: Arc<StoreFile>,
    writer: Writer,
    clock: Clock,
}

impl Embedded {
    /// Opens the store in `folder`, and makes it if there is none. The error names the file.
    pub(super) fn open(folder: &Path, clock: Clock) -> Result<Self, String> {
        let file = Arc::new(StoreFile::open(folder)?);
        let writer = Writer::start(Arc::clone(&file), Arc::clone(&clock))
            .map_err(|error| format!("{}: no thread to write with: {error}", file.name()))?;
        Ok(Self {
            file,
            writer,
            clock,
        })
    }

    /// In place: the pages are in memory or one read away, and no lock is waited for.
    pub(super) fn read(&self, user: &UserId, challenge: Option<&Bytes>) -> Result<Account, Error> {
        let user = UserKey::of(user);
        let now = (self.clock)();
        let read = self.file.with(|database| {
            let snapshot = database.begin_read()?;
            let record = steps::user(&snapshot.open_table(USERS)?, user.digest())?;
            let pending = match challenge {
                None => Ok(None),
                Some(challenge) => steps::pending(
                    &snapshot.open_table(PENDING)?,
                    user.digest(),
                    &challenge_digest(challenge),
                    now,
                )?,
            };
            Ok(record.and_then(|record| Ok(record.into_account(pending?))))
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
    ) -> Result<Begun, Error> {
        let step = NewEnrolment {
            user: UserKey::of(user),
            version,
            handle,
            challenge: challenge_digest(&enrolment.challenge),
            record: encode(enrolment)?,
            ttl,
        };
        let written = self
            .writer
            .write(move |tables, now| step.begin(tables, now));
        Ok(written.await?)
    }

    pub(super) async fn complete(
        &self,
        user: &UserId,
        version: u64,
        challenge: &Bytes,
        authenticator: &Authenticator,
        codes: Option<&CodeSet>,
    ) -> Result<Committed, Error> {
        let step = Completion {
            user: UserKey::of(user),
            claim: ClaimKey::of(&authenticator.rp_id, &authenticator.credential_id),
            version,
            challenge: challenge_digest(challenge),
            authenticator: authenticator.clone(),
            codes: codes.cloned(),
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
        match written.await {
            // Repeated, it would say that nothing was there.
            Err(Failure::AtCommit(cause)) => Err(Error::outcome_unknown(cause)),
            outcome => Ok(outcome?),
        }
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
