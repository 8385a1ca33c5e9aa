//! The caller's authenticators.

use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::Mfa;
use crate::gate::{Operation, Permit};
use crate::model::{Action, Member, MethodType, Timestamp};
use crate::policy::Resource;
use crate::store::Account;

/// To list one's authenticators.
pub struct ListMethods;

impl Operation for ListMethods {
    const ACTION: Action = Action::ListMfaMethods;

    fn resource<'a>(&'a self, member: &'a Member, _: &'a Account) -> Option<Resource<'a>> {
        Some(Resource::Account(&member.user.id))
    }
}

/// The caller's authenticators, oldest first, and how many backup codes remain.
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
}

/// How many backup codes work now.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Remaining {
    /// How many.
    pub remaining: usize,
}

impl Mfa {
    /// Lists the caller's authenticators.
    pub fn list(&self, permit: &Permit<ListMethods>) -> Methods {
        let party = self.parties.of(permit.member().user.id.tenant);
        let account = permit.account();
        let methods = account.authenticators.iter().map(|one| Method {
            id: one.id,
            method_type: one.method_type,
            device_name: one.device_name.clone(),
            verified: true,
            created_at: one.created_at,
            last_used_at: one.last_used_at,
            model: Self::model_name(party, one.claimed_model),
            backup_eligible: one.backup_eligible,
            backed_up: one.backed_up,
        });
        Methods {
            methods: methods.collect(),
            backup_codes: Remaining {
                remaining: account.codes_remaining,
            },
        }
    }
}
