//! The caller's authenticators.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::body::{self, DeviceName, Unchecked};
use super::{Attempts, Mfa, model_name, name_or};
use crate::error::{Error, Missing};
use crate::event::{AccountChange, AccountChangeKind, RequestEvent};
use crate::gate::{Gate, Operation, Permit};
use crate::store::{Account, RemoveOutcome, Remover};
use crate::webauthn::RelyingParty;
use cedargate_core::{
    Authenticator, Bytes, GateAction, Member, MethodType, Tenant, Timestamp, hyphenated,
};
use cedargate_policy::Resource;

/// To list one's authenticators.
pub struct ListMethods;

impl Operation for ListMethods {
    const ACTION: GateAction = GateAction::ListMfaMethods;

    fn resource<'a>(&'a self, member: &'a Member, _: &'a Account) -> Option<Resource<'a>> {
        Some(Resource::Account(&member.user.id))
    }
}

/// A user's authenticators, oldest first, and how many backup codes remain.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Methods {
    /// Oldest first.
    pub methods: Vec<Method>,
    /// What remains of the backup codes.
    pub backup_codes: Remaining,
}

/// One authenticator.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Method {
    /// Its id.
    pub id: Uuid,
    /// How it was enrolled.
    pub method_type: MethodType,
    /// What its owner calls it.
    pub device_name: String,
    /// Always true: an enrolment that is not verified is not kept.
    pub verified: bool,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// When it was last used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Timestamp")]
    pub last_used_at: Option<Timestamp>,
    /// The name of its model, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub model: Option<String>,
    /// Whether it may be synced to other devices.
    pub backup_eligible: bool,
    /// Whether it is.
    pub backed_up: bool,
    /// Whether it can confirm a session here. False for one that was enrolled at another relying
    /// party, as when the site's domain has changed: it can only be removed.
    pub usable: bool,
    /// Whether a session that it confirms is trusted, as administration asks: it was enrolled under a
    /// strong sign-in, with a recovery code, or in a session that such an authenticator confirmed.
    pub trusted: bool,
}

/// How many backup codes work now.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Remaining {
    /// How many.
    pub remaining: usize,
}

/// To rename one of one's authenticators.
pub struct RenameMethod {
    /// None when the path names nothing that could be one.
    id: Option<Uuid>,
    device_name: String,
}

/// The body that renames an authenticator.
#[derive(Deserialize, JsonSchema)]
pub struct RenameBody {
    /// What the user calls it; blank: its model or its kind.
    #[serde(default)]
    #[schemars(with = "String", length(max = 100))]
    device_name: Unchecked<DeviceName>,
}

impl RenameMethod {
    /// Of the authenticator that the path names; reads a [`RenameBody`].
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
        let one = find(account, self.id)?;
        Some(Resource::Authenticator(&member.user.id, one))
    }
}

/// To remove one of one's authenticators.
pub struct DeleteMethod {
    id: Option<Uuid>,
}

impl DeleteMethod {
    /// The authenticator that the path names.
    pub fn of(id: &str) -> Self {
        Self { id: hyphenated(id) }
    }
}

impl Operation for DeleteMethod {
    const ACTION: GateAction = GateAction::DeleteMfaMethod;

    fn resource<'a>(&'a self, member: &'a Member, account: &'a Account) -> Option<Resource<'a>> {
        let one = find(account, self.id)?;
        Some(Resource::Authenticator(&member.user.id, one))
    }
}

/// After a removal.
#[derive(JsonSchema, Serialize)]
pub struct Deleted {
    /// What the browser's `signalAllAcceptedCredentials` takes.
    pub signal: AcceptedCredentials,
    /// After an administrator removed the last authenticator: how the user gets in again.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<RecoveryAnswer>,
}

/// A recovery code, shown this once. The administrator hands it to the user by a channel that reaches
/// nobody else.
// No `Debug`, so that no log can hold it. (What stands above is in the API description.)
#[derive(JsonSchema, Serialize)]
pub struct RecoveryAnswer {
    /// The code. `POST …/backup-codes/verify` takes it, once.
    pub recovery_code: String,
    /// Until when it works.
    pub expires_at: Timestamp,
}

