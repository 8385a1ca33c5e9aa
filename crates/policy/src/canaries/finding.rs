//! What is told of canary requests that came out wrong.

use std::collections::BTreeMap;

use crate::Bundle;
use cedargate_core::Finding;

use super::Caught;
use super::asked::Rule;

/// One finding for each rule and the policies that break it, with the first of the requests.
pub(super) fn of(bundle: &Bundle, caught: Vec<Caught>) -> Vec<Finding> {
    let mut alike: BTreeMap<_, Vec<Caught>> = BTreeMap::new();
    for one in caught {
        let key = (one.rule, !one.allowed, one.policies.clone());
        alike.entry(key).or_default().push(one);
    }
    let findings = alike.into_values();
    findings.filter_map(|some| finding(bundle, &some)).collect()
}

fn finding(bundle: &Bundle, caught: &[Caught]) -> Option<Finding> {
    let first = caught.first()?;
    let entries = first.policies.iter().filter_map(|id| {
        let mut entries = bundle.entries().iter();
        entries.find(|entry| entry.id == *id)
    });
    let entries: Vec<_> = entries.collect();
    let places = entries
        .iter()
        .map(|entry| format!("{} ({}:{})", entry.id, entry.file, entry.line));
    let places = places.collect::<Vec<_>>().join(", ");
    let (must, help) = match first.rule {
        Rule::OtherTenant => (
            "must be refused with tenant_mismatch",
            "keep the shipped 10-tenant-isolation.cedar, and let no exception into it; is the folder copied completely?",
        ),
        Rule::Reset => (
            "must be refused: a stolen password would take the account over",
            "let nobody enrol while context.factors.reset is true without a recovery code or a strong sign-in, as the shipped 30-step-up.cedar does; is the folder copied completely?",
        ),
        Rule::Administration => (
            "must be refused: a password alone would administer others",
            "keep step-up-admin and trusted-admin of the shipped 30-step-up.cedar; is the folder copied completely?",
        ),
    };
    let outcome = match first.allowed {
        true => "is permitted by",
        false => "is refused for another reason, by",
    };
    let more = match caught.len() {
        1 => String::new(),
        many => format!("; so are {} more such requests", many - 1),
    };
    let message = format!(
        "a canary request {must}, and {outcome} {places}: {}{more}",
        first.request
    );
    let file = entries.first().map_or("", |entry| entry.file.as_str());
    let mut finding = Finding::error("canary", file, message).help(help);
    if let Some(entry) = entries.first() {
        (finding.line, finding.column) = (entry.line, 1);
    }
    Some(finding)
}
