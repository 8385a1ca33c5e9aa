//! The features for operators: reloads of policies, the decision log, the admin listener, trusted
//! proxies, issuers' keys by URL, and the memory of verified tokens.

mod admin_listener;
mod decision_log;
mod issuer_keys;
mod network;
mod reload;
mod signature_checks;
