//! The OpenAPI 3.1 description of the API, made from the route table and the types of its bodies.

use std::sync::LazyLock;

use hyper::body::Bytes;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::respond::{ErrorBody, json_bytes};
use super::route::{Access, Row, TABLE};

/// Returns the description as JSON. It is generated once per process.
pub(super) fn description() -> Bytes {
    static DESCRIPTION: LazyLock<Bytes> = LazyLock::new(|| json_bytes(&document()));
    DESCRIPTION.clone()
}

/// The error statuses of the API with their descriptions.
const ERRORS: [(u16, &str); 14] = [
    (
        400,
        "The request is malformed, or the authenticator's response does not verify",
    ),
    (
        401,
        "The token is missing or not accepted, or a fresher or stronger sign-in is needed",
    ),
    (
        403,
        "The policies do not permit the request, or a step-up would help and the caller has no \
         authenticator or code to step up with (recovery_required)",
    ),
    (
        404,
        "The path or the resource does not exist, or the resource is not the caller's",
    ),
    (408, "The body did not arrive in time"),
    (
        409,
        "The credential is already registered, the account has as many authenticators as it may \
         have, or another request replaced the codes first",
    ),
    (413, "The body is too large"),
    (414, "The path and query are too long"),
    (415, "The body is not application/json"),
    (
        429,
        "The session tried too many wrong codes, started too many ceremonies, or asked for too many \
         sets of codes",
    ),
    (431, "The headers are too large"),
    (500, "A policy or the gateway failed"),
    (
        501,
        "The feature is not set up for this tenant or deployment",
    ),
    (
        503,
        "The service is unavailable for the moment. With `details.outcome` `unknown`, the change may \
         have been made",
    ),
];

/// The error statuses that every row has.
const COMMON_ERRORS: [u16; 8] = [400, 401, 403, 413, 414, 431, 500, 503];

fn document() -> Value {
    let mut schemas = SchemaSettings::draft2020_12()
        .with(|it| it.definitions_path = "/components/schemas".into())
        .for_serialize()
        .into_generator();
    let error = schemas.subschema_for::<ErrorBody<'static>>().to_value();
    let mut paths = Map::new();
    for row in &TABLE {
        let path = paths.entry(row.path).or_insert_with(|| json!({}));
        path[row.method.as_str().to_ascii_lowercase()] = operation(row, &mut schemas);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": env!("CARGO_PKG_NAME"),
            "description": env!("CARGO_PKG_DESCRIPTION"),
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": env!("CARGO_PKG_LICENSE")},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "responses": errors(&error),
            "parameters": {"TenantId": tenant_header()},
            "headers": {"RequestId": request_id_header()},
            "securitySchemes": {"bearer": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
            }},
        },
    })
}

fn operation(row: &Row, schemas: &mut SchemaGenerator) -> Value {
    let documentation = &row.documentation;
    let mut parameters: Vec<_> = documentation
        .query
        .iter()
        .map(|it| {
            json!({
                "name": it.name,
                "in": "query",
                "description": it.description,
                "schema": (it.schema)(schemas),
            })
        })
        .collect();
    let mut responses = Map::from_iter([(
        "200".to_owned(),
        json!({
            "description": documentation.answer,
            "headers": {"X-Request-ID": {"$ref": "#/components/headers/RequestId"}},
            "content": {"application/json": {"schema": (row.answer)(schemas)}},
        }),
    )]);
    let mut statuses = [&COMMON_ERRORS, documentation.errors].concat();
    statuses.sort_unstable();
    for status in statuses {
        let reference = json!({"$ref": format!("#/components/responses/Error{status}")});
        responses.insert(status.to_string(), reference);
    }
    // The empty requirement marks the token as optional; policies also decide without one.
    let security = match row.access {
        Access::Public(_) => json!([{}, {"bearer": []}]),
        Access::Member(_) => {
            parameters.insert(0, json!({"$ref": "#/components/parameters/TenantId"}));
            parameters.extend(path_parameters(row.path));
            json!([{"bearer": []}])
        }
    };
    let mut operation = json!({
        "operationId": documentation.id,
        "summary": documentation.summary,
        "security": security,
        "responses": responses,
    });
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Access::Member(endpoint) = row.access
        && let Some((required, schema)) = endpoint.body.documented()
    {
        operation["requestBody"] = json!({
            "required": required,
            "content": {"application/json": {"schema": schema(schemas)}},
        });
    }
    operation
}

/// Describes the parameters of a path pattern.
fn path_parameters(path: &str) -> impl Iterator<Item = Value> {
    let named = path.split('/').filter_map(|segment| {
        let name = segment.strip_prefix('{')?;
        name.strip_suffix('}')
    });
    named.map(|name| {
        let (description, schema) = match name {
            "id" => (
                "The `id` of an authenticator",
                json!({"type": "string", "format": "uuid"}),
            ),
            _ => (
                "The user in the header's tenant: `<issuer name>|<sub>`, percent-encoded, or `~` \
                 followed by the base64url without padding of `<issuer name>|<sub>`. The second \
                 form names every user; a `sub` with a slash or a backslash needs it.",
                json!({"type": "string", "examples": ["corp|alice", "~Y29ycHxhL2I"]}),
            ),
        };
        json!({
            "name": name,
            "in": "path",
            "required": true,
            "description": description,
            "schema": schema,
        })
    })
}

fn errors(schema: &Value) -> Value {
    let mut responses = Map::new();
    for (status, description) in ERRORS {
        let mut headers = json!({"X-Request-ID": {"$ref": "#/components/headers/RequestId"}});
        match status {
            401 => headers["WWW-Authenticate"] = text_header("RFC 6750 and RFC 9470"),
            429 | 503 => {
                headers["Retry-After"] = text_header("Seconds to wait before repeating the request")
            }
            _ => {}
        }
        let response = json!({
            "description": description,
            "headers": headers,
            "content": {"application/json": {"schema": schema}},
        });
        responses.insert(format!("Error{status}"), response);
    }
    responses.into()
}

fn text_header(description: &str) -> Value {
    json!({"description": description, "required": true, "schema": {"type": "string"}})
}

fn request_id_header() -> Value {
    text_header("The id of the request: the X-Request-ID that was sent, or a new one")
}

fn tenant_header() -> Value {
    json!({
        "name": "X-Tenant-ID",
        "in": "header",
        "required": true,
        "description": "Tenant identifier. Must match the tenant associated with the credential. \
                        Returns 403 tenant_mismatch if the credential and header belong to \
                        different tenants.",
        "schema": {"type": "string", "format": "uuid"},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asserts that the target of every `$ref` exists.
    fn check_references(value: &Value, document: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                }
                members
                    .values()
                    .for_each(|it| check_references(it, document));
            }
            Value::Array(items) => items.iter().for_each(|it| check_references(it, document)),
            _ => {}
        }
    }

    #[test]
    fn description_has_every_row_and_no_dangling_reference() {
        let document = document();
        check_references(&document, &document);
        let methods = document["paths"].as_object().unwrap().values();
        let methods: usize = methods.map(|it| it.as_object().unwrap().len()).sum();
        assert_eq!(methods, TABLE.len());
    }

    #[test]
    fn described_contract_is_the_published_one() {
        let document = document();
        let complete = &document["paths"]["/v1/users/me/mfa/webauthn/register/complete"]["post"];
        insta::assert_json_snapshot!("complete", complete);
        insta::assert_json_snapshot!("schemas", document["components"]["schemas"]);
    }
}