/// What remains, as `PublicKeyCredential.signalAllAcceptedCredentials` takes it (WebAuthn Level 3
/// §5.1.10.2).
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedCredentials {
    /// The relying party of the one that was removed.
    pub rp_id: String,
    /// The user handle, base64url.
    pub user_id: String,
    /// The credential ids that are left there, base64url.
    pub all_accepted_credential_ids: Vec<String>,
}

impl AcceptedCredentials {
    /// What an account has left at the relying party of what was removed.
    pub(super) fn after(account: &Account, removed: &Authenticator) -> Self {
        let left = account.authenticators.iter();
        let left = left.filter(|one| one.id != removed.id && one.rp_id == removed.rp_id);
        let handle = account.handle.unwrap_or_default();
        Self {
            rp_id: removed.rp_id.clone(),
            user_id: Bytes(handle.as_bytes().to_vec()).to_string(),
            all_accepted_credential_ids: left.map(|one| one.credential_id.to_string()).collect(),
        }
    }
}

fn find(account: &Account, id: Option<Uuid>) -> Option<&Authenticator> {
    account.authenticators.iter().find(|one| Some(one.id) == id)
}

impl Mfa {
    /// Lists the caller's authenticators.
    pub fn list(&self, permit: &Permit<ListMethods>) -> Methods {
        self.methods(permit.member().user.id.tenant, permit.account())
    }

    /// Renames one of the caller's authenticators.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it went meanwhile; the store.
    pub async fn rename(
        &self,
        permit: &Permit<RenameMethod>,
        event: &mut RequestEvent,
    ) -> Result<Method, Error> {
        let RenameMethod { id, device_name } = permit.operation();
        let user = &permit.member().user.id;
        let party = self.parts.parties.for_tenant(user.tenant);
        let one = find(permit.account(), *id).ok_or(Error::NotFound(Missing::Authenticator))?;
        let device_name = name_or(device_name, party, one.claimed_model, one.method_type);
        let mut renamed = one.clone();
        renamed.device_name = device_name;
        let change = AccountChange::of_authenticator(AccountChangeKind::Renamed, user, &renamed);
        let step = self.store.rename(user, one.id, &renamed.device_name);
        if !event.attempt(change.clone(), step).await? {
            return Err(Error::NotFound(Missing::Authenticator));
        }
        event.changed(change);
        Ok(method(party, &renamed))
    }

    /// Removes one of the caller's authenticators; with the last one the backup codes go too.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it went meanwhile; what the policies answer when they are asked
    /// again; the store.
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
            let one = find(account, permit.operation().id)
                .ok_or(Error::NotFound(Missing::Authenticator))?;
            let change = AccountChange::of_authenticator(AccountChangeKind::Deleted, user, one);
            let step = self
                .store
                .remove(user, account.version, one.id, Remover::Owner);
            match event.attempt(change, step).await? {
                RemoveOutcome::Removed { authenticator, .. } => {
                    event.changed(AccountChange::of_authenticator(
                        AccountChangeKind::Deleted,
                        user,
                        &authenticator,
                    ));
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

    /// The authenticators of an account in this tenant.
    pub(super) fn methods(&self, tenant: Option<Tenant>, account: &Account) -> Methods {
        let party = self.parts.parties.for_tenant(tenant);
        let methods = account.authenticators.iter();
        Methods {
            methods: methods.map(|one| method(party, one)).collect(),
            backup_codes: Remaining {
                remaining: account.codes_remaining,
            },
        }
    }
}

fn method(party: Option<&RelyingParty>, one: &Authenticator) -> Method {
    Method {
        id: one.id,
        method_type: one.method_type,
        device_name: one.device_name.clone(),
        verified: true,
        created_at: one.created_at,
        last_used_at: one.last_used_at,
        model: model_name(party, one.claimed_model),
        backup_eligible: one.backup_eligible,
        backed_up: one.backed_up,
        usable: party.is_some_and(|party| party.can_use(one)),
        trusted: one.trusted,
    }
}
