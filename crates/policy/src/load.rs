//! From sources to a bundle: every problem of every file at once, or a bundle without any.

#[cfg(test)]
mod corpus;
mod replacing;
mod validation;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{Authorizer, Effect, Policy, PolicyId, PolicySet, PolicySetError, Template};
use sha2::{Digest as _, Sha256};

use cedargate_core::{Finding, Findings, nearest};

use super::Bundle;
use super::annotations::{self, Annotations};
use super::catalogue::{PolicyEntry, Written};
use super::files::{Source, Sources, Texts};
use super::links::{self, Link};
use super::nesting;
use super::place::Place;
use super::requirements::Requirements;
use super::rules::{HAS_UNDECLARED, Subject};
use super::schema::{self, SchemaIndex};
use super::syntax::Syntax;
pub use replacing::body;
use validation::VALIDATION;

/// Makes a bundle, or says everything that is wrong with the sources.
pub(crate) fn load(sources: &Sources, requirements: &Requirements) -> Result<Bundle, Findings> {
    nesting::with_room(|| check_and_load(sources, requirements)).unwrap_or_else(|error| {
        let message = format!("no thread to load the policies on: {error}");
        Err(Findings(vec![Finding::error("system", "", message)]))
    })
}

fn check_and_load(sources: &Sources, requirements: &Requirements) -> Result<Bundle, Findings> {
    let mut findings = Vec::new();
    let examined = Examined::of(&sources.texts(), &mut findings);
    let bundle = examined.into_bundle(sources, findings)?;
    requirements.check(&bundle)?;
    Ok(bundle)
}

/// Texts, looked at: all that is wrong with them was said.
pub struct Examined<'a> {
    /// None: the schema is not known, and nothing was held against it.
    pub schema: Option<SchemaIndex>,
    pub statements: Vec<Statement<'a>>,
    pub links: Vec<Link<'a>>,
    pub assembled: Assembled<'a>,
    /// Whether every policy is known: if not, what seems to be missing may be there.
    pub complete: bool,
    pub depth: usize,
}

impl<'a> Examined<'a> {
    /// Looks at all texts, whatever is wrong with some of them.
    pub fn of(texts: &Texts<'a>, findings: &mut Vec<Finding>) -> Self {
        let schema = schema::load(texts.gate_schema, texts.site_schema, findings);
        let mut statements = Vec::new();
        let mut depth = 0;
        let mut unparsed = Vec::new();
        for source in texts.policies {
            let before = findings.len();
            let parsed = parse(source, findings);
            if findings.len() > before {
                unparsed.push(source);
            }
            depth = depth.max(parsed.depth);
            statements.extend(parsed.bodies.into_iter().map(|body| (source, body)));
        }
        let statements = statements.into_iter();
        let mut statements: Vec<_> = statements
            .map(|(source, body)| Statement::read(source, body, findings))
            .collect();
        let mut links = Vec::new();
        for source in texts.links {
            links.extend(links::read(source, findings));
        }
        name(&mut statements, &mut links, findings);
        let complete = texts.complete && unparsed.is_empty();
        let may_be =
            |id: &str| !texts.complete || unparsed.iter().any(|source| source.text.contains(id));
        let assembled = assemble(&statements, &links, may_be, findings);
        if let Some(schema) = &schema {
            let mut impossible = HashSet::new();
            for statement in &statements {
                let before = findings.len();
                let subject = statement.subject(schema);
                subject.check(findings);
                if subject.administers_by_link() {
                    let id = AsRef::<str>::as_ref(&statement.id);
                    let own = links.iter().filter(|link| link.template_id == id);
                    own.for_each(|link| links::check_administrators(link, findings));
                }
                if findings[before..]
                    .iter()
                    .any(|one| one.code == HAS_UNDECLARED)
                {
                    impossible.insert(&statement.id);
                }
            }
            validation::validate(&assembled, schema, &impossible, findings);
        }
        Self {
            schema,
            statements,
            links,
            assembled,
            complete,
            depth,
        }
    }

