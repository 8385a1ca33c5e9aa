//! Loading: makes a bundle from sources, or reports every problem of every file at once.

mod assembly;
#[cfg(test)]
mod corpus;
mod replacing;
mod statement;
mod unique_ids;
mod validation;

use std::collections::HashSet;

use cedar_policy::{Effect, PolicyId};

use cedargate_core::{Finding, Findings};

use super::files::{Source, SourceTexts, Sources};
use super::links::{self, Link};
use super::rules::HAS_UNDECLARED;
use super::schema::{self, SchemaIndex};
use super::{Bundle, Requirements, nesting};

pub use assembly::AssembledPolicies;
pub use statement::{ParsedFile, PolicyOrTemplate, Statement, parse_file, parse_one};
pub use validation::sort_findings;

impl Bundle {
    /// Loads policies: parses, links and validates them, and decides the canary requests.
    ///
    /// # Errors
    /// Returns all findings if the sources have an error or do not meet the default requirements.
    pub fn load(sources: &Sources) -> Result<Self, Findings> {
        Self::load_with(sources, &Requirements::default())
    }

    /// Loads policies that must meet `requirements` instead of the default ones.
    ///
    /// # Errors
    /// Returns all findings if the sources have an error or do not meet the requirements.
    pub fn load_with(sources: &Sources, requirements: &Requirements) -> Result<Self, Findings> {
        let loaded = nesting::on_large_stack(|| {
            let mut findings = Vec::new();
            let examined = ExaminedSources::of(&sources.texts(), &mut findings);
            let bundle = examined.into_bundle(sources, findings)?;
            requirements.check(&bundle)?;
            Ok(bundle)
        });
        loaded.unwrap_or_else(|error| {
            let message = format!("cannot start a thread to load the policies: {error}");
            Err(Findings(vec![Finding::error("system", "", message)]))
        })
    }
}

/// Parsed and checked sources, whose problems have been reported.
pub struct ExaminedSources<'a> {
    /// The schema. `None` if it did not load; policies were then not validated.
    pub schema: Option<SchemaIndex>,
    /// The policies and templates of the files that could be parsed.
    pub statements: Vec<Statement<'a>>,
    /// The links that are well-formed and have an id of their own.
    pub links: Vec<Link<'a>>,
    /// The statements and links as one policy set.
    pub assembled: AssembledPolicies<'a>,
    /// True if all policy files were read and parsed. Otherwise a policy that seems to be missing may
    /// be in one of the other files.
    pub complete: bool,
    /// The levels of the deepest expression in any policy.
    pub depth: usize,
}

impl<'a> ExaminedSources<'a> {
    /// Parses and checks all texts, and adds every problem to `findings`. An error in one file does not
    /// keep the others from being checked.
    pub fn of(texts: &SourceTexts<'a>, findings: &mut Vec<Finding>) -> Self {
        let schema = schema::load(texts.gate_schema, texts.site_schema, findings);
        let mut parsed = ParsedFiles::parse(texts.policies, findings);
        let mut links = Vec::new();
        for source in texts.links {
            links.extend(links::read(source, findings));
        }
        unique_ids::check(&mut parsed.statements, &mut links, findings);
        let may_exist = |id: &str| !texts.complete || parsed.is_in_unparsed(id);
        let assembled = assembly::assemble(&parsed.statements, &links, may_exist, findings);
        if let Some(schema) = &schema {
            let impossible = check_rules(&parsed.statements, &links, schema, findings);
            validation::validate(&assembled, schema, &impossible, findings);
        }
        Self {
            schema,
            links,
            assembled,
            complete: texts.complete && parsed.unparsed.is_empty(),
            depth: parsed.depth,
            statements: parsed.statements,
        }
    }

    /// Makes the bundle.
    ///
    /// # Errors
    /// Returns the findings in the order of files and lines if there are any, or if no policy permits
    /// anything.
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
                let revision = sources.revision();
                let bundle = self
                    .assembled
                    .into_bundle(live, self.depth, schema, revision);
                Ok(bundle)
            }
            _ => {
                sort_findings(&mut findings);
                Err(Findings(findings))
            }
        }
    }
}

/// The content of all policy files.
struct ParsedFiles<'a> {
    statements: Vec<Statement<'a>>,
    /// The files with syntax errors or too deep nesting.
    unparsed: Vec<&'a Source>,
    depth: usize,
}

impl<'a> ParsedFiles<'a> {
    fn parse(sources: &'a [Source], findings: &mut Vec<Finding>) -> Self {
        let mut policies = Vec::new();
        let mut unparsed = Vec::new();
        let mut depth = 0;
        for source in sources {
            let before = findings.len();
            let parsed = parse_file(source, findings);
            if findings.len() > before {
                unparsed.push(source);
            }
            depth = depth.max(parsed.depth);
            policies.extend(parsed.policies.into_iter().map(|policy| (source, policy)));
        }
        let policies = policies.into_iter();
        let statements = policies.map(|(source, policy)| Statement::read(source, policy, findings));
        Self {
            statements: statements.collect(),
            unparsed,
            depth,
        }
    }

    /// Returns true if a file that could not be parsed contains this id.
    fn is_in_unparsed(&self, id: &str) -> bool {
        self.unparsed.iter().any(|source| source.text.contains(id))
    }
}

/// Checks each statement against the rules of the gateway. Returns the ids of the policies that never
/// match because of a `has` with an undeclared name.
fn check_rules<'s>(
    statements: &'s [Statement<'_>],
    links: &[Link<'_>],
    schema: &SchemaIndex,
    findings: &mut Vec<Finding>,
) -> HashSet<&'s PolicyId> {
    let mut impossible = HashSet::new();
    for statement in statements {
        let before = findings.len();
        let examined = statement.examined(schema);
        examined.check(findings);
        if examined.administers_by_link() {
            let id = AsRef::<str>::as_ref(&statement.id);
            let own = links.iter().filter(|link| link.template_id == id);
            own.for_each(|link| links::check_administrators(link, findings));
        }
        let mut new = findings[before..].iter();
        if new.any(|finding| finding.code == HAS_UNDECLARED) {
            impossible.insert(&statement.id);
        }
    }
    impossible
}

fn no_permit(sources: &Sources) -> Finding {
    let file = sources
        .policies
        .first()
        .map_or("", |source| source.display_path.as_str());
    let message = "no policy permits anything, so every request would be refused";
    Finding::error("no_permit", file, message)
        .help("write a permit, or keep the shipped 00-open-doors.cedar")
}
