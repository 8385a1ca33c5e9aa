//! Reads an account from the answer of `read.lua`.

use std::time::Duration;

use uuid::Uuid;

use super::changes::apply_uses;
use crate::store::stored::decode;
use crate::store::{
    Account, ActiveCodes, Authentication, CodeSalt, Enrolment, Error, oldest_first,
};
use cedargate_core::{Authenticator, Bytes, CodeKind, Timestamp};

/// The part of the answer about the account: version, handle, epoch, salt of the replaced set.
type AccountReply = (Option<u64>, Option<String>, Option<u64>, Option<String>);

/// The part of the answer about the active set of codes: 1 for a recovery code (else 0), salt, pepper
/// id, and the deadline of an unused recovery code in milliseconds.
type CodesReply = (u8, String, String, Option<i64>);

/// The answer of `read.lua`: the account, its active set of codes, the number of backup codes, the
/// pending enrolment, the pending authentication, the records of authenticators and of their last uses,
/// and the milliseconds until the session may try a code, if it has to wait.
pub(super) type ReadReply = (
    AccountReply,
    Option<CodesReply>,
    usize,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Vec<Vec<u8>>,
    Vec<(String, Vec<u8>)>,
    Option<u64>,
);

pub(super) fn read(reply: ReadReply) -> Result<Account, Error> {
    let (account, codes, codes_remaining, enrolment, authentication, records, uses, retry_after) =
        reply;
    let (version, handle, epoch, replaced) = account;
    let mut authenticators = records
        .iter()
        .map(|record| decode("authenticator", record))
        .collect::<Result<Vec<Authenticator>, _>>()?;
    apply_uses(&mut authenticators, &uses)?;
    oldest_first(&mut authenticators);
    let handle = handle
        .map(|text| Uuid::try_parse(&text))
        .transpose()
        .map_err(|_| Error::Unreadable {
            kind: "user handle",
        })?;
    let codes = codes.map(active_codes).transpose()?;
    Ok(Account {
        version: version.unwrap_or(0),
        handle,
        authenticators,
        epoch: epoch.unwrap_or(0),
        reset: codes
            .as_ref()
            .is_some_and(|codes| codes.kind == CodeKind::Recovery),
        codes_remaining,
        codes,
        replaced_salt: replaced.as_deref().map(salt).transpose()?,
        codes_retry_after: retry_after.map(Duration::from_millis),
        pending: enrolment
            .map(|record| decode::<Enrolment>("pending enrolment", &record))
            .transpose()?,
        authentication: authentication
            .map(|record| decode::<Authentication>("pending authentication", &record))
            .transpose()?,
    })
}

fn active_codes(
    (is_recovery, text, pepper_id, deadline): CodesReply,
) -> Result<ActiveCodes, Error> {
    let salt = salt(&text)?;
    Ok(ActiveCodes {
        salt: CodeSalt { salt, pepper_id },
        kind: if is_recovery == 1 {
            CodeKind::Recovery
        } else {
            CodeKind::Backup
        },
        expires_at: deadline.map(Timestamp::from_millis),
    })
}

fn salt(text: &str) -> Result<Bytes, Error> {
    let salt = text.parse();
    salt.map_err(|_| Error::Unreadable { kind: "salt" })
}
