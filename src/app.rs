//! The parts put together, and the policies that follow their folders.

pub mod policies;

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::authn::Authn;
use crate::authn::step_up::StepUpIssuer;
use crate::gate::{Gate, InForce};
use crate::mfa::{self, Mfa};
use crate::model::Origin;
use crate::record::{Event, Sink};
use crate::store::Store;
use crate::webauthn::RelyingParties;

/// What a gateway is made of.
pub struct Parts {
    /// Makes tokens users.
    pub authn: Authn,
    /// The policies.
    pub in_force: InForce,
    /// What is kept.
    pub store: Arc<Store>,
    /// The settings of operations on authenticators.
    pub mfa: mfa::Parts,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The origins of the pages that may read answers.
    pub cors_origins: Vec<Origin>,
    /// How long a request may take.
    pub times: Times,
    /// Where records go.
    pub sink: Arc<dyn Sink>,
}

/// How long a request may take.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Until its body is there; then 408.
    pub body: Duration,
    /// Over all; then 503.
    pub request: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            body: Duration::from_secs(15),
            request: Duration::from_secs(30),
        }
    }
}

/// A gateway: everything that requests need.
pub struct App {
    pub(crate) authn: Authn,
    pub(crate) gate: Arc<Gate>,
    pub(crate) mfa: Mfa,
    pub(crate) step_up: Option<Arc<StepUpIssuer>>,
    pub(crate) parties: Arc<RelyingParties>,
    pub(crate) store: Arc<Store>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) cors_origins: Vec<Origin>,
    pub(crate) times: Times,
    pub(crate) sink: Arc<dyn Sink>,
}

impl App {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        let (store, mfa) = (parts.store, parts.mfa);
        let (parties, step_up) = (Arc::clone(&mfa.parties), mfa.step_up.clone());
        let issuers = parts.authn.names().cloned().collect();
        Self {
            gate: Arc::new(Gate::new(
                parts.in_force,
                Arc::clone(&store),
                step_up.as_ref().map(|_| Arc::clone(&parties)),
            )),
            mfa: Mfa::new(mfa, Arc::clone(&store), issuers),
            step_up,
            authn: parts.authn,
            parties,
            store,
            trusted_proxies: parts.trusted_proxies,
            cors_origins: parts.cors_origins,
            times: parts.times,
            sink: parts.sink,
        }
    }
}

/// Several sinks as one: each takes every event.
pub struct Sinks(pub Vec<Arc<dyn Sink>>);

impl Sink for Sinks {
    fn take(&self, event: &Event) {
        for sink in &self.0 {
            sink.take(event);
        }
    }

    fn wants_input(&self) -> bool {
        self.0.iter().any(|sink| sink.wants_input())
    }
}
