//! An authorization gateway: every request is decided by Cedar policies, and what they permit is
//! done by a WebAuthn handler.
//!
//! ```text
//! edge     app ─ streams ─ http ─ config ─ cli   bytes, sockets, signals, the clock
//! house    error ─ gate ─ mfa                         decide, then do
//! parts    policy  authn  webauthn  store             none knows another
//! ground   model ─ finding ─ record                   words, what is wrong in a file, the event
//! ```
//!
//! A module uses the floors below its own and, on its own floor, what stands left of it; the four
//! parts do not use each other (`tests/layers.rs`). ARCHITECTURE.md walks through a request.
//!
//! What always holds, and the test that holds it:
//!
//! 1. Every answer but those that the API calls undecided follows a decision, and every request
//!    leaves exactly one record, whatever happens to it. What hyper refuses to parse has neither.
//!    (`tests/answers`, `tests/faults/connections`)
//! 2. No permit without a determining policy; an evaluation error never permits.
//!    (`policy/tests/properties`)
//! 3. Adding a forbid never permits more; no decision depends on the order of policies or files.
//!    (`policy/tests/properties`)
//! 4. A request sees one bundle and one moment; what was decided on is what is stored.
//!    (`tests/faults/races`, `tests/reload/under_load`, `tests/store/contract`)
//! 5. Nothing that a caller could use leaves the process in a log or an error: no token, code, key
//!    or ceremony state. (`tests/faults/secrets`)
//! 6. Both stores pass the same tests. (`tests/store/contract`, `tests/store/model`, `tests/answers`)
//! 7. Every row of the route table stands in the golden matrix, with a denial. (`tests/matrix`)

pub mod app;
pub mod authn;
pub mod cli;
pub mod config;
pub mod error;
pub mod gate;
pub mod http;
pub mod mfa;
pub mod record;
pub mod store;
pub mod streams;
pub mod webauthn;

/// The vocabulary, under its old path.
pub mod model {
    pub use cedargate_core::*;
}
pub use cedargate_core as finding;
pub use cedargate_policy as policy;
