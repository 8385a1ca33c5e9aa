//! Tests of the part as a whole. What does not load is in `refusals`, what must always hold in
//! `properties`.

mod advice;
mod comparing;
mod covering;
mod decisions;
mod explaining;
mod folders;
mod formatting;
mod hostile;
mod looking;
mod mutating;
mod properties;
mod recording;
mod refusals;
mod running_cases;
mod shipped_policies;
mod writing;

use super::shipped::SITE_SCHEMA;
use super::*;

/// A bundle of one policy file beside the shipped schema, or why it does not load.
fn load(policies: &str) -> Result<Bundle, Findings> {
    load_files(&[("a.cedar", policies)])
}

fn load_files(files: &[(&str, &str)]) -> Result<Bundle, Findings> {
    Bundle::load(&Sources::of(files, SITE_SCHEMA))
}
