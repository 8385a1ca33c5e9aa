//! Why a request was decided as it was: which policies apply, what keeps the others from it, and what
//! the caller could do.

mod changes;
mod policies;
mod text;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::Seen;
use super::inquiry::Verdict;

pub use text::render;

/// Why a request was decided as it was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// What the policies said.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// What was asked.
    pub request: Asked,
    /// The bundle that decided.
    pub revision: String,
    /// The determining policies first, with those that err. Then, if no policy permits it, the
    /// permits that came nearest, the nearest first. Then all others whose head matches.
    pub policies: Vec<Explained>,
    /// What the caller could do: with each of these alone, and nothing else changed, the same request
    /// is allowed.
    pub would_permit: Vec<WouldPermit>,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Asked {
    /// Such as `Gate::User::"…"`.
    pub principal: String,
    /// Such as `Gate::Action::"listMfaMethods"`.
    pub action: String,
    /// Such as `Gate::Account::"…"`.
    pub resource: String,
}

/// How one policy stands to a request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explained {
    /// Its `@id`, or the `link_id`.
    pub id: String,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// Whether it determined the decision.
    pub determined: bool,
    /// Whether its head matches and its conditions hold.
    pub applies: bool,
    /// It never counts: `@mode("shadow")`.
    pub shadow: bool,
    /// The file, as the person named its folder.
    pub file: String,
    /// The line in it, from 1.
    pub line: usize,
    /// Its `@notice`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    /// As it is written, annotations included; of a link, its template.
    pub text: String,
    /// The file of `text`, in which the lines of `clauses` are counted.
    pub text_file: String,
    /// The parts of its head that do not match.
    pub head: Vec<HeadPart>,
    /// The clauses of its conditions, in their order. What a clause before it kept from being
    /// evaluated is left out.
    pub clauses: Vec<ExplainedClause>,
}

/// A part of a head that does not match.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeadPart {
    /// As Cedar writes it: `principal in ?principal`.
    pub text: String,
    /// Such as `principal was in no Gate::Group, needed in Gate::Group::"…"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<String>,
}

/// A clause of a policy's conditions, and what it saw.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainedClause {
    /// As it is written, without `when` and `unless`.
    pub text: String,
    /// Where it begins in its file, from 1.
    pub line: usize,
    /// It stands in `unless`: the policy applies where it is false.
    pub unless: bool,
    /// What it was: `value` is `true`, `false` or `"error"`, and then `error` says why.
    #[serde(flatten, serialize_with = "seen")]
    pub seen: Seen,
    /// Whether it keeps the policy from applying.
    pub fails: bool,
    /// The attributes that it reads, with their values as Cedar writes them, but for the constructors
    /// of addresses, times and durations: `5m`. `None` (`null`): the request has no such attribute.
    #[serde(serialize_with = "observed")]
    pub observed: Vec<(String, Option<String>)>,
    /// For a comparison that fails: what it saw, and what it needed for the policy to apply, such as
    /// `context.session.sinceStrong was 1h6m40s, needed ≤ 5m` of a permit, and `… was 2m, needed > 5m
    /// for it to forbid`. For one of a determining forbid: what it needed for that not to apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<String>,
}

/// Something that the caller could do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WouldPermit {
    /// `method_type`, `tenant`, `step_up`, `backup_code`, `recovery_code` or `factor`.
    pub change: &'static str,
    /// The method type, the tenant, the `acr`; of a code, how long ago.
    pub value: String,
    /// For `step_up`: how many seconds ago at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
    /// The same in words.
    pub help: String,
}

fn seen<S: Serializer>(seen: &Seen, serializer: S) -> Result<S::Ok, S::Error> {
    let mut members = serializer.serialize_map(None)?;
    match seen {
        Seen::True => members.serialize_entry("value", &true)?,
        Seen::False => members.serialize_entry("value", &false)?,
        Seen::NotReached => {}
        Seen::Error(why) => {
            members.serialize_entry("value", "error")?;
            members.serialize_entry("error", why)?;
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
