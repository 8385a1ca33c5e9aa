//! The rows.

use hyper::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{About, Access, Protected, Public, Query, RelatedOrigins, RequestBody, Row};
use crate::mfa::admin::ResetMethods;
use crate::mfa::backup_codes::BackupCodes;
use crate::mfa::methods::{Deleted, Method as MethodAnswer, Methods, RenameBody};
use crate::mfa::registration::{Begin, CompleteBody};
use crate::mfa::step_up::{AssertionBody, BeginBody, BegunStepUp, CodeBody, StepUpToken};
use crate::model::{MethodType, path};

/// Every row.
pub(in crate::http) static TABLE: [Row; 15] = [
    Row {
        method: Method::POST,
        path: path::REGISTER,
        access: Access::Member(Protected::BeginRegistration),
        about: About {
            id: "beginWebauthnRegistration",
            summary: "Start enrolling a passkey or a security key",
            query: &[Query {
                name: "method_type",
                about: "What is to be enrolled; a passkey when it is left out.",
                schema: schema::<MethodType>,
            }],
            request: None,
            answer: "Options for the browser",
            response: schema::<Begin>,
            errors: &[408, 409, 415, 429, 501],
        },
    },
    Row {
        method: Method::POST,
        path: path::REGISTER_COMPLETE,
        access: Access::Member(Protected::CompleteRegistration),
        about: About {
            id: "completeWebauthnRegistration",
            summary: "Complete WebAuthn registration",
            query: &[],
            request: required::<CompleteBody>(),
            answer: "WebAuthn registered, backup codes returned",
            response: schema::<BackupCodes>,
            errors: &[404, 408, 409, 415, 429, 501],
        },
    },
    Row {
        method: Method::POST,
        path: path::AUTHENTICATE,
        access: Access::Member(Protected::BeginAuthentication),
        about: About {
            id: "beginWebauthnAuthentication",
            summary: "Start a step-up with an authenticator",
            query: &[],
            request: optional::<BeginBody>(),
            answer: "Options for the browser",
            response: schema::<BegunStepUp>,
            errors: &[404, 408, 415, 429, 501],
        },
    },
    Row {
        method: Method::POST,
        path: path::AUTHENTICATE_COMPLETE,
        access: Access::Member(Protected::CompleteAuthentication),
        about: About {
            id: "completeWebauthnAuthentication",
            summary: "Complete a step-up with an authenticator",
            query: &[],
            request: required::<AssertionBody>(),
            answer: "A short-lived token",
            response: schema::<StepUpToken>,
            errors: &[404, 408, 415, 501],
        },
    },
    Row {
        method: Method::GET,
        path: path::METHODS,
        access: Access::Member(Protected::ListMethods),
        about: About {
            id: "listMfaMethods",
            summary: "List the caller's authenticators",
            query: &[],
            request: None,
            answer: "The authenticators, oldest first",
            response: schema::<Methods>,
            errors: &[],
        },
    },
    Row {
        method: Method::PATCH,
        path: path::METHOD,
        access: Access::Member(Protected::RenameMethod),
        about: About {
            id: "renameMfaMethod",
            summary: "Rename one of the caller's authenticators",
            query: &[],
            request: required::<RenameBody>(),
            answer: "The authenticator",
            response: schema::<MethodAnswer>,
            errors: &[404, 408, 415],
        },
    },
    Row {
        method: Method::DELETE,
        path: path::METHOD,
        access: Access::Member(Protected::DeleteMethod),
        about: About {
            id: "deleteMfaMethod",
            summary: "Remove one of the caller's authenticators",
            query: &[],
            request: None,
            answer: "Removed; what the browser is to be told",
            response: schema::<Deleted>,
            errors: &[404],
        },
    },
    Row {
        method: Method::POST,
        path: path::BACKUP_CODES,
        access: Access::Member(Protected::RegenerateCodes),
        about: About {
            id: "regenerateBackupCodes",
            summary: "Get new backup codes in the place of the old",
            query: &[],
            request: None,
            answer: "New codes, shown this once",
            response: schema::<BackupCodes>,
            errors: &[404, 408, 409, 415, 429],
        },
    },
    Row {
        method: Method::POST,
        path: path::BACKUP_CODES_VERIFY,
        access: Access::Member(Protected::VerifyCode),
        about: About {
            id: "verifyBackupCode",
            summary: "Step up with a backup or recovery code",
            query: &[],
            request: required::<CodeBody>(),
            answer: "A short-lived token",
            response: schema::<StepUpToken>,
            errors: &[408, 415, 429, 501],
        },
    },
    Row {
        method: Method::GET,
        path: path::ADMIN_METHODS,
        access: Access::Member(Protected::AdminListMethods),
        about: About {
            id: "adminListMfaMethods",
            summary: "List another user's authenticators",
            query: &[],
            request: None,
            answer: "The authenticators, oldest first",
            response: schema::<Methods>,
            errors: &[404],
        },
    },
    Row {
        method: Method::DELETE,
        path: path::ADMIN_METHODS,
        access: Access::Member(Protected::AdminReset),
        about: About {
            id: "adminResetMfa",
            summary: "Remove all of another user's authenticators and codes",
            query: &[],
            request: None,
            answer: "How many were removed, and the recovery code to hand to the user",
            response: schema::<ResetMethods>,
            errors: &[404, 429],
        },
    },
    Row {
        method: Method::DELETE,
        path: path::ADMIN_METHOD,
        access: Access::Member(Protected::AdminDeleteMethod),
        about: About {
            id: "adminDeleteMfaMethod",
            summary: "Remove one of another user's authenticators",
            query: &[],
            request: None,
            answer: "Removed; with the last one, the recovery code to hand to the user",
            response: schema::<Deleted>,
            errors: &[404, 429],
        },
    },
    Row {
        method: Method::GET,
        path: path::OPENAPI,
        access: Access::Public(Public::ApiDescription),
        about: About {
            id: "readApiDescription",
            summary: "Read this description",
            query: &[],
            request: None,
            answer: "An OpenAPI 3.1 document",
            response: schema::<serde_json::Map<String, serde_json::Value>>,
            errors: &[],
        },
    },
    Row {
        method: Method::GET,
        path: path::KEYS,
        access: Access::Public(Public::Keys),
        about: About {
            id: "readKeys",
            summary: "Read the keys of step-up tokens",
            query: &[],
            request: None,
            answer: "A JWKS (RFC 7517)",
            response: schema::<serde_json::Map<String, serde_json::Value>>,
            errors: &[],
        },
    },
    Row {
        method: Method::GET,
        path: path::RELATED_ORIGINS,
        access: Access::Public(Public::RelatedOrigins),
        about: About {
            id: "readRelatedOrigins",
            summary: "Read the related origins of the relying party that the Host names",
            query: &[],
            request: None,
            answer: "The origins (WebAuthn Level 3, section 5.11)",
            response: schema::<RelatedOrigins<'static>>,
            errors: &[404],
        },
    },
];

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

const fn required<T: JsonSchema>() -> Option<RequestBody> {
    Some(RequestBody {
        schema: schema::<T>,
        required: true,
    })
}

const fn optional<T: JsonSchema>() -> Option<RequestBody> {
    Some(RequestBody {
        schema: schema::<T>,
        required: false,
    })
}
