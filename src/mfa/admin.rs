//! Recovery: a security admin helps a user who lost a device. Who may is the policies' to say.

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
use cedargate_core::{Bytes, GateAction, IssuerName, Member, Tenant, UserId, hyphenated};
use cedargate_policy::Resource;

/// To list another user's authenticators.
pub struct AdminListMethods(pub UserId);

/// To remove one of another user's authenticators.
pub struct AdminDeleteMethod {
    user: UserId,
    id: Option<Uuid>,
}

/// To remove all of another user's authenticators and codes.
pub struct AdminReset(pub UserId);

impl AdminDeleteMethod {
    /// The user and the authenticator that the path names.
    pub fn of(user: UserId, id: &str) -> Self {
        let id = hyphenated(id);
        Self { user, id }
    }
}

/// The account is the one that the path names, not looked up before: who is refused learns nothing.
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

/// After a reset.
#[derive(JsonSchema, Serialize)]
pub struct ResetMethods {
    /// How many authenticators were removed.
    pub removed: usize,
    /// How the user gets in again.
    #[serde(flatten)]
    pub recovery: RecoveryAnswer,
}

/// The user that a segment of a path names, in this tenant: `<issuer name>|<sub>`, or `~` followed by
/// the base64url of that. The second form is for a `sub` that no path can hold, such as one with a
/// slash. No issuer's name begins with `~`, so each segment has one meaning.
///
/// # Errors
/// [`Error::Invalid`] with both forms.
pub fn named_user(segment: &str, tenant: Tenant) -> Result<UserId, Error> {
    const RULE: &str = "must be <issuer name>|<sub>, percent-encoded, such as corp%7Calice, or ~ \
                        followed by the base64url without padding of <issuer name>|<sub>, such as \
                        ~Y29ycHxhbGljZQ";
    let rule = || Error::field("user", RULE);
    let plain = match segment.strip_prefix('~') {
        Some(encoded) => decoded(encoded).ok_or_else(rule)?.into(),
        None => Cow::Borrowed(segment),
    };
    let (issuer, subject) = plain.split_once('|').ok_or_else(rule)?;
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

/// Resets an account, and notes the outcome in the event.
///
/// # Errors
/// Those of [`Store::reset`].
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
        for one in removed {
            event.changed(AccountChange::of_authenticator(
                AccountChangeKind::Deleted,
                user,
                one,
            ));
        }
        event.changed(AccountChange::of_account(
            AccountChangeKind::RecoveryCodeMade,
            user,
        ));
    }
    Ok(reset)
}

/// A text in base64url without padding.
fn decoded(encoded: &str) -> Option<String> {
    let Bytes(bytes) = encoded.parse().ok()?;
    String::from_utf8(bytes).ok()
}

impl Mfa {
    /// Lists another user's authenticators.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the issuer is not configured; the store.
    pub async fn admin_list(&self, permit: &Permit<AdminListMethods>) -> Result<Methods, Error> {
        let AdminListMethods(user) = permit.operation();
        self.known_issuer(user)?;
        let account = self.store.read(user, None).await?;
        Ok(self.methods(user.tenant, &account))
    }

    /// Removes one of another user's authenticators. Their step-up tokens end.
    ///
    /// # Errors
    /// [`Error::NotFound`]; the store.
    pub async fn admin_delete(
        &self,
        permit: &Permit<AdminDeleteMethod>,
        event: &mut RequestEvent,
    ) -> Result<Deleted, Error> {
        let AdminDeleteMethod { user, id } = permit.operation();
        self.known_issuer(user)?;
        let id = id.ok_or(Error::NotFound(Missing::Authenticator))?;
        let mut fresh = None;
        for _ in 0..=RETRIES {
            // What is left is told of the account that the removal was made on: after it, nothing more
            // may fail.
            let account = self.store.read(user, None).await?;
            let held = account.authenticators.iter().find(|one| one.id == id);
            let change = held.map_or(
                AccountChange::of_account(AccountChangeKind::Deleted, user),
                |one| AccountChange::of_authenticator(AccountChangeKind::Deleted, user, one),
            );
            let is_last = held.is_some() && account.authenticators.len() == 1;
            if is_last && fresh.is_none() {
                fresh = Some(self.issue_recovery(permit.member()).await?);
            }
            let recovery = fresh.as_ref().filter(|_| is_last).map(|(_, code)| code);
            let by = Remover::Admin(recovery);
            let step = self.store.remove(user, account.version, id, by);
            match event.attempt(change, step).await? {
                RemoveOutcome::Removed {
                    authenticator,
                    recovery_expires_at,
                } => {
                    event.changed(AccountChange::of_authenticator(
                        AccountChangeKind::Deleted,
                        user,
                        &authenticator,
                    ));
                    let code = fresh.map(|(code, _)| code);
                    let recovery = code.zip(recovery_expires_at);
                    let recovery = recovery.map(|(recovery_code, expires_at)| RecoveryAnswer {
                        recovery_code,
                        expires_at,
                    });
                    if recovery.is_some() {
                        event.changed(AccountChange::of_account(
                            AccountChangeKind::RecoveryCodeMade,
                            user,
                        ));
                    }
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
    /// code: until the user has used it, or has signed in strongly, nobody enrols. Their step-up tokens
    /// end.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the issuer is not configured; the store.
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
