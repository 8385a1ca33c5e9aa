//! Questions that come as JSON: from a test case, a recorded decision, or a person.

mod text;
mod weakest;

use cedar_policy::{Context, Entities, EntityUid, Request};
use serde::Serialize;
use serde_json::{Map, Value};

use cedargate_core::{Effect, Means, nearest};

use super::decision::Judged;
use super::means::{self, StepUps};
use super::request::{build, enrolled, principal, resource};
use super::{Bundle, Question, ids, plain};

/// A Cedar request with its entities, held against a bundle's schema.
#[derive(Clone, Debug)]
pub struct Inquiry {
    pub(super) request: Request,
    pub(super) entities: Entities,
    /// The `acr` values that a sign-in at the caller's issuer can reach.
    pub(super) strong_acr: Vec<String>,
    /// How the caller could step up here.
    pub(super) means: Means,
    /// Members of the context that were not written, and have their weakest values.
    assumed: Vec<&'static str>,
}

impl Inquiry {
    /// From the members of a test case: `{"principal", "action", "resource", "context"}`, entities
    /// written as `Type::"id"`, and the list of entities.
    ///
    /// # Errors
    /// A sentence that names the member which is wrong, and what is wrong with it.
    pub fn read(
        bundle: &Bundle,
        request: &Map<String, Value>,
        entities: &Value,
    ) -> Result<Self, String> {
        let (request, assumed) = self::request(bundle, request)?;
        let factors = request.context().map(enrolled).unwrap_or_default();
        Ok(Self {
            request,
            entities: self::entities(bundle, entities)?,
            strong_acr: Vec::new(),
            means: means::assumed(&factors),
            assumed,
        })
    }

    /// Just what [`Bundle::decide`] decides on.
    ///
    /// # Errors
    /// Why the question does not fit the schema.
    pub fn of(bundle: &Bundle, question: &Question<'_>) -> Result<Self, String> {
        let (principal, resource) = (principal(question), resource(question));
        let (request, entities) = build(question, &principal, &resource, &bundle.schema)?;
        Ok(Self {
            request,
            entities,
            strong_acr: question.step_ups().strong_acr.to_vec(),
            means: question.step_ups().means.clone(),
            assumed: Vec::new(),
        })
    }

    /// The `acr` values that a sign-in at the caller's issuer can reach; none unless they are said
    /// here, so that only an enrolled authenticator can lift a `@step_up`.
    #[must_use]
    pub fn with_strong_acr(mut self, strong_acr: Vec<String>) -> Self {
        self.strong_acr = strong_acr;
        self
    }

    /// How the caller could step up here. Without it there is one authenticator of each of their
    /// method types, the weakest that there is: not trusted, and enrolled just now.
    #[must_use]
    pub fn with_means(mut self, means: Option<Means>) -> Self {
        if let Some(means) = means {
            self.means = means;
        }
        self
    }

    /// Takes `strong_acr` and `means` from a test case, where they are there.
    pub(super) fn with_step_ups(self, case: &Map<String, Value>) -> Result<Self, String> {
        let strong_acr = case.get("strong_acr");
        let strong_acr = strong_acr.map(|values| strings(values, "strong_acr"));
        let means = means::read(case)?;
        let inquiry = self.with_strong_acr(strong_acr.transpose()?.unwrap_or_default());
        Ok(inquiry.with_means(means))
    }

    /// The members of the context that were not written and that have their weakest values, such as
    /// `context.session.trusted`: what was written for an older release has not all of them.
    pub fn assumed(&self) -> &[&'static str] {
        &self.assumed
    }

    pub(super) fn step_ups(&self) -> StepUps<'_> {
        StepUps {
            strong_acr: &self.strong_acr,
            means: &self.means,
        }
    }
}

/// What the policies said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// `allow` or `deny`. An evaluation error refuses, whatever the Cedar CLI makes of it.
    pub decision: &'static str,
    /// The determining policies, sorted.
    pub reason: Vec<String>,
    /// Their notices.
    pub notices: Vec<String>,
    /// The code that the caller would be answered with; none for an allow. Where issuers are not
    /// known, a denial is `step_up_required` only if an authenticator that is enrolled would do.
    pub code: Option<String>,
    /// Evaluation errors.
    pub errors: Vec<String>,
}

