//! How the ids of entities are written. Cedar takes any text, and an id that is written otherwise
//! never matches: so it does not load.

use uuid::Uuid;

use cedargate_core::{GroupId, IdError, IssuerName, UserId, nearest, path};

/// Why an id is not written as the gateway writes it, and what to write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Misspelt {
    pub(super) message: String,
    pub(super) help: String,
}

/// Looks at the id of an entity. `None` when it is right, or of a type whose ids Cedar knows.
pub(super) fn misspelt(entity_type: &str, id: &str) -> Option<Misspelt> {
    let found = match entity_type {
        "Gate::Tenant" => uuid(id, "a tenant is a UUID in lower case with hyphens"),
        "Gate::AuthenticatorModel" => uuid(id, "a model is its AAGUID in lower case with hyphens"),
        "Gate::Authenticator" => uuid(
            id,
            "an authenticator is the `id` of the methods list, a UUID in lower case",
        ),
        "Gate::Issuer" => issuer(id),
        "Gate::User" | "Gate::Account" => parts(id, id.parse::<UserId>().err()),
        "Gate::Group" => parts(id, id.parse::<GroupId>().err()),
        "Gate::Route" => route(id),
        _ => None,
    };
    found.map(|(rule, right)| Misspelt {
        message: format!("{entity_type}::{id:?} can never match: {rule}"),
        help: match right {
            Right::Spelling(right) => format!("write {entity_type}::{right:?}"),
            Right::Pattern(pattern) => pattern,
        },
    })
}

/// What should have been written.
enum Right {
    /// Just this.
    Spelling(String),
    /// Something like this.
    Pattern(String),
}

fn uuid(id: &str, rule: &str) -> Option<(String, Right)> {
    let right = match Uuid::try_parse(id) {
        Ok(parsed) if parsed.as_hyphenated().to_string() == id => return None,
        Ok(parsed) => Right::Spelling(parsed.as_hyphenated().to_string()),
        Err(_) => Right::Pattern("such as \"2489e9ad-2ee2-8e00-8ec9-32d5f69181c0\"".to_owned()),
    };
    Some((rule.to_owned(), right))
}

fn issuer(id: &str) -> Option<(String, Right)> {
    let error = id.parse::<IssuerName>().err()?;
    let lower = id.to_lowercase();
    let right = match lower.parse::<IssuerName>() {
        Ok(_) => Right::Spelling(lower),
        Err(_) => Right::Pattern("write the issuer's `name` in the configuration".to_owned()),
    };
    Some((error.to_string(), right))
}

fn parts(id: &str, error: Option<IdError>) -> Option<(String, Right)> {
    let error = error?;
    let mut split = id.splitn(3, '|');
    let issuer = split.next().unwrap_or_default();
    let tenant = split.next().unwrap_or_default();
    let name = split.next().unwrap_or(id);
    let right = match &error {
        IdError::Name(right) => Right::Spelling(format!("{issuer}|{tenant}|{right}")),
        IdError::TenantCase(right) => Right::Spelling(format!("{issuer}|{right}|{name}")),
        IdError::Parts if !id.contains('|') => Right::Pattern(format!(
            "write \"<issuer>|<tenant>|{name}\", such as \"corp|2489e9ad-2ee2-8e00-8ec9-32d5f69181c0|{name}\""
        )),
        _ => Right::Pattern("write \"<issuer>|<tenant>|<name>\"".to_owned()),
    };
    Some((error.to_string(), right))
}

fn route(id: &str) -> Option<(String, Right)> {
    if path::ALL.contains(&id) {
        return None;
    }
    let right = match nearest(id, path::ALL) {
        Some(known) => Right::Spelling(known.to_owned()),
        None => Right::Pattern(format!("it is one of {}", path::ALL.join(", "))),
    };
    Some(("no route of the gateway has this pattern".to_owned(), right))
}
