//! A request that owns its facts.

use std::net::IpAddr;
use std::sync::Arc;

use cedargate_core::{
    Action, Authenticator, Factors, Means, MethodType, Tenant, Timestamp, User, UserId,
};

use crate::{AuthorizationRequest, Caller, Resource};

/// The facts of an [`AuthorizationRequest`].
#[derive(Debug)]
pub(crate) struct OwnedRequest {
    caller: OwnedCaller,
    action: Action,
    resource: OwnedResource,
    address: IpAddr,
    now: Timestamp,
}

#[derive(Debug)]
enum OwnedCaller {
    Visitor(Option<Arc<User>>),
    Member(Box<OwnedMember>),
}

#[derive(Debug)]
struct OwnedMember {
    user: Arc<User>,
    tenant: Tenant,
    factors: Factors,
    means: Means,
    method_type: Option<MethodType>,
}

#[derive(Debug)]
enum OwnedResource {
    Account(UserId),
    Authenticator(UserId, Box<Authenticator>),
    Route(String),
}

impl OwnedRequest {
    pub(crate) fn new(request: &AuthorizationRequest<'_>) -> Self {
        Self {
            caller: match &request.caller {
                Caller::Visitor(user) => OwnedCaller::Visitor(user.cloned()),
                Caller::Member {
                    user,
                    tenant,
                    factors,
                    means,
                    method_type,
                } => OwnedCaller::Member(Box::new(OwnedMember {
                    user: Arc::clone(user),
                    tenant: *tenant,
                    factors: (*factors).clone(),
                    means: (*means).clone(),
                    method_type: *method_type,
                })),
            },
            action: request.action.clone(),
            resource: match request.resource {
                Resource::Account(id) => OwnedResource::Account(id.clone()),
                Resource::Authenticator(id, authenticator) => {
                    OwnedResource::Authenticator(id.clone(), Box::new(authenticator.clone()))
                }
                Resource::Route(pattern) => OwnedResource::Route(pattern.to_owned()),
            },
            address: request.address,
            now: request.now,
        }
    }

    pub(crate) fn get(&self) -> AuthorizationRequest<'_> {
        AuthorizationRequest {
            caller: match &self.caller {
                OwnedCaller::Visitor(user) => Caller::Visitor(user.as_ref()),
                OwnedCaller::Member(member) => Caller::Member {
                    user: &member.user,
                    tenant: member.tenant,
                    factors: &member.factors,
                    means: &member.means,
                    method_type: member.method_type,
                },
            },
            action: self.action.clone(),
            resource: match &self.resource {
                OwnedResource::Account(id) => Resource::Account(id),
                OwnedResource::Authenticator(id, authenticator) => {
                    Resource::Authenticator(id, authenticator)
                }
                OwnedResource::Route(pattern) => Resource::Route(pattern),
            },
            address: self.address,
            now: self.now,
        }
    }

    pub(crate) fn strong_acr(&self) -> &[String] {
        let user = match &self.caller {
            OwnedCaller::Visitor(user) => user.as_ref(),
            OwnedCaller::Member(member) => Some(&member.user),
        };
        user.map_or(&[], |user| &user.strong_acr)
    }

    pub(crate) fn means(&self) -> Option<&Means> {
        match &self.caller {
            OwnedCaller::Visitor(_) => None,
            OwnedCaller::Member(member) => Some(&member.means),
        }
    }
}