    /// The bundle, if nothing is wrong.
    pub fn into_bundle(
        self,
        sources: &Sources,
        mut findings: Vec<Finding>,
    ) -> Result<Bundle, Findings> {
        let live = self.assembled.live(&mut findings);
        let permits = live
            .policies()
            .any(|policy| policy.effect() == Effect::Permit);
        if !permits && findings.is_empty() {
            findings.push(no_permit(sources));
        }
        match self.schema {
            Some(schema) if findings.is_empty() => {
                let revision = revision(sources);
                let bundle = self
                    .assembled
                    .into_bundle(live, self.depth, schema, revision);
                Ok(bundle)
            }
            _ => {
                sort(&mut findings);
                Err(Findings(findings))
            }
        }
    }
}

/// The order of files and lines. Cedar repeats what is wrong for each kind of request that it is
/// wrong for: once is enough.
pub fn sort(findings: &mut Vec<Finding>) {
    let place = |one: &Finding| (one.file.clone(), one.line, one.column, one.code);
    findings.sort_by(|a, b| {
        place(a)
            .cmp(&place(b))
            .then_with(|| a.message.cmp(&b.message))
    });
    findings.dedup_by(|a, b| a == b || (a.code.starts_with(VALIDATION) && place(a) == place(b)));
}

/// A policy or a template, where it stands, and what it says of itself.
pub struct Statement<'a> {
    pub place: Place<'a>,
    /// Its `@id`; else one that no policy can have, so that the rest of it is looked at too.
    pub id: PolicyId,
    body: Body,
    pub annotations: Annotations,
}

/// What stands in a file under an id.
pub enum Body {
    Policy(Policy),
    Template(Template),
}

impl Body {
    pub fn syntax(&self) -> Syntax<'_> {
        match self {
            Body::Policy(policy) => policy.into(),
            Body::Template(template) => template.into(),
        }
    }
}

impl<'a> Statement<'a> {
    /// Reads what a policy or template says of itself. That its id is its own is seen later, over
    /// all files.
    fn read(source: &'a Source, body: Body, findings: &mut Vec<Finding>) -> Self {
        let place = Place::of_file(source).part(body.syntax().span());
        let (id, annotations) = annotations::read(body.syntax(), &place, findings);
        Self {
            id: PolicyId::new(id.unwrap_or_default()),
            place,
            body,
            annotations,
        }
    }

    /// As a policy of the bundle; `place` is where it, or the link to it, stands.
    fn entry(&self, place: &Place<'_>, id: &PolicyId) -> PolicyEntry {
        let syntax = self.body.syntax();
        let annotations = syntax
            .annotations()
            .map(|found| (found.what.name.to_owned(), found.what.value.to_owned()))
            .filter(|(name, _)| name != "id");
        PolicyEntry {
            id: id.to_string(),
            effect: if syntax.forbids() { "forbid" } else { "permit" },
            file: place.source.shown.clone(),
            line: place.line_number(),
            annotations: annotations.collect(),
            template: None,
            shadow: self.annotations.shadow,
            written: Written {
                file: self.place.source.shown.clone(),
                source: Arc::clone(&self.place.source.text),
                span: self.place.span.clone(),
            },
        }
    }

    pub fn syntax(&self) -> Syntax<'_> {
        self.body.syntax()
    }

    pub fn is_template(&self) -> bool {
        matches!(self.body, Body::Template(_))
    }

    pub fn subject<'s>(&'s self, schema: &'s SchemaIndex) -> Subject<'s> {
        let cedar = &schema.cedar;
        let action = |env: cedar_policy::RequestEnv| env.action().clone();
        let reaches: BTreeSet<_> = match &self.body {
            Body::Policy(policy) => policy.get_valid_request_envs(cedar).map(action).collect(),
            Body::Template(template) => {
                template.get_valid_request_envs(cedar).map(action).collect()
            }
        };
        Subject {
            syntax: self.body.syntax(),
            place: &self.place,
            annotations: &self.annotations,
            schema,
            reaches,
        }
    }
}

