//! Assembles the gateway from its parts, and reloads policies when their folders change.

pub mod policies;

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::authn::Authn;
use crate::authn::step_up::StepUpIssuer;
use crate::event::{Sink, WideEvent};
use crate::gate::{Gate, InForce};
use crate::mfa::{self, Mfa};
use crate::store::Store;
use crate::webauthn::RelyingParties;
use cedargate_core::Origin;

/// The parts that a gateway is assembled from.
pub struct Parts {
    pub authn: Authn,
    pub in_force: InForce,
    pub store: Arc<Store>,
    /// The settings of operations on authenticators.
    pub mfa: mfa::Parts,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The origins of the pages that may read answers.
    pub cors_origins: Vec<Origin>,
    pub times: Times,
    /// The receiver of the request events.
    pub sink: Arc<dyn Sink>,
}

/// The longest times that a request may take.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// The time until the whole body has arrived; after it, the answer is 408.
    pub body: Duration,
    /// The time for the whole request; after it, the answer is 503.
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

/// An assembled gateway, shared by all requests.
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
    pub fn new(parts: Parts) -> Self {
        let (store, mfa) = (parts.store, parts.mfa);
        let (parties, step_up) = (Arc::clone(&mfa.parties), mfa.step_up.clone());
        let issuers = parts.authn.issuer_names().cloned().collect();
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

/// Passes each event to several sinks.
pub struct Sinks(pub Vec<Arc<dyn Sink>>);

impl Sink for Sinks {
    fn take(&self, event: &WideEvent) {
        for sink in &self.0 {
            sink.take(event);
        }
    }

    fn wants_input(&self) -> bool {
        self.0.iter().any(|sink| sink.wants_input())
    }
}
