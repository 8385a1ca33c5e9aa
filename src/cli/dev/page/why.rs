//! Why a request in the list was decided as it was.

use hyper::{Request, StatusCode};
use url::form_urlencoded;

use crate::policy::Explanation;
use crate::record::DecisionInput;

use super::{Answer, JSON, Page, Refusal, internal, respond};

/// Explains by the policies in force what a decision was made on, or says why that cannot be asked.
pub(in crate::cli::dev) type Explain =
    Box<dyn Fn(&dyn DecisionInput) -> Result<Explanation, String> + Send + Sync>;

impl Page {
    /// `?request_id=…&decision=N`: the explanation of the request's decision at this place, from 0.
    pub(super) fn why<B>(&self, request: &Request<B>) -> Result<Answer, Refusal> {
        self.own(request)?;
        let query = request.uri().query().unwrap_or_default();
        let asked = |wanted: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find_map(|(name, value)| (name == wanted).then_some(value))
        };
        let decision = asked("decision").and_then(|at| at.parse().ok());
        let (Some(request_id), Some(decision)) = (asked("request_id"), decision) else {
            return Err(Refusal::invalid(
                "Say which with ?request_id=…&decision=0.".to_owned(),
            ));
        };
        let Some(input) = self.records.input(&request_id, decision) else {
            return Err(Refusal {
                status: StatusCode::NOT_FOUND,
                code: "not_found",
                message: "This decision is not kept any more: send the request again.".to_owned(),
            });
        };
        let explanation = (self.explain)(&*input).map_err(|why| {
            Refusal::invalid(format!(
                "Nothing can be explained, for nothing was asked: {why}."
            ))
        })?;
        let json = serde_json::to_vec(&explanation).map_err(|error| internal(&error))?;
        Ok(respond(StatusCode::OK, JSON, json.into()))
    }
}
