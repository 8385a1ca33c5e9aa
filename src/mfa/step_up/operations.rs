//! The operations of a step-up, with their bodies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::gate::Operation;
use crate::mfa::backup_codes::Code;
use crate::mfa::body::{self, Unchecked};
use crate::store::Account;
use crate::webauthn::Assertion;
use cedargate_core::{Authenticator, Bytes, GateAction, Member, MethodType, Timestamp};
use cedargate_policy::Resource;

/// The body that starts a step-up. It can be left out.
#[derive(Deserialize, JsonSchema)]
pub struct BeginBody {
    /// Allows only authenticators of this type. If it is left out, all types are allowed.
    #[serde(default)]
    #[schemars(with = "MethodType", skip_serializing_if = "Unchecked::is_left_out")]
    method_type: Unchecked<MethodType>,
}

/// Starts a step-up.
pub struct BeginAuthentication {
    /// The allowed type. `None` allows all types.
    pub(super) method_type: Option<MethodType>,
}

impl BeginAuthentication {
    /// Reads a [`BeginBody`]. Unknown members are ignored.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field that breaks a rule.
    pub fn parse(body: &Map<String, Value>) -> Result<Self, Error> {
        let body: BeginBody = body::read(body)?;
        let method_type = body.method_type.optional("method_type")?;
        Ok(Self { method_type })
    }
}

impl Operation for BeginAuthentication {
    const ACTION: GateAction = GateAction::BeginWebauthnAuthentication;

    fn resource<'a>(&'a self, member: &'a Member, _: &'a Account) -> Option<Resource<'a>> {
        Some(Resource::Account(&member.user.id))
    }
}

/// A started step-up.
#[derive(Debug, JsonSchema, Serialize)]
pub struct BegunStepUp {
    /// `PublicKeyCredentialRequestOptionsJSON`, for `parseRequestOptionsFromJSON`.
    #[schemars(with = "serde_json::Map<String, Value>")]
    pub options: Value,
    /// The time until which the step-up can be completed.
    pub expires_at: Timestamp,
}

/// The body that finishes a step-up.
#[derive(Deserialize, JsonSchema)]
pub struct AssertionBody {
    /// `AuthenticationResponseJSON`, as `PublicKeyCredential.toJSON()` returns it.
    #[serde(default)]
    #[schemars(with = "Map<String, Value>")]
    credential: Unchecked<Assertion>,
}

/// Finishes a step-up.
pub struct CompleteAuthentication {
    pub(super) assertion: Assertion,
}

impl CompleteAuthentication {
    /// Reads an [`AssertionBody`]. Unknown members are ignored.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every field that breaks a rule.
    pub fn parse(body: &Map<String, Value>) -> Result<Self, Error> {
        let body: AssertionBody = body::read(body)?;
        let assertion = body.credential.only("credential")?;
        Ok(Self { assertion })
    }

    /// Returns the authenticator with the credential id of the assertion. If the pending step-up is known,
    /// the authenticator must be of the same relying party.
    pub(super) fn authenticator<'a>(&self, account: &'a Account) -> Option<&'a Authenticator> {
        let pending = account.authentication.as_ref();
        account.authenticators.iter().find(|authenticator| {
            authenticator.credential_id == *self.assertion.credential_id()
                && pending.is_none_or(|pending| pending.rp_id == authenticator.rp_id)
        })
    }
}

impl Operation for CompleteAuthentication {
    const ACTION: GateAction = GateAction::CompleteWebauthnAuthentication;

    fn resource<'a>(&'a self, member: &'a Member, account: &'a Account) -> Option<Resource<'a>> {
        let authenticator = self.authenticator(account)?;
        Some(Resource::Authenticator(&member.user.id, authenticator))
    }

    fn challenge(&self) -> Option<&Bytes> {
        Some(self.assertion.challenge())
    }
}

/// The body that uses a backup code.
#[derive(Deserialize, JsonSchema)]
pub struct CodeBody {
    /// The code. Case, spaces and hyphens do not matter.
    #[serde(default)]
    #[schemars(with = "String")]
    code: Unchecked<String>,
}

/// Uses a backup or recovery code.
pub struct VerifyBackupCode {
    /// `None` if the text cannot be a code.
    pub(super) code: Option<Code>,
}

impl VerifyBackupCode {
    /// Reads a [`CodeBody`]. Unknown members are ignored.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the code is not a string. A string that cannot be a code is accepted here, so
    /// that it is answered like a wrong code.
    pub fn parse(body: &Map<String, Value>) -> Result<Self, Error> {
        let body: CodeBody = body::read(body)?;
        let code = body.code.only("code")?;
        Ok(Self {
            code: Code::read(&code),
        })
    }
}

impl Operation for VerifyBackupCode {
    const ACTION: GateAction = GateAction::VerifyBackupCode;

    fn resource<'a>(&'a self, member: &'a Member, _: &'a Account) -> Option<Resource<'a>> {
        Some(Resource::Account(&member.user.id))
    }
}
