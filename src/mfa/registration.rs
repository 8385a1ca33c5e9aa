//! Enrolments of authenticators. A verified authenticator is stored only if the policies trust it.

mod operations;

use serde_json::Value;
use uuid::Uuid;

use super::backup_codes::{BackupCodes, NewCodes};
use super::{Attempts, Mfa, browser_timeout, display_name, too_many_ceremonies};
use crate::error::{Error, Missing, Signal};
use crate::event::{AccountChange, AccountChangeKind, RequestEvent};
use crate::gate::{Gate, Permit};
use crate::store::{Account, BeginOutcome, CompleteOutcome, Completion, Enrolment};
use crate::webauthn::{Person, RelyingParty, Verified};
use cedargate_core::{Authenticator, CodeSetId};

pub use operations::{
    Begin, BeginRegistration, CompleteBody, CompleteRegistration, TrustAuthenticator,
};

/// The outcome of [`Mfa::store_trusted`]. See [`CompleteOutcome`].
enum StoreTrustedOutcome {
    Stored(BackupCodes),
    Gone,
    Exists,
    LimitReached,
    Stale,
}

impl Mfa {
    /// Starts an enrolment.
    ///
    /// # Errors
    /// [`Error::NotSetUp`] without a relying party that offers the method type; [`Error::LimitReached`];
    /// [`Error::TooMany`]; the store fails; or the policies refuse a further attempt.
    pub async fn begin(
        &self,
        gate: &Gate,
        permit: Permit<BeginRegistration>,
        event: &mut RequestEvent,
    ) -> Result<Begin, Error> {
        let method_type = permit.operation().method_type;
        let party = self.party_for(&permit, method_type)?;
        let mut attempts = Attempts::new(gate, permit);
        loop {
            let permit = attempts.next(event).await?;
            self.check_limit(permit.account())?;
            let (options, outcome) = self.store_enrolment(party, permit).await?;
            match outcome {
                BeginOutcome::Stored { expires_at } => {
                    return Ok(Begin {
                        options,
                        method_type,
                        expires_at,
                    });
                }
                BeginOutcome::Stale => {}
                BeginOutcome::TooMany { retry_after } => {
                    return Err(too_many_ceremonies(retry_after));
                }
            }
        }
    }

    /// Makes the options for the browser, and stores the pending enrolment.
    async fn store_enrolment(
        &self,
        party: &RelyingParty,
        permit: &Permit<BeginRegistration>,
    ) -> Result<(Value, BeginOutcome), Error> {
        let (user, account) = (&permit.member().user, permit.account());
        let method_type = permit.operation().method_type;
        let ttl = self.parts.enrollment_ttl;
        let handle = account.handle.unwrap_or_else(Uuid::new_v4);
        let person = Person {
            handle,
            name: &user.name,
            display_name: &user.display_name,
        };
        let enrolled = &account.authenticators;
        let started = party.start(method_type, &person, enrolled, browser_timeout(ttl))?;
        let enrolment = Enrolment {
            challenge: started.challenge,
            method_type,
            rp_id: party.id().to_owned(),
            session_key: user.session.key.clone(),
        };
        let outcome = self
            .store
            .begin(&user.id, account.version, handle, &enrolment, ttl)
            .await?;
        Ok((started.options, outcome))
    }

    /// Refuses to start an enrolment if the account has the maximum number of authenticators, because
    /// the store would refuse to complete it.
    fn check_limit(&self, account: &Account) -> Result<(), Error> {
        if account.authenticators.len() < self.parts.max_authenticators {
            return Ok(());
        }
        Err(self.limit_reached())
    }

    fn limit_reached(&self) -> Error {
        let limit = self.parts.max_authenticators;
        Error::LimitReached { limit }
    }

