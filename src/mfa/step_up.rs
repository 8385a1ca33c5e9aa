//! Step-ups: an authenticator or a code confirms the session, and a short-lived token proves it (RFC 9470).

mod operations;

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{Attempts, Mfa, browser_timeout, too_many_ceremonies};
use crate::authn;
use crate::authn::step_up::{Proof, StepUpIssuer};
use crate::error::{Error, Feature, Missing, Throttled};
use crate::event::{AccountChange, AccountChangeKind, RequestEvent};
use crate::gate::{Gate, Permit};
use crate::store::{
    AllowCredentials, AuthenticateOutcome, Authentication, BeginOutcome, TryCodeOutcome, Use,
};
use crate::webauthn::{Asserted, AssertionRequest, RelyingParty, counter_back};
use cedargate_core::{Authenticator, CodeKind, CodeSetId, Member, Timestamp, User};

pub use operations::{
    AssertionBody, BeginAuthentication, BeginBody, BegunStepUp, CodeBody, CompleteAuthentication,
    VerifyBackupCode,
};

/// A step-up token (RFC 6749 §5.1).
// No `Debug`, so that no log can contain it. The doc comment is part of the API description.
#[derive(JsonSchema, Serialize)]
pub struct StepUpToken {
    /// The token. The client sends it to this API instead of the token that it presented.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// The lifetime of the token in seconds.
    pub expires_in: u64,
    /// The authentication context class, if an authenticator was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub acr: Option<&'static str>,
    /// The authentication methods (RFC 8176).
    pub amr: Vec<String>,
    /// The number of backup codes that still work, if one was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize")]
    pub remaining: Option<usize>,
}

/// A code that was accepted.
struct UsedCode {
    proof: Proof,
    /// The epoch of the account when the code was used.
    epoch: u64,
    /// The number of codes that still work.
    remaining: usize,
}

