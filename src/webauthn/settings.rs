//! How a relying party is configured, and what is wrong with a configuration.

use std::collections::HashSet;

use url::{Host, Url};
use uuid::Uuid;

use super::SettingsProblem;
use cedargate_core::{MethodType, Tenant};

/// One relying party, as it is configured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The RP ID: a domain.
    pub id: String,
    /// The name that a browser shows.
    pub name: String,
    /// The origins whose pages may run ceremonies, compared byte for byte. Not empty.
    pub origins: Vec<String>,
    /// Origins of other domains that may use this RP ID (WebAuthn Level 3 §5.11).
    pub related_origins: Vec<String>,
    /// Whom it serves.
    pub tenants: Tenants,
    /// The method types that are set up.
    pub method_types: Vec<MethodType>,
    /// The models that it can prove.
    pub models: Vec<Model>,
}

/// The tenants that a relying party serves.
#[derive(Clone, Debug)]
pub enum Tenants {
    /// All that no other party names.
    Any,
    /// These.
    These(Vec<Tenant>),
}

/// A model of authenticator that attestation can prove.
#[derive(Clone, Debug)]
pub struct Model {
    /// The AAGUID.
    pub aaguid: Uuid,
    /// Its name.
    pub name: String,
    /// PEM certificates that vouch for this model only.
    pub roots: Vec<u8>,
}

/// What is wrong with one party: the key in it, and a sentence.
pub(super) fn problems(settings: &Settings) -> Vec<(&'static str, String)> {
    let mut problems = Vec::new();
    let id = domain(&settings.id);
    if let Err(what) = &id {
        problems.push(("id", what.clone()));
    }
    if settings.name.trim().is_empty() {
        problems.push((
            "name",
            "a browser shows this name: it must not be empty".into(),
        ));
    }
    if settings.method_types.is_empty() {
        problems.push(("method_types", "at least one method type is needed".into()));
    }
    if matches!(&settings.tenants, Tenants::These(tenants) if tenants.is_empty()) {
        problems.push((
            "tenants",
            "no tenant is served: name some, or `*` for all".into(),
        ));
    }
    origins(settings, id.is_ok(), &mut problems);
    problems
}

fn origins(settings: &Settings, id_is_good: bool, problems: &mut Vec<(&'static str, String)>) {
    if settings.origins.is_empty() {
        problems.push(("origins", "at least one origin is needed".into()));
    }
    for (at, text) in settings.origins.iter().enumerate() {
        match origin(text) {
            Err(what) => problems.push(("origins", what)),
            Ok(url) if at == 0 && id_is_good && !lies_under(&url, &settings.id) => {
                let what = format!(
                    "the first origin, `{text}`, must lie under the RP ID `{}`",
                    settings.id
                );
                problems.push(("origins", what));
            }
            Ok(_) => {}
        }
    }
    for text in &settings.related_origins {
        if let Err(what) = origin(text) {
            problems.push(("related_origins", what));
        }
    }
}

/// Finds the conflicts between parties: each tenant has one party, and the related origins of an id,
/// which a browser reads at one address, are the same wherever that id is used.
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
    for (index, one) in settings.iter().enumerate() {
        match &one.tenants {
            Tenants::Any if any => {
                let what = "another relying party already serves all tenants (`*`)";
                add(index, "tenants", what.to_owned());
            }
            Tenants::Any => any = true,
            Tenants::These(tenants) => {
                for tenant in tenants.iter().filter(|tenant| !seen.insert(**tenant)) {
                    let what = format!("tenant `{tenant}` already has a relying party");
                    add(index, "tenants", what);
                }
            }
        }
        let twin = settings[..index].iter().find(|other| other.id == one.id);
        if twin.is_some_and(|twin| twin.related_origins != one.related_origins) {
            let what = format!(
                "another relying party with the id `{}` lists others: a browser reads one list for an id",
                one.id
            );
            add(index, "related_origins", what);
        }
    }
    problems
}

/// An RP ID is a valid domain string (WebAuthn Level 3 §4), in the one spelling that browsers
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
            "`{id}` is not a domain: no scheme, port or path belongs to it"
        )),
    }
}

/// An origin as browsers serialise it (HTML, "ASCII serialisation of an origin"), from a context in
/// which WebAuthn works: HTTPS, or this machine.
fn origin(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| {
        format!("`{text}` is not an origin: write a scheme, a host and, if needed, a port")
    })?;
    let right = url.origin().ascii_serialization();
    let local = url
        .domain()
        .is_some_and(|host| host == "localhost" || host.ends_with(".localhost"));
    let secure = url.scheme() == "https" || (url.scheme() == "http" && local);
    if !secure {
        Err(format!(
            "`{text}` must begin with `https://` (`http://` works for localhost only)"
        ))
    } else if right != text {
        Err(format!(
            "`{text}` must be written as browsers send it: `{right}`"
        ))
    } else if url.domain().is_none() {
        Err(format!(
            "`{text}` has an IP address: WebAuthn works on domains only"
        ))
    } else {
        Ok(url)
    }
}

fn lies_under(origin: &Url, id: &str) -> bool {
    origin
        .domain()
        .and_then(|host| host.strip_suffix(id))
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests;
