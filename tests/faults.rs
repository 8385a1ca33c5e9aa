//! The whole gateway while requests race, processes are killed, and the store or the disk fails: real
//! processes over real sockets.

mod connections;
mod crashes;
mod gateways;
mod lost_replies;
mod races;
mod redis_gone;
mod secrets;
mod shutdown;
mod time;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::authenticator::Attestation;
use crate::support::client::{Answer, Client, METHODS, PASSKEY, REGISTER};
use crate::support::deployment::{Deployment, TENANT};
use crate::support::gateway::Gateway;
use crate::support::poll::{IN_TIME, PATIENCE};
use crate::support::redis_server::RedisServer;
use crate::support::site::*;
