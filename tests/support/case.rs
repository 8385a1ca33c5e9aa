//! A policy test case, for tests of the policy tools.

use serde_json::Value;

/// Alice's user id, with its issuer and tenant.
pub const ALICE: &str = "corp|2489e9ad-2ee2-8e00-8ec9-32d5f69181c0|alice";

/// A case that passes under the shipped policies: Alice has a passkey, begins to enrol a security key
/// after a weak sign-in, and is asked to step up.
pub fn second_factor() -> Value {
    let text = include_str!("../../crates/policy/src/tests/case.json");
    serde_json::from_str(text).unwrap()
}
