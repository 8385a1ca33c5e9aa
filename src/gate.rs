//! The only place that reads a decision. What is permitted is a [`Permit`], and what changes
//! anything takes one: there is no other way to make it.

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

/// Something protected that a member may ask for.
pub trait Operation {
    /// What the policies are asked.
    const ACTION: GateAction;

    /// The method type in question, for the actions of `enroll`.
    fn method_type(&self) -> Option<MethodType> {
        None
    }

    /// What it acts on; none when that is not the caller's, which is decided as `unknown`.
    fn resource<'a>(&'a self, member: &'a Member, account: &'a Account) -> Option<Resource<'a>>;

    /// The challenge whose pending enrolment is read together with the account.
    fn challenge(&self) -> Option<&Bytes> {
        None
    }

    /// Returns true if it repeats what the account shows to be done already. Only then is a token good
    /// whose code set the enrolment in question has replaced: a retry after a lost answer must learn
    /// that the enrolment succeeded.
    fn is_repetition(&self, _: &Account) -> bool {
        false
    }
}

/// What one decision was made on: all that is done by its permit is done on the same.
struct Facts {
    member: Member,
    account: Account,
    means: Means,
    in_force: Arc<InForce>,
}

/// The policies' permission to do one operation on the facts that they saw.
pub struct Permit<O> {
    operation: O,
    facts: Arc<Facts>,
}

impl<O> Permit<O> {
    /// What is permitted.
    pub fn operation(&self) -> &O {
        &self.operation
    }

    /// Who asked.
    pub fn member(&self) -> &Member {
        &self.facts.member
    }

    /// The account that was decided on: the caller's own.
    pub fn account(&self) -> &Account {
        &self.facts.account
    }

    /// The claims that the policies in force may ask for.
    pub fn declared_claims(&self) -> impl Iterator<Item = &str> {
        self.facts.in_force.bundle.declared_claims()
    }

    /// Asks for a further operation, in the same request: the same bundle, facts and moment.
    pub fn confirm<P: Operation>(
        &self,
        operation: P,
        event: &mut RequestEvent,
    ) -> Result<Permit<P>, Error> {
        admit(operation, Arc::clone(&self.facts), event)
    }
}

/// A bundle that decides, since when, and how often each of its policies determined a decision.
pub struct InForce {
    bundle: Bundle,
    /// [`Bundle::revision`], shared with the events of requests.
    revision: Arc<str>,
    since: Timestamp,
    /// Of each policy, in the order of [`Bundle::entries`].
    determined: Box<[AtomicU64]>,
}

impl InForce {
    /// A bundle that has decided nothing yet, loaded at this moment.
    pub fn new(bundle: Bundle, since: Timestamp) -> Self {
        let determined = bundle.entries().iter().map(|_| AtomicU64::new(0));
        Self {
            determined: determined.collect(),
            revision: bundle.revision().into(),
            bundle,
            since,
        }
    }

