//! Who sends a request.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{Session, Tenant, Timestamp, UserId};

/// An authenticated caller, as the token describes them.
#[derive(Clone, Debug)]
pub struct User {
    /// Who they are: issuer, tenant and subject.
    pub id: UserId,
    /// The groups that the token names.
    pub groups: Vec<String>,
    /// All claims of the token; policies see those that `Site::Claims` declares.
    pub claims: Arc<Map<String, Value>>,
    /// The sign-in behind the token.
    pub session: Session,
    /// The `acr` values that a sign-in at the token's issuer can reach and that count as strong.
    pub strong_acr: Arc<[String]>,
    /// WebAuthn `user.name`: `preferred_username`, else `email`, else `sub`. Never empty.
    pub name: String,
    /// WebAuthn `user.displayName`: `name`, else the same. Never empty.
    pub display_name: String,
}

/// Whoever sent a request, before anything protected is looked at.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The caller, if a token was sent and is good.
    pub user: Option<User>,
    /// The client's address, seen through trusted proxies only; never IPv4-mapped IPv6.
    pub address: IpAddr,
    /// The one moment of this request.
    pub now: Timestamp,
    /// The path pattern: one of [`path::ALL`](crate::path::ALL).
    pub route: &'static str,
}

/// A caller with a token and a tenant header: who may ask for a protected operation.
#[derive(Clone, Debug)]
pub struct Member {
    /// The caller.
    pub user: User,
    /// What `X-Tenant-ID` says. Only policies compare it.
    pub tenant: Tenant,
    /// As [`Visitor::address`].
    pub address: IpAddr,
    /// As [`Visitor::now`].
    pub now: Timestamp,
    /// As [`Visitor::route`].
    pub route: &'static str,
}
