//! Cedar policies: a bundle is loaded from sources and answers questions. Pure and total: no file,
//! no clock, no lock. Files are read by [`Sources::read`], and entity files of tests by [`cases`].

pub mod analysis;
mod annotations;
mod canaries;
pub mod cases;
mod catalogue;
mod clauses;
mod decision;
pub mod explanation;
mod files;
mod ids;
mod input;
mod inquiry;
mod links;
mod load;
mod mask;
mod means;
mod nesting;
mod parallel;
mod place;
mod plain;
mod recorded;
mod request;
mod requirements;
mod rules;
mod schema;
mod shadow;
mod shipped;
mod syntax;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use cedar_policy::{Authorizer, Entities, PolicyId, PolicySet, Request};

use cedargate_core::{
    Action, Authenticator, Decided, DecisionInput, Factors, Findings, Means, MethodType, Tenant,
    Timestamp, User, UserId,
};

pub use catalogue::PolicyEntry;
pub use clauses::{Clause, Look, Seen};
pub use explanation::Explanation;
pub use files::{DEV_LINKS, Given, GivenFile, Sources};
pub use inquiry::{Inquiry, Verdict};
pub use mask::{Hidden, Mask};
pub use means::assumed as assumed_means;
pub use recorded::Recorded;
pub use requirements::Requirements;
pub use shipped::{GATE_SCHEMA, POLICIES as SHIPPED_POLICIES, SITE_SCHEMA};

use annotations::Annotations;
use decision::Judged;
use input::Input;
use means::StepUps;
use schema::SchemaIndex;

/// Policies, links and schema, validated, immutable.
#[derive(Clone, Debug)]
pub struct Bundle {
    schema: Arc<SchemaIndex>,
    /// The policies that count.
    live: PolicySet,
    /// All policies, where there are some that do not count.
    with_shadow: Option<PolicySet>,
    authorizer: Authorizer,
    /// Of each policy, links included: read once, here.
    annotations: HashMap<PolicyId, Annotations>,
    /// In the order of their ids.
    entries: Vec<PolicyEntry>,
    /// How deep its policies are nested, of those that are nested deepest.
    depth: usize,
    revision: Arc<str>,
}

impl Bundle {
    /// Makes a bundle, or says everything that is wrong with the sources.
    pub fn load(sources: &Sources) -> Result<Self, Findings> {
        Self::load_with(sources, &Requirements::default())
    }

    /// As [`Bundle::load`], with requirements of one's own.
    pub fn load_with(sources: &Sources, requirements: &Requirements) -> Result<Self, Findings> {
        load::load(sources, requirements)
    }

    /// The hash of policies, links and schema: 16 hexadecimal digits. It does not depend on where
    /// the folders are, nor on the order in which files are listed.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// How many policies there are, links and shadow policies included, templates not.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none. Never: a bundle without a permit does not load.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The ids of the policies that count, sorted: shadow policies and templates are left out.
    pub fn policy_ids(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = self.live.policies().map(|one| one.id().as_ref()).collect();
        ids.sort_unstable();
        ids
    }

    /// The names of the claims that `Site::Claims` declares.
    pub fn declared_claims(&self) -> impl Iterator<Item = &str> {
        self.schema.claims.iter().map(|(name, _)| name.as_str())
    }

    /// Answers a question. Total: what cannot be asked, and what fails, is [`Effect::Failed`],
    /// never an allow.
    ///
    /// [`Effect::Failed`]: cedargate_core::Effect::Failed
    pub fn decide(&self, question: &Question<'_>) -> Decided {
        self.decide_on(question).0
    }

    /// As [`Bundle::decide`], with what was decided on: to be written down.
    pub fn decide_and_keep(&self, question: &Question<'_>) -> (Decided, Arc<dyn DecisionInput>) {
        let (decided, facts) = self.decide_on(question);
        let input = Input::new(question, facts, &self.schema);
        (decided, Arc::new(input))
    }

    fn decide_on(&self, question: &Question<'_>) -> (Decided, Option<(Request, Entities)>) {
        let principal = request::principal(question);
        let resource = request::resource(question);
        let built = request::build(question, &principal, &resource, &self.schema);
        let (judged, shadow) = match &built {
            Ok((request, entities)) => {
                let step_ups = question.step_ups();
                let judged = self.judge(request, entities, step_ups);
                let shadow = self.shadow(request, entities, step_ups, &judged);
                (judged, shadow)
            }
            Err(why) => (Judged::failed(why.clone()), None),
        };
        let decided = Decided {
            principal: principal.id().unescaped().to_owned(),
            action: question.action,
            resource: resource.to_string(),
            effect: judged.effect,
            policies: judged.policies,
            notices: judged.notices,
            errors: judged.errors,
            revision: Arc::clone(&self.revision),
            shadow,
        };
        (decided, built.ok())
    }
}

/// What a bundle is asked.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Who asks, and what is known of them.
    pub asker: Asker<'a>,
    /// What they ask to do.
    pub action: Action,
    /// What they ask to do it to.
    pub resource: Resource<'a>,
    /// The client's address.
    pub address: IpAddr,
    /// The moment of the request.
    pub now: Timestamp,
}

impl Question<'_> {
    fn user(&self) -> Option<&User> {
        match &self.asker {
            Asker::Visitor(user) => *user,
            Asker::Member { user, .. } => Some(user),
        }
    }

    fn means(&self) -> Option<&Means> {
        match &self.asker {
            Asker::Visitor(_) => None,
            Asker::Member { means, .. } => Some(means),
        }
    }

    fn step_ups(&self) -> StepUps<'_> {
        StepUps {
            strong_acr: self.user().map_or(&[], |user| &user.strong_acr),
            means: self.means().unwrap_or(&means::NO_MEANS),
        }
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub enum Asker<'a> {
    /// Anybody, for what is public: `context` is `Gate::Public`.
    Visitor(Option<&'a User>),
    /// A caller with a tenant: `context` is `Gate::Mfa`, or `Gate::Ceremony` with a method type.
    Member {
        /// The caller.
        user: &'a User,
        /// What `X-Tenant-ID` says.
        tenant: Tenant,
        /// The caller's authenticators.
        factors: &'a Factors,
        /// What they can step up with.
        means: &'a Means,
        /// The method type, for the actions of `enroll`.
        method_type: Option<MethodType>,
    },
}

/// What is acted on.
#[derive(Clone, Debug)]
pub enum Resource<'a> {
    /// An account.
    Account(&'a UserId),
    /// An authenticator of this account.
    Authenticator(&'a UserId, &'a Authenticator),
    /// A path pattern.
    Route(&'a str),
}
