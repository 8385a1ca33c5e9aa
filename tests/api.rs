//! The answers of the HTTP API: status, headers, body and log event of each kind of request, the same
//! on both stores.

mod bodies;
mod cors;
mod credentials;
mod enrolments;
mod heads;
mod hostile;
mod limits;
mod matrix;
mod models;
mod options;
mod order;
mod policies;
mod store_down;
mod tokens;
mod unknown;
