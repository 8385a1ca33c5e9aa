//! The operations on authenticators and codes. Each takes a [`Permit`] and returns an answer that
//! serialises.

pub mod admin;
pub mod backup_codes;
mod body;
mod hash_queue;
pub mod methods;
mod models;
pub mod registration;
mod reported_sessions;
pub mod step_up;

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
use hash_queue::HashQueue;
use reported_sessions::ReportedSessions;

/// The number of times that a change is decided on again because its account has changed.
const RETRIES: usize = 3;

/// The settings of the operations, with the relying parties, peppers and issuer that they use. The
/// configuration makes them.
pub struct Parts {
    /// The relying parties. Users of a tenant without a relying party cannot enrol.
    pub parties: Arc<RelyingParties>,
    pub peppers: Arc<Peppers>,
    /// The issuer of step-up tokens. `None` if step-ups are not set up.
    pub step_up: Option<Arc<StepUpIssuer>>,
    /// The lifetime of a pending enrolment or step-up.
    pub enrollment_ttl: Duration,
    /// The lifetime of a recovery code.
    pub recovery_code_ttl: Duration,
    /// The maximum number of authenticators of an account.
    pub max_authenticators: usize,
}

/// The operations on a user's authenticators.
pub struct Mfa {
    parts: Parts,
    store: Arc<Store>,
    /// The names of the configured issuers.
    issuers: Vec<IssuerName>,
    /// The queue for hashing codes, with one slot for each processor. Hashing is slow on purpose, and
    /// more of it at once would delay every other request.
    hash_queue: Arc<HashQueue>,
    /// The sessions whose throttling is in the audit stream already.
    reported: ReportedSessions,
}

impl Mfa {
    /// Makes the operations on the accounts in `store`, for users of the issuers with these names.
    pub fn new(parts: Parts, store: Arc<Store>, issuers: Vec<IssuerName>) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            parts,
            store,
            issuers,
            hash_queue: Arc::new(HashQueue::new(processors)),
            reported: ReportedSessions::default(),
        }
    }

    /// Returns the relying party of the caller's own tenant.
    fn party<O>(&self, permit: &Permit<O>) -> Result<&RelyingParty, Error> {
        self.parts
            .parties
            .for_tenant(permit.member().user.id.tenant)
            .ok_or(Error::NotSetUp(Feature::Webauthn))
    }

    /// Returns the relying party of the caller's own tenant if it offers the method type.
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

/// Returns the name of an authenticator model: the configured name, or else the well-known one.
fn model_name(party: Option<&RelyingParty>, model: Option<Uuid>) -> Option<String> {
    let model = model?;
    let configured = party.and_then(|party| party.model_name(model));
    configured
        .or_else(|| models::name(model))
        .map(str::to_owned)
}

/// Returns the name that the user gave to an authenticator. If it is blank, returns the name of the model
/// if it is known, or else that of the method type.
fn display_name(
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

/// The attempts to make a change, each with a permit for the account as it then is.
///
/// A function that takes a closure for each attempt would be simpler, but the compiler cannot prove that
/// the future of an async closure is `Send`.
struct Attempts<'g, O> {
    gate: &'g Gate,
    /// `None` after a decision that did not permit the change.
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

    /// Returns the permit for the next attempt. All but the first come from a new decision, because the
    /// account has changed since the last one. Fails with [`Error::Contended`] after [`RETRIES`] further
    /// attempts.
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

fn too_many_ceremonies(retry_after: Duration) -> Error {
    Error::TooMany {
        what: Throttled::Ceremonies,
        retry_after,
    }
}

/// Returns the `timeout` for the options of a ceremony that ends after `ttl`. It is shorter, so that the
/// browser gives up before the ceremony ends in the store.
fn browser_timeout(ttl: Duration) -> Duration {
    ttl * 9 / 10
}

#[cfg(test)]
mod tests;
