//! The answer of the policies to one authorization request.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Action, MethodType};

/// What the policies said to one question.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The id of the principal, such as `corp|…|alice` or `anonymous`.
    pub principal: String,
    /// What was asked.
    pub action: Action,
    /// The uid of what it was asked of, such as `Gate::Account::"…"`.
    pub resource: String,
    /// The answer.
    pub effect: Effect,
    /// The ids of the policies that determined it, sorted. Empty for a deny by default.
    pub policies: Vec<String>,
    /// Their notices in that order, each text once.
    pub notices: Vec<String>,
    /// What went wrong while policies were evaluated, or why the question does not fit the schema.
    pub errors: Vec<String>,
    /// The bundle that decided.
    pub revision: Arc<str>,
    /// What shadow policies would have changed; none where they would not, and where there are none.
    pub shadow: Option<Shadow>,
}

/// What the answer would have been if shadow policies counted. It is told, and changes nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shadow {
    /// `allow`, `deny`, `step_up` or `error`.
    pub effect: &'static str,
    /// The code of that answer; none for an allow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The policies that would have determined it, sorted: those that count too.
    pub policies: Vec<String>,
    /// The shadow policies among them and among those that failed, sorted. None where a shadow
    /// policy only bears on what a step-up would lead to.
    pub shadow_policies: Vec<String>,
    /// The notices of all that would have determined it.
    pub notices: Vec<String>,
    /// What failed, in shadow policies and others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

/// What one decision was made on. It is kept as it was asked, and becomes JSON where somebody reads
/// it, not while the caller waits.
pub trait DecisionInput: fmt::Debug + Send + Sync {
    /// `principal`, `action`, `resource`, `context` and `entities`, as test cases have them. Where
    /// the question did not fit the schema there was no request: then the last two are not there.
    fn json(&self) -> Map<String, Value>;

    /// The `acr` values that a sign-in at the caller's issuer can reach: on these a step-up depends.
    fn strong_acr(&self) -> &[String];

    /// How the caller could step up here, as test cases have it: a step-up depends on this too. None
    /// for a question that is not about an account.
    fn means(&self) -> Option<Value>;

    /// About how many bytes it takes while it is kept.
    fn weight(&self) -> usize;
}

/// Nothing is equal to an input but itself.
impl PartialEq for dyn DecisionInput {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(self, other)
    }
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// At least one permit, no forbid, no error.
    Allow,
    /// A forbid, or no permit: with the error's code.
    Deny(String),
    /// As a deny, but a fresher or stronger sign-in would be allowed.
    StepUp(StepUp),
    /// As a deny, but a step-up would be allowed, and the caller has nothing to step up with.
    RecoveryRequired(Vec<Recourse>),
    /// A policy failed, or the question does not fit the schema. Never an allow.
    Failed,
}

impl Effect {
    /// The word in logs and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Effect::Allow => "allow",
            Effect::Deny(_) => "deny",
            Effect::StepUp(_) => "step_up",
            Effect::RecoveryRequired(_) => "deny",
            Effect::Failed => "error",
        }
    }

    /// The code of the error that it is answered with; none for an allow.
    pub fn code(&self) -> Option<&str> {
        match self {
            Effect::Allow => None,
            Effect::Deny(code) => Some(code),
            Effect::StepUp(_) => Some("step_up_required"),
            Effect::RecoveryRequired(_) => Some("recovery_required"),
            Effect::Failed => Some("policy_error"),
        }
    }
}

/// What a caller has to do to be permitted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StepUp {
    /// Each of these `acr` values would do; sorted, never empty.
    pub acr_values: Vec<String>,
    /// The greatest age of the sign-in, in seconds.
    pub max_age: u64,
    /// The caller's method types, with one of which they could step up here.
    pub method_types: Vec<MethodType>,
}

/// The ways that are left to a caller who cannot step up.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Recourse {
    /// One of their backup codes.
    BackupCode,
    /// The recovery code that an administrator has given them.
    RecoveryCode,
    /// An administrator, who can reset the account.
    Admin,
}