    /// Finishes an enrolment. It verifies the response once, has `trustAuthenticator` decided on the
    /// verified authenticator, and stores credential and codes in one step.
    ///
    /// # Errors
    /// In this order: the method type is not set up, the caller already has the credential, there is no
    /// pending enrolment, the response does not verify, the policies do not trust the authenticator, the
    /// credential belongs to another user, or the store fails.
    pub async fn complete(
        &self,
        gate: &Gate,
        permit: Permit<CompleteRegistration>,
        event: &mut RequestEvent,
    ) -> Result<BackupCodes, Error> {
        let party = self.party_for(&permit, permit.operation().method_type)?;
        let mut verified = None;
        let mut new_codes = None;
        let mut attempts = Attempts::new(gate, permit);
        loop {
            let permit = attempts.next(event).await?;
            self.refuse_own_credential(party, permit).await?;
            let pending = pending(party, permit)?;
            let authenticator = match &verified {
                Some(authenticator) => authenticator,
                None => verified.insert(self.verify(party, permit, pending).await?),
            };
            let trusted = self.trust(party, permit, authenticator, event).await?;
            let user = &permit.member().user.id;
            let change =
                AccountChange::of_authenticator(AccountChangeKind::Enrolled, user, authenticator);
            let step = self.store_trusted(&trusted, &mut new_codes);
            match event.attempt(change.clone(), step).await? {
                StoreTrustedOutcome::Stored(codes) => {
                    event.changed(change);
                    return Ok(codes);
                }
                StoreTrustedOutcome::Gone => {
                    return Err(self.already_consumed(party, permit).await);
                }
                StoreTrustedOutcome::Exists => {
                    let error = Error::CredentialExists;
                    return Err(self.consume_pending(party, permit, error).await);
                }
                StoreTrustedOutcome::LimitReached => return Err(self.limit_reached()),
                StoreTrustedOutcome::Stale => {}
            }
        }
    }

    /// Has the policies decide whether to trust the verified authenticator. If they refuse, the pending
    /// enrolment is consumed.
    async fn trust(
        &self,
        party: &RelyingParty,
        permit: &Permit<CompleteRegistration>,
        authenticator: &Authenticator,
        event: &mut RequestEvent,
    ) -> Result<Permit<TrustAuthenticator>, Error> {
        let trust = TrustAuthenticator {
            authenticator: authenticator.clone(),
            challenge: permit.operation().response.challenge().clone(),
        };
        match permit.confirm(trust, event) {
            Err(refused @ Error::Refused { .. }) => {
                let error = refused.forgetting(signal(party, permit));
                Err(self.consume_pending(party, permit, error).await)
            }
            other => other,
        }
    }

    /// Fails with [`Error::CredentialExists`] if the caller already has this credential, so that a retry
    /// after a lost response shows that the enrolment succeeded.
    async fn refuse_own_credential(
        &self,
        party: &RelyingParty,
        permit: &Permit<CompleteRegistration>,
    ) -> Result<(), Error> {
        let credential_id = permit.operation().response.credential_id();
        if !permit.account().holds(party.id(), credential_id) {
            return Ok(());
        }
        if pending(party, permit).is_ok() {
            let challenge = permit.operation().response.challenge();
            self.store
                .discard(&permit.member().user.id, challenge)
                .await?;
        }
        Err(Error::CredentialExists)
    }

    async fn verify(
        &self,
        party: &RelyingParty,
        permit: &Permit<CompleteRegistration>,
        pending: &Enrolment,
    ) -> Result<Authenticator, Error> {
        let operation = permit.operation();
        match party.finish(
            operation.method_type,
            &pending.challenge,
            &operation.response,
        ) {
            Ok(verified) => Ok(authenticator(party, permit, verified)),
            Err(fault) => {
                let error = Error::from(fault).forgetting(signal(party, permit));
                Err(self.consume_pending(party, permit, error).await)
            }
        }
    }

