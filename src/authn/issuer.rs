//! Trusted issuers.

use std::sync::Arc;

use super::algorithm::Algorithm;
use super::fetch::RemoteKeys;
use super::keys::Keys;
use cedargate_core::{IssuerName, Tenant};

/// An issuer whose tokens are accepted.
pub struct Issuer {
    pub kind: IssuerKind,
    /// The `iss` of its tokens, compared byte for byte.
    pub issuer: String,
    /// The accepted audiences: the `aud` of a token must contain one of them.
    pub audiences: Vec<String>,
    /// The algorithms that its tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    pub keys: KeySource,
    pub tenant_claim: String,
    /// The claim that holds the groups. If `None`, its users have no groups.
    pub groups_claim: Option<String>,
    /// The `acr` values that count as a strong sign-in.
    pub strong_acr: Arc<[String]>,
    /// The tenants that its tokens may name; every tenant if `None`.
    pub tenants: Option<Vec<Tenant>>,
}

impl Issuer {
    /// Returns true if its tokens may name this tenant. A token without a tenant is always allowed.
    pub(super) fn may_assert(&self, tenant: Option<Tenant>) -> bool {
        match (&self.tenants, tenant) {
            (Some(tenants), Some(tenant)) => tenants.contains(&tenant),
            _ => true,
        }
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum IssuerKind {
    /// An issuer that users sign in at, with its name in policies.
    SignIn(IssuerName),
    /// This gateway, which issues step-up tokens. A step-up token names the issuer of its sign-in.
    StepUp,
}

impl IssuerKind {
    /// Returns the name in policies, or `None` for this gateway.
    pub fn name(&self) -> Option<&IssuerName> {
        match self {
            IssuerKind::SignIn(name) => Some(name),
            IssuerKind::StepUp => None,
        }
    }
}

/// The source of an issuer's keys.
pub enum KeySource {
    /// Keys that were read at start and never change.
    Local(Arc<Keys>),
    /// Keys that are fetched from a URL.
    Remote(Arc<RemoteKeys>),
}

impl KeySource {
    /// Returns the keys that are trusted now. Returns `None` if none were fetched yet, or the last
    /// ones are too old.
    pub(super) fn current(&self) -> Option<Arc<Keys>> {
        match self {
            KeySource::Local(keys) => Some(Arc::clone(keys)),
            KeySource::Remote(remote) => remote.current(),
        }
    }

    /// Returns true if these keys are trusted now.
    pub(super) fn are(&self, keys: &Arc<Keys>) -> bool {
        match self {
            KeySource::Local(current) => Arc::ptr_eq(current, keys),
            KeySource::Remote(remote) => remote.are(keys),
        }
    }

    /// Returns newer keys than `tried`, as [`RemoteKeys::renewed`] does.
    pub(super) async fn renewed(&self, tried: Option<&Arc<Keys>>) -> Option<Arc<Keys>> {
        match self {
            KeySource::Local(_) => None,
            KeySource::Remote(remote) => remote.renewed(tried).await,
        }
    }
}