/// What is in one file.
#[derive(Default)]
pub struct Parsed {
    /// In the order of the file.
    pub bodies: Vec<Body>,
    pub depth: usize,
}

pub fn parse(source: &Source, findings: &mut Vec<Finding>) -> Parsed {
    let Some(depth) = nesting::depth(source, findings) else {
        return Parsed::default();
    };
    let parsed = match source.text.parse::<PolicySet>() {
        Ok(parsed) => parsed,
        Err(errors) => {
            let file = Place::of_file(source);
            findings.extend(errors.iter().map(|error| file.diagnostic("syntax", error)));
            return Parsed::default();
        }
    };
    let policies = parsed.policies().cloned().map(Body::Policy);
    let templates = parsed.templates().cloned().map(Body::Template);
    let mut bodies: Vec<_> = policies.chain(templates).collect();
    bodies.sort_by_key(|body| body.syntax().span().start);
    Parsed { bodies, depth }
}

/// Sees that every policy, template and link has an id, and no other has the same.
fn name<'a>(
    statements: &mut [Statement<'a>],
    links: &mut Vec<Link<'a>>,
    findings: &mut Vec<Finding>,
) {
    let mut taken: HashMap<String, String> = HashMap::new();
    for statement in statements {
        let id: &str = statement.id.as_ref();
        let there = statement.body.syntax().annotation("id");
        let place = match there.and_then(|there| there.span) {
            Some(span) => statement.place.part(span),
            None => {
                let message =
                    "this policy has no @id: it could not be named in logs, tests and answers";
                let finding = statement.place.error("id_missing", None, message);
                findings.push(finding.help("write @id(\"…\") before it, unique over all files"));
                statement.place.clone()
            }
        };
        if id.is_empty() || repeated(id, &place, &mut taken, findings) {
            statement.id = PolicyId::new(format!("the policy at {}", statement.place.line()));
        }
    }
    links.retain(|link| !repeated(&link.link_id, &link.place, &mut taken, findings));
}

fn repeated(
    id: &str,
    place: &Place<'_>,
    taken: &mut HashMap<String, String>,
    findings: &mut Vec<Finding>,
) -> bool {
    if let Some(first) = taken.get(id) {
        let message = format!("the id {id:?} is taken: {first} has it already");
        let help = "give each policy, template and link an id of its own";
        findings.push(place.error("id_repeated", None, message).help(help));
        return true;
    }
    taken.insert(id.to_owned(), place.line());
    false
}

/// All policies and templates as one set, links linked.
#[derive(Default)]
pub struct Assembled<'a> {
    pub set: PolicySet,
    pub annotations: HashMap<PolicyId, Annotations>,
    /// Where each stands, and whether it is a link.
    pub places: HashMap<PolicyId, (Place<'a>, bool)>,
    pub entries: Vec<PolicyEntry>,
}

/// `may_be`: whether a template of this id may be where nothing could be parsed.
fn assemble<'a>(
    statements: &[Statement<'a>],
    links: &[Link<'a>],
    may_be: impl Fn(&str) -> bool,
    findings: &mut Vec<Finding>,
) -> Assembled<'a> {
    let mut assembled = Assembled::default();
    let mut templates = BTreeMap::new();
    for statement in statements {
        if statement.is_template() {
            templates.insert(AsRef::<str>::as_ref(&statement.id), statement);
        }
        if let Err(error) = assembled.add(statement) {
            findings.push(statement.place.diagnostic("id_repeated", &*error));
        }
    }
    for link in links {
        let Some(template) = templates.get(link.template_id.as_str()) else {
            if !may_be(&link.template_id) {
                findings.push(no_template(link, templates.keys().copied()));
            }
            continue;
        };
        if let Err(error) = assembled.link(link, template) {
            let finding = link.place.diagnostic("link_arguments", &*error);
            findings.push(finding.help("\"args\" has each slot of the template, and no other"));
        }
    }
    assembled
}

