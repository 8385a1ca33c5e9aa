//! The helpers of the integration tests.

#[path = "../../tests/support/authenticator.rs"]
pub mod authenticator;
#[path = "../../tests/support/base64url.rs"]
pub mod base64url;
#[path = "../../tests/support/client.rs"]
pub mod client;
#[path = "../../tests/support/deployment.rs"]
pub mod deployment;
#[path = "../../tests/support/gateway.rs"]
pub mod gateway;
#[path = "../../tests/support/program.rs"]
pub mod program;
#[path = "../../tests/support/redis_server.rs"]
pub mod redis_server;
