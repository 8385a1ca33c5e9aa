//! Step-up: an authenticator is used, or a backup code, and a short-lived token says so (RFC 9470).

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::backup_codes::Code;
use super::body::{self, Unchecked};
use super::{Attempts, Mfa, begins_too_fast, browser_timeout};
use crate::authn;
use crate::authn::step_up::{Proof, StepUpIssuer};
use crate::error::{Error, Feature, Missing, Throttled};
use crate::event::{AccountChange, AccountChangeKind, RequestEvent};
use crate::gate::{Gate, Operation, Permit};
use crate::store::{
    Account, AllowCredentials, AuthenticateOutcome, Authentication, BeginOutcome, TryCodeOutcome,
    Use,
};
use crate::webauthn::{Asserted, Assertion, AssertionRequest, RelyingParty, counter_back};
use cedargate_core::{
    Authenticator, Bytes, CodeKind, CodeSetId, GateAction, Member, MethodType, Timestamp, User,
};
use cedargate_policy::Resource;

/// The body that starts a step-up; all of it may be left out.
#[derive(Deserialize, JsonSchema)]
pub struct BeginBody {
    /// Only authenticators of this type; all when it is left out.
    #[serde(default)]
    #[schemars(with = "MethodType", skip_serializing_if = "Unchecked::is_left_out")]
    method_type: Unchecked<MethodType>,
}

/// To start a step-up.
pub struct BeginAuthentication {
    /// Only authenticators of this type.
    pub(super) method_type: Option<MethodType>,
}

impl BeginAuthentication {
    /// Reads a [`BeginBody`]. Members that it does not have are ignored.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field that breaks a rule.
    pub fn parse(body: &Map<String, Value>) -> Result<Self, Error> {
        let body: BeginBody = body::read(body)?;
        let method_type = body.method_type.optional("method_type")?;
        Ok(Self { method_type })
    }
}

impl Operation for BeginAuthentication {
    const ACTION: GateAction = GateAction::BeginWebauthnAuthentication;

    fn resource<'a>(&'a self, member: &'a Member, _: &'a Account) -> Option<Resource<'a>> {
        Some(Resource::Account(&member.user.id))
    }
}

/// A started step-up.
#[derive(Debug, JsonSchema, Serialize)]
pub struct BegunStepUp {
    /// `PublicKeyCredentialRequestOptionsJSON`, for `parseRequestOptionsFromJSON`.
    #[schemars(with = "serde_json::Map<String, Value>")]
    pub options: Value,
    /// Until when it can be completed.
    pub expires_at: Timestamp,
}

/// The body that finishes a step-up.
#[derive(Deserialize, JsonSchema)]
pub struct AssertionBody {
    /// `AuthenticationResponseJSON`: what `PublicKeyCredential.toJSON()` gives.
    #[serde(default)]
    #[schemars(with = "Map<String, Value>")]
    credential: Unchecked<Assertion>,
}

/// To finish a step-up.
pub struct CompleteAuthentication {
    assertion: Assertion,
}

impl CompleteAuthentication {
    /// Reads an [`AssertionBody`]. Members that it does not have are ignored.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every field that breaks a rule.
    pub fn parse(body: &Map<String, Value>) -> Result<Self, Error> {
        let body: AssertionBody = body::read(body)?;
        let assertion = body.credential.only("credential")?;
        Ok(Self { assertion })
    }

    /// The authenticator that answers: that of the party where the step-up was begun, if that is
    /// known.
    fn authenticator<'a>(&self, account: &'a Account) -> Option<&'a Authenticator> {
        let begun_at = account.authentication.as_ref().map(|one| &one.rp_id);
        account.authenticators.iter().find(|one| {
            one.credential_id == *self.assertion.credential_id()
                && begun_at.is_none_or(|rp_id| one.rp_id == *rp_id)
        })
    }
}

impl Operation for CompleteAuthentication {
    const ACTION: GateAction = GateAction::CompleteWebauthnAuthentication;

    fn resource<'a>(&'a self, member: &'a Member, account: &'a Account) -> Option<Resource<'a>> {
        let one = self.authenticator(account)?;
        Some(Resource::Authenticator(&member.user.id, one))
    }

    fn challenge(&self) -> Option<&Bytes> {
        Some(self.assertion.challenge())
    }
}

/// The body that uses a backup code.
#[derive(Deserialize, JsonSchema)]
pub struct CodeBody {
    /// The code; case, spaces and hyphens do not matter.
    #[serde(default)]
    #[schemars(with = "String")]
    code: Unchecked<String>,
}

