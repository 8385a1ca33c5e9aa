//! The integration tests of the gateway, in one binary: linking it takes long.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a failed assertion is how a test reports"
)]

mod account_model;
mod api;
mod architecture;
mod browser;
mod cli;
mod documents;
mod faults;
mod lifecycle;
mod operators;
mod policy_cli;
mod store;
mod support;
