//! The gate: it asks the policies about each operation and turns the decision into a [`Permit`] or an
//! error.
//!
//! A permit can only be made here, and each operation on an account takes one. So an operation cannot run
//! without a decision that allows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;

use crate::authn;
use crate::error::{Error, Missing};
use crate::event::{DecisionEntry, RequestEvent};
use crate::store::{Account, Store};
use crate::webauthn::RelyingParties;
use cedargate_core::{
    Bytes, CodeSetId, Confirmer, Decision, Effect, GateAction, Means, Member, MethodType, Session,
    Timestamp, Visitor,
};
use cedargate_policy::{AuthorizationRequest, Bundle, Caller, PolicyEntry, Resource};

/// A protected operation that a member can ask for.
pub trait Operation {
    /// The action that the policies decide on.
    const ACTION: GateAction;

    /// Returns the method type to enroll, for the actions in the group `enroll`.
    fn method_type(&self) -> Option<MethodType> {
        None
    }

    /// Returns the resource that the operation acts on. `None` if the caller has no such resource: the
    /// request is then decided as the action `unknown`.
    fn resource<'a>(&'a self, member: &'a Member, account: &'a Account) -> Option<Resource<'a>>;

    /// Returns the challenge whose pending ceremony is read together with the account.
    fn challenge(&self) -> Option<&Bytes> {
        None
    }

    /// Returns true if the account shows that this operation has been done already.
    ///
    /// An enrolment with a recovery code replaces the code set, which ends the step-up token that was
    /// made with it. A retry after a lost response still has that token, and must learn that the
    /// enrolment succeeded. So the token is accepted for a repetition.
    fn is_repetition(&self, _: &Account) -> bool {
        false
    }
}

/// The facts of a decision. The operation that it permits uses the same facts.
struct Facts {
    member: Member,
    account: Account,
    means: Means,
    in_force: Arc<InForce>,
}

/// The permission of the policies to do one operation, with the facts that they decided on.
pub struct Permit<O> {
    operation: O,
    facts: Arc<Facts>,
}

impl<O> Permit<O> {
    /// Returns the permitted operation.
    pub fn operation(&self) -> &O {
        &self.operation
    }

    /// Returns the caller.
    pub fn member(&self) -> &Member {
        &self.facts.member
    }

    /// Returns the caller's own account, as it was when the decision was made.
    pub fn account(&self) -> &Account {
        &self.facts.account
    }

    /// Returns the names of the claims that the site schema declares.
    pub fn declared_claims(&self) -> impl Iterator<Item = &str> {
        self.facts.in_force.bundle.declared_claims()
    }

    /// Decides a further operation of the same request, with the same bundle, facts and time.
    ///
    /// # Errors
    /// The policies do not permit it.
    pub fn confirm<P: Operation>(
        &self,
        operation: P,
        event: &mut RequestEvent,
    ) -> Result<Permit<P>, Error> {
        admit(operation, Arc::clone(&self.facts), event)
    }
}

/// A bundle in force, with the time at which it was loaded and a count of decisions for each policy.
pub struct InForce {
    bundle: Bundle,
    /// [`Bundle::revision`], shared with the events of requests.
    revision: Arc<str>,
    since: Timestamp,
    /// The number of decisions that each policy determined, in the order of [`Bundle::entries`].
    determined: Box<[AtomicU64]>,
}

impl InForce {
    pub fn new(bundle: Bundle, since: Timestamp) -> Self {
        let determined = bundle.entries().iter().map(|_| AtomicU64::new(0));
        Self {
            determined: determined.collect(),
            revision: bundle.revision().into(),
            bundle,
            since,
        }
    }

    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Returns the time at which the bundle was loaded.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Returns each policy with the number of decisions that it determined since it was loaded.
    pub fn determined(&self) -> impl Iterator<Item = (&PolicyEntry, u64)> {
        let counts = self
            .determined
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        self.bundle.entries().iter().zip(counts)
    }

