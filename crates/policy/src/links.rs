//! `*.links.json`: links of templates in the format of the Cedar CLI.

use std::collections::HashMap;

use cedar_policy::{EntityUid, PolicyId, PolicySet, PolicySetError, SlotId};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use cedargate_core::{Finding, json};

use super::annotations::{ID_RULE, is_policy_id};
use super::entity_ids;
use super::files::Source;
use super::place::Place;
use super::syntax::names_users;

/// A well-formed link. Its template may not exist.
#[derive(Clone, Debug)]
pub struct Link<'a> {
    /// The place of the link in its file.
    pub place: Place<'a>,
    /// The `@id` of the template.
    pub template_id: String,
    /// The id of the linked policy.
    pub link_id: String,
    /// The entities for the slots of the template.
    pub arguments: HashMap<SlotId, EntityUid>,
}

impl Link<'_> {
    /// Links the template of this id in a set.
    pub(crate) fn add_to(
        &self,
        set: &mut PolicySet,
        template: &str,
    ) -> Result<(), Box<PolicySetError>> {
        let (template, id) = (PolicyId::new(template), PolicyId::new(&self.link_id));
        set.link(template, id, self.arguments.clone())
            .map_err(Box::new)
    }
}

/// The members are raw JSON, so that each finding has its place.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a link, which is an object")]
struct WrittenLink<'a> {
    #[serde(borrow)]
    template_id: &'a RawValue,
    #[serde(borrow)]
    link_id: &'a RawValue,
    #[serde(borrow)]
    args: Arguments<'a>,
}

/// A struct and not a map: of a slot that is written twice, a map would silently keep the last value.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments<'a> {
    #[serde(borrow, rename = "?principal", default, deserialize_with = "written")]
    principal: Option<&'a RawValue>,
    #[serde(borrow, rename = "?resource", default, deserialize_with = "written")]
    resource: Option<&'a RawValue>,
}

/// Deserializes a member that exists, even if it is `null`.
fn written<'de, D: Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(value).map(Some)
}

/// Reads the links of one file.
pub(crate) fn read<'a>(source: &'a Source, findings: &mut Vec<Finding>) -> Vec<Link<'a>> {
    let place = Place::of_file(source);
    match serde_json::from_str::<Vec<&RawValue>>(&source.text) {
        Ok(written) => written
            .into_iter()
            .filter_map(|raw| link(&place.part(json::span(&source.text, raw)), raw, findings))
            .collect(),
        Err(error) => {
            findings.push(syntax(&place, 0, &error));
            Vec::new()
        }
    }
}

fn link<'a>(place: &Place<'a>, raw: &RawValue, findings: &mut Vec<Finding>) -> Option<Link<'a>> {
    let written: WrittenLink<'_> = match serde_json::from_str(raw.get()) {
        Ok(written) => written,
        Err(error) => {
            findings.push(syntax(place, place.span.start, &error));
            return None;
        }
    };
    let before = findings.len();
    let template_id = string(place, written.template_id, findings);
    let link_id = string(place, written.link_id, findings);
    if link_id.as_deref().is_some_and(|id| !is_policy_id(id)) {
        let place = place.part(json::span(&place.source.text, written.link_id));
        let finding = place.error("annotation_value", None, "link_id is invalid");
        findings.push(finding.help(ID_RULE));
    }
    let mut arguments = HashMap::new();
    for (slot, raw) in [
        (SlotId::principal(), written.args.principal),
        (SlotId::resource(), written.args.resource),
    ] {
        let uid = raw.and_then(|raw| argument(place, raw, findings));
        arguments.extend(uid.map(|uid| (slot, uid)));
    }
    match (template_id, link_id) {
        (Some(template_id), Some(link_id)) if findings.len() == before => Some(Link {
            place: place.clone(),
            template_id,
            link_id,
            arguments,
        }),
        _ => None,
    }
}

fn string(place: &Place<'_>, raw: &RawValue, findings: &mut Vec<Finding>) -> Option<String> {
    let parsed = serde_json::from_str(raw.get()).ok();
    if parsed.is_none() {
        let place = place.part(json::span(&place.source.text, raw));
        findings.push(
            place
                .error("links_syntax", None, "this is not a string")
                .help(SHAPE),
        );
    }
    parsed
}

fn argument(place: &Place<'_>, raw: &RawValue, findings: &mut Vec<Finding>) -> Option<EntityUid> {
    let place = place.part(json::span(&place.source.text, raw));
    let mut refuse = |code, message: String, help: &str| {
        findings.push(place.error(code, None, message).help(help));
        None
    };
    let text: Option<String> = serde_json::from_str(raw.get()).ok();
    let Some(uid) = text.and_then(|text| text.parse::<EntityUid>().ok()) else {
        let message = "this is not a Cedar entity, such as Gate::Group::\"…\"".to_owned();
        return refuse("links_syntax", message, SHAPE);
    };
    match entity_ids::misspelt(&uid.type_name().to_string(), uid.id().unescaped()) {
        Some(wrong) => refuse("entity_id", wrong.message, &wrong.help),
        None => Some(uid),
    }
}

/// Refuses a link that makes more than one group or one user administrators. The template of `link` must
/// reach `administerMfa` and restrict the principal by `?principal` alone.
pub(crate) fn check_administrators(link: &Link<'_>, findings: &mut Vec<Finding>) {
    let Some(bound) = link.arguments.get(&SlotId::principal()) else {
        return;
    };
    if names_users(bound) {
        return;
    }
    let entity_type = bound.type_name();
    let message = format!(
        "this link binds ?principal to a {entity_type}, and its template reaches administerMfa, so everybody in it would become an administrator"
    );
    let help = r#"bind it to a group or a user, such as "Gate::Group::\"corp|…|admins\"""#;
    findings.push(
        link.place
            .error("link_administers", None, message)
            .help(help),
    );
}

const SHAPE: &str = r#"a link is {"template_id": "…", "link_id": "…", "args": {"?principal": "Gate::Group::\"corp|…|admins\""}}"#;

/// Makes a finding of `serde_json`'s error about the part of the file that begins at `offset`.
fn syntax(place: &Place<'_>, offset: usize, error: &serde_json::Error) -> Finding {
    let part = place.source.text.get(offset..).unwrap_or_default();
    let lines: usize = part
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    let at = offset + lines + error.column().saturating_sub(1);
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    place
        .part(at..at + 1)
        .error(
            "links_syntax",
            None,
            format!("not a list of links: {message}"),
        )
        .help(SHAPE)
}
