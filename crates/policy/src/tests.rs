//! Tests of the whole engine. `refusals` tests sources that do not load, `properties` tests invariants with
//! generated policies.

mod canaries;
mod decisions;
mod explaining;
mod folders;
mod hostile;
mod properties;
#[path = "../../../tests/support/property.rs"]
pub(crate) mod property;
mod recording;
mod refusals;
mod reloading;
mod running_cases;
mod shipped_policies;
mod tracing;
mod writing;

use cedargate_core::*;

use super::*;

/// Loads one policy file with the shipped schema. No policies are required and no canary requests are
/// decided, so that the policies of a test need no tenant isolation.
fn load(policies: &str) -> Result<Bundle, Findings> {
    load_files(&[("a.cedar", policies)])
}

fn load_files(files: &[(&str, &str)]) -> Result<Bundle, Findings> {
    load_sources(&Sources::of(files, SITE_SCHEMA))
}

fn load_sources(sources: &Sources) -> Result<Bundle, Findings> {
    Bundle::load_with(sources, &Requirements::none())
}