/// To use a backup code.
pub struct VerifyBackupCode {
    /// None when it cannot be one.
    code: Option<Code>,
}

impl VerifyBackupCode {
    /// Reads a [`CodeBody`]. Members that it does not have are ignored.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no text. A text that cannot be a code is answered as a
    /// wrong one is.
    pub fn parse(body: &Map<String, Value>) -> Result<Self, Error> {
        let body: CodeBody = body::read(body)?;
        let code = body.code.only("code")?;
        Ok(Self {
            code: Code::read(&code),
        })
    }
}

impl Operation for VerifyBackupCode {
    const ACTION: GateAction = GateAction::VerifyBackupCode;

    fn resource<'a>(&'a self, member: &'a Member, _: &'a Account) -> Option<Resource<'a>> {
        Some(Resource::Account(&member.user.id))
    }
}

/// A token that says what was proved (RFC 6749 §5.1).
// No `Debug`, so that no log can hold it. (What stands above is in the API description.)
#[derive(JsonSchema, Serialize)]
pub struct StepUpToken {
    /// To be sent in the place of the token that was presented, to the same API.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// For how many seconds it is good.
    pub expires_in: u64,
    /// The authentication context class, where an authenticator was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub acr: Option<&'static str>,
    /// Authentication methods (RFC 8176).
    pub amr: Vec<String>,
    /// How many backup codes work now, where one was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize")]
    pub remaining: Option<usize>,
}

impl Mfa {
    /// Starts a step-up.
    ///
    /// # Errors
    /// [`Error::NotSetUp`]; [`Error::NotFound`] without an authenticator that fits; [`Error::TooMany`];
    /// the store fails; or the policies refuse it when they are asked again.
    pub async fn begin_authentication(
        &self,
        gate: &Gate,
        permit: Permit<BeginAuthentication>,
        event: &mut RequestEvent,
    ) -> Result<BegunStepUp, Error> {
        self.step_up_issuer()?;
        let party = self.party(&permit)?;
        let ttl = self.parts.enrollment_ttl;
        let mut attempts = Attempts::new(gate, permit);
        loop {
            let permit = attempts.next(event).await?;
            let (user, account) = (&permit.member().user, permit.account());
            let allowed = allowed(party, permit);
            if allowed.is_empty() {
                return Err(Error::NotFound(Missing::FittingAuthenticator));
            }
            let started = party.start_authentication(&allowed, browser_timeout(ttl))?;
            let authentication = Authentication {
                challenge: started.challenge,
                rp_id: party.id().to_owned(),
                session: user.session.id.clone(),
                session_key: user.session.key.clone(),
                allow_credentials: AllowCredentials {
                    allowed: allowed.iter().map(|one| one.id).collect(),
                },
            };
            let step =
                self.store
                    .begin_authentication(&user.id, account.version, &authentication, ttl);
            match step.await? {
                BeginOutcome::Stored { expires_at } => {
                    return Ok(BegunStepUp {
                        options: started.options,
                        expires_at,
                    });
                }
                BeginOutcome::Stale => {}
                BeginOutcome::TooMany { retry_after } => return Err(begins_too_fast(retry_after)),
            }
        }
    }

    /// Finishes a step-up: the assertion is verified, the use stored in one step with the counter's
    /// comparison, and a token issued.
    ///
    /// # Errors
    /// Not set up, no pending step-up of this session, an assertion that does not verify, the store.
    pub async fn complete_authentication(
        &self,
        permit: &Permit<CompleteAuthentication>,
        event: &mut RequestEvent,
    ) -> Result<StepUpToken, Error> {
        let issuer = self.step_up_issuer()?;
        outlives(permit)?;
        let party = self.party(permit)?;
        let pending = pending(party, permit)?;
        let (member, account) = (permit.member(), permit.account());
        let CompleteAuthentication { assertion } = permit.operation();
        let one = permit
            .operation()
            .authenticator(account)
            .ok_or_else(not_pending)?;
        let request = AssertionRequest {
            challenge: &pending.challenge,
            allowed: &pending.allow_credentials.allowed,
        };
        let verified = party.finish_authentication(request, assertion, one, account.handle);
        let user = &member.user.id;
        let asserted = match verified {
            Ok(asserted) => asserted,
            Err(fault) => {
                if fault == counter_back() {
                    event.changed(AccountChange::of_authenticator(
                        AccountChangeKind::CounterBack,
                        user,
                        one,
                    ));
                }
                let is_used_up = self.store.discard(user, assertion.challenge()).await?;
                return Err(if is_used_up {
                    fault.into()
                } else {
                    not_pending()
                });
            }
        };
        let epoch = self.store_use(permit, one, asserted, event).await?;
        event.changed(AccountChange::of_authenticator(
            AccountChangeKind::Used,
            user,
            one,
        ));
        let proof = Proof::Assertion {
            proven_model: one.proven_model.is_some(),
            user_verified: asserted.user_verified,
            enrolled_at: one.created_at,
            trusted: one.trusted,
        };
        token(issuer, permit, proof, epoch, None)
    }