    /// The bundle.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// When it was loaded.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Its policies, each with how many decisions it determined since then.
    pub fn determined(&self) -> impl Iterator<Item = (&PolicyEntry, u64)> {
        let counts = self.determined.iter().map(|it| it.load(Ordering::Relaxed));
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

/// Decides requests: the policies in force, and the store that their facts come from.
pub struct Gate {
    /// Read once for each request, which then keeps what it read.
    in_force: ArcSwap<InForce>,
    store: Arc<Store>,
    /// Where authenticators confirm sessions; none: step-ups are not set up.
    parties: Option<Arc<RelyingParties>>,
}

impl Gate {
    /// A gate that asks these policies. It offers step-ups at `parties`; none: step-ups are not set up.
    pub fn new(in_force: InForce, store: Arc<Store>, parties: Option<Arc<RelyingParties>>) -> Self {
        Self {
            in_force: ArcSwap::from_pointee(in_force),
            store,
            parties,
        }
    }

    /// The policies in force.
    pub fn in_force(&self) -> Arc<InForce> {
        self.in_force.load_full()
    }

    /// Puts other policies in force, in one step: who has begun to decide stays with the old ones.
    pub fn replace(&self, in_force: Arc<InForce>) {
        self.in_force.store(in_force);
    }

    /// Decides a protected operation.
    ///
    /// # Errors
    /// The policies do not permit it, the token is of a step-up that has ended, or the store cannot be
    /// read.
    pub async fn admit<O: Operation>(
        &self,
        member: Member,
        operation: O,
        event: &mut RequestEvent,
    ) -> Result<Permit<O>, Error> {
        let facts = self.facts(member, self.in_force(), &operation).await?;
        admit(operation, facts, event)
    }

    /// Decides again: the account is not what the permit was given on.
    ///
    /// # Errors
    /// As [`Gate::admit`].
    pub async fn again<O: Operation>(
        &self,
        permit: Permit<O>,
        event: &mut RequestEvent,
    ) -> Result<Permit<O>, Error> {
        let Permit { operation, facts } = permit;
        let (member, in_force) = (facts.member.clone(), Arc::clone(&facts.in_force));
        let facts = self.facts(member, in_force, &operation).await?;
        event.overtaken();
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
        current(session, &account, operation)?;
        let means = self.means(&member, &account);
        Ok(Arc::new(Facts {
            member,
            account,
            means,
            in_force,
        }))
    }

    /// The ways in which the caller could prove more than their token does.
    fn means(&self, member: &Member, account: &Account) -> Means {
        let codes = account.codes.as_ref().filter(|_| self.parties.is_some());
        let party = self.parties.as_ref();
        let party = party.and_then(|parties| parties.for_tenant(member.user.id.tenant));
        let usable = account
            .authenticators
            .iter()
            .filter(|one| party.is_some_and(|party| party.can_use(one)));
        let confirmers = usable.map(|one| Confirmer {
            method_type: one.method_type,
            trusted: one.trusted,
            age: member.now.since(one.created_at).as_secs(),
        });
        Means {
            authenticators: confirmers.collect(),
            backup_code: codes.is_some() && account.codes_remaining > 0,
            recovery_code: codes
                .and_then(|codes| codes.expires_at)
                .is_some_and(|until| member.now < until),
        }
    }

    /// Decides a public operation. Needs no store.
    ///
    /// # Errors
    /// The policies do not permit it.
    pub fn open(
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
        settle(decide(&self.in_force.load(), &request, event))
    }

    /// Decides, as `unknown`, a request that has no route. The decision is recorded, and changes nothing
    /// about the answer.
    pub fn unknown(&self, visitor: &Visitor, event: &mut RequestEvent) {
        let _ = self.open(visitor, GateAction::Unknown, event);
    }
}

/// Refuses a token of our own that the account has outlived: a removed authenticator and a reset end
/// every step-up, and a replaced set of codes ends those that its codes opened.
fn current(
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
    let is_of = |salt: &Bytes| CodeSetId::of(salt) == code.set;
    if account
        .codes
        .as_ref()
        .is_some_and(|set| is_of(&set.salt.salt))
    {
        return Ok(());
    }
    let replaced = account.replaced_salt.as_ref().is_some_and(is_of);
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
    settle(decide(in_force, &request, event))?;
    Ok(Permit { operation, facts })
}

fn decide(
    in_force: &InForce,
    request: &AuthorizationRequest<'_>,
    event: &mut RequestEvent,
) -> Decision {
    let bundle = &in_force.bundle;
    let started = Instant::now();
    let (decision, input) = if event.wants_input() {
        let (decision, input) = bundle.decide_with_input(request);
        (decision, Some(input))
    } else {
        (bundle.decide(request), None)
    };
    event.decided(DecisionEntry {
        action: request.action.clone(),
        resource: request.resource_uid(),
        decision: decision.clone(),
        revision: Arc::clone(&in_force.revision),
        duration: started.elapsed(),
        input,
    });
    in_force.count(&decision);
    decision
}

fn settle(decision: Decision) -> Result<(), Error> {
    match decision.effect {
        Effect::Allow => Ok(()),
        Effect::Deny(code) => Err(Error::Refused { code }),
        Effect::StepUp(step_up) => Err(Error::StepUp(step_up)),
        Effect::RecoveryRequired(left) => Err(Error::RecoveryRequired(left)),
        Effect::Failed => Err(Error::Policy),
    }
}
