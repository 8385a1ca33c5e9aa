//! Authorization requests.

use std::net::IpAddr;
use std::sync::Arc;

use cedargate_core::{
    Action, Authenticator, Factors, Means, MethodType, Session, Tenant, Timestamp, User, UserId,
};

/// An authorization request: principal, action and resource, and the facts that policies may read.
#[derive(Clone, Debug)]
pub struct AuthorizationRequest<'a> {
    /// The caller, with the facts about them. It gives the principal and most of the context.
    pub caller: Caller<'a>,
    /// The action.
    pub action: Action,
    /// The resource.
    pub resource: Resource<'a>,
    /// The client's address: `context.network.address`.
    pub address: IpAddr,
    /// The moment of the request: `context.now`.
    pub now: Timestamp,
}

impl AuthorizationRequest<'_> {
    pub(crate) fn user(&self) -> Option<&Arc<User>> {
        match &self.caller {
            Caller::Visitor(user) => *user,
            Caller::Member { user, .. } => Some(user),
        }
    }

    pub(crate) fn means(&self) -> Option<&Means> {
        match &self.caller {
            Caller::Visitor(_) => None,
            Caller::Member { means, .. } => Some(means),
        }
    }

    pub(crate) fn session(&self) -> Option<&Session> {
        match &self.caller {
            Caller::Visitor(_) => None,
            Caller::Member { user, .. } => Some(&user.session),
        }
    }

    pub(crate) fn tenant(&self) -> Option<Tenant> {
        match &self.caller {
            Caller::Visitor(_) => None,
            Caller::Member { tenant, .. } => Some(*tenant),
        }
    }

    pub(crate) fn factors(&self) -> Option<&Factors> {
        match &self.caller {
            Caller::Visitor(_) => None,
            Caller::Member { factors, .. } => Some(factors),
        }
    }

    pub(crate) fn method_type(&self) -> Option<MethodType> {
        match &self.caller {
            Caller::Visitor(_) => None,
            Caller::Member { method_type, .. } => *method_type,
        }
    }

    pub(crate) fn strong_acr(&self) -> Arc<[String]> {
        let values = self.user().map(|user| Arc::clone(&user.strong_acr));
        values.unwrap_or_default()
    }
}

/// The caller of an authorization request.
#[derive(Clone, Debug)]
pub enum Caller<'a> {
    /// A caller of a public operation, with or without a token. The context is a `Gate::Public`.
    Visitor(Option<&'a Arc<User>>),
    /// A user who names a tenant. The context is a `Gate::Mfa`, or a `Gate::Ceremony` if there is a
    /// method type.
    Member {
        /// The user.
        user: &'a Arc<User>,
        /// The tenant in the header `X-Tenant-ID`: `context.tenant`.
        tenant: Tenant,
        /// The facts about the user's authenticators: `context.factors`.
        factors: &'a Factors,
        /// The ways in which the user can step up. Policies do not read them.
        means: &'a Means,
        /// The method type, for the actions of the group `enroll`: `context.methodType`.
        method_type: Option<MethodType>,
    },
}

impl<'a> Caller<'a> {
    /// Returns a user who names a tenant, has no authenticators and cannot step up at the gateway.
    pub fn member(user: &'a Arc<User>, tenant: Tenant) -> Self {
        static FACTORS: Factors = Factors {
            count: 0,
            method_types: Vec::new(),
            reset: false,
        };
        static MEANS: Means = Means {
            authenticators: Vec::new(),
            backup_code: false,
            recovery_code: false,
        };
        Caller::Member {
            user,
            tenant,
            factors: &FACTORS,
            means: &MEANS,
            method_type: None,
        }
    }
}

/// The resource of an authorization request.
#[derive(Clone, Debug)]
pub enum Resource<'a> {
    /// The account of a user, a `Gate::Account`.
    Account(&'a UserId),
    /// An authenticator and the account that it belongs to, a `Gate::Authenticator`.
    Authenticator(&'a UserId, &'a Authenticator),
    /// A path pattern, one of [`path::ALL`](cedargate_core::path::ALL), a `Gate::Route`.
    Route(&'a str),
}
