//! The findings about failed canary requests.

use std::collections::BTreeMap;

use crate::Bundle;
use cedargate_core::Finding;

use super::requests::Rule;

/// A canary request that the policies permit, or refuse for a wrong reason.
pub(super) struct FailedCanary {
    pub(super) rule: Rule,
    /// A description of the request.
    pub(super) request: String,
    pub(super) allowed: bool,
    /// The determining policies, sorted.
    pub(super) policies: Vec<String>,
}

/// Makes a finding for each rule and each set of policies that break it. The finding describes the first of
/// the requests.
pub(super) fn of(bundle: &Bundle, failed: Vec<FailedCanary>) -> Vec<Finding> {
    let mut by_cause: BTreeMap<_, Vec<FailedCanary>> = BTreeMap::new();
    for one in failed {
        let key = (one.rule, !one.allowed, one.policies.clone());
        by_cause.entry(key).or_default().push(one);
    }
    let findings = by_cause.into_values();
    findings
        .filter_map(|failed| finding(bundle, &failed))
        .collect()
}

fn finding(bundle: &Bundle, failed: &[FailedCanary]) -> Option<Finding> {
    let first = failed.first()?;
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
            "keep the shipped 10-tenant-isolation.cedar, without exceptions, and check that the folder was copied completely",
        ),
        Rule::Reset => (
            "must be refused, because a stolen password would be enough to take over the account",
            "let no user enrol while context.factors.reset is true without a recovery code or a strong sign-in, as the shipped 30-step-up.cedar does, and check that the folder was copied completely",
        ),
        Rule::Administration => (
            "must be refused, because a password alone would be enough to administer others",
            "keep step-up-admin and trusted-admin of the shipped 30-step-up.cedar, and check that the folder was copied completely",
        ),
    };
    let outcome = match first.allowed {
        true => "but it is permitted by",
        false => "but it is refused for another reason, by",
    };
    let more = match failed.len() {
        1 => String::new(),
        2 => "; and 1 more request like it".to_owned(),
        many => format!("; and {} more requests like it", many - 1),
    };
    let message = format!(
        "a canary request {must}, {outcome} {places}: {}{more}",
        first.request
    );
    let file = entries.first().map_or("", |entry| &*entry.file);
    let mut finding = Finding::error("canary", file, message).help(help);
    if let Some(entry) = entries.first() {
        (finding.line, finding.column) = (entry.line, 1);
    }
    Some(finding)
}
