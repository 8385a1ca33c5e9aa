//! Explains a decision of a request that the page lists.

use hyper::{Request, StatusCode};
use url::form_urlencoded;

use cedargate_policy::{DecisionInput, Explanation, RequestError};

use super::{Answer, JSON, Page, Refusal, internal, respond};

/// Explains, with the policies in force, the input of a decision. The error is a sentence that names the
/// part of the input that does not fit the schema.
pub(in crate::cli::dev) type Explain =
    Box<dyn Fn(&DecisionInput) -> Result<Explanation, RequestError> + Send + Sync>;

impl Page {
    /// Answers `?request_id=…&decision=N` with the explanation of a decision. N counts the decisions of
    /// the request from 0.
    pub(super) fn why<B>(&self, request: &Request<B>) -> Result<Answer, Refusal> {
        self.check_caller(request)?;
        let query = request.uri().query().unwrap_or_default();
        let parameter = |wanted: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find_map(|(name, value)| (name == wanted).then_some(value))
        };
        let decision = parameter("decision").and_then(|index| index.parse().ok());
        let (Some(request_id), Some(decision)) = (parameter("request_id"), decision) else {
            return Err(Refusal::invalid(
                "Name the decision with ?request_id=…&decision=0.".to_owned(),
            ));
        };
        let Some(input) = self.records.input(&request_id, decision) else {
            return Err(Refusal {
                status: StatusCode::NOT_FOUND,
                code: "not_found",
                message: "This decision is no longer stored: send the request again.".to_owned(),
            });
        };
        let explanation = (self.explain)(&input).map_err(|error| {
            Refusal::invalid(format!(
                "The decision cannot be explained with the policies in force: {error}."
            ))
        })?;
        let json = serde_json::to_vec(&explanation).map_err(|error| internal(&error))?;
        Ok(respond(StatusCode::OK, JSON, json.into()))
    }
}
