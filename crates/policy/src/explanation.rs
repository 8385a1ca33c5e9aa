//! Explanations of decisions: the policies that apply, the clauses that keep others from applying, and
//! the changes with which the request would be allowed.

mod changes;
mod policies;
mod text;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use cedargate_core::Decision;

use crate::ClauseOutcome;

pub use text::render;

/// The explanation of a decision. [`render`] writes it as text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The decision. Its members are serialised beside those of the explanation.
    #[serde(flatten)]
    pub decision: Decision,
    /// The request.
    pub request: ExplainedRequest,
    /// The revision of the bundle that made the decision.
    pub revision: String,
    /// The determining policies and those that failed; then, if no policy permits the request, the permits
    /// with the fewest parts that fail; then all other policies whose scope matches.
    pub policies: Vec<ExplainedPolicy>,
    /// The changes that the caller can make. Each of them alone turns the denial into an allow.
    pub would_permit: Vec<WouldPermit>,
}

/// The request of an explanation, as entity uids in Cedar's syntax.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainedRequest {
    /// The principal, such as `Gate::User::"corp||alice"`.
    pub principal: String,
    /// The action, such as `Gate::Action::"listMfaMethods"`.
    pub action: String,
    /// The resource, such as `Gate::Account::"corp||alice"`.
    pub resource: String,
}

/// The explanation of one policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainedPolicy {
    /// The `@id` of the policy, or the `link_id` of a link.
    pub id: String,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// True if the policy determined the decision.
    pub determined: bool,
    /// True if the scope matches and the conditions hold.
    pub applies: bool,
    /// True for a shadow policy, which never counts: `@mode("shadow")`.
    pub shadow: bool,
    /// The path of the file, with its folder as the user gave it.
    pub file: String,
    /// The line on which the policy or the link begins, from 1.
    pub line: usize,
    /// The `@notice` of the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    /// The text of the policy with its annotations. For a link, the text of its template.
    pub text: String,
    /// The path of the file that contains `text`. The lines of `clauses` are lines of this file.
    pub text_file: String,
    /// The parts of the scope that do not match.
    pub head: Vec<ScopePart>,
    /// The clauses of the conditions in their order, without those that are not reached.
    pub clauses: Vec<ExplainedClause>,
}

/// A part of a policy's scope that does not match.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScopePart {
    /// The part in Cedar's syntax, such as `principal in ?principal`.
    pub text: String,
    /// The actual and the needed value, such as `principal was in no Gate::Group, needed in
    /// Gate::Group::"…"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<String>,
}

/// The explanation of a clause of a policy's conditions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainedClause {
    /// The text of the clause, without `when` and `unless`.
    pub text: String,
    /// The line on which it begins in its file, from 1.
    pub line: usize,
    /// True for a clause of `unless`: the policy applies if the clause is false.
    pub unless: bool,
    /// The outcome. It serialises as `value`: `true`, `false` or `"error"`, the last with the message in
    /// `error`.
    #[serde(flatten, serialize_with = "outcome")]
    pub outcome: ClauseOutcome,
    /// True if the clause keeps the policy from applying.
    pub fails: bool,
    /// The attributes that the clause reads, with their values as Cedar writes them, but without the
    /// constructors of addresses, times and durations (`5m`). `None` if the request has no such attribute.
    #[serde(serialize_with = "observed")]
    pub observed: Vec<(String, Option<String>)>,
    /// The actual and the needed value of a comparison: for one that fails, the value with which the policy
    /// would apply, such as `context.session.sinceStrong was 1h6m40s, needed ≤ 5m` for a permit and `… was
    /// 2m, needed > 5m for it to forbid` for a forbid. For a determining forbid, the value with which it
    /// would not apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<String>,
}

/// A change with which the request would be allowed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WouldPermit {
    /// The kind: `method_type`, `tenant`, `step_up`, `backup_code`, `recovery_code` or `factor`.
    pub change: &'static str,
    /// The method type, the tenant, or the `acr`. For a code, the time since its use.
    pub value: String,
    /// The greatest age of a `step_up`, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
    /// The change in words.
    pub help: String,
}

fn outcome<S: Serializer>(outcome: &ClauseOutcome, serializer: S) -> Result<S::Ok, S::Error> {
    let mut members = serializer.serialize_map(None)?;
    match outcome {
        ClauseOutcome::True => members.serialize_entry("value", &true)?,
        ClauseOutcome::False => members.serialize_entry("value", &false)?,
        ClauseOutcome::NotReached => {}
        ClauseOutcome::Error(error) => {
            members.serialize_entry("value", "error")?;
            members.serialize_entry("error", error)?;
        }
    }
    members.end()
}

fn observed<S: Serializer>(
    observed: &[(String, Option<String>)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut members = serializer.serialize_map(Some(observed.len()))?;
    for (path, value) in observed {
        members.serialize_entry(path, value)?;
    }
    members.end()
}
