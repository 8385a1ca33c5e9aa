//! Administration: a security admin lists and removes the authenticators of another user, for example
//! one who lost a device.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::methods::{AcceptedCredentials, Deleted, Methods, RecoveryAnswer};
use super::{Mfa, RETRIES};
use crate::error::{Error, Missing};
use crate::event::{AccountChange, AccountChangeKind, RequestEvent};
use crate::gate::{Operation, Permit};
use crate::store::{self, Account, RecoveryCode, RemoveOutcome, Remover, ResetOutcome, Store};
use cedargate_core::{
    Authenticator, Bytes, GateAction, IssuerName, Member, Tenant, UserId, hyphenated,
};
use cedargate_policy::Resource;

/// Lists another user's authenticators.
pub struct AdminListMethods(pub UserId);

/// Removes one of another user's authenticators.
pub struct AdminDeleteMethod {
    user: UserId,
    id: Option<Uuid>,
}

/// Removes all of another user's authenticators and codes.
pub struct AdminReset(pub UserId);

impl AdminDeleteMethod {
    /// Makes the operation for a user and for the id of an authenticator in the path.
    pub fn of(user: UserId, id: &str) -> Self {
        let id = hyphenated(id);
        Self { user, id }
    }
}

/// Implements [`Operation`] on the account that the path names. It is not read before the decision, so a
/// refusal does not reveal whether the account exists.
macro_rules! operation {
    ($operation:ty, $action:ident, $user:tt) => {
        impl Operation for $operation {
            const ACTION: GateAction = GateAction::$action;

            fn resource<'a>(&'a self, _: &'a Member, _: &'a Account) -> Option<Resource<'a>> {
                Some(Resource::Account(&self.$user))
            }
        }
    };
}

operation!(AdminListMethods, AdminListMfaMethods, 0);
operation!(AdminDeleteMethod, AdminDeleteMfaMethod, user);
operation!(AdminReset, AdminResetMfa, 0);

/// The answer to a reset.
#[derive(JsonSchema, Serialize)]
pub struct ResetMethods {
    /// The number of authenticators that were removed.
    pub removed: usize,
    /// The recovery code, with which the user can enrol again.
    #[serde(flatten)]
    pub recovery: RecoveryAnswer,
}

/// Parses a segment of a path that names a user of this tenant.
///
/// It is `<issuer name>|<sub>`, or `~` followed by the base64url of that. The second form is for a `sub`
/// that a path cannot contain, such as one with a slash. The name of an issuer cannot begin with `~`, so
/// each segment has one meaning.
///
/// # Errors
/// [`Error::Invalid`] if the segment has neither form.
pub fn named_user(segment: &str, tenant: Tenant) -> Result<UserId, Error> {
    const RULE: &str = "must be <issuer name>|<sub>, percent-encoded, such as corp%7Calice, or ~ \
                        followed by the base64url without padding of <issuer name>|<sub>, such as \
                        ~Y29ycHxhbGljZQ";
    let rule = || Error::field("user", RULE);
    let user = match segment.strip_prefix('~') {
        Some(encoded) => decoded(encoded).ok_or_else(rule)?.into(),
        None => Cow::Borrowed(segment),
    };
    let (issuer, subject) = user.split_once('|').ok_or_else(rule)?;
    let issuer: IssuerName = issuer.parse().map_err(|_| rule())?;
    if subject.is_empty() {
        return Err(rule());
    }
    Ok(UserId {
        issuer,
        tenant: Some(tenant),
        subject: subject.to_owned(),
    })
}

/// Resets an account, and adds the changes to the event.
///
/// # Errors
/// The errors of [`Store::reset`].
pub async fn reset_account(
    store: &Store,
    user: &UserId,
    recovery: &RecoveryCode,
    even_if_enrolled: bool,
    event: &mut RequestEvent,
) -> Result<ResetOutcome, store::Error> {
    let change = AccountChange::of_account(AccountChangeKind::Reset, user);
    let step = store.reset(user, recovery, even_if_enrolled);
    let reset = event.attempt(change.clone(), step).await?;
    if let ResetOutcome::Done { removed, .. } = &reset {
        event.changed(change);
        for authenticator in removed {
            let kind = AccountChangeKind::Deleted;
            event.changed(AccountChange::of_authenticator(kind, user, authenticator));
        }
        event.changed(AccountChange::of_account(
            AccountChangeKind::RecoveryCodeMade,
            user,
        ));
    }
    Ok(reset)
}

