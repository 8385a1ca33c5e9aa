//! The schema of cedargate: tenants, users, authenticators, actions, findings and decisions.
//!
//! Values, how they are parsed, and the one way each is spelt. No Cedar, no I/O, no clock.

pub mod decision;
pub mod finding;
pub mod model;
