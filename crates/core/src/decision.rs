//! The result of an authorization request.

use serde::{Serialize, Serializer};

use crate::MethodType;

/// The result of an authorization request.
///
/// It serialises as `{"decision", "reason", "notices", "code", "errors"}`: `decision` is `allow` or
/// `deny`, `reason` lists [`Decision::policies`], and `code` is `null` for an allow.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The effect: allow, deny, step up or fail.
    pub effect: Effect,
    /// The ids of the determining policies, sorted. Empty if the request is denied because no policy
    /// permits it.
    pub policies: Vec<String>,
    /// The notices of the determining policies, in the order of [`Decision::policies`], each text once.
    pub notices: Vec<String>,
    /// The evaluation errors, sorted, or the reason why the request does not conform to the schema.
    pub errors: Vec<String>,
    /// The ids of the policies whose evaluation failed, sorted.
    pub failed: Vec<String>,
    /// The decision that would be made if shadow policies counted. `None` if it would have the same effect.
    pub shadow: Option<Box<ShadowDecision>>,
}

/// The decision that would be made if shadow policies counted. It is logged and has no effect.
#[derive(Clone, Debug, PartialEq)]
pub struct ShadowDecision {
    /// The decision, with all of its determining policies.
    pub decision: Decision,
    /// The ids of the shadow policies that determined it or failed, sorted. Empty if shadow policies only
    /// change the decision that follows a step-up.
    pub shadow_policies: Vec<String>,
}

/// The `acr` of a token after a step-up at the gateway: phishing-resistant (OpenID Connect Extended
/// Authentication Profile ACR Values).
pub const STEP_UP_ACR: &str = "phr";

impl Decision {
    /// Returns the decision on a request that could not be evaluated: [`Effect::Failed`] with this error.
    pub fn failed(error: String) -> Self {
        Self {
            effect: Effect::Failed,
            policies: Vec::new(),
            notices: Vec::new(),
            errors: vec![error],
            failed: Vec::new(),
            shadow: None,
        }
    }

    /// Returns true if the request is allowed.
    pub fn is_allow(&self) -> bool {
        self.effect == Effect::Allow
    }

    /// Returns `allow` or `deny`, the two decisions of Cedar. A failure is a `deny`.
    pub fn as_cedar(&self) -> &'static str {
        if self.is_allow() { "allow" } else { "deny" }
    }

    /// Returns the code of the error response, or `None` for an allow.
    pub fn code(&self) -> Option<&str> {
        self.effect.code()
    }

    /// Returns true if both decisions agree in what the decision log records: allow or deny, code,
    /// determining policies, notices and errors. The details of a step-up are not compared, because the
    /// log does not record them.
    pub fn is_same_answer(&self, other: &Self) -> bool {
        self.is_allow() == other.is_allow()
            && self.code() == other.code()
            && self.policies == other.policies
            && self.notices == other.notices
            && self.errors == other.errors
    }
}

impl Serialize for Decision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct View<'a> {
            decision: &'static str,
            reason: &'a [String],
            notices: &'a [String],
            code: Option<&'a str>,
            errors: &'a [String],
        }
        View {
            decision: self.as_cedar(),
            reason: &self.policies,
            notices: &self.notices,
            code: self.code(),
            errors: &self.errors,
        }
        .serialize(serializer)
    }
}

/// The effect of a decision.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// At least one permit applies, no forbid applies, and no policy fails.
    Allow,
    /// A forbid applies, or no permit does. Holds the code of the error response. A decision that was read
    /// from the decision log has this effect for every denial, because the log records only the code.
    Deny(String),
    /// A denial that a step-up would turn into an allow (RFC 9470).
    StepUp(StepUp),
    /// A denial that a step-up would turn into an allow, of a caller who has no usable authenticator.
    /// Holds the ways to recover.
    RecoveryRequired(Vec<Recourse>),
    /// An evaluation error, or a request that does not conform to the schema. Never an allow.
    Failed,
}

impl Effect {
    /// Returns the value for logs and metrics: `allow`, `deny`, `step_up` or `error`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Effect::Allow => "allow",
            Effect::Deny(_) | Effect::RecoveryRequired(_) => "deny",
            Effect::StepUp(_) => "step_up",
            Effect::Failed => "error",
        }
    }

    /// Returns the code of the error response, or `None` for an allow.
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

/// The step-up that a caller needs (RFC 9470).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StepUp {
    /// The `acr` values, any of which is enough. Sorted, never empty.
    pub acr_values: Vec<String>,
    /// The greatest age of the authentication, in seconds.
    pub max_age: u64,
    /// The types of the caller's authenticators with which the step-up can be done at this gateway.
    pub method_types: Vec<MethodType>,
}

/// A way to recover for a caller who has no usable authenticator.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Recourse {
    /// One of the caller's backup codes.
    BackupCode,
    /// The recovery code that an administrator gave the caller.
    RecoveryCode,
    /// An administrator, who can reset the account.
    Admin,
}
