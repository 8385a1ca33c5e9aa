//! An authorization gateway for authenticators: Cedar policies decide every request, and `mfa` carries
//! out the permitted ones with WebAuthn.
//!
//! ```text
//! this package
//!   edge     app ─ streams ─ http ─ config ─ cli     bytes, sockets, signals, the clock
//!   house    error ─ gate ─ mfa                      decide, then carry out
//!   parts    authn · webauthn · store                tokens, ceremonies, accounts
//!   ground   event                                   the log entry of a request
//!
//! crates below
//!   cedargate-policy-tools    check, test, diff, replay: the commands `cedargate policy …`
//!   cedargate-policy          loads Cedar policies, decides requests, explains decisions
//!   cedargate-core            the vocabulary: users, actions, decisions; no Cedar, no I/O
//! ```
//!
//! A module can use the crates and every module on a lower floor. In a row joined by `─`, a module can
//! use those to its left: `cli` uses the whole edge, and `http` uses `app`. `authn`, `webauthn` and `store`
//! do not use each other (`tests/architecture/layers.rs`). Each crate can use the crates below it.
//! ARCHITECTURE.md follows a request through the modules.
//!
//! These invariants always hold; the tests in parentheses check them:
//!
//! 1. Every answer follows a decision, apart from errors about the request itself: a malformed head or
//!    body, or a token that is not accepted. Every request writes exactly one event, with the reason if
//!    nothing was decided, even if serving it fails, panics or is cancelled. A request that hyper cannot
//!    parse has neither a decision nor an event.
//!    (`tests/api`, `tests/faults/connections.rs`)
//! 2. No request is allowed unless a permit policy matched. An evaluation error never allows.
//!    (`crates/policy/src/tests/properties.rs`)
//! 3. Adding a forbid never permits more. No decision depends on the order of policies or files.
//!    (`crates/policy/src/tests/properties.rs`)
//! 4. A request uses one version of the policies and one reading of the clock. A change is stored only if
//!    the account has not changed since the decision.
//!    (`tests/faults/races.rs`, `tests/operators/reload/under_load.rs`, `tests/store/contract.rs`)
//! 5. No log line or error contains a token, code, key or ceremony state. (`tests/faults/secrets.rs`)
//! 6. Both stores pass the same tests. (`tests/store/contract.rs`, `tests/store/model.rs`, `tests/api`)
//! 7. Every row of the route table has its answers for each kind of caller in a snapshot, with at least
//!    one denial. (`tests/api/matrix.rs`)

pub mod app;
pub mod authn;
pub mod cli;
pub mod config;
pub mod error;
pub mod event;
pub mod gate;
pub mod http;
pub mod mfa;
#[cfg(test)]
#[path = "../tests/support/property.rs"]
mod property;
pub mod store;
pub mod streams;
pub mod webauthn;
