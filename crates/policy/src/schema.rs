//! The schema: `gate.cedarschema` and `site.cedarschema` combined.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use cedar_policy::{
    ActionConstraint, Entities, EntityUid, PolicyId, PolicySet, Schema, SchemaFragment,
};
use serde_json::Value;

use cedargate_core::Finding;

use super::files::Source;
use super::nesting;
use super::place::Place;
use super::request::RequestMemory;
use super::shipped::GATE_SCHEMA;

/// The schema, and those of its declarations that Cedar's `Schema` does not expose.
#[derive(Clone, Debug)]
pub struct SchemaIndex {
    /// The schema for Cedar.
    pub cedar: Schema,
    /// The actions as entities, each with its groups.
    pub actions: Entities,
    /// The members of `Site::Claims` with their types.
    pub claims: Vec<(String, ClaimType)>,
    /// The names of the attributes and members of all types.
    pub names: BTreeSet<String>,
    /// The parts of requests that are built once.
    pub(crate) memory: Arc<RequestMemory>,
    /// The content of `site.cedarschema`.
    pub(crate) site: Arc<str>,
}

impl SchemaIndex {
    /// Returns true if the action is in the group `Gate::Action::"<group>"`.
    pub fn is_in(&self, action: &EntityUid, group: &str) -> bool {
        self.actions
            .ancestors(action)
            .is_some_and(|mut groups| groups.any(|uid| uid.id().unescaped() == group))
    }

    /// Returns true if the scope of a policy or template compares the action with a group by `==`.
    pub fn compares_with_group(&self, set: &PolicySet, id: &PolicyId) -> bool {
        let policy = set.policy(id).map(|policy| policy.action_constraint());
        match policy.or_else(|| {
            set.template(id)
                .map(|template| template.action_constraint())
        }) {
            Some(ActionConstraint::Eq(action)) => self.is_group(&action),
            _ => false,
        }
    }

    /// Returns true for a group of actions, which is never the action of a request.
    pub fn is_group(&self, uid: &EntityUid) -> bool {
        self.cedar.action_groups().any(|group| group == uid)
    }

    /// Returns true if the schema lets other entities be in this one. If not, `in` has the meaning of
    /// `==`.
    pub fn has_members(&self, uid: &EntityUid) -> bool {
        if self.cedar.actions().any(|action| action == uid) {
            return self.is_group(uid);
        }
        let types = self.cedar.entity_types();
        let parents = types.filter_map(|one| self.cedar.ancestors(one));
        parents.flatten().any(|one| one == uid.type_name())
    }
}

/// The type of a declared claim.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClaimType {
    /// `String`.
    String,
    /// `Long`.
    Long,
    /// `Bool`.
    Bool,
    /// `Set<String>`.
    Strings,
}

impl ClaimType {
    /// Returns the name of the type in the schema.
    pub fn as_str(self) -> &'static str {
        match self {
            ClaimType::String => "String",
            ClaimType::Long => "Long",
            ClaimType::Bool => "Bool",
            ClaimType::Strings => "Set<String>",
        }
    }

    fn of(declared: &Value) -> Option<Self> {
        if declared["type"] == "Set" {
            let of_strings = Self::of(&declared["element"]) == Some(ClaimType::String);
            return of_strings.then_some(ClaimType::Strings);
        }
        // A site can redefine `String`, but not `__cedar::String`.
        let name = match declared["type"].as_str()? {
            "EntityOrCommon" => declared["name"].as_str()?,
            name => name,
        };
        match name.trim_start_matches("__cedar::") {
            "String" => Some(ClaimType::String),
            "Long" => Some(ClaimType::Long),
            "Bool" | "Boolean" => Some(ClaimType::Bool),
            _ => None,
        }
    }
}

/// The gateway's own schema.
static GATE: LazyLock<SchemaFragment> = LazyLock::new(|| {
    let parsed = SchemaFragment::from_cedarschema_str(GATE_SCHEMA);
    parsed.expect("the shipped schema is valid").0
});

/// Combines the schema files. Returns `None` if `site` is missing or wrong, and adds a finding for each
/// problem except a missing file.
pub(crate) fn load(
    gate: Option<&Source>,
    site: Option<&Source>,
    findings: &mut Vec<Finding>,
) -> Option<SchemaIndex> {
    check_is_shipped(gate, findings);
    let before = findings.len();
    let source = site?;
    let site = parse(source, findings)?;
    let gate = GATE.clone();
    let site_json = site.clone().to_json_value().unwrap_or_default();
    let mut checked = SiteSchema { source, findings };
    checked.only_claims(&site_json);
    checked.repeated_claims();
    let claims = checked.claims(&site_json);
    if findings.len() > before {
        return None;
    }
    let mut names = BTreeSet::new();
    declared_names(&site_json, &mut names);
    declared_names(
        &gate.clone().to_json_value().unwrap_or_default(),
        &mut names,
    );
    let place = Place::of_file(source);
    let schema = Schema::from_schema_fragments([gate, site])
        .map_err(|error| findings.push(place.diagnostic("schema_invalid", &error)))
        .ok()?;
    let actions = schema
        .action_entities()
        .map_err(|error| findings.push(place.diagnostic("schema_invalid", &error)))
        .ok()?;
    Some(SchemaIndex {
        cedar: schema,
        actions,
        claims,
        names,
        memory: Arc::default(),
        site: Arc::clone(&source.text),
    })
}

