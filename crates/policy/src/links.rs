//! `*.links.json`: links of templates, as the Cedar CLI writes them.

use std::collections::HashMap;

use cedar_policy::{EntityUid, SlotId};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use cedargate_core::{Finding, json};

use super::annotations::{ID_RULE, is_policy_id};
use super::files::Source;
use super::ids;
use super::place::Place;
use super::syntax::names_users;

/// A link, well-formed; whether its template is there is not known yet.
#[derive(Clone, Debug)]
pub struct Link<'a> {
    pub place: Place<'a>,
    pub template_id: String,
    pub link_id: String,
    pub arguments: HashMap<SlotId, EntityUid>,
}

/// The members are kept as they stand in the file, so that each finding has its place.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a link, which is an object")]
struct Written<'a> {
    #[serde(borrow)]
    template_id: &'a RawValue,
    #[serde(borrow)]
    link_id: &'a RawValue,
    #[serde(borrow)]
    args: Arguments<'a>,
}

/// Members and no map: of a slot that is written twice, a map would keep the last in silence.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments<'a> {
    #[serde(borrow, rename = "?principal", default, deserialize_with = "written")]
    principal: Option<&'a RawValue>,
    #[serde(borrow, rename = "?resource", default, deserialize_with = "written")]
    resource: Option<&'a RawValue>,
}

/// A member that is there, be it `null`.
fn written<'de, D: Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(value).map(Some)
}

/// Reads the links of one file.
pub(crate) fn read<'a>(source: &'a Source, findings: &mut Vec<Finding>) -> Vec<Link<'a>> {
    let place = Place::of_file(source);
    match serde_json::from_str::<Vec<&RawValue>>(&source.text) {
        Ok(written) => written
            .into_iter()
            .filter_map(|one| link(&place.part(json::span(&source.text, one)), one, findings))
            .collect(),
        Err(error) => {
            findings.push(syntax(&place, 0, &error));
            Vec::new()
        }
    }
}

fn link<'a>(place: &Place<'a>, one: &RawValue, findings: &mut Vec<Finding>) -> Option<Link<'a>> {
    let written: Written<'_> = match serde_json::from_str(one.get()) {
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
        let finding = place.error("annotation_value", None, "link_id has a wrong value");
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
        let message = "this is not an entity as Cedar writes it".to_owned();
        return refuse("links_syntax", message, SHAPE);
    };
    match ids::misspelt(&uid.type_name().to_string(), uid.id().unescaped()) {
        Some(wrong) => refuse("entity_id", wrong.message, &wrong.help),
        None => Some(uid),
    }
}

/// Refuses a link that would let more than one group or one user administer: its template reaches
/// `administerMfa` and says by `?principal` alone who may.
pub(crate) fn check_administrators(link: &Link<'_>, findings: &mut Vec<Finding>) {
    let Some(bound) = link.arguments.get(&SlotId::principal()) else {
        return;
    };
    if names_users(bound) {
        return;
    }
    let kind = bound.type_name();
    let message = format!(
        "this link binds ?principal to a {kind}, and its template reaches administerMfa: everybody in it would administer others"
    );
    let help = r#"bind it to a group or a user, such as "Gate::Group::\"corp|…|admins\"""#;
    findings.push(
        link.place
            .error("link_administers", None, message)
            .help(help),
    );
}

const SHAPE: &str = r#"a link is {"template_id": "…", "link_id": "…", "args": {"?principal": "Gate::Group::\"corp|…|admins\""}}"#;

/// `serde_json`'s error about the part of the file that begins at `offset`.
fn syntax(place: &Place<'_>, offset: usize, error: &serde_json::Error) -> Finding {
    let part = place.source.text.get(offset..).unwrap_or_default();
    let lines: usize = part
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    let at = offset + lines + error.column().saturating_sub(1);
    let said = error.to_string();
    let what = said.split(" at line ").next().unwrap_or_default();
    place
        .part(at..at + 1)
        .error("links_syntax", None, format!("not a list of links: {what}"))
        .help(SHAPE)
}
