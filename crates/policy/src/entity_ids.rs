//! The forms of entity ids. Cedar accepts any text, but an id in another form than the gateway's never
//! matches, so policies with such ids do not load.

use uuid::Uuid;

use cedargate_core::{GroupId, IdError, IssuerName, UserId, nearest, path};

/// An id that is not in the form of its entity type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Misspelt {
    /// The broken rule.
    pub(super) message: String,
    /// The correct form.
    pub(super) help: String,
}

/// Checks the id of an entity. Returns `None` if it is correct, or if Cedar checks the ids of its type.
pub(super) fn misspelt(entity_type: &str, id: &str) -> Option<Misspelt> {
    let problem = match entity_type {
        "Gate::Tenant" => uuid(id, "a tenant is a UUID in lower case with hyphens"),
        "Gate::AuthenticatorModel" => uuid(id, "a model is its AAGUID in lower case with hyphens"),
        "Gate::Authenticator" => uuid(
            id,
            "an authenticator is its `id` in the list of methods, a UUID in lower case",
        ),
        "Gate::Issuer" => issuer(id),
        "Gate::User" | "Gate::Account" => parts(id, id.parse::<UserId>().err()),
        "Gate::Group" => parts(id, id.parse::<GroupId>().err()),
        "Gate::Route" => route(id),
        _ => None,
    };
    problem.map(|(rule, correction)| Misspelt {
        message: format!("{entity_type}::{id:?} can never match: {rule}"),
        help: match correction {
            Correction::Exact(id) => format!("write {entity_type}::{id:?}"),
            Correction::Form(help) => help,
        },
    })
}

/// The id to write instead.
enum Correction {
    /// The id itself.
    Exact(String),
    /// A sentence that describes the form.
    Form(String),
}

fn uuid(id: &str, rule: &str) -> Option<(String, Correction)> {
    let correction = match Uuid::try_parse(id) {
        Ok(parsed) if parsed.as_hyphenated().to_string() == id => return None,
        Ok(parsed) => Correction::Exact(parsed.as_hyphenated().to_string()),
        Err(_) => Correction::Form("such as \"2489e9ad-2ee2-8e00-8ec9-32d5f69181c0\"".to_owned()),
    };
    Some((rule.to_owned(), correction))
}

fn issuer(id: &str) -> Option<(String, Correction)> {
    let error = id.parse::<IssuerName>().err()?;
    let lower = id.to_lowercase();
    let correction = match lower.parse::<IssuerName>() {
        Ok(_) => Correction::Exact(lower),
        Err(_) => Correction::Form("write the issuer's `name` in the configuration".to_owned()),
    };
    Some((error.to_string(), correction))
}

fn parts(id: &str, error: Option<IdError>) -> Option<(String, Correction)> {
    let error = error?;
    let mut split = id.splitn(3, '|');
    let issuer = split.next().unwrap_or_default();
    let tenant = split.next().unwrap_or_default();
    let name = split.next().unwrap_or(id);
    let correction = match &error {
        IdError::Name(name) => Correction::Exact(format!("{issuer}|{tenant}|{name}")),
        IdError::TenantCase(tenant) => Correction::Exact(format!("{issuer}|{tenant}|{name}")),
        IdError::Parts if !id.contains('|') => Correction::Form(format!(
            "write \"<issuer>|<tenant>|{name}\", such as \"corp|2489e9ad-2ee2-8e00-8ec9-32d5f69181c0|{name}\""
        )),
        _ => Correction::Form("write \"<issuer>|<tenant>|<name>\"".to_owned()),
    };
    Some((error.to_string(), correction))
}

fn route(id: &str) -> Option<(String, Correction)> {
    if path::ALL.contains(&id) {
        return None;
    }
    let correction = match nearest(id, path::ALL) {
        Some(known) => Correction::Exact(known.to_owned()),
        None => Correction::Form(format!("it is one of {}", path::ALL.join(", "))),
    };
    Some((
        "no route of the gateway has this pattern".to_owned(),
        correction,
    ))
}
