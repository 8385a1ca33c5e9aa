//! Tests of the part as a whole. What does not load is in `refusals`, what must always hold in
//! `properties`.

mod canaries;
mod decisions;
mod explaining;
mod folders;
mod hostile;
mod looking;
mod properties;
mod recording;
mod refusals;
mod running_cases;
mod shipped_policies;
mod writing;

use super::shipped::SITE_SCHEMA;
use super::*;

/// A bundle of one policy file beside the shipped schema, or why it does not load. Canary requests are
/// not decided: policies that are about something else need no tenant isolation.
fn load(policies: &str) -> Result<Bundle, Findings> {
    load_files(&[("a.cedar", policies)])
}

fn load_files(files: &[(&str, &str)]) -> Result<Bundle, Findings> {
    load_sources(&Sources::of(files, SITE_SCHEMA))
}

fn load_sources(sources: &Sources) -> Result<Bundle, Findings> {
    Bundle::load_with(sources, &Requirements::none())
}