/// Refuses a `gate.cedarschema` that is edited or of another version: requests are built for the schema
/// of this version.
pub(crate) fn check_is_shipped(gate: Option<&Source>, findings: &mut Vec<Finding>) {
    let Some(gate) = gate.filter(|gate| *gate.text != *GATE_SCHEMA) else {
        return;
    };
    let equal_bytes = gate
        .text
        .bytes()
        .zip(GATE_SCHEMA.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let message =
        "this is not the gate.cedarschema of this version of cedargate: it differs from here on";
    let finding = Finding::error("gate_schema", &*gate.display_path, message)
        .at(&gate.text, equal_bytes..equal_bytes)
        .help("`cedargate policy schema --write` renews it; your own claims belong in site.cedarschema");
    findings.push(finding);
}

/// Parses a schema file. Cedar's warnings become findings.
pub(crate) fn parse(source: &Source, findings: &mut Vec<Finding>) -> Option<SchemaFragment> {
    nesting::depth(source, findings)?;
    let place = Place::of_file(source);
    match SchemaFragment::from_cedarschema_str(&source.text) {
        Ok((fragment, warnings)) => {
            let warnings = warnings.map(|warning| place.diagnostic("schema_invalid", &warning));
            findings.extend(warnings);
            Some(fragment)
        }
        Err(error) => {
            let mut finding = place.diagnostic("schema_syntax", &error);
            let shape =
                || "it has the form: namespace Site { type Claims = { employment?: String }; }";
            finding.help.get_or_insert_with(|| shape().to_owned());
            findings.push(finding);
            None
        }
    }
}

/// Checks `site.cedarschema`.
struct SiteSchema<'a> {
    source: &'a Source,
    findings: &'a mut Vec<Finding>,
}

impl SiteSchema<'_> {
    fn refuse(&mut self, name: &str, message: String, help: &str) {
        let finding = Finding::error("site_schema", &*self.source.display_path, message)
            .at(&self.source.text, word(&self.source.text, name));
        self.findings.push(finding.help(help));
    }

    /// Refuses all declarations except the type `Claims` in the namespace `Site`.
    fn only_claims(&mut self, site: &Value) {
        for (namespace, content) in members(site) {
            if namespace != "Site" && !namespace.is_empty() {
                let message = format!("site.cedarschema declares the namespace {namespace:?}");
                let help = "remove it: policies can use only the namespaces Site and Gate";
                self.refuse(namespace, message, help);
                continue;
            }
            for kind in ["entityTypes", "actions", "commonTypes"] {
                for (name, _) in members(&content[kind]) {
                    if (namespace.as_str(), kind, name.as_str())
                        == ("Site", "commonTypes", "Claims")
                    {
                        continue;
                    }
                    let message = format!(
                        "site.cedarschema declares {name:?}, and may declare only the type Claims in the namespace Site"
                    );
                    self.refuse(
                        name,
                        message,
                        "remove it: entity types and actions are in gate.cedarschema",
                    );
                }
            }
        }
    }

    /// Refuses a claim that is declared twice. Cedar would keep the last declaration without a warning.
    fn repeated_claims(&mut self) {
        let tokens: Vec<_> = nesting::tokens(&self.source.text).collect();
        let mut known = BTreeSet::new();
        for window in tokens.windows(3) {
            let [(name, span), ("?", _), (":", _)] = window else {
                continue;
            };
            let name = name.trim_matches('"');
            if !known.insert(name) {
                let message = format!("the claim {name:?} is declared twice");
                let finding = Finding::error("site_schema", &*self.source.display_path, message)
                    .at(&self.source.text, span.clone());
                self.findings.push(finding.help("remove one of the two"));
            }
        }
    }

    fn claims(&mut self, site: &Value) -> Vec<(String, ClaimType)> {
        let declared = &site["Site"]["commonTypes"]["Claims"];
        if declared["type"] != "Record" {
            let message =
                "site.cedarschema does not declare Claims as a record in the namespace Site";
            self.refuse(
                "Claims",
                message.to_owned(),
                "namespace Site { type Claims = { employment?: String }; }",
            );
        }
        let mut claims = Vec::new();
        for (name, member) in members(&declared["attributes"]) {
            if member["required"] != false {
                let message = format!("the claim {name:?} is not optional: a token may lack it");
                self.refuse(name, message, &format!("write {name}?: …"));
            }
            match ClaimType::of(member) {
                Some(claim) => claims.push((name.clone(), claim)),
                None => {
                    let message = format!("the claim {name:?} has a type that no claim can have");
                    self.refuse(name, message, "it is a String, Long, Bool or Set<String>");
                }
            }
        }
        claims
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Returns the place of a name in a schema, skipping comments; the beginning of the text if the name is
/// not found.
fn word(text: &str, name: &str) -> Range<usize> {
    let is_in_name = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name)
        .map(|(at, _)| at..at + name.len())
        .find(|found| {
            let line = text[..found.start].rsplit('\n').next().unwrap_or_default();
            !line.contains("//")
                && !text[..found.start].ends_with(is_in_name)
                && !text[found.end..].starts_with(is_in_name)
        })
        .unwrap_or(0..0)
}

fn declared_names(schema: &Value, names: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::Object(attributes)) = members.get("attributes") {
                names.extend(attributes.keys().cloned());
            }
            members
                .values()
                .for_each(|member| declared_names(member, names));
        }
        Value::Array(items) => items.iter().for_each(|item| declared_names(item, names)),
        _ => {}
    }
}
