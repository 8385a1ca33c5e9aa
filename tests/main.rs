//! What the gateway does at its edges, in one binary: each one is a long link.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test says what is wrong by failing"
)]

mod account_model;
mod answers;
mod authenticator;
mod browser;
mod cedar_cli;
mod cli;
mod client;
mod contributing;
mod cors;
mod decision_log;
mod deployment;
mod documents;
mod enrolment;
mod explain;
mod family;
mod faults;
mod gateway;
mod hostile;
mod init;
mod jwks;
mod key;
mod layers;
mod matrix;
mod policy_check;
mod policy_diff;
mod policy_format;
mod policy_home;
mod policy_replay;
mod policy_test;
mod poll;
mod recorded;
mod recovery_code;
mod redis_proxy;
mod redis_server;
mod reload;
mod statements;
mod store;
