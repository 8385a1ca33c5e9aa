//! The two schema files as one schema.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use cedar_policy::{
    ActionConstraint, Entities, EntityUid, PolicyId, PolicySet, Schema, SchemaFragment,
};
use serde_json::Value;

use cedargate_core::Finding;

use super::files::Source;
use super::nesting;
use super::place::Place;
use super::shipped::GATE_SCHEMA;

/// The schema, and what of it Cedar's interface does not tell.
#[derive(Clone, Debug)]
pub struct SchemaIndex {
    pub cedar: Schema,
    /// The actions as entities, each with its groups.
    pub actions: Entities,
    /// The members of `Site::Claims`.
    pub claims: Vec<(String, ClaimType)>,
    /// Every name of an attribute or a member that some type declares.
    pub names: BTreeSet<String>,
}

impl SchemaIndex {
    /// Whether this action is in the group `Gate::Action::"…"`.
    pub fn is_in(&self, action: &EntityUid, group: &str) -> bool {
        self.actions
            .ancestors(action)
            .is_some_and(|mut groups| groups.any(|uid| uid.id().unescaped() == group))
    }

    /// Whether a policy's head has `action ==` with a group.
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

    /// Whether this is a group of actions, which no request's action is.
    pub fn is_group(&self, uid: &EntityUid) -> bool {
        self.cedar.action_groups().any(|group| group == uid)
    }

    /// Whether the schema lets anything else be in this entity: if not, `in` is `==`.
    pub fn has_members(&self, uid: &EntityUid) -> bool {
        if self.cedar.actions().any(|action| action == uid) {
            return self.is_group(uid);
        }
        let types = self.cedar.entity_types();
        let holds = types.filter_map(|one| self.cedar.ancestors(one));
        holds.flatten().any(|one| one == uid.type_name())
    }
}

/// What a declared claim may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClaimType {
    String,
    Long,
    Bool,
    Strings,
}

impl ClaimType {
    /// As the schema writes it.
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
        // `String` is a name that a site could redefine; `__cedar::String` is not.
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

/// The product's own schema, parsed once.
static GATE: LazyLock<SchemaFragment> = LazyLock::new(|| {
    let parsed = SchemaFragment::from_cedarschema_str(GATE_SCHEMA);
    parsed.expect("the schema that ships with the program").0
});

/// Makes the schema, or says what is wrong with it. A file that could not be read is none.
pub(crate) fn load(
    gate: Option<&Source>,
    site: Option<&Source>,
    findings: &mut Vec<Finding>,
) -> Option<SchemaIndex> {
    if let Some(gate) = gate {
        compare(gate, findings);
    }
    let before = findings.len();
    let source = site?;
    let site = parse(source, findings)?;
    let gate = GATE.clone();
    let site_json = site.clone().to_json_value().unwrap_or_default();
    let mut checked = Site { source, findings };
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
    })
}

/// The product's schema is the product's: an edited or an older one would say something else than
/// what requests are made of.
fn compare(gate: &Source, findings: &mut Vec<Finding>) {
    if *gate.text == *GATE_SCHEMA {
        return;
    }
    let same = gate
        .text
        .bytes()
        .zip(GATE_SCHEMA.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let message =
        "this is not the gate.cedarschema of this version of cedargate: it differs from here on";
    let finding = Finding::error("gate_schema", gate.shown.as_str(), message)
        .at(&gate.text, same..same)
        .help("`cedargate policy schema --write` renews it; your own claims belong in site.cedarschema");
    findings.push(finding);
}

/// The declarations of one file.
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
                || "it is written: namespace Site { type Claims = { employment?: String }; }";
            finding.help.get_or_insert_with(|| shape().to_owned());
            findings.push(finding);
            None
        }
    }
}

/// What is wrong with a name in `site.cedarschema`.
struct Site<'a> {
    source: &'a Source,
    findings: &'a mut Vec<Finding>,
}

impl Site<'_> {
    fn refuse(&mut self, name: &str, message: String, help: &str) {
        let finding = Finding::error("site_schema", self.source.shown.as_str(), message)
            .at(&self.source.text, word(&self.source.text, name));
        self.findings.push(finding.help(help));
    }

    /// There may be the type `Claims` in the namespace `Site`, and nothing else.
    fn only_claims(&mut self, site: &Value) {
        for (namespace, content) in members(site) {
            if namespace != "Site" && !namespace.is_empty() {
                let message = format!("site.cedarschema declares the namespace {namespace:?}");
                let help =
                    "remove it: what policies can ask for is in the namespaces Site and Gate";
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
                        "remove it: what the gateway builds is in gate.cedarschema",
                    );
                }
            }
        }
    }

    /// Of a claim that is declared twice Cedar keeps the last in silence.
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
                let finding = Finding::error("site_schema", self.source.shown.as_str(), message)
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
                    let message = format!("the claim {name:?} is of a type that no claim can have");
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

/// Where a name stands in a schema, comments left out; its beginning when it is not found.
fn word(text: &str, name: &str) -> Range<usize> {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name)
        .map(|(at, _)| at..at + name.len())
        .find(|found| {
            let line = text[..found.start].rsplit('\n').next().unwrap_or_default();
            !line.contains("//")
                && !text[..found.start].ends_with(part_of_name)
                && !text[found.end..].starts_with(part_of_name)
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
