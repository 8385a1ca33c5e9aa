//! Requirements for a valid bundle to be put in force.

use cedargate_core::{Finding, Findings, nearest};

use super::Bundle;
use super::canaries::{self, PassedCallers};

/// The requirements that a bundle must meet to load.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Requirements {
    /// True if the canary requests must be refused: requests that no sensible policy set permits.
    pub canaries: bool,
    /// The ids of policies that must exist. Templates and shadow policies do not count.
    pub required: Vec<String>,
}

impl Default for Requirements {
    fn default() -> Self {
        Self {
            canaries: true,
            required: Vec::new(),
        }
    }
}

impl Requirements {
    /// Returns requirements that every bundle meets.
    pub fn none() -> Self {
        Self {
            canaries: false,
            required: Vec::new(),
        }
    }

    /// Checks a bundle.
    ///
    /// # Errors
    /// Returns a finding for each requirement that the bundle does not meet.
    pub fn check(&self, bundle: &Bundle) -> Result<(), Findings> {
        self.check_after(&PassedCallers::default(), bundle)
            .map(drop)
    }

    /// Checks a bundle. Skips canary requests of callers that have `passed` before with the same policies.
    /// Returns the callers whose canary requests are refused.
    ///
    /// # Errors
    /// Returns a finding for each requirement that the bundle does not meet.
    pub(crate) fn check_after(
        &self,
        passed: &PassedCallers,
        bundle: &Bundle,
    ) -> Result<PassedCallers, Findings> {
        let missing = self.required.iter().filter_map(|id| missing(bundle, id));
        let mut findings: Vec<_> = missing.collect();
        let mut passing = PassedCallers::default();
        if self.canaries {
            match canaries::check(bundle, passed) {
                Ok(all) => passing = all,
                Err(more) => findings.extend(more),
            }
        }
        if findings.is_empty() {
            Ok(passing)
        } else {
            Err(Findings(findings))
        }
    }
}

fn missing(bundle: &Bundle, id: &str) -> Option<Finding> {
    let live = bundle.policy_ids();
    if live.contains(&id) {
        return None;
    }
    let shadow = bundle.entries().iter().find(|one| one.id == id);
    let (file, message) = match shadow {
        Some(shadow) => (
            &*shadow.file,
            format!("the policy {id:?} is required, and a shadow policy does not count"),
        ),
        None => ("", format!("the policy {id:?} is required, and missing")),
    };
    let help = match nearest(id, live) {
        _ if shadow.is_some() => "remove its @mode(\"shadow\")".to_owned(),
        Some(near) => format!(
            "did you mean {near:?}? Put the policy back, or change required of [policies] in the configuration"
        ),
        None => "put the policy back, or change required of [policies] in the configuration; a template does not count, its links do".to_owned(),
    };
    Some(Finding::error("policy_required", file, message).help(help))
}