impl<'a> Assembled<'a> {
    fn add(&mut self, statement: &Statement<'a>) -> Result<(), Box<PolicySetError>> {
        let id = statement.id.clone();
        self.places
            .insert(id.clone(), (statement.place.clone(), false));
        match &statement.body {
            Body::Policy(policy) => {
                self.annotations
                    .insert(id.clone(), statement.annotations.clone());
                self.entries.push(statement.entry(&statement.place, &id));
                self.set.add(policy.new_id(id)).map_err(Box::new)
            }
            Body::Template(template) => {
                self.set.add_template(template.new_id(id)).map_err(Box::new)
            }
        }
    }

    /// A linked policy is named by its link, and has its template's annotations.
    fn link(
        &mut self,
        link: &Link<'a>,
        template: &Statement<'a>,
    ) -> Result<(), Box<PolicySetError>> {
        let id = PolicyId::new(&link.link_id);
        self.places.insert(id.clone(), (link.place.clone(), true));
        self.annotations
            .insert(id.clone(), template.annotations.clone());
        let mut entry = template.entry(&link.place, &id);
        entry.template = Some(template.id.to_string());
        self.entries.push(entry);
        self.set
            .link(template.id.clone(), id, link.arguments.clone())
            .map_err(Box::new)
    }

    /// The policies that count: shadow policies never do.
    fn live(&self, findings: &mut Vec<Finding>) -> PolicySet {
        let mut live = self.set.clone();
        for policy in self.set.policies() {
            let id = policy.id().clone();
            if !self.annotations.get(&id).is_some_and(|one| one.shadow) {
                continue;
            }
            let removed = if policy.is_static() {
                live.remove_static(id).map(drop)
            } else {
                live.unlink(id).map(drop)
            };
            if let Err(error) = removed {
                findings.push(Finding::error("shadow", "", error.to_string()));
            }
        }
        live
    }

    fn into_bundle(
        self,
        live: PolicySet,
        depth: usize,
        schema: SchemaIndex,
        revision: Arc<str>,
    ) -> Bundle {
        let mut entries = self.entries;
        entries.sort_by(|a, b| a.id.cmp(&b.id));
        let has_shadow = entries.iter().any(|entry| entry.shadow);
        Bundle {
            schema: Arc::new(schema),
            depth,
            live,
            with_shadow: has_shadow.then_some(self.set),
            authorizer: Authorizer::new(),
            annotations: self.annotations,
            entries,
            revision,
        }
    }
}

fn no_template<'a>(link: &Link<'_>, known: impl Iterator<Item = &'a str>) -> Finding {
    let message = format!("there is no template {:?} to link", link.template_id);
    let help = match nearest(&link.template_id, known) {
        Some(known) => format!("did you mean {known:?}?"),
        None => {
            "a template is a policy with ?principal or ?resource; it is named by its @id".to_owned()
        }
    };
    link.place.error("link_template", None, message).help(help)
}

fn no_permit(sources: &Sources) -> Finding {
    let file = sources
        .policies
        .first()
        .map_or("", |source| source.shown.as_str());
    let message = "no policy permits anything, so every request would be refused";
    Finding::error("no_permit", file, message)
        .help("write a permit, or keep the shipped 00-open-doors.cedar")
}

/// A hash of policies, links and schema, the same wherever the folders are.
pub(crate) fn revision(sources: &Sources) -> Arc<str> {
    let mut context = Sha256::new();
    for source in sources.all() {
        for text in [&*source.name, &*source.text] {
            context.update((text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        }
    }
    let hash = context.finalize();
    hash.iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>()
        .into()
}