    /// Stores the use, and returns the epoch that the account had in that moment: a removal may have
    /// raised it since the account was read.
    async fn store_use(
        &self,
        permit: &Permit<CompleteAuthentication>,
        one: &Authenticator,
        asserted: Asserted,
        event: &mut RequestEvent,
    ) -> Result<u64, Error> {
        let member = permit.member();
        let made = Use {
            id: one.id,
            sign_count: asserted.sign_count,
            backed_up: asserted.backed_up,
            at: member.now,
        };
        let challenge = permit.operation().assertion.challenge();
        let user = &member.user.id;
        let change = AccountChange::of_authenticator(AccountChangeKind::Used, user, one);
        let step = self.store.authenticate(user, challenge, &made);
        match event.attempt(change, step).await? {
            AuthenticateOutcome::Stored { epoch } => Ok(epoch),
            AuthenticateOutcome::Gone | AuthenticateOutcome::NoAuthenticator => Err(not_pending()),
            AuthenticateOutcome::CounterBack => {
                event.changed(AccountChange::of_authenticator(
                    AccountChangeKind::CounterBack,
                    user,
                    one,
                ));
                Err(counter_back().into())
            }
        }
    }

    /// Uses a backup or recovery code.
    ///
    /// # Errors
    /// [`Error::WrongCode`], the same for every reason; [`Error::TooMany`]; not set up; the store.
    pub async fn verify_code(
        &self,
        gate: &Gate,
        permit: Permit<VerifyBackupCode>,
        event: &mut RequestEvent,
    ) -> Result<StepUpToken, Error> {
        let issuer = self.step_up_issuer()?;
        outlives(&permit)?;
        let mut attempts = Attempts::new(gate, permit);
        loop {
            let permit = attempts.next(event).await?;
            // Before it is hashed, which is slow on purpose; the store counts once more.
            let user = &permit.member().user;
            if let Some(retry_after) = permit.account().codes_retry_after {
                return Err(self.throttled(user, permit.member().now, retry_after, event));
            }
            let code = permit.operation().code.clone();
            // Answered as a wrong code is, and not counted: there is nothing that could be guessed.
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
                    return token(issuer, permit, proof, epoch, Some(remaining));
                }
                TryCodeOutcome::Wrong => {
                    event.changed(AccountChange::of_account(
                        AccountChangeKind::CodeWrong,
                        &user.id,
                    ));
                    return Err(Error::WrongCode);
                }
                TryCodeOutcome::TooMany { retry_after } => {
                    return Err(self.throttled(user, permit.member().now, retry_after, event));
                }
                TryCodeOutcome::OtherSet => {}
            }
        }
    }

    /// Notes once in a while that a session is throttled: a line for each request would let one session
    /// flood the audit stream.
    fn throttled(
        &self,
        user: &User,
        now: Timestamp,
        retry_after: Duration,
        event: &mut RequestEvent,
    ) -> Error {
        if self.throttled.is_first(&user.id, &user.session.key, now) {
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

/// The authenticators of the caller that can answer here and are of the wanted type.
fn allowed<'a>(
    party: &RelyingParty,
    permit: &'a Permit<BeginAuthentication>,
) -> Vec<&'a Authenticator> {
    let wanted = permit.operation().method_type;
    let held = permit.account().authenticators.iter();
    held.filter(|one| party.can_use(one))
        .filter(|one| wanted.is_none_or(|wanted| one.method_type == wanted))
        .collect()
}

/// Whether a step-up is of use: its token ends with the one that was presented, which may be in the
/// leeway after its end. Asked before anything is used up.
fn outlives<O>(permit: &Permit<O>) -> Result<(), Error> {
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

/// The pending step-up of this caller, session and relying party.
fn pending<'a>(
    party: &RelyingParty,
    permit: &'a Permit<CompleteAuthentication>,
) -> Result<&'a Authentication, Error> {
    let session = &permit.member().user.session.id;
    let pending = permit.account().authentication.as_ref();
    pending
        .filter(|it| it.rp_id == party.id() && it.session == *session)
        .ok_or_else(not_pending)
}

fn not_pending() -> Error {
    Error::NotFound(Missing::PendingStepUp)
}
