//! The `[[issuers]]` sections: the issuers of accepted tokens.

use super::files::{self, Files};
use super::not_empty;
use super::problems::{Place, Problems};
use super::section::{Located, Section};
use crate::authn::{Algorithm, Issuer, IssuerKind, KeySource, Keys, RemoteKeys};
use cedargate_core::{IdError, IssuerName, Tenant};

const REQUIRED: [&str; 6] = [
    "name",
    "issuer",
    "audiences",
    "algorithms",
    "jwks",
    "tenant_claim",
];

/// Returns `None` if an issuer has a problem.
pub(super) fn take(
    root: &mut Section,
    files: &Files,
    problems: &mut Problems<'_>,
) -> Option<Vec<Issuer>> {
    if !root.has("issuers") {
        let help = format!("add an [[issuers]] table with {}", REQUIRED.join(", "));
        let message = "`issuers` is missing: at least one token issuer is needed";
        problems.add(&Place::Nowhere, "missing_key", message, Some(help));
    }
    let sections = root.sections("issuers", problems)?;
    if sections.is_empty() {
        let message = "`issuers`: it must have at least one entry, because a token needs an issuer to be accepted";
        problems.add(root.place_of("issuers"), "invalid_value", message, None);
    }
    let mut names = Vec::new();
    let mut urls = Vec::new();
    let mut issuers = Vec::new();
    for mut section in sections {
        let issuer = issuer(&mut section, files, problems);
        if let Some(issuer) = &issuer {
            let name = issuer.kind.name().map_or("", IssuerName::as_str);
            unique(&mut names, name, "name", &section, problems);
            unique(&mut urls, &issuer.issuer, "issuer", &section, problems);
        }
        section.finish(problems);
        issuers.push(issuer);
    }
    issuers.into_iter().collect()
}

fn unique(
    seen: &mut Vec<String>,
    value: &str,
    key: &str,
    section: &Section,
    problems: &mut Problems<'_>,
) {
    if seen.iter().any(|other| other == value) {
        let message = format!("`{}`: another issuer has the same value", section.name(key));
        problems.add(section.place_of(key), "duplicate", message, None);
    }
    seen.push(value.to_owned());
}

fn issuer(section: &mut Section, files: &Files, problems: &mut Problems<'_>) -> Option<Issuer> {
    section.require(&REQUIRED, problems);
    let name = section.parsed("name", problems, str::parse);
    let issuer = section.parsed("issuer", problems, not_empty);
    let audiences = section.filled_list("audiences", problems);
    let algorithms = algorithms(section, problems);
    let jwks = section.parsed_located("jwks", problems, not_empty);
    let keys = jwks.and_then(|jwks| keys(section, &jwks, algorithms.as_deref(), files, problems));
    let tenant_claim = section.parsed("tenant_claim", problems, not_empty);
    let groups_claim = section.parsed("groups_claim", problems, not_empty);
    let strong_acr = section.parsed_list("strong_acr", problems, acr);
    let tenants = tenants(section, problems);
    Some(Issuer {
        kind: IssuerKind::SignIn(name?),
        issuer: issuer?,
        audiences: audiences?
            .into_iter()
            .map(|audience| audience.value)
            .collect(),
        algorithms: algorithms?,
        keys: keys?,
        tenant_claim: tenant_claim?,
        groups_claim,
        strong_acr: strong_acr.unwrap_or_default().into(),
        tenants: tenants.ok()?,
    })
}

/// The list of tenants has a problem, which has been reported.
struct Reported;

/// Returns the tenants that the issuer may assert, or `None` for all tenants if the key is absent.
fn tenants(
    section: &mut Section,
    problems: &mut Problems<'_>,
) -> Result<Option<Vec<Tenant>>, Reported> {
    let is_written = section.has("tenants");
    let tenants = section.parsed_list("tenants", problems, tenant);
    match tenants {
        None if is_written => Err(Reported),
        Some(tenants) if tenants.is_empty() => {
            let message = format!(
                "`{}`: an empty list refuses every token that names a tenant",
                section.name("tenants")
            );
            let help =
                "list the tenants that this issuer may assert, or remove the key to accept all";
            let place = section.place_of("tenants");
            problems.add(place, "invalid_value", message, Some(help.to_owned()));
            Err(Reported)
        }
        tenants => Ok(tenants),
    }
}

fn tenant(text: &str) -> Result<Tenant, String> {
    if text == "*" {
        return Err("remove the key to accept tokens of every tenant".to_owned());
    }
    text.parse().map_err(|error: IdError| error.to_string())
}

fn algorithms(section: &mut Section, problems: &mut Problems<'_>) -> Option<Vec<Algorithm>> {
    let algorithms = section.parsed_list("algorithms", problems, str::parse::<Algorithm>)?;
    if algorithms.is_empty() {
        let message = format!(
            "`{}`: it must have at least one entry",
            section.name("algorithms")
        );
        problems.add(
            section.place_of("algorithms"),
            "invalid_value",
            message,
            None,
        );
        return None;
    }
    Some(algorithms)
}

/// Reads the keys from a file, or takes the URL to fetch them from. `algorithms` is `None` if they have
/// a problem of their own; the file is then read and not parsed.
fn keys(
    section: &Section,
    jwks: &Located<String>,
    algorithms: Option<&[Algorithm]>,
    files: &Files,
    problems: &mut Problems<'_>,
) -> Option<KeySource> {
    let name = section.name("jwks");
    if jwks.value.contains("://") {
        return match jwks.value.parse() {
            Ok(url) => Some(KeySource::Remote(
                RemoteKeys::new(url, algorithms?.to_vec()).into(),
            )),
            Err(sentence) => {
                // The URL may hold a password.
                problems.hide(&jwks.place);
                let message = format!("`{name}`: {sentence}");
                problems.add(&jwks.place, "invalid_value", message, None);
                None
            }
        };
    }
    let path = files.resolve(jwks);
    let content = match files::read(&path) {
        Ok(content) => content,
        Err(problem) => {
            problem.report(&name, &jwks.place, problems);
            return None;
        }
    };
    match Keys::parse(&content, algorithms?) {
        Ok(keys) => Some(KeySource::Local(keys.into())),
        Err(error) => {
            let message = format!("`{name}`: in {}: {error}", path.display());
            problems.add(&jwks.place, "invalid_value", message, None);
            None
        }
    }
}

/// Parses an acr value that fits the space-separated `acr_values` of a `WWW-Authenticate` header (RFC
/// 9470 §3).
fn acr(text: &str) -> Result<String, &'static str> {
    let fits = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte));
    fits.then(|| text.to_owned())
        .ok_or("each entry must be visible ASCII without spaces, \" and \\")
}
