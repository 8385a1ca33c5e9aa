//! Tools for authors of cedargate's Cedar policies: the implementation of `cedargate policy …` as a
//! library. The command line adds flags, text, JSON and exit codes.
//!
//! | tool | module | question |
//! |---|---|---|
//! | check | [`check`] | Which policies, links and test cases are wrong or probably a mistake? |
//! | test | [`test_run`] | Do the policies decide each test case as it expects? |
//! | coverage | [`coverage`] | Which policies and clauses does no test case exercise? |
//! | mutation | [`mutation`] | Which typical mistakes in a policy would no test case notice? |
//! | diff | [`diff`] | How do two versions of the policies differ, and which test cases and recorded decisions do they decide differently? |
//! | replay | [`replay`] | Which recorded decisions would these policies make differently? |
//! | explain | [`request_source`] | Which request does a test case, a log line or a JSON file describe? |
//! | format | [`format`](mod@format) | Are the policy files formatted, and how would they be? |
//!
//! Three modules serve several tools: [`PolicyFiles`] reads policies and continues after errors,
//! [`decision_log`] reads a log in batches, and [`sample`] counts items and keeps the first few.
//! Every tool that fails returns an [`Error`], which tells invalid policies from a wrong call.
//!
//! # Example
//!
//! Loads policies, runs one test case against them and prints what the case does not cover.
//!
//! ```
//! use cedargate_policy::{Bundle, Sources, cases};
//! use cedargate_policy_tools::test_run::{self, Options};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bundle = Bundle::load(&Sources::shipped())?;
//! let text = r#"[{
//!     "name": "anybody may read the API description",
//!     "request": {
//!         "principal": "Gate::Anonymous::\"anonymous\"",
//!         "action": "Gate::Action::\"readApiDescription\"",
//!         "resource": "Gate::Route::\"/v1/openapi.json\"",
//!         "context": {"network": {"address": "203.0.113.7"}, "now": "2026-01-15T09:00:00Z"}
//!     },
//!     "entities": [], "decision": "allow", "reason": [], "num_errors": 0
//! }]"#;
//! let cases = cases::read("cases.json", text, ".".as_ref())?;
//! let options = Options { coverage: true, ..Options::default() };
//! let report = test_run::run(&bundle, cases, &options)?;
//! assert!(report.is_ok());
//! if let Some(coverage) = &report.coverage {
//!     println!("policies covered: {}", coverage.policies_covered());
//! }
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

pub mod check;
pub mod coverage;
pub mod decision_log;
pub mod diff;
mod error;
pub mod format;
pub mod mutation;
mod policy_files;
pub mod replay;
pub mod request_source;
pub mod sample;
pub mod test_run;
#[cfg(test)]
mod tests;

pub use error::{Error, Result};
pub use policy_files::{PolicyFiles, require_path};