impl Mfa {
    /// Starts a step-up.
    ///
    /// # Errors
    /// [`Error::NotSetUp`]; [`Error::NotFound`] without an authenticator that can be used;
    /// [`Error::TooMany`]; the store fails; or the policies refuse a further attempt.
    pub async fn begin_authentication(
        &self,
        gate: &Gate,
        permit: Permit<BeginAuthentication>,
        event: &mut RequestEvent,
    ) -> Result<BegunStepUp, Error> {
        self.step_up_issuer()?;
        let party = self.party(&permit)?;
        let mut attempts = Attempts::new(gate, permit);
        loop {
            let permit = attempts.next(event).await?;
            let (options, outcome) = self.store_authentication(party, permit).await?;
            match outcome {
                BeginOutcome::Stored { expires_at } => {
                    return Ok(BegunStepUp {
                        options,
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

    /// Makes the options for the browser, and stores the pending step-up.
    async fn store_authentication(
        &self,
        party: &RelyingParty,
        permit: &Permit<BeginAuthentication>,
    ) -> Result<(Value, BeginOutcome), Error> {
        let (user, account) = (&permit.member().user, permit.account());
        let allowed = allowed(party, permit);
        if allowed.is_empty() {
            return Err(Error::NotFound(Missing::FittingAuthenticator));
        }
        let ttl = self.parts.enrollment_ttl;
        let started = party.start_authentication(&allowed, browser_timeout(ttl))?;
        let authentication = Authentication {
            challenge: started.challenge,
            rp_id: party.id().to_owned(),
            session: user.session.id.clone(),
            session_key: user.session.key.clone(),
            allow_credentials: AllowCredentials {
                allowed: allowed.iter().map(|it| it.id).collect(),
            },
        };
        let outcome = self
            .store
            .begin_authentication(&user.id, account.version, &authentication, ttl)
            .await?;
        Ok((started.options, outcome))
    }

    /// Finishes a step-up. It verifies the assertion, stores the use if the signature counter is still
    /// higher than the stored one, and issues a token.
    ///
    /// # Errors
    /// Step-ups are not set up, the session has no pending step-up, the assertion does not verify, or the
    /// store fails.
    pub async fn complete_authentication(
        &self,
        permit: &Permit<CompleteAuthentication>,
        event: &mut RequestEvent,
    ) -> Result<StepUpToken, Error> {
        let issuer = self.step_up_issuer()?;
        check_remaining_lifetime(permit)?;
        let party = self.party(permit)?;
        let pending = pending(party, permit)?;
        let authenticator = permit
            .operation()
            .authenticator(permit.account())
            .ok_or_else(not_pending)?;
        let asserted = self
            .verify_assertion(party, permit, (pending, authenticator), event)
            .await?;
        let epoch = self
            .store_use(permit, authenticator, asserted, event)
            .await?;
        let user = &permit.member().user.id;
        let change = AccountChange::of_authenticator(AccountChangeKind::Used, user, authenticator);
        event.changed(change);
        let proof = Proof::Assertion {
            proven_model: authenticator.proven_model.is_some(),
            user_verified: asserted.user_verified,
            enrolled_at: authenticator.created_at,
            trusted: authenticator.trusted,
        };
        token(issuer, permit, proof, epoch, None)
    }

    /// Verifies the assertion of a pending step-up. If it does not verify, the pending step-up is removed.
    async fn verify_assertion(
        &self,
        party: &RelyingParty,
        permit: &Permit<CompleteAuthentication>,
        (pending, authenticator): (&Authentication, &Authenticator),
        event: &mut RequestEvent,
    ) -> Result<Asserted, Error> {
        let CompleteAuthentication { assertion } = permit.operation();
        let request = AssertionRequest {
            challenge: &pending.challenge,
            allowed: &pending.allow_credentials.allowed,
        };
        let handle = permit.account().handle;
        let fault = match party.finish_authentication(request, assertion, authenticator, handle) {
            Ok(asserted) => return Ok(asserted),
            Err(fault) => fault,
        };
        let user = &permit.member().user.id;
        if fault == counter_back() {
            let kind = AccountChangeKind::CounterBack;
            event.changed(AccountChange::of_authenticator(kind, user, authenticator));
        }
        if self.store.discard(user, assertion.challenge()).await? {
            Err(fault.into())
        } else {
            Err(not_pending())
        }
    }

    /// Stores the use of an authenticator. Returns the epoch that the account has then: the removal of
    /// another authenticator may have raised it since the account was read.
    async fn store_use(
        &self,
        permit: &Permit<CompleteAuthentication>,
        authenticator: &Authenticator,
        asserted: Asserted,
        event: &mut RequestEvent,
    ) -> Result<u64, Error> {
        let member = permit.member();
        let authenticator_use = Use {
            id: authenticator.id,
            sign_count: asserted.sign_count,
            backed_up: asserted.backed_up,
            at: member.now,
        };
        let challenge = permit.operation().assertion.challenge();
        let user = &member.user.id;
        let change = AccountChange::of_authenticator(AccountChangeKind::Used, user, authenticator);
        let step = self.store.authenticate(user, challenge, &authenticator_use);
        match event.attempt(change, step).await? {
            AuthenticateOutcome::Stored { epoch } => Ok(epoch),
            AuthenticateOutcome::Gone | AuthenticateOutcome::NoAuthenticator => Err(not_pending()),
            AuthenticateOutcome::CounterBack => {
                event.changed(AccountChange::of_authenticator(
                    AccountChangeKind::CounterBack,
                    user,
                    authenticator,
                ));
                Err(counter_back().into())
            }
        }
    }

    /// Uses a backup or recovery code.
    ///
    /// # Errors
    /// [`Error::WrongCode`] for every code that does not work; [`Error::TooMany`] after too many wrong
    /// codes; step-ups are not set up; the policies refuse a further attempt; or the store fails.
    pub async fn verify_code(
        &self,
        gate: &Gate,
        permit: Permit<VerifyBackupCode>,
        event: &mut RequestEvent,
    ) -> Result<StepUpToken, Error> {
        let issuer = self.step_up_issuer()?;
        check_remaining_lifetime(&permit)?;
        let mut attempts = Attempts::new(gate, permit);
        loop {
            let permit = attempts.next(event).await?;
            if let Some(used) = self.try_code(permit, event).await? {
                return token(issuer, permit, used.proof, used.epoch, Some(used.remaining));
            }
        }
    }

    /// Tries the code on the code set of the account. Returns `None` if the set was replaced since the
    /// account was read.
    async fn try_code(
        &self,
        permit: &Permit<VerifyBackupCode>,
        event: &mut RequestEvent,
    ) -> Result<Option<UsedCode>, Error> {
        let user = &permit.member().user;
        // Checked before the code is hashed, which is slow on purpose. The store checks it again.
        if let Some(retry_after) = permit.account().codes_retry_after {
            return Err(self.throttled(user, permit.member().now, retry_after, event));
        }
        let code = permit.operation().code.clone();
        // Answered like a wrong code, and not counted, because no code can be guessed in this way.
        let (Some(code), Some(set)) = (code, &permit.account().codes) else {
            return Err(Error::WrongCode);
        };
        let salt = &set.salt;
        let hash = self.hash(permit.member(), code, salt).await?;
        let hash = hash.ok_or(Error::WrongCode)?;
        let kind = match set.kind {
            CodeKind::Backup => AccountChangeKind::CodeUsed,
            CodeKind::Recovery => AccountChangeKind::RecoveryCodeUsed,
        };
        let change = AccountChange::of_account(kind, &user.id);
        let session = &user.session.key;
        let step = self.store.try_code(session, &user.id, &salt.salt, &hash);
        match event.attempt(change.clone(), step).await? {
            TryCodeOutcome::Used { remaining, epoch } => {
                event.changed(change);
                let proof = Proof::Code {
                    set: CodeSetId::of(&salt.salt),
                    kind: set.kind,
                };
                Ok(Some(UsedCode {
                    proof,
                    epoch,
                    remaining,
                }))
            }
            TryCodeOutcome::Wrong => {
                let kind = AccountChangeKind::CodeWrong;
                event.changed(AccountChange::of_account(kind, &user.id));
                Err(Error::WrongCode)
            }
            TryCodeOutcome::TooMany { retry_after } => {
                Err(self.throttled(user, permit.member().now, retry_after, event))
            }
            TryCodeOutcome::OtherSet => Ok(None),
        }
    }

    /// Returns the error for a throttled session. The event has the change once in a window only, so that
    /// a session cannot flood the audit stream.
    fn throttled(
        &self,
        user: &User,
        now: Timestamp,
        retry_after: Duration,
        event: &mut RequestEvent,
    ) -> Error {
        if self.reported.is_first(&user.id, &user.session.key, now) {
            event.changed(AccountChange::of_account(
                AccountChangeKind::CodesThrottled,
                &user.id,
            ));
        }
        Error::TooMany {
            what: Throttled::Codes,
            retry_after,
        }
    }

    fn step_up_issuer(&self) -> Result<&Arc<StepUpIssuer>, Error> {
        let issuer = self.parts.step_up.as_ref();
        issuer.ok_or(Error::NotSetUp(Feature::StepUps))
    }
}

/// Lists the caller's authenticators that can be used at this relying party and have the wanted type.
fn allowed<'a>(
    party: &RelyingParty,
    permit: &'a Permit<BeginAuthentication>,
) -> Vec<&'a Authenticator> {
    let wanted = permit.operation().method_type;
    let authenticators = permit.account().authenticators.iter();
    authenticators
        .filter(|it| party.can_use(it))
        .filter(|it| wanted.is_none_or(|wanted| it.method_type == wanted))
        .collect()
}

/// Refuses a step-up whose token would be expired. The step-up token expires with the presented token,
/// which is accepted for a leeway after its end. Checked before an assertion or a code is used up.
fn check_remaining_lifetime<O>(permit: &Permit<O>) -> Result<(), Error> {
    let Member { user, now, .. } = permit.member();
    if user.session.expires_at.since(*now) < Duration::from_secs(1) {
        return Err(authn::Error::InvalidToken("the token has expired").into());
    }
    Ok(())
}

fn token<O>(
    issuer: &StepUpIssuer,
    permit: &Permit<O>,
    proof: Proof,
    epoch: u64,
    remaining: Option<usize>,
) -> Result<StepUpToken, Error> {
    let member = permit.member();
    let declared = permit.declared_claims();
    let issued = issuer.issue(&member.user, proof, epoch, declared, member.now)?;
    Ok(StepUpToken {
        access_token: issued.token,
        token_type: "Bearer",
        expires_in: issued.expires_in,
        acr: issued.acr,
        amr: issued.amr,
        remaining,
    })
}

/// Returns the pending step-up of the caller's session at this relying party.
fn pending<'a>(
    party: &RelyingParty,
    permit: &'a Permit<CompleteAuthentication>,
) -> Result<&'a Authentication, Error> {
    let session = &permit.member().user.session.id;
    let pending = permit.account().authentication.as_ref();
    pending
        .filter(|pending| pending.rp_id == party.id() && pending.session == *session)
        .ok_or_else(not_pending)
}

fn not_pending() -> Error {
    Error::NotFound(Missing::PendingStepUp)
}
