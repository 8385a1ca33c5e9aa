//! What is permitted happens here: a [`Permit`](crate::gate::Permit) goes in, an answer that
//! serialises comes out.

pub mod admin;
pub mod backup_codes;
mod body;
pub mod methods;
mod models;
pub mod registration;
pub mod step_up;
mod told;
mod turns;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::authn::step_up::StepUpIssuer;
use crate::error::{Error, Feature, Throttled};
use crate::event::RequestEvent;
use crate::gate::{Gate, Operation, Permit};
use crate::store::Store;
use crate::webauthn::{RelyingParties, RelyingParty};
use cedargate_core::{IssuerName, MethodType};

use backup_codes::Peppers;
use told::Told;
use turns::Turns;

/// How often a change is decided on again when its account keeps changing.
const RETRIES: usize = 3;

/// The settings of the operations, and what they are done with. The configuration makes it, and it is
/// handed on as it is.
pub struct Parts {
    /// The relying parties. Without one that serves a tenant, its users cannot enrol.
    pub parties: Arc<RelyingParties>,
    /// The keys of the hashes of backup codes.
    pub peppers: Arc<Peppers>,
    /// `None` if step-ups are not set up.
    pub step_up: Option<Arc<StepUpIssuer>>,
    /// The lifetime of a pending enrolment or step-up.
    pub enrollment_ttl: Duration,
    /// The lifetime of a recovery code.
    pub recovery_code_ttl: Duration,
    /// The most authenticators that an account may have.
    pub max_authenticators: usize,
}

/// The operations on a user's authenticators.
pub struct Mfa {
    parts: Parts,
    store: Arc<Store>,
    /// The names of the issuers that users sign in at.
    issuers: Vec<IssuerName>,
    /// A turn for each processor: codes are hashed slowly on purpose, and many at once would keep
    /// every other request waiting.
    hashing: Arc<Turns>,
    throttled: Told,
}

impl Mfa {
    /// Makes the operations on the accounts in `store`, for users of these issuers.
    pub fn new(parts: Parts, store: Arc<Store>, issuers: Vec<IssuerName>) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            parts,
            store,
            issuers,
            hashing: Arc::new(Turns::new(processors)),
            throttled: Told::default(),
        }
    }

    /// The relying party of the caller's own tenant.
    fn party<O>(&self, permit: &Permit<O>) -> Result<&RelyingParty, Error> {
        self.parts
            .parties
            .for_tenant(permit.member().user.id.tenant)
            .ok_or(Error::NotSetUp(Feature::Webauthn))
    }

    fn party_for<O>(
        &self,
        permit: &Permit<O>,
        method_type: MethodType,
    ) -> Result<&RelyingParty, Error> {
        let party = self.party(permit)?;
        if party.offers(method_type) {
            Ok(party)
        } else {
            Err(Error::NotSetUp(Feature::MethodType))
        }
    }
}

/// The name of an authenticator's model, where one is known: the configured one, else the usual one.
fn model_name(party: Option<&RelyingParty>, model: Option<Uuid>) -> Option<String> {
    let model = model?;
    let configured = party.and_then(|party| party.model_name(model));
    configured
        .or_else(|| models::name(model))
        .map(str::to_owned)
}

/// The name that was given to an authenticator; where it is blank, that of its model where one is
/// known, else its kind.
fn name_or(
    given: &str,
    party: Option<&RelyingParty>,
    model: Option<Uuid>,
    method_type: MethodType,
) -> String {
    if !given.chars().all(char::is_whitespace) {
        return given.to_owned();
    }
    model_name(party, model).unwrap_or_else(|| method_type.noun().to_owned())
}

/// Attempts at a change, each on the account as it was just decided on. A closure for each attempt would
/// read better, but the compiler cannot prove that the future of an async closure is `Send`.
struct Attempts<'g, O> {
    gate: &'g Gate,
    /// `None` once a decision did not permit the change any more.
    permit: Option<Permit<O>>,
    made: usize,
}

impl<'g, O: Operation> Attempts<'g, O> {
    fn new(gate: &'g Gate, permit: Permit<O>) -> Self {
        Self {
            gate,
            permit: Some(permit),
            made: 0,
        }
    }

    /// Returns the permit for the next attempt. Each but the first comes from a new decision, because the
    /// account is no longer the one that the last permit was given on. After [`RETRIES`] of these it
    /// gives up.
    async fn next(&mut self, event: &mut RequestEvent) -> Result<&Permit<O>, Error> {
        let permit = self.permit.take().filter(|_| self.made <= RETRIES);
        let mut permit = permit.ok_or(Error::Contended)?;
        if self.made > 0 {
            permit = self.gate.readmit(permit, event).await?;
        }
        self.made += 1;
        Ok(self.permit.insert(permit))
    }
}

/// The session begins more ceremonies than a person can.
fn begins_too_fast(retry_after: Duration) -> Error {
    Error::TooMany {
        what: Throttled::Ceremonies,
        retry_after,
    }
}

/// The `timeout` of options for a ceremony that ends after `ttl`. It is advice to the browser, which
/// should give up before the deadline passes in the store.
fn browser_timeout(ttl: Duration) -> Duration {
    ttl * 9 / 10
}

#[cfg(test)]
mod tests;
