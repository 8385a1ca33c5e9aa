//! Tests of the tools with whole bundles.

mod check;
mod coverage;
mod diff;
mod format;
mod mutation;

use cedargate_core::Findings;
use cedargate_policy::{Bundle, Requirements, SITE_SCHEMA, Sources};
use serde_json::Value;

/// Loads one policy file with the shipped schema. Canary requests are not decided, so that policies about
/// other things need no tenant isolation.
fn load(policies: &str) -> Result<Bundle, Findings> {
    load_files(&[("a.cedar", policies)])
}

fn load_files(files: &[(&str, &str)]) -> Result<Bundle, Findings> {
    Bundle::load_with(&Sources::of(files, SITE_SCHEMA), &Requirements::none())
}

/// A test case that the shipped policies deny: the enrolment of a second factor without a step-up.
fn case() -> Value {
    serde_json::from_str(include_str!("../../policy/src/tests/case.json")).unwrap()
}
