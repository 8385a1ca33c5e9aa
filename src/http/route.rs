//! The one table of routes: it is looked up for each request, and the API description is made of it.

use hyper::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use crate::mfa::backup_codes::BackupCodes;
use crate::mfa::methods::Methods;
use crate::mfa::registration::{Begin, CompleteBody};
use crate::model::{Action, MethodType, path};

/// One method on one path.
pub(super) struct Row {
    pub(super) method: Method,
    /// The path as it is described, and the id of its `Gate::Route`.
    pub(super) path: &'static str,
    pub(super) door: Door,
    pub(super) about: About,
}

/// Who may knock, and what answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Door {
    /// Anybody: no token is needed, and no tenant.
    Public(Public),
    /// A caller with a token and a tenant header.
    Member(Protected),
}

/// What answers anybody.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Public {
    ApiDescription,
    RelatedOrigins,
    /// Whether pages of other origins may call a path. Every path answers it: it is no row.
    Preflight,
}

impl Public {
    /// What the policies are asked.
    pub(super) fn action(self) -> Action {
        match self {
            Public::ApiDescription => Action::ReadApiDescription,
            Public::RelatedOrigins => Action::ReadRelatedOrigins,
            Public::Preflight => Action::Preflight,
        }
    }
}

/// What answers a member.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protected {
    BeginRegistration,
    CompleteRegistration,
    ListMethods,
}

/// What the API description says of a row.
pub(super) struct About {
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    /// What its query takes besides what is ignored.
    pub(super) query: &'static [Query],
    pub(super) request: Option<SchemaOf>,
    pub(super) answer: &'static str,
    pub(super) response: SchemaOf,
    /// The statuses of its errors besides those that its door has.
    pub(super) errors: &'static [u16],
}

/// Gives the schema of a type.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// A query member.
pub(super) struct Query {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) schema: SchemaOf,
}

/// The related origins of a relying party (WebAuthn Level 3 §5.11.1).
#[derive(JsonSchema, Serialize)]
pub(super) struct RelatedOrigins<'a> {
    /// Origins that may use the relying party's id.
    pub(super) origins: &'a [String],
}

/// Every row.
pub(super) static TABLE: [Row; 5] = [
    Row {
        method: Method::POST,
        path: path::REGISTER,
        door: Door::Member(Protected::BeginRegistration),
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
            errors: &[408, 415, 501],
        },
    },
    Row {
        method: Method::POST,
        path: path::REGISTER_COMPLETE,
        door: Door::Member(Protected::CompleteRegistration),
        about: About {
            id: "completeWebauthnRegistration",
            summary: "Complete WebAuthn registration",
            query: &[],
            request: Some(schema::<CompleteBody>),
            answer: "WebAuthn registered, backup codes returned",
            response: schema::<BackupCodes>,
            errors: &[404, 408, 409, 415, 501],
        },
    },
    Row {
        method: Method::GET,
        path: path::METHODS,
        door: Door::Member(Protected::ListMethods),
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
        method: Method::GET,
        path: path::OPENAPI,
        door: Door::Public(Public::ApiDescription),
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
        path: path::RELATED_ORIGINS,
        door: Door::Public(Public::RelatedOrigins),
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

/// What the table has for a method and a path.
pub(super) enum Found {
    /// A door.
    Door(Door, &'static str),
    /// The path, but not with this method.
    OtherMethod(&'static str),
    /// Nothing.
    Nothing,
}

impl Found {
    /// The id of the `Gate::Route`.
    pub(super) fn route(&self) -> &'static str {
        match self {
            Found::Door(_, path) | Found::OtherMethod(path) => path,
            Found::Nothing => path::UNKNOWN,
        }
    }

    /// What a preflight finds where its own method, OPTIONS, found this.
    pub(super) fn preflight(self) -> Self {
        match self {
            Found::OtherMethod(path) => Found::Door(Door::Public(Public::Preflight), path),
            found => found,
        }
    }
}

/// Looks a method and a decoded path up.
pub(super) fn find(method: &Method, path: &str) -> Found {
    let mut found = Found::Nothing;
    for row in TABLE.iter().filter(|row| row.path == path) {
        if row.method == *method {
            return Found::Door(row.door, row.path);
        }
        found = Found::OtherMethod(row.path);
    }
    found
}

/// The methods of a path, as the `Allow` header lists them.
pub(super) fn allow(path: &str) -> String {
    let methods: Vec<_> = TABLE
        .iter()
        .filter(|row| row.path == path)
        .map(|row| row.method.as_str())
        .collect();
    methods.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_found_and_its_route_is_known_to_the_schema() {
        for row in &TABLE {
            let found = find(&row.method, row.path);
            assert!(
                matches!(found, Found::Door(door, path) if door == row.door && path == row.path)
            );
            assert!(path::ALL.contains(&row.path), "{}", row.path);
        }
    }

    #[test]
    fn methods_and_paths_are_exact() {
        for method in ["HEAD", "OPTIONS", "POST", "get", "CONNECT"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let found = find(&method, path::METHODS);
            assert!(matches!(found, Found::OtherMethod(_)), "{method}");
            assert_eq!(found.route(), path::METHODS);
        }
        assert_eq!(allow(path::METHODS), "GET");
        for path in [
            "/",
            "/v1/users/me/mfa/",
            "/V1/users/me/mfa",
            "/.well-known/jwks.json",
        ] {
            assert_eq!(find(&Method::GET, path).route(), path::UNKNOWN, "{path}");
        }
    }
}
