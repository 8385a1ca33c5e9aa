//! Decisions in a request event.

use std::sync::Arc;
use std::time::Duration;

use cedargate_core::{Action, Decision, ShadowDecision};
use cedargate_policy::DecisionInput;
use serde::{Serialize, Serializer};

use super::micros;

/// One decision of a request. It serialises as one flat object, for the log.
#[derive(Clone, Debug)]
pub struct DecisionEntry {
    pub action: Action,
    /// The uid of the resource, such as `Gate::Account::"…"`.
    pub resource: String,
    pub decision: Decision,
    /// The revision of the bundle that made the decision.
    pub revision: Arc<str>,
    pub duration: Duration,
    /// The input of the decision, if the sink wants it.
    pub input: Option<Arc<DecisionInput>>,
}

impl Serialize for DecisionEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct View<'a> {
            action: &'a Action,
            resource: &'a str,
            effect: &'static str,
            code: Option<&'a str>,
            policies: &'a [String],
            notices: &'a [String],
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            errors: &'a [String],
            #[serde(skip_serializing_if = "Option::is_none")]
            shadow: Option<ShadowView<'a>>,
            revision: &'a str,
            duration_us: u64,
        }
        let decision = &self.decision;
        View {
            action: &self.action,
            resource: &self.resource,
            effect: decision.effect.as_str(),
            code: decision.code(),
            policies: &decision.policies,
            notices: &decision.notices,
            errors: &decision.errors,
            shadow: decision.shadow.as_deref().map(ShadowView::of),
            revision: &self.revision,
            duration_us: micros(self.duration),
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
struct ShadowView<'a> {
    effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    policies: &'a [String],
    shadow_policies: &'a [String],
    notices: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [String],
}

impl<'a> ShadowView<'a> {
    fn of(shadow: &'a ShadowDecision) -> Self {
        let decision = &shadow.decision;
        Self {
            effect: decision.effect.as_str(),
            code: decision.code(),
            policies: &decision.policies,
            shadow_policies: &shadow.shadow_policies,
            notices: &decision.notices,
            errors: &decision.errors,
        }
    }
}
