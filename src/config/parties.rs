//! The `[[relying_parties]]` sections.

use super::files::{self, Files};
use super::not_empty;
use super::problems::Problems;
use super::section::{Located, Section};
use crate::webauthn::{Model, RelyingParties, Settings, SettingsProblem, Tenants};
use cedargate_core::{MethodType, Tenant, hyphenated};

/// Returns `None` if a relying party has a problem.
pub(super) fn take(
    root: &mut Section,
    files: &Files,
    problems: &mut Problems<'_>,
) -> Option<RelyingParties> {
    let mut sections = root
        .sections("relying_parties", problems)
        .unwrap_or_default();
    let settings: Vec<_> = sections
        .iter_mut()
        .map(|section| party(section, files, problems))
        .collect();
    let parties = settings
        .into_iter()
        .collect::<Option<Vec<_>>>()
        .and_then(|settings| relying_parties(settings, &sections, problems));
    for section in sections {
        section.finish(problems);
    }
    parties
}

/// Applies the rules of [`RelyingParties::new`], and reports each broken rule at its key.
fn relying_parties(
    settings: Vec<Settings>,
    sections: &[Section],
    problems: &mut Problems<'_>,
) -> Option<RelyingParties> {
    match RelyingParties::new(settings) {
        Ok(parties) => Some(parties),
        Err(errors) => {
            for SettingsProblem {
                party,
                key,
                message,
            } in errors
            {
                // `settings` and `sections` have the same order.
                if let Some(section) = sections.get(party) {
                    let message = format!("`{}`: {message}", section.name(key));
                    problems.add(section.place_of(key), "invalid_value", message, None);
                }
            }
            None
        }
    }
}

fn party(section: &mut Section, files: &Files, problems: &mut Problems<'_>) -> Option<Settings> {
    section.require(&["id", "origins"], problems);
    let id = section.parsed("id", problems, not_empty);
    let name = section.parsed("name", problems, not_empty);
    let origins = section.filled_list("origins", problems);
    let tenants = tenants(section, problems);
    let related_origins = section.parsed_list("related_origins", problems, not_empty);
    let method_types = section.parsed_list("method_types", problems, |text| {
        text.parse::<MethodType>()
            .map_err(|_| "each entry must be webauthn_passkey or webauthn_fido")
    });
    let models: Vec<_> = section
        .sections("models", problems)
        .unwrap_or_default()
        .into_iter()
        .map(|section| model(section, files, problems))
        .collect();
    let id = id?;
    Some(Settings {
        name: name.unwrap_or_else(|| id.clone()),
        id,
        origins: origins?.into_iter().map(|origin| origin.value).collect(),
        related_origins: related_origins.unwrap_or_default(),
        tenants: tenants?,
        method_types: method_types.unwrap_or_else(|| MethodType::ALL.to_vec()),
        models: models.into_iter().collect::<Option<_>>()?,
    })
}

/// Takes a list of UUIDs or `["*"]`, which is the default.
fn tenants(section: &mut Section, problems: &mut Problems<'_>) -> Option<Tenants> {
    let is_written = section.has("tenants");
    let list = section.filled_list("tenants", problems);
    if !is_written {
        return Some(Tenants::Any);
    }
    let list = list?;
    if let [Located { value, .. }] = &list[..]
        && value == "*"
    {
        return Some(Tenants::Any);
    }
    let name = section.name("tenants");
    let mut tenants = Vec::new();
    for Located { value, place } in &list {
        match value.parse::<Tenant>() {
            Ok(tenant) => tenants.push(tenant),
            Err(error) => {
                let sentence = if value == "*" {
                    "\"*\" must be the only entry: it means every tenant that no other relying party names"
                        .to_owned()
                } else {
                    error.to_string()
                };
                problems.add(
                    place,
                    "invalid_value",
                    format!("`{name}`: {sentence}"),
                    None,
                );
            }
        }
    }
    (tenants.len() == list.len()).then_some(Tenants::These(tenants))
}

fn model(mut section: Section, files: &Files, problems: &mut Problems<'_>) -> Option<Model> {
    section.require(&["aaguid", "name", "roots"], problems);
    let aaguid = section.parsed("aaguid", problems, |text| {
        hyphenated(text)
            .ok_or("it must be a UUID with hyphens, such as 73bb0cd4-e502-49b8-9c6f-b59445bf720b")
    });
    let name = section.parsed("name", problems, not_empty);
    let roots = section.parsed_located("roots", problems, not_empty);
    let roots = roots.and_then(|path| match files::read(&files.resolve(&path)) {
        Ok(content) => Some(content),
        Err(problem) => {
            problem.report(&section.name("roots"), &path.place, problems);
            None
        }
    });
    section.finish(problems);
    Some(Model {
        aaguid: aaguid?,
        name: name?,
        roots: roots?,
    })
}
