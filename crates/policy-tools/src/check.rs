//! What loads and is probably not what was meant, and what is good to know: for `policy check`, beside
//! all that does not load. Nothing of it is computed where requests are served.

pub mod assumed;
mod cases;
mod issuers;
mod pairs;
mod statement;
mod unread;

use std::collections::BTreeSet;

use cedar_policy::PolicyId;

use cedargate_core::{Finding, Severity};
use cedargate_policy::analysis::{
    Examined, SchemaIndex, Subject, TENANT_MISMATCH, sort, with_room,
};
use cedargate_policy::cases::Case;
use cedargate_policy::{Bundle, Requirements};

use crate::PolicyFiles;
use assumed::assumed_notes;
use statement::Advised;

pub use issuers::KnownIssuer;

/// All that can be said of some policies.
#[derive(Clone, Debug)]
pub struct Report {
    /// How many policies there are, links and shadow policies included, templates not.
    pub policies: usize,
    /// In the order of files and lines.
    pub findings: Vec<Finding>,
}

/// Says everything that is wrong, and what is worth saying. `issuers` are those of a configuration;
/// `requirements` what the policies must fulfil to load; `tests` are the cases that stand beside them.
pub fn report(
    files: &PolicyFiles,
    issuers: Option<&[KnownIssuer]>,
    requirements: &Requirements,
    tests: &[Case],
) -> Report {
    with_room(|| write(files, issuers, requirements, tests)).unwrap_or_else(|error| {
        let message = format!("no thread to look at the policies on: {error}");
        Report {
            policies: 0,
            findings: vec![Finding::error("system", "", message)],
        }
    })
}

fn write(
    files: &PolicyFiles,
    issuers: Option<&[KnownIssuer]>,
    requirements: &Requirements,
    tests: &[Case],
) -> Report {
    let mut findings = files.findings.clone();
    let examined = Examined::of(&files.texts(), &mut findings);
    let policies = examined.assembled.entries.len();
    let sources = files.sources().filter(|_| findings.is_empty());
    let bundle = match sources.map(|sources| Bundle::load_with(&sources, requirements)) {
        Some(Ok(bundle)) => Some(bundle),
        Some(Err(more)) => {
            findings.extend(more.0);
            None
        }
        None => None,
    };
    findings.extend(files.notes.iter().cloned());
    unread::say(&files.unread, &mut findings);
    if let Some(schema) = &examined.schema {
        let subjects = examined.statements.iter();
        let subjects: Vec<_> = subjects.map(|one| one.subject(schema)).collect();
        for subject in &subjects {
            Advised(subject).advise(&mut findings);
        }
        pairs::compare(&examined.assembled, schema, &mut findings);
        if examined.complete && !subjects.is_empty() {
            findings.extend(open_tenants(&subjects, schema, files));
        }
    }
    if examined.complete {
        templates_without_links(&examined, &mut findings);
    }
    if let Some(issuers) = issuers {
        issuers::look(&examined, issuers, &mut findings);
    }
    let advise = |case| (case, cases::advise(case, bundle.as_ref(), &mut findings));
    let assumed: Vec<_> = tests.iter().map(advise).collect();
    let assumed = assumed.iter().map(|(case, assumed)| (*case, &**assumed));
    findings.extend(assumed_notes(assumed));
    sort(&mut findings);
    Report { policies, findings }
}

/// The forbids that keep tenants apart are recognised by their code, which the API promises.
fn open_tenants(
    subjects: &[Subject<'_>],
    schema: &SchemaIndex,
    files: &PolicyFiles,
) -> Option<Finding> {
    let isolating = subjects.iter().filter(|subject| {
        let code = subject.syntax.annotation("code");
        code.is_some_and(|code| code.what.value == TENANT_MISMATCH)
            && !subject.annotations.shadow
            && subject.syntax.is_of_all()
    });
    let closed: BTreeSet<_> = isolating.flat_map(|subject| &subject.reaches).collect();
    let open = schema.cedar.actions().filter(|action| {
        schema.is_in(action, "mfa") && !schema.is_group(action) && !closed.contains(action)
    });
    let open: BTreeSet<_> = open.map(|action| action.id().unescaped()).collect();
    if open.is_empty() {
        return None;
    }
    let message = format!(
        "no forbid with @code({TENANT_MISMATCH:?}) is over all of mfa: it is missing for {}",
        names(open)
    );
    let folder = files.paths.first()?.display().to_string();
    let finding = Finding::error("tenants_open", folder, message).severity(Severity::Finding);
    Some(finding.help(
        "keep the shipped 10-tenant-isolation.cedar: forbid (principal, action in Gate::Action::\"mfa\", resource) unless { principal in context.tenant };",
    ))
}

fn templates_without_links(examined: &Examined<'_>, findings: &mut Vec<Finding>) {
    let linked: BTreeSet<_> = examined
        .links
        .iter()
        .map(|link| PolicyId::new(&link.template_id))
        .collect();
    let idle = examined
        .statements
        .iter()
        .filter(|statement| statement.is_template() && !linked.contains(&statement.id));
    findings.extend(idle.map(|statement| {
        let message = "this template has no link, so it does nothing";
        let finding = statement.place.error("template_unlinked", None, message);
        finding.severity(Severity::Finding).help(format!(
            "link it in a *.links.json file: [{{\"template_id\": {:?}, \"link_id\": \"…\", \"args\": {{…}}}}]",
            AsRef::<str>::as_ref(&statement.id)
        ))
    }));
}

/// Sorted, with commas.
fn names(names: BTreeSet<&str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}
