//! Requests that a bundle can decide, made from JSON or from an authorization request.

mod assumed;
mod from_json;
mod parse;

use std::sync::Arc;

use cedar_policy::{Entities, Request};
use serde_json::{Map, Value};

use cedargate_core::Means;

use crate::means;
use crate::members::strings;
use crate::request::{build, enrolled, principal, resource};
use crate::schema::SchemaIndex;
use crate::{AuthorizationRequest, Bundle, RequestError};

/// A Cedar request with its entities that conforms to the schema of a bundle.
///
/// Any bundle with the same schema can decide it, with [`Bundle::evaluate`].
#[derive(Clone, Debug)]
pub struct PreparedRequest {
    pub(crate) cedar_request: Request,
    pub(crate) entities: Entities,
    /// The `acr` values that a sign-in at the caller's issuer can reach.
    pub(crate) strong_acr: Arc<[String]>,
    /// The ways in which the caller can step up at the gateway.
    pub(crate) means: Means,
    /// The paths of the members of the context that were missing and got their weakest values.
    pub(crate) assumed: Vec<String>,
}

impl PreparedRequest {
    /// Prepares an authorization request.
    ///
    /// # Errors
    /// The request does not conform to the schema.
    pub fn new(bundle: &Bundle, request: &AuthorizationRequest<'_>) -> Result<Self, RequestError> {
        Self::with_schema(&bundle.schema, request)
    }

    pub(crate) fn with_schema(
        schema: &SchemaIndex,
        request: &AuthorizationRequest<'_>,
    ) -> Result<Self, RequestError> {
        let (principal, resource) = (principal(request), resource(request));
        let (cedar_request, entities) = build(request, &principal, &resource, schema)?;
        Ok(Self {
            cedar_request,
            entities,
            strong_acr: request.strong_acr(),
            means: request.means().cloned().unwrap_or_default(),
            assumed: Vec::new(),
        })
    }

    /// Reads the `request` and the `entities` of a test case.
    ///
    /// `request` has the members `principal`, `action` and `resource`, each an entity uid as Cedar writes
    /// it (`Gate::Account::"…"`), and `context`. `entities` is a list in Cedar's JSON format.
    ///
    /// # Errors
    /// A member is missing, malformed, or does not conform to the schema.
    pub fn from_json(
        bundle: &Bundle,
        request: &Map<String, Value>,
        entities: &Value,
    ) -> Result<Self, RequestError> {
        let (cedar_request, assumed) = from_json::request(&bundle.schema, request)?;
        let factors = cedar_request.context().map(enrolled).unwrap_or_default();
        Ok(Self {
            cedar_request,
            entities: from_json::entities(&bundle.schema, entities)?,
            strong_acr: Arc::default(),
            means: means::assumed(&factors),
            assumed,
        })
    }

    /// Sets the `acr` values that a sign-in at the caller's issuer can reach. By default there are none, so
    /// that only an enrolled authenticator can satisfy a `@step_up`.
    #[must_use]
    pub fn with_strong_acr(mut self, strong_acr: Vec<String>) -> Self {
        self.strong_acr = strong_acr.into();
        self
    }

    /// Sets the ways in which the caller can step up. `None` leaves the default: one authenticator of each
    /// method type in `context.factors`, not trusted and enrolled at the moment of the request.
    #[must_use]
    pub fn with_means(mut self, means: Option<Means>) -> Self {
        if let Some(means) = means {
            self.means = means;
        }
        self
    }

    /// Reads the optional members `strong_acr` and `means` of a test case.
    pub(crate) fn with_step_ups(self, case: &Map<String, Value>) -> Result<Self, RequestError> {
        let strong_acr = case.get("strong_acr");
        let strong_acr = strong_acr.map(|values| strings(values, "strong_acr"));
        let means = means::read(case)?;
        let prepared = self.with_strong_acr(strong_acr.transpose()?.unwrap_or_default());
        Ok(prepared.with_means(means))
    }

    /// Returns the paths of the members of the context that were missing and got their weakest values, such
    /// as `context.session.trusted`. Requests that were written for an older release lack some members.
    pub fn assumed(&self) -> &[String] {
        &self.assumed
    }
}
