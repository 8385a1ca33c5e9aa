//! The parts put together, and the policies that follow their folders.

pub mod policies;

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::authn::Authn;
use crate::authn::step_up::StepUpIssuer;
use crate::gate::{Gate, InForce};
use crate::mfa::backup_codes::Peppers;
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
    /// Where authenticators are enrolled.
    pub parties: RelyingParties,
    /// What backup codes are hashed with.
    pub peppers: Peppers,
    /// Issues step-up tokens; none: step-ups are not set up.
    pub step_up: Option<StepUpIssuer>,
    /// How long a pending enrolment lives.
    pub enrollment_ttl: Duration,
    /// The lifetime of a recovery code.
    pub recovery_code_ttl: Duration,
    /// The most authenticators that an account may have.
    pub max_authenticators: usize,
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
        let (store, parties) = (parts.store, Arc::new(parts.parties));
        let step_up = parts.step_up.map(Arc::new);
        Self {
            gate: Arc::new(Gate::new(
                parts.in_force,
                Arc::clone(&store),
                step_up.as_ref().map(|_| Arc::clone(&parties)),
            )),
            mfa: Mfa::new(mfa::Parts {
                store: Arc::clone(&store),
                parties: Arc::clone(&parties),
                peppers: parts.peppers,
                step_up: step_up.clone(),
                issuers: parts.authn.names().cloned().collect(),
                enrollment_ttl: parts.enrollment_ttl,
                recovery_code_ttl: parts.recovery_code_ttl,
                max_authenticators: parts.max_authenticators,
            }),
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
