//! Checks policies, links, schemas and test cases. Errors keep the policies from loading, findings are
//! probable mistakes in policies that load, and notes are information. A gateway computes none of this.

mod cases;
mod issuers;
pub(crate) mod old_cases;
mod overlaps;
mod statement;
mod unread_files;

use std::collections::BTreeSet;

use cedargate_core::{Finding, Severity};
use cedargate_policy::analysis::{
    ExaminedSources, SchemaIndex, Statement, TENANT_MISMATCH, on_large_stack, sort_findings, spread,
};
use cedargate_policy::cases::Case;
use cedargate_policy::{Bundle, Requirements};

use crate::{Error, PolicyFiles, Result};
use statement::StatementCheck;

pub use issuers::KnownIssuer;

/// The result of a check.
#[derive(Clone, Debug)]
pub struct CheckReport {
    /// The number of policies. Links and shadow policies count, templates do not.
    pub policies: usize,
    /// Errors, findings and notes, in the order of files and lines.
    pub findings: Vec<Finding>,
}

/// The options of a check.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The configured issuers. If this is `Some`, policies that name other issuers are reported.
    pub issuers: Option<&'a [KnownIssuer]>,
    /// The requirements that the policies must also fulfil, as for a gateway.
    pub requirements: &'a Requirements,
    /// True if the report has notes.
    pub notes: bool,
}

/// Checks policy files and test cases.
///
/// # Errors
/// [`Error::Threads`] if no thread starts. Problems with the files are in the report.
pub fn run(files: &PolicyFiles, options: &Options<'_>, tests: &[Case]) -> Result<CheckReport> {
    on_large_stack(|| check(files, options, tests)).map_err(Error::Threads)
}

fn check(files: &PolicyFiles, options: &Options<'_>, tests: &[Case]) -> CheckReport {
    let mut findings = files.findings.clone();
    let examined = ExaminedSources::of(&files.texts(), &mut findings);
    let policies = examined.assembled.entries.len();
    let bundle = bundle(files, &examined, options.requirements, &mut findings);
    findings.extend(files.notes.iter().cloned());
    findings.extend(unread_files::findings(&files.unread));
    if let Some(schema) = &examined.schema {
        let checked = spread(&examined.statements, |statement| {
            let mut findings = Vec::new();
            StatementCheck(&statement.examined(schema)).run(options.notes, &mut findings);
            findings
        });
        findings.extend(checked.into_iter().flatten());
        overlaps::check(&examined.assembled, schema, &mut findings);
        if examined.complete && !examined.statements.is_empty() {
            findings.extend(open_tenants(&examined, schema, files));
        }
    }
    if examined.complete {
        templates_without_links(&examined, &mut findings);
    }
    if let Some(issuers) = options.issuers {
        issuers::check(&examined, issuers, &mut findings);
    }
    let check_case = |case| (case, cases::check(case, bundle.as_ref(), &mut findings));
    let assumed: Vec<_> = tests.iter().map(check_case).collect();
    let assumed = assumed.iter().map(|(case, assumed)| (*case, &**assumed));
    findings.extend(old_cases::notes(assumed));
    findings.retain(|one| options.notes || one.severity != Severity::Note);
    sort_findings(&mut findings);
    CheckReport { policies, findings }
}

/// Makes the bundle as a gateway does, and adds a finding for each requirement that it does not meet.
/// Returns `None` if there are findings already or the files are only a part of the policies.
fn bundle(
    files: &PolicyFiles,
    examined: &ExaminedSources<'_>,
    requirements: &Requirements,
    findings: &mut Vec<Finding>,
) -> Option<Bundle> {
    let sources = files.sources().filter(|_| findings.is_empty())?;
    let bundle = examined.bundle(&sources, Vec::new()).and_then(|bundle| {
        requirements.check(&bundle)?;
        Ok(bundle)
    });
    match bundle {
        Ok(bundle) => Some(bundle),
        Err(more) => {
            findings.extend(more.0);
            None
        }
    }
}

/// Returns a finding if no forbid keeps tenants apart for some actions. Such a forbid is recognised by its
/// code, which is part of the API.
fn open_tenants(
    examined: &ExaminedSources<'_>,
    schema: &SchemaIndex,
    files: &PolicyFiles,
) -> Option<Finding> {
    let isolating = examined.statements.iter().filter(|statement| {
        let code = statement.syntax().annotation("code");
        code.is_some_and(|code| code.item.value == TENANT_MISMATCH)
            && !statement.annotations.shadow
            && statement.syntax().names_neither_principal_nor_resource()
    });
    let reached = |statement: &Statement<'_>| statement.examined(schema).reached_actions().clone();
    let closed: BTreeSet<_> = isolating.flat_map(reached).collect();
    let open = schema.cedar.actions().filter(|action| {
        schema.is_in(action, "mfa") && !schema.is_group(action) && !closed.contains(action)
    });
    let open: BTreeSet<_> = open.map(|action| action.id().unescaped()).collect();
    if open.is_empty() {
        return None;
    }
    let message = format!(
        "no forbid with @code({TENANT_MISMATCH:?}) covers all of mfa: it is missing for {}",
        joined(open)
    );
    let folder = files.paths.first()?.display().to_string();
    let finding = Finding::error("tenants_open", folder, message).severity(Severity::Finding);
    Some(finding.help(
        "keep the shipped 10-tenant-isolation.cedar: forbid (principal, action in Gate::Action::\"mfa\", resource) unless { principal in context.tenant };",
    ))
}

fn templates_without_links(examined: &ExaminedSources<'_>, findings: &mut Vec<Finding>) {
    let links = examined.links.iter();
    let linked: BTreeSet<_> = links.map(|link| link.template_id.as_str()).collect();
    let idle = examined
        .statements
        .iter()
        .filter(|statement| statement.is_template() && !linked.contains(statement.id()));
    findings.extend(idle.map(|statement| {
        let message = "this template has no link, so it does nothing";
        let finding = statement.place.error("template_unlinked", None, message);
        finding.severity(Severity::Finding).help(format!(
            "link it in a *.links.json file: [{{\"template_id\": {:?}, \"link_id\": \"…\", \"args\": {{…}}}}]",
            statement.id()
        ))
    }));
}

/// Joins sorted names with commas.
fn joined(names: BTreeSet<&str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}
