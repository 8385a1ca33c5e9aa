//! Enrolling an authenticator: begun, completed, and kept only when the policies trust it.

mod operations;

use uuid::Uuid;

use super::backup_codes::{BackupCodes, Fresh};
use super::{Attempts, Mfa, begins_too_fast, browser_timeout, name_or};
use crate::error::{Error, Missing, Signal};
use crate::event::{AccountChange, AccountChangeKind, RequestEvent};
use crate::gate::{Gate, Permit};
use crate::store::{Account, BeginOutcome, CompleteOutcome, Completion, Enrolment};
use crate::webauthn::{Person, RelyingParty, Verified};
use cedargate_core::{Authenticator, CodeSetId};

pub use operations::{
    Begin, BeginRegistration, CompleteBody, CompleteRegistration, TrustAuthenticator,
};

/// The outcome of [`Mfa::keep`].
enum KeepOutcome {
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
    /// [`Error::NotSetUp`] without a relying party; [`Error::LimitReached`]; [`Error::TooMany`]; the
    /// store fails; or the policies refuse it when they are asked again.
    pub async fn begin(
        &self,
        gate: &Gate,
        permit: Permit<BeginRegistration>,
        event: &mut RequestEvent,
    ) -> Result<Begin, Error> {
        let method_type = permit.operation().method_type;
        let party = self.party_for(&permit, method_type)?;
        let ttl = self.parts.enrollment_ttl;
        let mut attempts = Attempts::new(gate, permit);
        loop {
            let permit = attempts.next(event).await?;
            let (user, account) = (&permit.member().user, permit.account());
            self.refuse_one_more(account)?;
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
            let step = self
                .store
                .begin(&user.id, account.version, handle, &enrolment, ttl);
            match step.await? {
                BeginOutcome::Stored { expires_at } => {
                    return Ok(Begin {
                        options: started.options,
                        method_type,
                        expires_at,
                    });
                }
                BeginOutcome::Stale => {}
                BeginOutcome::TooMany { retry_after } => return Err(begins_too_fast(retry_after)),
            }
        }
    }

    /// 409 where the account has as many authenticators as it may have: the store would refuse one
    /// more when the ceremony is over.
    fn refuse_one_more(&self, account: &Account) -> Result<(), Error> {
        if account.authenticators.len() < self.parts.max_authenticators {
            return Ok(());
        }
        Err(self.limit_reached())
    }

    fn limit_reached(&self) -> Error {
        let limit = self.parts.max_authenticators;
        Error::LimitReached { limit }
    }

    /// Finishes an enrolment: the ceremony is verified once, `trustAuthenticator` is decided on
    /// what was verified, and credential and codes are stored in one step.
    ///
    /// # Errors
    /// As `http-api` orders them: not set up, the caller's own credential, no pending enrolment, a
    /// response that does not verify, not trusted, another user's credential, the store.
    pub async fn complete(
        &self,
        gate: &Gate,
        permit: Permit<CompleteRegistration>,
        event: &mut RequestEvent,
    ) -> Result<BackupCodes, Error> {
        let party = self.party_for(&permit, permit.operation().method_type)?;
        let mut verified = None;
        let mut fresh = None;
        let mut attempts = Attempts::new(gate, permit);
        loop {
            let permit = attempts.next(event).await?;
            self.refuse_own(party, permit).await?;
            let pending = pending(party, permit)?;
            let authenticator = match &verified {
                Some(authenticator) => authenticator,
                None => verified.insert(self.verify(party, permit, pending).await?),
            };
            let trusted = self.trust(party, permit, authenticator, event).await?;
            let user = &permit.member().user.id;
            let change =
                AccountChange::of_authenticator(AccountChangeKind::Enrolled, user, authenticator);
            let step = self.keep(&trusted, &mut fresh);
            match event.attempt(change.clone(), step).await? {
                KeepOutcome::Stored(codes) => {
                    event.changed(change);
                    return Ok(codes);
                }
                KeepOutcome::Gone => return Err(self.gone(party, permit).await),
                KeepOutcome::Exists => {
                    return Err(self.use_up(party, permit, Error::CredentialExists).await);
                }
                KeepOutcome::LimitReached => return Err(self.limit_reached()),
                KeepOutcome::Stale => {}
            }
        }
    }

    /// Asks the policies whether to keep what was verified. A refusal uses up the enrolment.
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
                let answer = refused.forgetting(signal(party, permit));
                Err(self.use_up(party, permit, answer).await)
            }
            other => other,
        }
    }

    /// 409 for a credential that the caller has, whatever its challenge: so that nothing that was
    /// stored looks lost after an answer was.
    async fn refuse_own(
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
                let answer = Error::from(fault).forgetting(signal(party, permit));
                Err(self.use_up(party, permit, answer).await)
            }
        }
    }

    /// Stores a trusted authenticator, and a set of codes if none are left.
    async fn keep(
        &self,
        permit: &Permit<TrustAuthenticator>,
        fresh: &mut Option<Fresh>,
    ) -> Result<KeepOutcome, Error> {
        let account = permit.account();
        if account.codes_remaining == 0 && fresh.is_none() {
            *fresh = Some(self.issue(permit.member()).await?);
        }
        let TrustAuthenticator {
            authenticator,
            challenge,
        } = permit.operation();
        let codes = fresh.as_ref().map(|(_, set)| set);
        let user = &permit.member().user;
        let opened_by = account.codes.as_ref().map(|set| &set.salt.salt);
        let opened_by = opened_by.filter(|salt| {
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
        let committed = self.store.complete(&user.id, &completion).await?;
        Ok(match committed {
            CompleteOutcome::Stored {
                codes_stored,
                remaining,
            } => {
                let codes = fresh
                    .take()
                    .filter(|_| codes_stored)
                    .map_or_else(Vec::new, |it| it.0);
                KeepOutcome::Stored(BackupCodes { codes, remaining })
            }
            CompleteOutcome::Gone => KeepOutcome::Gone,
            CompleteOutcome::Exists => KeepOutcome::Exists,
            CompleteOutcome::LimitReached => KeepOutcome::LimitReached,
            CompleteOutcome::Stale => KeepOutcome::Stale,
        })
    }

    /// Uses up the pending enrolment and gives `answer`; another answer when it was used up in the
    /// meantime, or the store did not do it.
    async fn use_up(
        &self,
        party: &RelyingParty,
        permit: &Permit<CompleteRegistration>,
        answer: Error,
    ) -> Error {
        let challenge = permit.operation().response.challenge();
        match self
            .store
            .discard(&permit.member().user.id, challenge)
            .await
        {
            Ok(true) => answer,
            Ok(false) => self.gone(party, permit).await,
            Err(error) => error.into(),
        }
    }

    /// The pending enrolment went while it was worked on: by the caller's own other request, which
    /// may have stored this very credential.
    async fn gone(&self, party: &RelyingParty, permit: &Permit<CompleteRegistration>) -> Error {
        let credential_id = permit.operation().response.credential_id();
        match self.store.read(&permit.member().user.id, None).await {
            Ok(account) if account.holds(party.id(), credential_id) => Error::CredentialExists,
            Ok(_) => not_found(party, permit),
            Err(error) => error.into(),
        }
    }
}

/// The pending enrolment of this caller, method type and relying party.
fn pending<'a>(
    party: &RelyingParty,
    permit: &'a Permit<CompleteRegistration>,
) -> Result<&'a Enrolment, Error> {
    let method_type = permit.operation().method_type;
    let pending = permit.account().pending.as_ref();
    pending
        .filter(|it| it.method_type == method_type && it.rp_id == party.id())
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
    let device_name = name_or(
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
