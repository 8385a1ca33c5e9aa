//! Helpers that several suites use. The benches include some of these files, so they name each
//! other by `super::`.

pub(crate) mod authenticator;
pub(crate) mod base64url;
pub(crate) mod case;
pub(crate) mod client;
pub(crate) mod deployment;
pub(crate) mod gateway;
pub(crate) mod key;
pub(crate) mod place;
pub(crate) mod policy_home;
pub(crate) mod poll;
pub(crate) mod program;
pub(crate) mod property;
pub(crate) mod recorded;
pub(crate) mod redis_proxy;
pub(crate) mod redis_server;
pub(crate) mod site;
pub(crate) mod sources;
