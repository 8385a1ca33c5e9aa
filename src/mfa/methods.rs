//! Listing, renaming and removing the caller's own authenticators.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::body::{self, DeviceName, Unchecked};
use super::{Attempts, Mfa, display_name, model_name};
use crate::error::{Error, Missing};
use crate::event::{AccountChange, AccountChangeKind, RequestEvent};
use crate::gate::{Gate, Operation, Permit};
use crate::store::{Account, RemoveOutcome, Remover};
use crate::webauthn::RelyingParty;
use cedargate_core::{
    Authenticator, Bytes, GateAction, Member, MethodType, Tenant, Timestamp, hyphenated,
};
use cedargate_policy::Resource;

/// Lists the caller's authenticators.
pub struct ListMethods;

impl Operation for ListMethods {
    const ACTION: GateAction = GateAction::ListMfaMethods;

    fn resource<'a>(&'a self, member: &'a Member, _: &'a Account) -> Option<Resource<'a>> {
        Some(Resource::Account(&member.user.id))
    }
}

/// A user's authenticators and the number of their backup codes.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Methods {
    /// The authenticators, oldest first.
    pub methods: Vec<Method>,
    /// The backup codes that still work.
    pub backup_codes: Remaining,
}

/// An authenticator.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Method {
    /// The id of the authenticator.
    pub id: Uuid,
    /// The method type with which it was enrolled.
    pub method_type: MethodType,
    /// The name that its owner gave it.
    pub device_name: String,
    /// Always true, because only verified authenticators are stored.
    pub verified: bool,
    /// The time at which it was enrolled.
    pub created_at: Timestamp,
    /// The time at which it was last used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Timestamp")]
    pub last_used_at: Option<Timestamp>,
    /// The name of its model, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub model: Option<String>,
    /// True if it can be synced to other devices.
    pub backup_eligible: bool,
    /// True if it is synced to other devices.
    pub backed_up: bool,
    /// True if it can confirm a session here. False if it was enrolled at another relying party, for
    /// example before the site's domain changed. It can then only be removed.
    pub usable: bool,
    /// True if a session that it confirms is trusted, as administration requires: it was enrolled after a
    /// strong sign-in, with a recovery code, or in a session that a trusted authenticator confirmed.
    pub trusted: bool,
}

/// The backup codes that still work.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Remaining {
    /// The number of codes that still work.
    pub remaining: usize,
}

/// Renames one of the caller's authenticators.
pub struct RenameMethod {
    /// `None` if the segment of the path is not a UUID.
    id: Option<Uuid>,
    device_name: String,
}

/// The body that renames an authenticator.
#[derive(Deserialize, JsonSchema)]
pub struct RenameBody {
    /// The new name. If it is blank, the authenticator is named after its model or its method type.
    #[serde(default)]
    #[schemars(with = "String", length(max = 100))]
    device_name: Unchecked<DeviceName>,
}

impl RenameMethod {
    /// Reads the id of the authenticator from the path, and a [`RenameBody`].
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field that breaks a rule.
    pub fn parse(id: &str, body: &Map<String, Value>) -> Result<Self, Error> {
        let body: RenameBody = body::read(body)?;
        let DeviceName(device_name) = body.device_name.only("device_name")?;
        let id = hyphenated(id);
        Ok(Self { id, device_name })
    }
}

impl Operation for RenameMethod {
    const ACTION: GateAction = GateAction::RenameMfaMethod;

    fn resource<'a>(&'a self, member: &'a Member, account: &'a Account) -> Option<Resource<'a>> {
        let authenticator = find(account, self.id)?;
        Some(Resource::Authenticator(&member.user.id, authenticator))
    }
}

/// Removes one of the caller's authenticators.
pub struct DeleteMethod {
    id: Option<Uuid>,
}

impl DeleteMethod {
    /// Makes the operation for the authenticator with the id in the path.
    pub fn of(id: &str) -> Self {
        Self { id: hyphenated(id) }
    }
}

impl Operation for DeleteMethod {
    const ACTION: GateAction = GateAction::DeleteMfaMethod;

    fn resource<'a>(&'a self, member: &'a Member, account: &'a Account) -> Option<Resource<'a>> {
        let authenticator = find(account, self.id)?;
        Some(Resource::Authenticator(&member.user.id, authenticator))
    }
}

/// The answer to a removal.
#[derive(JsonSchema, Serialize)]
pub struct Deleted {
    /// The argument of the browser's `signalAllAcceptedCredentials`.
    pub signal: AcceptedCredentials,
    /// The recovery code, if an administrator removed the last authenticator.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<RecoveryAnswer>,
}

/// A recovery code, shown only in this answer. The administrator gives it to the user through a channel
/// that only the user can read.
// No `Debug`, so that no log can contain it. The doc comment is part of the API description.
#[derive(JsonSchema, Serialize)]
pub struct RecoveryAnswer {
    /// The code. `POST …/backup-codes/verify` accepts it once.
    pub recovery_code: String,
    /// The time until which the code works.
    pub expires_at: Timestamp,
}

