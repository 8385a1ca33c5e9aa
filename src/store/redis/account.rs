//! The account as `read.lua` answers it.

use std::time::Duration;

use uuid::Uuid;

use super::changes::show_uses;
use crate::store::stored::decode;
use crate::store::{
    Account, ActiveCodes, Authentication, CodeSalt, Enrolment, Error, oldest_first,
};
use cedargate_core::{Authenticator, Bytes, CodeKind, Timestamp};

/// What `read.lua` answers of the account: version, handle, epoch, salt of the replaced set.
type AccountReply = (Option<u64>, Option<String>, Option<u64>, Option<String>);

/// What `read.lua` answers of the codes that are tried now: 1 for a recovery code, salt, pepper id,
/// and until when an unused recovery code works.
type CodesReply = (u8, String, String, Option<i64>);

/// What `read.lua` answers: the account, its codes, how many backup codes there are, the two pending
/// records, the records of authenticators and of their uses, and for how many milliseconds codes are
/// shut.
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
    let (account, codes, codes_remaining, enrolment, authentication, records, uses, shut) = reply;
    let (version, handle, epoch, replaced) = account;
    let mut authenticators = records
        .iter()
        .map(|record| decode("authenticator", record))
        .collect::<Result<Vec<Authenticator>, _>>()?;
    show_uses(&mut authenticators, &uses)?;
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
        codes_retry_after: shut.map(Duration::from_millis),
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