/// Decodes a text in base64url without padding.
fn decoded(encoded: &str) -> Option<String> {
    let Bytes(bytes) = encoded.parse().ok()?;
    String::from_utf8(bytes).ok()
}

fn note_removal(
    user: &UserId,
    authenticator: &Authenticator,
    recovery_code_made: bool,
    event: &mut RequestEvent,
) {
    let kind = AccountChangeKind::Deleted;
    event.changed(AccountChange::of_authenticator(kind, user, authenticator));
    if recovery_code_made {
        let kind = AccountChangeKind::RecoveryCodeMade;
        event.changed(AccountChange::of_account(kind, user));
    }
}

impl Mfa {
    /// Lists another user's authenticators.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the issuer of the user is not configured, or the store fails.
    pub async fn admin_list(&self, permit: &Permit<AdminListMethods>) -> Result<Methods, Error> {
        let AdminListMethods(user) = permit.operation();
        self.known_issuer(user)?;
        let account = self.store.read(user, None).await?;
        Ok(self.methods(user.tenant, &account))
    }

    /// Removes one of another user's authenticators, which ends the user's step-ups. If it is the last one,
    /// makes a recovery code.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the issuer of the user is not configured or the user has no such
    /// authenticator, or the store fails.
    pub async fn admin_delete(
        &self,
        permit: &Permit<AdminDeleteMethod>,
        event: &mut RequestEvent,
    ) -> Result<Deleted, Error> {
        let AdminDeleteMethod { user, id } = permit.operation();
        self.known_issuer(user)?;
        let id = id.ok_or(Error::NotFound(Missing::Authenticator))?;
        let mut new_code = None;
        // Not `Attempts`: the account is another user's, so it is read again without another decision.
        for _ in 0..=RETRIES {
            // The answer lists the remaining credentials of this account, so that no further read, which
            // could fail, is needed after the removal.
            let account = self.store.read(user, None).await?;
            let authenticator = account.authenticators.iter().find(|it| it.id == id);
            let change = authenticator.map_or_else(
                || AccountChange::of_account(AccountChangeKind::Deleted, user),
                |it| AccountChange::of_authenticator(AccountChangeKind::Deleted, user, it),
            );
            let is_last = authenticator.is_some() && account.authenticators.len() == 1;
            if is_last && new_code.is_none() {
                new_code = Some(self.issue_recovery(permit.member()).await?);
            }
            let recovery = new_code.as_ref().filter(|_| is_last).map(|(_, code)| code);
            let by = Remover::Admin(recovery);
            let step = self.store.remove(user, account.version, id, by);
            match event.attempt(change, step).await? {
                RemoveOutcome::Removed {
                    authenticator,
                    recovery_expires_at,
                } => {
                    let code = new_code.map(|(code, _)| code).zip(recovery_expires_at);
                    let recovery = code.map(|(recovery_code, expires_at)| RecoveryAnswer {
                        recovery_code,
                        expires_at,
                    });
                    note_removal(user, &authenticator, recovery.is_some(), event);
                    let signal = AcceptedCredentials::after(&account, &authenticator);
                    return Ok(Deleted { signal, recovery });
                }
                RemoveOutcome::Nothing => return Err(Error::NotFound(Missing::Authenticator)),
                RemoveOutcome::Stale => {}
            }
        }
        Err(Error::Contended)
    }

    /// Removes all of another user's authenticators, codes and pending ceremonies, and makes a recovery
    /// code. This ends the user's step-ups. The shipped policies let the user enrol again only with the
    /// recovery code or after a strong sign-in.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the issuer of the user is not configured, or the store fails.
    pub async fn admin_reset(
        &self,
        permit: &Permit<AdminReset>,
        event: &mut RequestEvent,
    ) -> Result<ResetMethods, Error> {
        let AdminReset(user) = permit.operation();
        self.known_issuer(user)?;
        let (recovery_code, recovery) = self.issue_recovery(permit.member()).await?;
        let reset = reset_account(&self.store, user, &recovery, true, event);
        let ResetOutcome::Done {
            removed,
            expires_at,
        } = reset.await?
        else {
            return Err(Error::Internal("a reset left authenticators".into()));
        };
        Ok(ResetMethods {
            removed: removed.len(),
            recovery: RecoveryAnswer {
                recovery_code,
                expires_at,
            },
        })
    }

    fn known_issuer(&self, user: &UserId) -> Result<(), Error> {
        if self.issuers.contains(&user.issuer) {
            return Ok(());
        }
        Err(Error::NotFound(Missing::User))
    }
}
