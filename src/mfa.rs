//! What is permitted happens here: a [`Permit`](crate::gate::Permit) goes in, an answer that
//! serialises comes out.

pub mod backup_codes;
pub mod methods;
pub mod registration;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::error::Error;
use crate::gate::{Gate, Operation, Permit};
use crate::model::MethodType;
use crate::record::Record;
use crate::store::Store;
use crate::webauthn::{RelyingParties, RelyingParty};

use backup_codes::Peppers;

/// How often a change is decided again whose facts keep changing under it.
const RETRIES: usize = 3;

/// The operations on a user's authenticators.
pub struct Mfa {
    store: Arc<Store>,
    parties: Arc<RelyingParties>,
    peppers: Arc<Peppers>,
    enrollment_ttl: Duration,
    /// A turn for each processor: codes are hashed slowly on purpose, and many at once would keep
    /// every other request waiting.
    hashing: Arc<Semaphore>,
}

impl Mfa {
    /// The operations over this store. A pending enrolment lives for `enrollment_ttl`.
    pub fn new(
        store: Arc<Store>,
        parties: Arc<RelyingParties>,
        peppers: Peppers,
        enrollment_ttl: Duration,
    ) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            store,
            parties,
            peppers: Arc::new(peppers),
            enrollment_ttl,
            hashing: Arc::new(Semaphore::new(processors)),
        }
    }

    /// The relying party of the caller's own tenant.
    fn party<O>(&self, permit: &Permit<O>) -> Result<&RelyingParty, Error> {
        self.parties
            .of(permit.member().user.id.tenant)
            .ok_or(Error::NotImplemented(
                "WebAuthn is not set up for this tenant.",
            ))
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
            Err(Error::NotImplemented(
                "This method type is not set up for this tenant.",
            ))
        }
    }

    /// The name of an authenticator's model, where one is known.
    fn model_name(party: Option<&RelyingParty>, model: Option<Uuid>) -> Option<String> {
        party?.model_name(model?).map(str::to_owned)
    }
}

/// Decides again on an account that has changed, while there are `retries` left.
async fn again<O: Operation>(
    gate: &Gate,
    permit: Permit<O>,
    retries: &mut usize,
    record: &mut Record,
) -> Result<Permit<O>, Error> {
    match retries.checked_sub(1) {
        Some(left) => *retries = left,
        None => {
            return Err(Error::unavailable(
                "the account changed faster than it could be decided on",
            ));
        }
    }
    gate.again(permit, record).await
}