    /// Stores a trusted authenticator, with a new set of codes if the account has none left.
    async fn store_trusted(
        &self,
        permit: &Permit<TrustAuthenticator>,
        new_codes: &mut Option<NewCodes>,
    ) -> Result<StoreTrustedOutcome, Error> {
        let account = permit.account();
        if account.codes_remaining == 0 && new_codes.is_none() {
            *new_codes = Some(self.issue(permit.member()).await?);
        }
        let TrustAuthenticator {
            authenticator,
            challenge,
        } = permit.operation();
        let codes = new_codes.as_ref().map(|(_, set)| set);
        let user = &permit.member().user;
        let salt = account.codes.as_ref().map(|set| &set.salt.salt);
        let opened_by = salt.filter(|salt| {
            let code = user.session.code.as_ref();
            code.is_some_and(|code| code.set == CodeSetId::of(salt))
        });
        let completion = Completion {
            version: account.version,
            challenge,
            authenticator,
            codes,
            max_authenticators: self.parts.max_authenticators,
            opened_by,
        };
        let outcome = self.store.complete(&user.id, &completion).await?;
        Ok(match outcome {
            CompleteOutcome::Stored {
                codes_stored,
                remaining,
            } => {
                let shown = new_codes.take().filter(|_| codes_stored);
                let codes = shown.map_or_else(Vec::new, |(codes, _)| codes);
                StoreTrustedOutcome::Stored(BackupCodes { codes, remaining })
            }
            CompleteOutcome::Gone => StoreTrustedOutcome::Gone,
            CompleteOutcome::Exists => StoreTrustedOutcome::Exists,
            CompleteOutcome::LimitReached => StoreTrustedOutcome::LimitReached,
            CompleteOutcome::Stale => StoreTrustedOutcome::Stale,
        })
    }

    /// Removes the pending enrolment and returns `error`. Returns another error if a concurrent request
    /// removed it first, or if the store fails.
    async fn consume_pending(
        &self,
        party: &RelyingParty,
        permit: &Permit<CompleteRegistration>,
        error: Error,
    ) -> Error {
        let challenge = permit.operation().response.challenge();
        match self
            .store
            .discard(&permit.member().user.id, challenge)
            .await
        {
            Ok(true) => error,
            Ok(false) => self.already_consumed(party, permit).await,
            Err(error) => error.into(),
        }
    }

    /// Returns the error for a pending enrolment that was removed during this request. A concurrent request
    /// of the caller did it, and may have stored the credential.
    async fn already_consumed(
        &self,
        party: &RelyingParty,
        permit: &Permit<CompleteRegistration>,
    ) -> Error {
        let credential_id = permit.operation().response.credential_id();
        match self.store.read(&permit.member().user.id, None).await {
            Ok(account) if account.holds(party.id(), credential_id) => Error::CredentialExists,
            Ok(_) => not_found(party, permit),
            Err(error) => error.into(),
        }
    }
}

/// Returns the pending enrolment of the caller at this relying party, if it has the same method type.
fn pending<'a>(
    party: &RelyingParty,
    permit: &'a Permit<CompleteRegistration>,
) -> Result<&'a Enrolment, Error> {
    let method_type = permit.operation().method_type;
    let pending = permit.account().pending.as_ref();
    pending
        .filter(|pending| pending.method_type == method_type && pending.rp_id == party.id())
        .ok_or_else(|| not_found(party, permit))
}

fn not_found(party: &RelyingParty, permit: &Permit<CompleteRegistration>) -> Error {
    Error::NotFound(Missing::PendingEnrolment).forgetting(signal(party, permit))
}

fn signal(party: &RelyingParty, permit: &Permit<CompleteRegistration>) -> Signal {
    Signal {
        rp_id: party.id().to_owned(),
        credential_id: permit.operation().response.credential_id().to_string(),
    }
}

fn authenticator(
    party: &RelyingParty,
    permit: &Permit<CompleteRegistration>,
    verified: Verified,
) -> Authenticator {
    let operation = permit.operation();
    let method_type = operation.method_type;
    let device_name = display_name(
        &operation.device_name,
        Some(party),
        verified.claimed_model,
        method_type,
    );
    Authenticator {
        id: Uuid::new_v4(),
        method_type,
        device_name,
        rp_id: party.id().to_owned(),
        credential_id: verified.credential_id,
        proven_model: verified.proven_model,
        claimed_model: verified.claimed_model,
        claimed_transports: verified.claimed_transports,
        user_verified: verified.user_verified,
        backup_eligible: verified.backup_eligible,
        backed_up: verified.backed_up,
        sign_count: verified.sign_count,
        created_at: permit.member().now,
        last_used_at: None,
        trusted: permit.member().user.session.enrols_trusted(),
        credential: verified.credential,
    }
}