/// The remaining credentials, as the argument of `PublicKeyCredential.signalAllAcceptedCredentials`
/// (WebAuthn Level 3 §5.1.10.2).
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedCredentials {
    /// The id of the relying party of the removed authenticator.
    pub rp_id: String,
    /// The user handle, base64url.
    pub user_id: String,
    /// The remaining credential ids at that relying party, base64url.
    pub all_accepted_credential_ids: Vec<String>,
}

impl AcceptedCredentials {
    /// Lists the credentials that an account still has at the relying party of `removed`.
    pub(super) fn after(account: &Account, removed: &Authenticator) -> Self {
        let remaining = account
            .authenticators
            .iter()
            .filter(|it| it.id != removed.id && it.rp_id == removed.rp_id);
        let handle = account.handle.unwrap_or_default();
        Self {
            rp_id: removed.rp_id.clone(),
            user_id: Bytes(handle.as_bytes().to_vec()).to_string(),
            all_accepted_credential_ids: remaining.map(|it| it.credential_id.to_string()).collect(),
        }
    }
}

fn find(account: &Account, id: Option<Uuid>) -> Option<&Authenticator> {
    account.authenticators.iter().find(|it| Some(it.id) == id)
}

impl Mfa {
    pub fn list(&self, permit: &Permit<ListMethods>) -> Methods {
        self.methods(permit.member().user.id.tenant, permit.account())
    }

    /// Renames one of the caller's authenticators.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it was removed in the meantime, or the store fails.
    pub async fn rename(
        &self,
        permit: &Permit<RenameMethod>,
        event: &mut RequestEvent,
    ) -> Result<Method, Error> {
        let RenameMethod { id, device_name } = permit.operation();
        let user = &permit.member().user.id;
        let party = self.parts.parties.for_tenant(user.tenant);
        let found = find(permit.account(), *id);
        let mut renamed = found
            .ok_or(Error::NotFound(Missing::Authenticator))?
            .clone();
        let (model, method_type) = (renamed.claimed_model, renamed.method_type);
        renamed.device_name = display_name(device_name, party, model, method_type);
        let change = AccountChange::of_authenticator(AccountChangeKind::Renamed, user, &renamed);
        let step = self.store.rename(user, renamed.id, &renamed.device_name);
        if !event.attempt(change.clone(), step).await? {
            return Err(Error::NotFound(Missing::Authenticator));
        }
        event.changed(change);
        Ok(method(party, &renamed))
    }

    /// Removes one of the caller's authenticators. With the last one, the backup codes are removed too.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it was removed in the meantime; the policies refuse a further attempt; or
    /// the store fails.
    pub async fn delete(
        &self,
        gate: &Gate,
        permit: Permit<DeleteMethod>,
        event: &mut RequestEvent,
    ) -> Result<Deleted, Error> {
        let mut attempts = Attempts::new(gate, permit);
        loop {
            let permit = attempts.next(event).await?;
            let (user, account) = (&permit.member().user.id, permit.account());
            let authenticator = find(account, permit.operation().id)
                .ok_or(Error::NotFound(Missing::Authenticator))?;
            let kind = AccountChangeKind::Deleted;
            let change = AccountChange::of_authenticator(kind, user, authenticator);
            let step = self
                .store
                .remove(user, account.version, authenticator.id, Remover::Owner);
            match event.attempt(change, step).await? {
                RemoveOutcome::Removed { authenticator, .. } => {
                    event.changed(AccountChange::of_authenticator(kind, user, &authenticator));
                    return Ok(Deleted {
                        signal: AcceptedCredentials::after(account, &authenticator),
                        recovery: None,
                    });
                }
                RemoveOutcome::Nothing => return Err(Error::NotFound(Missing::Authenticator)),
                RemoveOutcome::Stale => {}
            }
        }
    }

    /// Lists the authenticators of an account in this tenant.
    pub(super) fn methods(&self, tenant: Option<Tenant>, account: &Account) -> Methods {
        let party = self.parts.parties.for_tenant(tenant);
        let methods = account.authenticators.iter();
        Methods {
            methods: methods.map(|it| method(party, it)).collect(),
            backup_codes: Remaining {
                remaining: account.codes_remaining,
            },
        }
    }
}

fn method(party: Option<&RelyingParty>, authenticator: &Authenticator) -> Method {
    Method {
        id: authenticator.id,
        method_type: authenticator.method_type,
        device_name: authenticator.device_name.clone(),
        verified: true,
        created_at: authenticator.created_at,
        last_used_at: authenticator.last_used_at,
        model: model_name(party, authenticator.claimed_model),
        backup_eligible: authenticator.backup_eligible,
        backed_up: authenticator.backed_up,
        usable: party.is_some_and(|party| party.can_use(authenticator)),
        trusted: authenticator.trusted,
    }
}
