//! Loading: makes a bundle from sources, or reports every problem of every file at once.

mod assembly;
#[cfg(test)]
mod corpus;
mod examination;
mod form;
mod parsing;
mod replacing;
mod reuse;
mod statement;
mod unique_ids;
mod validation;

use std::sync::Arc;

use cedar_policy::Effect;

use cedargate_core::{Finding, Findings};

use super::files::{SourceTexts, Sources};
use super::links::{self, Link};
use super::schema::{self, SchemaIndex};
use super::{Bundle, Requirements, nesting};

pub use assembly::AssembledPolicies;
pub use form::form_of;
pub use replacing::Replacement;
pub use statement::{ParsedPolicy, Statement, parse_file, parse_one};
pub use validation::sort_findings;

use parsing::ParsedFiles;
use reuse::KnownPolicies;

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
        Self::load_after(None, sources, requirements)
    }

    /// Loads policies as [`Bundle::load_with`] does, with the same result. Policies that this bundle has too
    /// are taken over and not checked again, so the time mostly depends on what has changed.
    ///
    /// # Errors
    /// Returns all findings if the sources have an error or do not meet the requirements.
    pub fn reload(&self, sources: &Sources, requirements: &Requirements) -> Result<Self, Findings> {
        Self::load_after(Some(self), sources, requirements)
    }

    fn load_after(
        previous: Option<&Self>,
        sources: &Sources,
        requirements: &Requirements,
    ) -> Result<Self, Findings> {
        let loaded = nesting::on_large_stack(|| {
            let mut findings = Vec::new();
            let texts = sources.texts();
            let examined = ExaminedSources::after(previous, &texts, true, &mut findings);
            let mut bundle = examined.into_bundle(previous, sources, findings)?;
            let passed = previous.map(|bundle| Arc::clone(&bundle.passed_canaries));
            let passed = requirements.check_after(&passed.unwrap_or_default(), &bundle)?;
            bundle.passed_canaries = Arc::new(passed);
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
    pub schema: Option<Arc<SchemaIndex>>,
    /// The policies and templates of the files that could be parsed.
    pub statements: Vec<Statement<'a>>,
    /// The links that are well-formed and have an id of their own.
    pub links: Vec<Link<'a>>,
    /// The statements and links as one policy set.
    pub assembled: AssembledPolicies<'a>,
    /// True if all policy files were read and parsed. Otherwise a policy that seems to be missing may
    /// be in one of the other files.
    pub complete: bool,
}

impl<'a> ExaminedSources<'a> {
    /// Parses and checks all texts, and adds every problem to `findings`. An error in one file does not
    /// keep the others from being checked.
    pub fn of(texts: &SourceTexts<'a>, findings: &mut Vec<Finding>) -> Self {
        Self::after(None, texts, false, findings)
    }

    /// `for_bundle` is true if only a bundle is made of the policies.
    fn after(
        previous: Option<&'a Bundle>,
        texts: &SourceTexts<'a>,
        for_bundle: bool,
        findings: &mut Vec<Finding>,
    ) -> Self {
        let known = previous.map(|bundle| KnownPolicies::of(bundle, texts.site_schema));
        let known = known.unwrap_or_default();
        let schema = match known.bundle() {
            Some(bundle) => {
                schema::check_is_shipped(texts.gate_schema, findings);
                Some(Arc::clone(&bundle.schema))
            }
            None => schema::load(texts.gate_schema, texts.site_schema, findings).map(Arc::new),
        };
        let finish = |statement: &mut Statement<'a>, findings: &mut Vec<Finding>| {
            if let Some(schema) = &schema {
                statement.check_rules(schema, findings);
            }
            if for_bundle {
                statement.drop_annotations();
            }
        };
        let mut parsed = ParsedFiles::parse(texts.policies, &known, finish, findings);
        let mut links = Vec::new();
        for source in texts.links {
            links.extend(links::read(source, findings));
        }
        unique_ids::check(&mut parsed.statements, &mut links, findings);
        let may_exist = |id: &str| !texts.complete || parsed.is_in_unparsed(id);
        let assembled = assembly::assemble(&parsed.statements, &links, may_exist, findings);
        if let Some(schema) = &schema {
            examination::examine(&parsed.statements, &links, &known, schema, findings);
        }
        Self {
            schema,
            links,
            assembled,
            complete: texts.complete && parsed.unparsed.is_empty(),
            statements: parsed.statements,
        }
    }

    /// Makes the bundle. It shares what it can with the previous bundle.
    ///
    /// # Errors
    /// Returns the findings in the order of files and lines if there are any, or if no policy permits
    /// anything.
    fn into_bundle(
        self,
        previous: Option<&Bundle>,
        sources: &Sources,
        findings: Vec<Finding>,
    ) -> Result<Bundle, Findings> {
        bundle(self.assembled, self.schema, previous, sources, findings)
    }

    /// Makes the bundle, and leaves the examined sources as they are.
    ///
    /// # Errors
    /// Returns the findings in the order of files and lines if there are any, or if no policy permits
    /// anything.
    pub fn bundle(&self, sources: &Sources, findings: Vec<Finding>) -> Result<Bundle, Findings> {
        let assembled = AssembledPolicies {
            set: self.assembled.set.clone(),
            annotations: self.assembled.annotations.clone(),
            entries: self.assembled.entries.clone(),
            places: Vec::new(),
        };
        bundle(assembled, self.schema.clone(), None, sources, findings)
    }
}

fn bundle(
    assembled: AssembledPolicies<'_>,
    schema: Option<Arc<SchemaIndex>>,
    previous: Option<&Bundle>,
    sources: &Sources,
    mut findings: Vec<Finding>,
) -> Result<Bundle, Findings> {
    if findings.is_empty() && !has_permit(&assembled) {
        findings.push(no_permit(sources));
    }
    if let Some(schema) = schema.filter(|_| findings.is_empty()) {
        let bundle = assembled.into_bundle(schema, sources.revision(), previous, &mut findings);
        if findings.is_empty() {
            return Ok(bundle);
        }
    }
    sort_findings(&mut findings);
    Err(Findings(findings))
}

fn has_permit(assembled: &AssembledPolicies<'_>) -> bool {
    let mut policies = assembled.set.policies();
    policies.any(|policy| {
        let annotations = assembled.annotations.get(policy.id());
        policy.effect() == Effect::Permit && annotations.is_none_or(|one| !one.shadow)
    })
}

fn no_permit(sources: &Sources) -> Finding {
    let file = sources
        .policies
        .first()
        .map_or("", |source| &*source.display_path);
    let message = "no policy permits anything, so every request would be refused";
    Finding::error("no_permit", file, message)
        .help("write a permit, or keep the shipped 00-open-doors.cedar")
}
