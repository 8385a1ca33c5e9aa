//! The settings of relying parties, and their rules.

use std::collections::HashSet;

use url::{Host, Url};
use uuid::Uuid;

use super::SettingsProblem;
use cedargate_core::{MethodType, Tenant};

/// The settings of one relying party.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The RP ID, which is a domain.
    pub id: String,
    /// The name that a browser shows.
    pub name: String,
    /// The origins whose pages may run ceremonies, compared byte for byte. There is at least one.
    pub origins: Vec<String>,
    /// Origins of other domains that may use this RP ID (WebAuthn Level 3 §5.11).
    pub related_origins: Vec<String>,
    pub tenants: Tenants,
    /// The method types that users can enrol.
    pub method_types: Vec<MethodType>,
    /// The models that attestation can prove.
    pub models: Vec<Model>,
}

/// The tenants that a relying party serves.
#[derive(Clone, Debug)]
pub enum Tenants {
    /// The tenants that no other party names.
    Any,
    These(Vec<Tenant>),
}

/// A model of authenticator that attestation can prove.
#[derive(Clone, Debug)]
pub struct Model {
    pub aaguid: Uuid,
    pub name: String,
    /// PEM certificates of the roots that attest this model and no other.
    pub roots: Vec<u8>,
}

/// Checks the settings of one party. Returns the key and a sentence for each problem.
pub(super) fn problems(settings: &Settings) -> Vec<(&'static str, String)> {
    let mut problems = Vec::new();
    let id = domain(&settings.id);
    if let Err(message) = &id {
        problems.push(("id", message.clone()));
    }
    if settings.name.trim().is_empty() {
        problems.push((
            "name",
            "it must not be empty, because browsers show it".into(),
        ));
    }
    if settings.method_types.is_empty() {
        problems.push(("method_types", "it must have at least one entry".into()));
    }
    if matches!(&settings.tenants, Tenants::These(tenants) if tenants.is_empty()) {
        problems.push((
            "tenants",
            "it must have at least one entry: name tenants, or `*` for all".into(),
        ));
    }
    origins(settings, id.is_ok(), &mut problems);
    problems
}

fn origins(settings: &Settings, id_is_good: bool, problems: &mut Vec<(&'static str, String)>) {
    if settings.origins.is_empty() {
        problems.push(("origins", "it must have at least one entry".into()));
    }
    for (at, text) in settings.origins.iter().enumerate() {
        match origin(text) {
            Err(message) => problems.push(("origins", message)),
            Ok(url) if at == 0 && id_is_good && !is_under(&url, &settings.id) => {
                let message = format!(
                    "the first origin, `{text}`, must be on the RP ID `{}` or a subdomain of it",
                    settings.id
                );
                problems.push(("origins", message));
            }
            Ok(_) => {}
        }
    }
    for text in &settings.related_origins {
        if let Err(message) = origin(text) {
            problems.push(("related_origins", message));
        }
    }
}

/// Finds conflicts between parties. Each tenant has one party. Parties with the same id have the same
/// related origins, because browsers read them at one address for each id (WebAuthn Level 3 §5.11).
pub(super) fn conflicts(settings: &[Settings]) -> Vec<SettingsProblem> {
    let mut problems = Vec::new();
    let mut add = |party, key, message| {
        problems.push(SettingsProblem {
            party,
            key,
            message,
        });
    };
    let mut seen = HashSet::new();
    let mut any = false;
    for (index, party) in settings.iter().enumerate() {
        match &party.tenants {
            Tenants::Any if any => {
                let message = "another relying party already serves all tenants (`*`)";
                add(index, "tenants", message.to_owned());
            }
            Tenants::Any => any = true,
            Tenants::These(tenants) => {
                for tenant in tenants.iter().filter(|tenant| !seen.insert(**tenant)) {
                    let message = format!("tenant `{tenant}` already has a relying party");
                    add(index, "tenants", message);
                }
            }
        }
        let twin = settings[..index].iter().find(|other| other.id == party.id);
        if twin.is_some_and(|twin| twin.related_origins != party.related_origins) {
            let message = format!(
                "another relying party with the id `{}` has other related origins, but browsers read one list for each id",
                party.id
            );
            add(index, "related_origins", message);
        }
    }
    problems
}

/// Checks that an RP ID is a valid domain string (WebAuthn Level 3 §4), in the spelling that browsers
/// hash: lower case, Punycode, no dot at the end.
fn domain(id: &str) -> Result<(), String> {
    match Host::parse(id) {
        Ok(Host::Domain(domain)) => {
            let labels_fit = domain
                .split('.')
                .all(|label| (1..=63).contains(&label.len()));
            if domain != id {
                Err(format!("`{id}` must be written `{domain}`"))
            } else if labels_fit {
                Ok(())
            } else {
                Err(format!("`{id}` is not a domain"))
            }
        }
        Ok(_) => Err(format!(
            "`{id}` is an IP address: browsers accept domains only"
        )),
        Err(_) => Err(format!(
            "`{id}` is not a domain: write it without scheme, port and path"
        )),
    }
}

/// Parses an origin in the spelling of browsers (HTML, "ASCII serialisation of an origin"). WebAuthn
/// needs a secure context, so the scheme is HTTPS, except for localhost.
fn origin(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| {
        format!("`{text}` is not an origin: write a scheme, a host and, if needed, a port")
    })?;
    let serialized = url.origin().ascii_serialization();
    let local = url
        .domain()
        .is_some_and(|host| host == "localhost" || host.ends_with(".localhost"));
    let secure = url.scheme() == "https" || (url.scheme() == "http" && local);
    if !secure {
        Err(format!(
            "`{text}` must begin with `https://` (`http://` works for localhost only)"
        ))
    } else if serialized != text {
        Err(format!(
            "`{text}` must be written as browsers send it: `{serialized}`"
        ))
    } else if url.domain().is_none() {
        Err(format!(
            "`{text}` has an IP address: WebAuthn works on domains only"
        ))
    } else {
        Ok(url)
    }
}

fn is_under(origin: &Url, id: &str) -> bool {
    origin
        .domain()
        .and_then(|host| host.strip_suffix(id))
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests;
