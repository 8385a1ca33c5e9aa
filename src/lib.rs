//! An authorization gateway for authenticators: Cedar policies decide every request, and a WebAuthn
//! handler carries out the permitted ones.
//!
//! ```text
//! edge     app ─ streams ─ http ─ config ─ cli   bytes, sockets, signals, the clock
//! house    error ─ gate ─ mfa                         decide, then do
//! parts    policy  authn  webauthn  store             none knows another
//! ground   model ─ finding ─ record                   words, what is wrong in a file, the event
//! ```
//!
//! A module uses the floors below its own and the modules to its left on its own floor. The parts do
//! not use each other (`tests/layers.rs`). ARCHITECTURE.md walks through a request.
//!
//! These invariants always hold; the tests in parentheses check them:
//!
//! 1. A decision precedes every answer, except for the answers that the API documents as undecided.
//!    Every request writes exactly one record, even if it fails, panics or is abandoned. A request
//!    that hyper cannot parse has neither.
//!    (`tests/answers`, `tests/faults/connections`)
//! 2. A permit has a determining policy. An evaluation error never permits.
//!    (`policy/tests/properties`)
//! 3. Adding a forbid never permits more. No decision depends on the order of policies or files.
//!    (`policy/tests/properties`)
//! 4. A request uses one bundle and one time. A change is stored only on the account version that was
//!    decided on.
//!    (`tests/faults/races`, `tests/reload/under_load`, `tests/store/contract`)
//! 5. No log line or error contains a token, code, key or ceremony state. (`tests/faults/secrets`)
//! 6. Both stores pass the same tests. (`tests/store/contract`, `tests/store/model`, `tests/answers`)
//! 7. Every row of the route table is in the golden matrix, with at least one denial. (`tests/matrix`)

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
