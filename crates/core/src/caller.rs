//! The callers of the gateway.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{Session, Tenant, Timestamp, UserId};

/// An authenticated caller, as their token describes them.
#[derive(Clone, Debug)]
pub struct User {
    /// The issuer, tenant and subject of the token.
    pub id: UserId,
    /// The groups that the token names, as it names them.
    pub groups: Vec<String>,
    /// All claims of the token. Policies read those that `Site::Claims` declares.
    pub claims: Arc<Map<String, Value>>,
    /// The sign-in behind the token.
    pub session: Session,
    /// The strong `acr` values that a sign-in at the token's issuer can reach.
    pub strong_acr: Arc<[String]>,
    /// The `user.name` of WebAuthn: the claim `preferred_username`, else `email`, else `sub`. Never empty.
    pub name: String,
    /// The `user.displayName` of WebAuthn: the claim `name`, else the same as `name`. Never empty.
    pub display_name: String,
}

impl User {
    /// Returns a user whose token has no claims but those of the id: no groups, no confirmed session and
    /// no strong `acr`. Both names are the subject.
    pub fn new(id: UserId) -> Self {
        Self {
            name: id.subject.clone(),
            display_name: id.subject.clone(),
            id,
            groups: Vec::new(),
            claims: Arc::default(),
            session: Session::default(),
            strong_acr: Arc::default(),
        }
    }
}

/// The sender of any request, with or without a token.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The caller, if the request has a valid token.
    pub user: Option<Arc<User>>,
    /// The client's address, taken from `X-Forwarded-For` only behind trusted proxies. Never an
    /// IPv4-mapped IPv6 address.
    pub address: IpAddr,
    /// The moment of the request. The clock is read once for each request.
    pub now: Timestamp,
    /// The path pattern, one of [`path::ALL`](crate::path::ALL).
    pub route: &'static str,
}

/// The sender of a request for a protected operation: it has a valid token and a tenant header.
#[derive(Clone, Debug)]
pub struct Member {
    /// The caller.
    pub user: Arc<User>,
    /// The tenant in the header `X-Tenant-ID`. Only policies compare it with the token's tenant.
    pub tenant: Tenant,
    /// The client's address, like [`Visitor::address`].
    pub address: IpAddr,
    /// The moment of the request, like [`Visitor::now`].
    pub now: Timestamp,
    /// The path pattern, like [`Visitor::route`].
    pub route: &'static str,
}
