//! The only place that reads a decision. What is permitted is a [`Permit`], and what changes
//! anything takes one: there is no other way to make it.

use std::sync::Arc;
use std::time::Instant;

use crate::error::{Error, TokenFault};
use crate::model::{Action, Bytes, Member, MethodType, Visitor};
use crate::policy::{Asker, Bundle, Question, Resource};
use crate::record::{Decided, Effect, Record};
use crate::store::{Account, Store};

/// Something protected that a member may ask for.
pub trait Operation {
    /// What the policies are asked.
    const ACTION: Action;

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
}

/// What one decision was made on: all that is done by its permit is done on the same.
struct Facts {
    member: Member,
    account: Account,
    bundle: Arc<Bundle>,
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
        self.facts.bundle.declared_claims()
    }

    /// Asks for a further operation, in the same request: the same bundle, facts and moment.
    pub fn confirm<P: Operation>(
        &self,
        operation: P,
        record: &mut Record,
    ) -> Result<Permit<P>, Error> {
        admit(operation, Arc::clone(&self.facts), record)
    }
}

/// Decides requests: the policies in force, and the store that their facts come from.
pub struct Gate {
    bundle: Arc<Bundle>,
    store: Arc<Store>,
}

impl Gate {
    /// A gate that asks this bundle.
    pub fn new(bundle: Arc<Bundle>, store: Arc<Store>) -> Self {
        Self { bundle, store }
    }

    /// The bundle in force.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Decides a protected operation.
    ///
    /// # Errors
    /// What the policies answer when they do not permit it; [`Error::Unavailable`] when the facts
    /// cannot be read.
    pub async fn admit<O: Operation>(
        &self,
        member: Member,
        operation: O,
        record: &mut Record,
    ) -> Result<Permit<O>, Error> {
        let bundle = Arc::clone(&self.bundle);
        let facts = self.facts(member, bundle, &operation).await?;
        admit(operation, facts, record)
    }

    /// Decides again: the account is not what the permit was given on.
    ///
    /// # Errors
    /// As [`Gate::admit`].
    pub async fn again<O: Operation>(
        &self,
        permit: Permit<O>,
        record: &mut Record,
    ) -> Result<Permit<O>, Error> {
        let Permit { operation, facts } = permit;
        let (member, bundle) = (facts.member.clone(), Arc::clone(&facts.bundle));
        let facts = self.facts(member, bundle, &operation).await?;
        record.overtaken();
        admit(operation, facts, record)
    }

    async fn facts(
        &self,
        member: Member,
        bundle: Arc<Bundle>,
        operation: &impl Operation,
    ) -> Result<Arc<Facts>, Error> {
        let challenge = operation.challenge();
        let account = self.store.read(&member.user.id, challenge).await?;
        // Only our own step-up tokens have one. A reset, or the removal of an authenticator, ends them.
        if member
            .user
            .session
            .epoch
            .is_some_and(|epoch| epoch != account.epoch)
        {
            let why = "an authenticator was removed since this step-up";
            return Err(TokenFault::Invalid(why).into());
        }
        Ok(Arc::new(Facts {
            member,
            account,
            bundle,
        }))
    }

    /// Decides a public operation. Needs no store.
    ///
    /// # Errors
    /// What the policies answer when they do not permit it.
    pub fn open(
        &self,
        visitor: &Visitor,
        action: Action,
        record: &mut Record,
    ) -> Result<(), Error> {
        let question = Question {
            asker: Asker::Visitor(visitor.user.as_ref()),
            action,
            resource: Resource::Route(visitor.route),
            address: visitor.address,
            now: visitor.now,
        };
        settle(ask(&self.bundle, &question, record))
    }

    /// Decides, as `unknown`, what has no door. Whatever the policies say, `answer` is the answer.
    pub fn unknown(&self, visitor: &Visitor, answer: Error, record: &mut Record) -> Error {
        let _ = self.open(visitor, Action::Unknown, record);
        answer
    }
}

fn admit<O: Operation>(
    operation: O,
    facts: Arc<Facts>,
    record: &mut Record,
) -> Result<Permit<O>, Error> {
    let Facts {
        member,
        account,
        bundle,
    } = &*facts;
    let factors = account.factors();
    let resource = operation.resource(member, account);
    let mut question = Question {
        asker: Asker::Visitor(Some(&member.user)),
        action: Action::Unknown,
        resource: Resource::Route(member.route),
        address: member.address,
        now: member.now,
    };
    let Some(resource) = resource else {
        ask(bundle, &question, record);
        return Err(Error::NotFound {
            message: "There is no such authenticator.",
            signal: None,
        });
    };
    question.resource = resource;
    question.action = O::ACTION;
    question.asker = Asker::Member {
        user: &member.user,
        tenant: member.tenant,
        factors: &factors,
        method_type: operation.method_type(),
    };
    settle(ask(bundle, &question, record))?;
    Ok(Permit { operation, facts })
}

fn ask(bundle: &Bundle, question: &Question<'_>, record: &mut Record) -> Decided {
    let started = Instant::now();
    let decided = bundle.decide(question);
    record.decided(&decided, started.elapsed());
    decided
}

fn settle(decided: Decided) -> Result<(), Error> {
    match decided.effect {
        Effect::Allow => Ok(()),
        Effect::Deny(code) => Err(Error::Refused { code, signal: None }),
        Effect::StepUp(step_up) => Err(Error::StepUp(step_up)),
        Effect::Failed => Err(Error::Policy),
    }
}
