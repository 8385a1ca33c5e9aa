//! The features for operators: reloads of policies, the decision log, the admin listener, trusted
//! proxies, and issuers' keys by URL.

mod admin_listener;
mod decision_log;
mod issuer_keys;
mod network;
mod reload;