impl Verdict {
    pub(super) fn of(judged: Judged) -> Self {
        Self {
            decision: match judged.effect {
                Effect::Allow => "allow",
                Effect::Deny(_)
                | Effect::StepUp(_)
                | Effect::RecoveryRequired(_)
                | Effect::Failed => "deny",
            },
            code: judged.effect.code().map(str::to_owned),
            reason: judged.policies,
            notices: judged.notices,
            errors: judged.errors,
        }
    }
}

impl Bundle {
    /// Answers an inquiry, by what decides requests.
    pub fn answer(&self, inquiry: &Inquiry) -> Verdict {
        Verdict::of(self.judge(&inquiry.request, &inquiry.entities, inquiry.step_ups()))
    }
}

/// The request, and the members of its context that were not written.
pub(crate) fn request(
    bundle: &Bundle,
    request: &Map<String, Value>,
) -> Result<(Request, Vec<&'static str>), String> {
    let schema = &bundle.schema.cedar;
    let principal = uid(request, "principal")?;
    let resource = uid(request, "resource")?;
    let action = uid(request, "action")?;
    if !schema.actions().any(|known| *known == action) {
        let known: Vec<_> = schema.actions().map(ToString::to_string).collect();
        let hint = match nearest(&action.to_string(), known.iter().map(String::as_str)) {
            Some(known) => format!("; did you mean {known}?"),
            None => String::new(),
        };
        return Err(format!("\"action\": the schema has no {action}{hint}"));
    }
    let context = member(request, "context")?;
    spelling(context)?;
    let (context, assumed) = weakest::completed(context);
    if let Some(context) = plain::context(&context) {
        let (principal, resource) = (principal.clone(), resource.clone());
        let request = Request::new(principal, action.clone(), resource, context, Some(schema));
        if let Ok(request) = request {
            return Ok((request, assumed));
        }
    }
    let context = Context::from_json_value(context.into_owned(), Some((schema, &action)))
        .map_err(|error| format!("\"context\": {}", chain(&error)))?;
    let request = Request::new(principal, action, resource, context, Some(schema))
        .map_err(|error| format!("\"request\": {}", chain(&error)))?;
    Ok((request, assumed))
}

pub(crate) fn entities(bundle: &Bundle, given: &Value) -> Result<Entities, String> {
    spelling(given)?;
    if let Some(entities) = plain::entities(given, &bundle.schema) {
        return Ok(entities);
    }
    Entities::from_json_value(given.clone(), Some(&bundle.schema.cedar))
        .map_err(|error| format!("\"entities\": {}", chain(&error)))
}

/// Refuses ids that the gateway would never write, wherever they are.
fn spelling(value: &Value) -> Result<(), String> {
    match value {
        Value::Object(members) => {
            if let (Some(Value::String(entity_type)), Some(Value::String(id))) =
                (members.get("type"), members.get("id"))
            {
                correct(entity_type, id)?;
            }
            members.values().try_for_each(spelling)
        }
        Value::Array(items) => items.iter().try_for_each(spelling),
        _ => Ok(()),
    }
}

fn correct(entity_type: &str, id: &str) -> Result<(), String> {
    match ids::misspelt(entity_type, id) {
        Some(wrong) => Err(format!("{}; {}", wrong.message, wrong.help)),
        None => Ok(()),
    }
}

fn uid(request: &Map<String, Value>, name: &str) -> Result<EntityUid, String> {
    let text = string(request, name)?;
    let uid: EntityUid = text.parse().map_err(|error| {
        format!("\"{name}\": {text:?} is no entity as Cedar writes it: {error}")
    })?;
    correct(&uid.type_name().to_string(), uid.id().unescaped())?;
    Ok(uid)
}

/// A member that must be there.
pub(super) fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a Value, String> {
    object
        .get(name)
        .ok_or_else(|| format!("{name:?} is missing"))
}

/// A member that must be there and a string.
pub(super) fn string<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    member(object, name)?
        .as_str()
        .ok_or_else(|| format!("{name:?} is not a string"))
}

/// A list of strings; `name` is the member that it is.
pub(super) fn strings(value: &Value, name: &str) -> Result<Vec<String>, String> {
    let texts = value.as_array().and_then(|items| {
        items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect()
    });
    texts.ok_or_else(|| format!("{name:?} is not a list of strings"))
}

/// An error with what is below it: Cedar's outer messages alone say little.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        text = format!("{text}: {error}");
        below = error.source();
    }
    text
}
