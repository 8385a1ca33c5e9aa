//! The rows of the table.

use hyper::Method;
use schemars::JsonSchema;
use serde_json::{Map, Value};

use super::{Access, Documentation, Public, Query, RelatedOrigins, Row};
use crate::http::endpoint::{Endpoint, Serve};
use crate::http::schema::schema;
use crate::mfa::admin::{AdminDeleteMethod, AdminListMethods, AdminReset};
use crate::mfa::backup_codes::RegenerateCodes;
use crate::mfa::methods::{DeleteMethod, ListMethods, RenameMethod};
use crate::mfa::registration::{BeginRegistration, CompleteRegistration};
use crate::mfa::step_up::{BeginAuthentication, CompleteAuthentication, VerifyBackupCode};
use cedargate_core::{MethodType, path};

pub(in crate::http) static TABLE: [Row; 15] = [
    member::<BeginRegistration>(
        Method::POST,
        path::REGISTER,
        Documentation {
            id: "beginWebauthnRegistration",
            summary: "Start enrolling a passkey or a security key",
            query: &[Query {
                name: "method_type",
                description: "The type of authenticator to enrol; a passkey if it is left out.",
                schema: schema::<MethodType>,
            }],
            answer: "Options for the browser",
            errors: &[408, 409, 415, 429, 501],
        },
    ),
    member::<CompleteRegistration>(
        Method::POST,
        path::REGISTER_COMPLETE,
        Documentation {
            id: "completeWebauthnRegistration",
            summary: "Complete WebAuthn registration",
            query: &[],
            answer: "WebAuthn registered, backup codes returned",
            errors: &[404, 408, 409, 415, 429, 501],
        },
    ),
    member::<BeginAuthentication>(
        Method::POST,
        path::AUTHENTICATE,
        Documentation {
            id: "beginWebauthnAuthentication",
            summary: "Start a step-up with an authenticator",
            query: &[],
            answer: "Options for the browser",
            errors: &[404, 408, 415, 429, 501],
        },
    ),
    member::<CompleteAuthentication>(
        Method::POST,
        path::AUTHENTICATE_COMPLETE,
        Documentation {
            id: "completeWebauthnAuthentication",
            summary: "Complete a step-up with an authenticator",
            query: &[],
            answer: "A short-lived token",
            errors: &[404, 408, 415, 501],
        },
    ),
    member::<ListMethods>(
        Method::GET,
        path::METHODS,
        Documentation {
            id: "listMfaMethods",
            summary: "List the caller's authenticators",
            query: &[],
            answer: "The authenticators, oldest first",
            errors: &[],
        },
    ),
    member::<RenameMethod>(
        Method::PATCH,
        path::METHOD,
        Documentation {
            id: "renameMfaMethod",
            summary: "Rename one of the caller's authenticators",
            query: &[],
            answer: "The authenticator",
            errors: &[404, 408, 415],
        },
    ),
    member::<DeleteMethod>(
        Method::DELETE,
        path::METHOD,
        Documentation {
            id: "deleteMfaMethod",
            summary: "Remove one of the caller's authenticators",
            query: &[],
            answer: "Removed. The signal tells the browser which credentials remain",
            errors: &[404],
        },
    ),
    member::<RegenerateCodes>(
        Method::POST,
        path::BACKUP_CODES,
        Documentation {
            id: "regenerateBackupCodes",
            summary: "Replace the caller's backup codes with new ones",
            query: &[],
            answer: "The new codes, which are shown only once",
            errors: &[404, 408, 409, 415, 429],
        },
    ),
    member::<VerifyBackupCode>(
        Method::POST,
        path::BACKUP_CODES_VERIFY,
        Documentation {
            id: "verifyBackupCode",
            summary: "Step up with a backup or recovery code",
            query: &[],
            answer: "A short-lived token",
            errors: &[408, 415, 429, 501],
        },
    ),
    member::<AdminListMethods>(
        Method::GET,
        path::ADMIN_METHODS,
        Documentation {
            id: "adminListMfaMethods",
            summary: "List another user's authenticators",
            query: &[],
            answer: "The authenticators, oldest first",
            errors: &[404],
        },
    ),
    member::<AdminReset>(
        Method::DELETE,
        path::ADMIN_METHODS,
        Documentation {
            id: "adminResetMfa",
            summary: "Remove all of another user's authenticators and codes",
            query: &[],
            answer: "The number of authenticators removed, and the recovery code to give to the user",
            errors: &[404, 429],
        },
    ),
    member::<AdminDeleteMethod>(
        Method::DELETE,
        path::ADMIN_METHOD,
        Documentation {
            id: "adminDeleteMfaMethod",
            summary: "Remove one of another user's authenticators",
            query: &[],
            answer: "Removed. After the last one, also the recovery code to give to the user",
            errors: &[404, 429],
        },
    ),
    public::<Map<String, Value>>(
        Public::ApiDescription,
        path::OPENAPI,
        Documentation {
            id: "readApiDescription",
            summary: "Read this description",
            query: &[],
            answer: "An OpenAPI 3.1 document",
            errors: &[],
        },
    ),
    public::<Map<String, Value>>(
        Public::Keys,
        path::KEYS,
        Documentation {
            id: "readKeys",
            summary: "Read the keys that sign step-up tokens",
            query: &[],
            answer: "A JWKS (RFC 7517)",
            errors: &[],
        },
    ),
    public::<RelatedOrigins<'static>>(
        Public::RelatedOrigins,
        path::RELATED_ORIGINS,
        Documentation {
            id: "readRelatedOrigins",
            summary: "Read the related origins of the relying party that the Host header names",
            query: &[],
            answer: "The origins (WebAuthn Level 3, section 5.11)",
            errors: &[404],
        },
    ),
];

/// A row for callers with a token and a tenant.
const fn member<O: Serve>(method: Method, path: &'static str, documentation: Documentation) -> Row {
    Row {
        method,
        path,
        access: Access::Member(Endpoint::of::<O>()),
        answer: schema::<O::Answer>,
        documentation,
    }
}

/// A row for any caller. Its answer has the schema of `T`.
const fn public<T: JsonSchema>(
    public: Public,
    path: &'static str,
    documentation: Documentation,
) -> Row {
    Row {
        method: Method::GET,
        path,
        access: Access::Public(public),
        answer: schema::<T>,
        documentation,
    }
}
