//! An authorization gateway for authenticators: Cedar policies decide every request, and a WebAuthn
//! handler carries out the permitted ones.
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
//! A module can use the crates, every module on a lower floor, and the modules left of it on its own
//! floor, except that the three parts do not use each other (`tests/architecture/layers.rs`). Each crate
//! can use the crates below it. ARCHITECTURE.md follows a request through the modules.
//!
//! These invariants always hold; the tests in parentheses check them:
//!
//! 1. A decision precedes every answer, except for the answers that the API documents as undecided.
//!    Every request writes exactly one event, even if serving it fails, panics or is cancelled. A request
//!    that hyper cannot parse has neither a decision nor an event.
//!    (`tests/api`, `tests/faults/connections.rs`)
//! 2. A permit has a determining policy. An evaluation error never permits.
//!    (`crates/policy/src/tests/properties.rs`)
//! 3. Adding a forbid never permits more. No decision depends on the order of policies or files.
//!    (`crates/policy/src/tests/properties.rs`)
//! 4. A request uses one bundle and one time. A change is stored only on the account version that was
//!    decided on.
//!    (`tests/faults/races.rs`, `tests/operators/reload/under_load.rs`, `tests/store/contract.rs`)
//! 5. No log line or error contains a token, code, key or ceremony state. (`tests/faults/secrets.rs`)
//! 6. Both stores pass the same tests. (`tests/store/contract.rs`, `tests/store/model.rs`, `tests/api`)
//! 7. Every row of the route table is in the golden matrix, with at least one denial.
//!    (`tests/api/matrix.rs`)

pub mod app;
pub mod authn;
pub mod cli;
pub mod config;
pub mod error;
pub mod event;
pub mod gate;
pub mod http;
pub mod mfa;
pub mod store;
pub mod streams;
pub mod webauthn;
