//! The policy engine of cedargate: it loads Cedar policies, decides authorization requests and explains
//! the decisions.
//!
//! ```
//! use std::path::Path;
//! use std::sync::Arc;
//!
//! use cedargate_core::{GateAction, User};
//! use cedargate_policy::{AuthorizationRequest, Bundle, Caller, Resource, Sources};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
//! let bundle = Bundle::load(&Sources::read(&root.join("policies"), &root.join("schema"))?)?;
//!
//! // A user of one tenant lists their authenticators and names another tenant.
//! let alice = Arc::new(User::new("corp|2489e9ad-2ee2-8e00-8ec9-32d5f69181c0|alice".parse()?));
//! let decision = bundle.decide(&AuthorizationRequest {
//!     caller: Caller::member(&alice, "0e0e0e0e-0000-4000-8000-000000000001".parse()?),
//!     action: GateAction::ListMfaMethods.into(),
//!     resource: Resource::Account(&alice.id),
//!     address: "203.0.113.7".parse()?,
//!     now: "2026-01-15T09:00:00Z".parse()?,
//! });
//!
//! println!("{} by {:?}: {:?}", decision.effect.as_str(), decision.policies, decision.notices);
//! assert_eq!(decision.code(), Some("tenant_mismatch"));
//! assert_eq!(decision.policies, ["tenant-isolation"]);
//! # Ok(())
//! # }
//! ```
//!
//! # Test cases
//!
//! `cedargate policy test` runs test cases in JSON files. A Rust test can run the same files:
//!
//! ```
//! use std::path::Path;
//!
//! use cedargate_policy::{Bundle, Sources, cases};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
//! let bundle = Bundle::load(&Sources::read(&root.join("policies"), &root.join("schema"))?)?;
//! let (cases, findings) = cases::read_all(&[root.join("tests/policies")]);
//! assert!(findings.0.is_empty(), "{findings}");
//! for case in cases {
//!     let outcome = case.run(&bundle);
//!     assert!(outcome.passed(), "{}:{}: {:?}", case.file, case.line, outcome.failures);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Map
//!
//! - [`Sources`] and [`InlineSources`] are the texts of the policy and the schema folder.
//! - [`Bundle`] is what they load to: validated policies that decide requests. [`Requirements`] are
//!   further conditions for loading. [`PolicyEntry`] describes one policy.
//! - [`AuthorizationRequest`] is a request of the gateway. [`PreparedRequest`] is a request that conforms to
//!   a schema, made from an authorization request, a test case or a line of the decision log.
//! - [`Decision`](cedargate_core::Decision) is the result.
//! - [`Explanation`] lists the policies that apply, the clauses that keep others from applying, and the
//!   changes with which a denied request would be allowed. [`PolicyTrace`] is the evaluation of one policy,
//!   clause by clause.
//! - [`cases`] reads and runs test cases.
//! - [`DecisionInput`] and [`RecordedDecision`] write and read the decision log. A [`Mask`] keeps a part of
//!   the input out of it.
//! - [`analysis`] is for the policy tools of cedargate and may change in any release.
//!
//! # Guarantees
//!
//! - Deciding and explaining are pure: they read no clock, file or network, and the same bundle and
//!   request always give the same result. The moment is a part of the request.
//! - Every request gets a decision. A request that does not conform to the schema gives
//!   [`Effect::Failed`](cedargate_core::Effect::Failed).
//! - An evaluation error never allows, whether it is in a permit or in a forbid.
//! - An allow has at least one determining permit. Adding a forbid never allows more, and the order of
//!   files and policies never matters.
//! - All policies of a bundle are validated against the schema. [`Bundle::load`] also refuses policies that
//!   permit a canary request; [`Requirements`] can turn that off.

#![warn(missing_docs)]

pub mod analysis;
mod annotations;
mod authorization;
mod bundle;
mod canaries;
pub mod cases;
mod catalogue;
mod decision;
mod decision_input;
mod engine;
mod entity_ids;
pub mod explanation;
mod fast_path;
mod files;
mod links;
mod load;
mod mask;
mod means;
mod members;
mod nesting;
mod parallel;
mod part;
mod place;
mod prepared;
mod recorded_decision;
mod request;
mod request_error;
mod requirements;
mod rules;
mod schema;
mod shape;
mod shipped;
mod syntax;
#[cfg(test)]
mod tests;
mod trace;
mod values;

pub use authorization::{AuthorizationRequest, Caller, Resource};
pub use bundle::Bundle;
pub use catalogue::PolicyEntry;
pub use decision_input::DecisionInput;
pub use explanation::Explanation;
pub use files::{DEV_LINKS, InlineFile, InlineSources, Sources};
pub use mask::{Hidden, Mask, MaskError};
pub use means::assumed as assumed_means;
pub use prepared::PreparedRequest;
pub use recorded_decision::RecordedDecision;
pub use request_error::RequestError;
pub use requirements::Requirements;
pub use shipped::{GATE_SCHEMA, POLICIES as SHIPPED_POLICIES, SITE_SCHEMA};
pub use trace::{ClauseOutcome, ClauseTrace, PolicyTrace};
