//! The actions that policies decide on.

use std::fmt;

use strum::{IntoStaticStr, VariantArray};

/// The action of an authorization request.
///
/// Operations of applications behind the gateway will be further variants, so code that takes an
/// `Action` must not rely on knowing all of them.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Action {
    /// An operation of the gateway itself.
    Gate(GateAction),
}

impl From<GateAction> for Action {
    fn from(action: GateAction) -> Self {
        Action::Gate(action)
    }
}

impl fmt::Display for Action {
    /// Writes the id of the Cedar entity, such as `listMfaMethods`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Gate(action) => action.fmt(f),
        }
    }
}

impl serde::Serialize for Action {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The operations of the gateway, one for each action of `schema/gate.cedarschema`.
///
/// The id of the Cedar entity is the variant's name in camel case: `Gate::Action::"listMfaMethods"`.
#[derive(Clone, Copy, Debug, Eq, Hash, IntoStaticStr, Ord, PartialEq, PartialOrd, VariantArray)]
#[strum(serialize_all = "camelCase")]
pub enum GateAction {
    /// Start an enrolment (a WebAuthn registration ceremony).
    BeginWebauthnRegistration,
    /// Finish an enrolment.
    CompleteWebauthnRegistration,
    /// Store an authenticator that a registration ceremony verified.
    TrustAuthenticator,
    /// Start a step-up (a WebAuthn authentication ceremony).
    BeginWebauthnAuthentication,
    /// Finish a step-up.
    CompleteWebauthnAuthentication,
    /// List the caller's authenticators.
    ListMfaMethods,
    /// Rename one of the caller's authenticators.
    RenameMfaMethod,
    /// Remove one of the caller's authenticators.
    DeleteMfaMethod,
    /// Replace the caller's backup codes by a new set.
    RegenerateBackupCodes,
    /// Step up with a backup code.
    VerifyBackupCode,
    /// List another user's authenticators.
    AdminListMfaMethods,
    /// Remove one of another user's authenticators.
    AdminDeleteMfaMethod,
    /// Remove all authenticators and codes of another user.
    AdminResetMfa,
    /// Read the OpenAPI description.
    ReadApiDescription,
    /// Read the public keys of step-up tokens (a JWK set, RFC 7517).
    ReadKeys,
    /// Read the related origins of a relying party (WebAuthn Level 3 §5.11).
    ReadRelatedOrigins,
    /// Answer a CORS preflight request.
    Preflight,
    /// Every other request. It is answered with an error even if a policy permits it.
    Unknown,
}

impl GateAction {
    /// All operations, in the order of the schema.
    pub const ALL: &[GateAction] = GateAction::VARIANTS;

    /// Returns the id of the Cedar entity, such as `listMfaMethods`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The kind of resource that an action acts on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target {
    /// A path pattern: the action is public.
    Route,
    /// The caller's own account.
    OwnAccount,
    /// An authenticator of the caller, or the one that is being enrolled.
    OwnAuthenticator,
    /// The account of another user.
    OthersAccount,
}

impl GateAction {
    /// Returns the kind of resource that this action acts on.
    pub fn target(self) -> Target {
        match self {
            GateAction::ReadApiDescription
            | GateAction::ReadKeys
            | GateAction::ReadRelatedOrigins
            | GateAction::Preflight
            | GateAction::Unknown => Target::Route,
            GateAction::TrustAuthenticator
            | GateAction::CompleteWebauthnAuthentication
            | GateAction::RenameMfaMethod
            | GateAction::DeleteMfaMethod => Target::OwnAuthenticator,
            GateAction::AdminListMfaMethods
            | GateAction::AdminDeleteMfaMethod
            | GateAction::AdminResetMfa => Target::OthersAccount,
            GateAction::BeginWebauthnRegistration
            | GateAction::CompleteWebauthnRegistration
            | GateAction::BeginWebauthnAuthentication
            | GateAction::ListMfaMethods
            | GateAction::RegenerateBackupCodes
            | GateAction::VerifyBackupCode => Target::OwnAccount,
        }
    }

    /// Returns true if this action is in the group `enroll`, whose context has a method type.
    pub fn enrols(self) -> bool {
        matches!(
            self,
            GateAction::BeginWebauthnRegistration
                | GateAction::CompleteWebauthnRegistration
                | GateAction::TrustAuthenticator
        )
    }
}

impl fmt::Display for GateAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
