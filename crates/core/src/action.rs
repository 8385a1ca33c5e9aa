//! The actions that policies decide on.

use std::fmt;

/// What a request asks to do: the actions of `schema/gate.cedarschema`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Action {
    /// Start an enrolment.
    BeginWebauthnRegistration,
    /// Finish an enrolment.
    CompleteWebauthnRegistration,
    /// Keep a verified authenticator.
    TrustAuthenticator,
    /// Start a step-up.
    BeginWebauthnAuthentication,
    /// Finish a step-up.
    CompleteWebauthnAuthentication,
    /// List the caller's authenticators.
    ListMfaMethods,
    /// Rename one of them.
    RenameMfaMethod,
    /// Remove one of them.
    DeleteMfaMethod,
    /// Get a new set of backup codes.
    RegenerateBackupCodes,
    /// Use a backup code.
    VerifyBackupCode,
    /// List another user's authenticators.
    AdminListMfaMethods,
    /// Remove one of another user's authenticators.
    AdminDeleteMfaMethod,
    /// Remove all of another user's authenticators and codes.
    AdminResetMfa,
    /// Read the OpenAPI description.
    ReadApiDescription,
    /// Read the keys of step-up tokens.
    ReadKeys,
    /// Read a relying party's related origins.
    ReadRelatedOrigins,
    /// Ask whether a page of another origin may call (CORS).
    Preflight,
    /// Anything else. Opens nothing, permitted or not.
    Unknown,
}

impl Action {
    /// All of them.
    pub const ALL: [Action; 18] = [
        Action::BeginWebauthnRegistration,
        Action::CompleteWebauthnRegistration,
        Action::TrustAuthenticator,
        Action::BeginWebauthnAuthentication,
        Action::CompleteWebauthnAuthentication,
        Action::ListMfaMethods,
        Action::RenameMfaMethod,
        Action::DeleteMfaMethod,
        Action::RegenerateBackupCodes,
        Action::VerifyBackupCode,
        Action::AdminListMfaMethods,
        Action::AdminDeleteMfaMethod,
        Action::AdminResetMfa,
        Action::ReadApiDescription,
        Action::ReadKeys,
        Action::ReadRelatedOrigins,
        Action::Preflight,
        Action::Unknown,
    ];

    /// The id of the schema's `Gate::Action`.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::BeginWebauthnRegistration => "beginWebauthnRegistration",
            Action::CompleteWebauthnRegistration => "completeWebauthnRegistration",
            Action::TrustAuthenticator => "trustAuthenticator",
            Action::BeginWebauthnAuthentication => "beginWebauthnAuthentication",
            Action::CompleteWebauthnAuthentication => "completeWebauthnAuthentication",
            Action::ListMfaMethods => "listMfaMethods",
            Action::RenameMfaMethod => "renameMfaMethod",
            Action::DeleteMfaMethod => "deleteMfaMethod",
            Action::RegenerateBackupCodes => "regenerateBackupCodes",
            Action::VerifyBackupCode => "verifyBackupCode",
            Action::AdminListMfaMethods => "adminListMfaMethods",
            Action::AdminDeleteMfaMethod => "adminDeleteMfaMethod",
            Action::AdminResetMfa => "adminResetMfa",
            Action::ReadApiDescription => "readApiDescription",
            Action::ReadKeys => "readKeys",
            Action::ReadRelatedOrigins => "readRelatedOrigins",
            Action::Preflight => "preflight",
            Action::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