    fn count(&self, decision: &Decision) {
        for id in &decision.policies {
            let entries = self.bundle.entries();
            if let Ok(at) = entries.binary_search_by(|entry| entry.id.cmp(id)) {
                self.determined[at].fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Decides requests with the policies in force, on facts from the store.
pub struct Gate {
    /// Loaded once for each request, so that a reload does not change the policies of a running request.
    in_force: ArcSwap<InForce>,
    store: Arc<Store>,
    /// The relying parties where authenticators confirm sessions. `None` if step-ups are not set up.
    parties: Option<Arc<RelyingParties>>,
}

impl Gate {
    /// Makes a gate. It offers step-ups at `parties`, or none if `parties` is `None`.
    pub fn new(in_force: InForce, store: Arc<Store>, parties: Option<Arc<RelyingParties>>) -> Self {
        Self {
            in_force: ArcSwap::from_pointee(in_force),
            store,
            parties,
        }
    }

    pub fn in_force(&self) -> Arc<InForce> {
        self.in_force.load_full()
    }

    /// Puts other policies in force, in one step. Requests that have loaded the old ones keep them.
    pub fn replace(&self, in_force: Arc<InForce>) {
        self.in_force.store(in_force);
    }

    /// Decides a protected operation.
    ///
    /// # Errors
    /// The policies do not permit it, the step-up that issued the token has ended, or the store cannot
    /// be read.
    pub async fn admit<O: Operation>(
        &self,
        member: Member,
        operation: O,
        event: &mut RequestEvent,
    ) -> Result<Permit<O>, Error> {
        let facts = self.facts(member, self.in_force(), &operation).await?;
        admit(operation, facts, event)
    }

    /// Decides again, because the account has changed since the permit was made.
    ///
    /// # Errors
    /// The errors of [`Gate::admit`].
    pub async fn readmit<O: Operation>(
        &self,
        permit: Permit<O>,
        event: &mut RequestEvent,
    ) -> Result<Permit<O>, Error> {
        let Permit { operation, facts } = permit;
        let (member, in_force) = (facts.member.clone(), Arc::clone(&facts.in_force));
        let facts = self.facts(member, in_force, &operation).await?;
        event.withdraw_notices();
        admit(operation, facts, event)
    }

    async fn facts(
        &self,
        member: Member,
        in_force: Arc<InForce>,
        operation: &impl Operation,
    ) -> Result<Arc<Facts>, Error> {
        let challenge = operation.challenge();
        let session = &member.user.session;
        let account = self
            .store
            .read_in(&session.key, &member.user.id, challenge)
            .await?;
        refuse_ended_step_up(session, &account, operation)?;
        let means = self.means(&member, &account);
        Ok(Arc::new(Facts {
            member,
            account,
            means,
            in_force,
        }))
    }

    /// Returns the means with which the caller can step up.
    fn means(&self, member: &Member, account: &Account) -> Means {
        let codes = account.codes.as_ref().filter(|_| self.parties.is_some());
        let party = self.parties.as_ref();
        let party = party.and_then(|parties| parties.for_tenant(member.user.id.tenant));
        let usable = account
            .authenticators
            .iter()
            .filter(|authenticator| party.is_some_and(|party| party.can_use(authenticator)));
        let confirmers = usable.map(|authenticator| Confirmer {
            method_type: authenticator.method_type,
            trusted: authenticator.trusted,
            age: member.now.since(authenticator.created_at).as_secs(),
        });
        Means {
            authenticators: confirmers.collect(),
            backup_code: codes.is_some() && account.codes_remaining > 0,
            recovery_code: codes
                .and_then(|codes| codes.expires_at)
                .is_some_and(|expires_at| member.now < expires_at),
        }
    }

    /// Decides a public operation. It does not read the store.
    ///
    /// # Errors
    /// The policies do not permit it.
    pub fn admit_visitor(
        &self,
        visitor: &Visitor,
        action: GateAction,
        event: &mut RequestEvent,
    ) -> Result<(), Error> {
        let request = AuthorizationRequest {
            caller: Caller::Visitor(visitor.user.as_ref()),
            action: action.into(),
            resource: Resource::Route(visitor.route),
            address: visitor.address,
            now: visitor.now,
        };
        into_result(decide(&self.in_force.load(), &request, event))
    }

    /// Decides a request as the action `unknown`: it has no route, or no token where its route needs one.
    /// The decision is logged and does not change the answer.
    pub fn decide_unknown(&self, visitor: &Visitor, event: &mut RequestEvent) {
        let _ = self.admit_visitor(visitor, GateAction::Unknown, event);
    }
}

/// Refuses a step-up token whose step-up has ended. A removed authenticator and a reset end every step-up
/// of the account. A replaced code set ends the step-ups that were made with its codes.
fn refuse_ended_step_up(
    session: &Session,
    account: &Account,
    operation: &impl Operation,
) -> Result<(), authn::Error> {
    if session.epoch.is_some_and(|epoch| epoch != account.epoch) {
        let why = "an authenticator was removed since this step-up";
        return Err(authn::Error::InvalidToken(why));
    }
    let Some(code) = &session.code else {
        return Ok(());
    };
    let is_same_set = |salt: &Bytes| CodeSetId::of(salt) == code.set;
    if account
        .codes
        .as_ref()
        .is_some_and(|set| is_same_set(&set.salt.salt))
    {
        return Ok(());
    }
    let replaced = account.replaced_salt.as_ref().is_some_and(is_same_set);
    if replaced && operation.is_repetition(account) {
        return Ok(());
    }
    let why = "the codes that this step-up was made with were replaced or removed";
    Err(authn::Error::InvalidToken(why))
}

fn admit<O: Operation>(
    operation: O,
    facts: Arc<Facts>,
    event: &mut RequestEvent,
) -> Result<Permit<O>, Error> {
    let Facts {
        member,
        account,
        means,
        in_force,
    } = &*facts;
    let factors = account.factors();
    let resource = operation.resource(member, account);
    let mut request = AuthorizationRequest {
        caller: Caller::Visitor(Some(&member.user)),
        action: GateAction::Unknown.into(),
        resource: Resource::Route(member.route),
        address: member.address,
        now: member.now,
    };
    let Some(resource) = resource else {
        decide(in_force, &request, event);
        return Err(Error::NotFound(Missing::Authenticator));
    };
    request.resource = resource;
    request.action = O::ACTION.into();
    request.caller = Caller::Member {
        user: &member.user,
        tenant: member.tenant,
        factors: &factors,
        means,
        method_type: operation.method_type(),
    };
    into_result(decide(in_force, &request, event))?;
    Ok(Permit { operation, facts })
}

fn decide(
    in_force: &InForce,
    request: &AuthorizationRequest<'_>,
    event: &mut RequestEvent,
) -> Effect {
    let bundle = &in_force.bundle;
    let started = Instant::now();
    let (decision, input) = if event.wants_input() {
        let (decision, input) = bundle.decide_with_input(request);
        (decision, Some(input))
    } else {
        (bundle.decide(request), None)
    };
    in_force.count(&decision);
    let effect = decision.effect.clone();
    event.decided(DecisionEntry {
        action: request.action.clone(),
        resource: request.resource_uid(),
        decision,
        revision: Arc::clone(&in_force.revision),
        duration: started.elapsed(),
        input,
    });
    effect
}

fn into_result(effect: Effect) -> Result<(), Error> {
    match effect {
        Effect::Allow => Ok(()),
        Effect::Deny(code) => Err(Error::Refused { code }),
        Effect::StepUp(step_up) => Err(Error::StepUp(step_up)),
        Effect::RecoveryRequired(left) => Err(Error::RecoveryRequired(left)),
        Effect::Failed => Err(Error::Policy),
    }
}
