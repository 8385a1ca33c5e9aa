//! Tests of the tools over whole bundles.

mod advice;
mod assumed;
mod comparing;
mod covering;
mod formatting;
mod mutating;

use cedargate_core::Findings;
use cedargate_policy::{Bundle, Requirements, SITE_SCHEMA, Sources};
use serde_json::Value;

/// A bundle of one policy file beside the shipped schema. Canary requests are not decided: policies
/// that are about something else need no tenant isolation.
fn load(policies: &str) -> Result<Bundle, Findings> {
    load_files(&[("a.cedar", policies)])
}

fn load_files(files: &[(&str, &str)]) -> Result<Bundle, Findings> {
    Bundle::load_with(&Sources::of(files, SITE_SCHEMA), &Requirements::none())
}

/// A second factor without a step-up, over the shipped policies: denied.
fn case() -> Value {
    serde_json::from_str(include_str!("../../policy/src/tests/case.json")).unwrap()
}
