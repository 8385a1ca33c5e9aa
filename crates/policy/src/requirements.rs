//! What policies must fulfil, beside being well-formed, to be put in force.

use cedargate_core::{Finding, Findings, nearest};

use super::{Bundle, canaries};

/// What is asked of policies when they are loaded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Requirements {
    /// Whether canary requests are decided: requests that no sensible policies permit.
    pub canaries: bool,
    /// Ids of policies that must be there, and count.
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
    /// Asks nothing.
    pub fn none() -> Self {
        Self {
            canaries: false,
            required: Vec::new(),
        }
    }

    /// Says everything that a bundle does not fulfil.
    pub fn check(&self, bundle: &Bundle) -> Result<(), Findings> {
        let missing = self.required.iter().filter_map(|id| missing(bundle, id));
        let mut findings: Vec<_> = missing.collect();
        if self.canaries {
            findings.extend(canaries::permitted(bundle));
        }
        if findings.is_empty() {
            Ok(())
        } else {
            Err(Findings(findings))
        }
    }
}

fn missing(bundle: &Bundle, id: &str) -> Option<Finding> {
    let counting = bundle.policy_ids();
    if counting.contains(&id) {
        return None;
    }
    let shadow = bundle.entries().iter().find(|one| one.id == id);
    let (file, message) = match shadow {
        Some(shadow) => (
            shadow.file.as_str(),
            format!("the policy {id:?} is required, and a shadow policy does not count"),
        ),
        None => ("", format!("the policy {id:?} is required, and missing")),
    };
    let help = match nearest(id, counting) {
        _ if shadow.is_some() => "remove its @mode(\"shadow\")".to_owned(),
        Some(near) => format!(
            "did you mean {near:?}? Put the policy back, or change required of [policies] in the configuration"
        ),
        None => "put the policy back, or change required of [policies] in the configuration; a template does not count, its links do".to_owned(),
    };
    Some(Finding::error("policy_required", file, message).help(help))
}
